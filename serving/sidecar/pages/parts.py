"""What the parts beside the database can do right now, for pages to say so instead of failing."""

from __future__ import annotations

from dataclasses import dataclass

from radar.errors import SnowmodeError
from serving.sidecar.errors import NotFound
from serving.sidecar.pages.language import Words
from serving.sidecar.services import Services
from serving.sidecar.store.frames import Prediction


@dataclass(frozen=True, slots=True)
class Pictures:
    """Which pictures a page can show.

    Attributes:
        frames: Whether the archive gives frames.
        maps_by: Version of the model that draws heat maps; None if none does.
        without: Why there are none, or empty.
    """

    frames: bool
    maps_by: int | None
    without: str = ""


def troubles_of(parts: Services, words: Words) -> list[str]:
    """Tells what does not work right now; the database works, or the page would say so instead."""
    return [
        words(f"trouble.{part.replace(' ', '_')}", reason=reason)
        for part, reason in parts.health.check_parts().items()
        if reason is not None and part != "database"
    ]


def pictures_of(parts: Services, said: Prediction, words: Words) -> Pictures:
    """Finds who can explain a frame: the version that classified it, else the one that is hosted now.

    Args:
        parts: Of the request.
        said: Of the frame.
        words: Of the page.
    """
    if parts.settings.archive is None:
        return Pictures(False, None, words("frame.no_archive"))
    states = parts.health.check_parts()
    if states.get("archive"):
        return Pictures(False, None, words("frame.no_map"))
    try:
        parts.archive.find(said.season, said.frame)
    except SnowmodeError:
        return Pictures(False, None, words("frame.not_kept"))
    if states.get("model server"):
        return Pictures(True, None, words("frame.no_map"))
    try:
        return Pictures(True, _hosted(parts, said.version))
    except SnowmodeError:
        return Pictures(True, None, words("frame.no_map"))


def _hosted(parts: Services, version: int) -> int:
    try:
        return parts.model_server.served(version).version
    except NotFound:
        return parts.model_server.served().version

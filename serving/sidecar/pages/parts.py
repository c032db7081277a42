"""Which parts are away, in words for the top of a page."""

from __future__ import annotations

from serving.sidecar.pages.language import Words
from serving.sidecar.services import Services


def troubles_of(parts: Services, words: Words) -> list[str]:
    """Tells what does not work right now; the database works, or the page would say so instead."""
    return [
        words(f"trouble.{part.replace(' ', '_')}", reason=reason)
        for part, reason in parts.health.check_parts().items()
        if reason is not None and part != "database"
    ]

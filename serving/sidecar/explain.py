"""Heat maps of one frame, in the forms that people and programs ask for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from radar.frame_pictures import JMA_CREDIT, encode_png, undecorated, undecorated_rule
from radar.frames import Picture, prepare
from radar.heat_map_means import METHODS
from radar.heat_map_pictures import ModeFace, fit, overlay, panel, single
from serving.protocol.contract import ModelCard
from serving.sidecar.errors import BadRequest
from serving.sidecar.model_server import Explanation

Method = Literal["gradcam", "hirescam"]
Form = Literal["overlay", "panel", "npz", "json"]
Scale = Literal["frame", "map"]

MEDIA_TYPES: dict[Form, str] = {
    "overlay": "image/png",
    "panel": "image/png",
    "npz": "application/zip",
    "json": "application/json",
}
WINNER, ALL = "winner", "all"
PANEL_CELL = 320  # longer side of a frame in a panel, in pixels at the most


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a frame's heat maps.

    Attributes:
        method: Name of the heat maps.
        mode: Code of a mode, ``winner`` or ``all``; empty leaves it to the form.
        form: Kind of answer.
        scale: What the darkest colour stands for: the largest value of all modes, or of the map itself.
        caption: Whether an overlay carries mode, probability and scale.
    """

    method: Method = "gradcam"
    mode: str = ""
    form: Form = "overlay"
    scale: Scale = "frame"
    caption: bool = False

    def check(self, card: ModelCard) -> None:
        """Holds the wish against a model.

        Raises:
            BadRequest: There is no such mode, or the form shows another number of them.
        """
        if self.mode not in ("", WINNER, ALL, *card.codes):
            raise BadRequest(f"mode: expected {', '.join(card.codes)}, winner or all, received {self.mode!r}")
        if self.form == "overlay" and self.mode == ALL:
            raise BadRequest("An overlay shows one mode: expected mode=winner or a code, or as=panel for all modes")
        if self.form == "panel" and self.mode not in ("", ALL):
            raise BadRequest(f"A panel shows all modes: expected mode=all, or as=overlay for {self.mode!r} alone")


@dataclass(frozen=True, slots=True)
class Subject:
    """A frame that is explained.

    Attributes:
        shown: As the model sees it, at its own resolution: uint8 RGB.
        name: Stands on pictures.
        credit: Whose data it is, or empty.
    """

    shown: Picture
    name: str
    credit: str = ""

    @classmethod
    def of(cls, picture: Picture, card: ModelCard, name: str, *, composite: bool = False) -> Subject:
        """Makes it of a decoded picture.

        Raises:
            FrameError: The picture does not fit the model.
        """
        return cls(undecorated(picture, card.input.frame_rule()), name, JMA_CREDIT if composite else "")

    def image(self, card: ModelCard) -> Picture:
        """Gives it as the model wants it.

        Raises:
            FrameError: The picture is smaller than that.
        """
        return prepare(self.shown.copy(), undecorated_rule(card.input.frame_rule()))


def draw(subject: Subject, found: Explanation, wish: Wish) -> bytes:
    """Draws an overlay or a panel.

    Returns:
        A PNG. An overlay without a caption has the size of the frame, tiny and huge ones aside.
    """
    card, maps = found.served.card, found.maps[wish.method]
    faces = [ModeFace(mode.code, mode.color) for mode in card.modes]
    own = maps.max(axis=(1, 2)).tolist()
    probabilities = [float(p) for p in found.probabilities]
    if wish.form == "panel":
        peaks = own if wish.scale == "map" else None
        shared = "each map to its own peak" if wish.scale == "map" else "one scale for all modes"
        note = f"{METHODS[wish.method]} of the logits, {shared}. A heat map is not a reason."
        note += " The model learned from synthetic frames." if card.synthetic else ""
        note += f" {subject.credit}" if subject.credit else ""
        small = fit(subject.shown, low=1, high=PANEL_CELL)
        return encode_png(panel(small, maps, faces, probabilities, title=subject.name, note=note, peaks=peaks))
    k = found.winner if wish.mode in ("", WINNER) else card.codes.index(wish.mode)
    peak = own[k] if wish.scale == "map" else max(own)
    picture = fit(subject.shown)
    if wish.caption:
        name = f"{subject.name} {subject.credit}".strip()
        return encode_png(single(picture, maps[k], peak, faces[k], probabilities[k], name))
    return encode_png(overlay(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), maps[k], peak))


def chosen(found: Explanation, wish: Wish) -> list[int]:
    """Gives the indices of the modes that numbers are wanted of."""
    if wish.mode in ("", ALL):
        return list(range(len(found.served.card.modes)))
    return [found.winner if wish.mode == WINNER else found.served.card.codes.index(wish.mode)]


def as_npz(found: Explanation, wish: Wish) -> bytes:
    """Gives heat maps as NumPy's NPZ: raw, float32, logit units, shape (modes, rows, columns)."""
    some, card = chosen(found, wish), found.served.card
    arrays: dict[str, Any] = {
        "codes": np.array(card.codes),
        "chosen": np.array([card.codes[k] for k in some]),
        "probabilities": found.probabilities,
        "logits": found.logits,
        "version": np.array(found.served.version),
        wish.method: found.maps[wish.method][some],
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def as_dict(found: Explanation, wish: Wish) -> dict[str, Any]:
    """Gives heat maps as JSON has them: raw, logit units; every number reads back as the same float32."""
    card, maps = found.served.card, found.maps[wish.method]
    codes = card.codes
    return {
        "model": card.model,
        "version": found.served.version,
        "method": wish.method,
        "unit": "logit",
        "mode": codes[found.winner],
        "accepted": found.accepted,
        "probabilities": dict(zip(codes, _exact(found.probabilities), strict=True)),
        "logits": dict(zip(codes, _exact(found.logits), strict=True)),
        "empty": [codes[k] for k in chosen(found, wish) if maps[k].max() <= 0],
        "maps": {codes[k]: [_exact(row) for row in maps[k]] for k in chosen(found, wish)},
    }


def _exact(values: np.ndarray) -> list[float]:
    return [float(str(value)) for value in np.asarray(values, np.float32)]

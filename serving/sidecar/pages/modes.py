"""How modes are written: name, letters and colour, out of the model's card; never by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radar.lettering import rgb
from radar.modes import SNOWFALL_MODES, colors_for
from serving.protocol.contract import ModelCard


@dataclass(frozen=True, slots=True)
class Face:
    """How a mode is shown.

    Attributes:
        code: Its code.
        name: In the language of the page; the code where nobody named it.
        meaning: One sentence, or empty.
        color: ``#RRGGBB``.
        ink: Black or white, whichever is legible on the colour.
        key: Key that gives a frame this mode in the review.
    """

    code: str
    name: str
    meaning: str
    color: str
    ink: str
    key: str


def faces_of(codes: Sequence[str], card: ModelCard | None, language: str) -> dict[str, Face]:
    """Gives the faces of modes by their codes.

    Args:
        codes: In the model's order.
        card: Of the model; where None, or of other modes, the known names and colours of `radar.modes` do.
        language: Of the names.
    """
    known = {mode.code: mode for mode in SNOWFALL_MODES} | {mode.code: mode for mode in (card.modes if card else ())}
    colors = colors_for(codes) | {mode.code: mode.color for mode in (card.modes if card else ())}
    keys = keys_of(codes)
    faces = {}
    for code in codes:
        mode = known.get(code)
        name = code if mode is None else mode.name_ja if language == "ja" else mode.name_en
        color = colors[code]
        faces[code] = Face(code, name or code, mode.meaning if mode else "", color, ink_on(color), keys[code])
    return faces


def keys_of(codes: Sequence[str]) -> dict[str, str]:
    """Gives each mode a key: the first letter of its code that no other mode has taken, else its number.

    The letters of the review's other commands, `RESERVED`, are never given away.
    """
    taken = set(RESERVED)
    keys = {}
    for number, code in enumerate(codes, 1):
        letters = [letter for letter in code.lower() if letter.isascii() and letter.isalpha() and letter not in taken]
        keys[code] = letters[0] if letters else str(number) if number < 10 else ""
        taken.add(keys[code])
    return keys


RESERVED = "auj"
"""Keys that mean something else in the review: agree, undo and skip."""


def ink_on(color: str) -> str:
    """Chooses black or white letters for a ground, by the contrast ratio of WCAG 2."""
    light = luminance(color)
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#ffffff"


def luminance(color: str) -> float:
    """Relative luminance of a colour, 0 to 1 (WCAG 2, definition of contrast ratio)."""
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in rgb(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

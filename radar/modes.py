"""Snowfall modes: codes, names, meanings and colours, as data.

The five modes of the original classification are listed here for training; every other part of the
project takes the modes from the model card, so a model with other modes needs no change of code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle


@dataclass(frozen=True, slots=True)
class Mode:
    """One class of frames.

    Attributes:
        code: Short code as written in result files, for example ``"LT"``.
        name_en: English name.
        name_ja: Japanese name.
        meaning: One sentence for people who meet the code for the first time.
        color: ``#RRGGBB``, chosen to stay apart for colour-blind readers and in grey print.
    """

    code: str
    name_en: str
    name_ja: str
    meaning: str
    color: str


# The codes and their order are the original process's; what they stand for is inferred from Nakai et al.
# (2005, SOLA 1) and the later papers, and is editable data. Colours: Okabe and Ito (2008), grey for NO.
SNOWFALL_MODES: tuple[Mode, ...] = (
    Mode("SY", "synoptic", "総観規模擾乱", "Broad precipitation of a passing low or front.", "#0072B2"),
    Mode("VX", "vortex", "渦状", "Meso-beta scale vortex over the sea.", "#CC79A7"),
    Mode("LT", "bands", "筋状", "Parallel bands along (L) or across (T) the wind.", "#009E73"),
    Mode("DM", "band or slope", "収束帯・山岳性", "A single convergence band, or echo held on slopes.", "#D55E00"),
    Mode("NO", "none", "なし", "Little or no echo, or nothing that can be classified.", "#BBBBBB"),
)


# For modes a model brings along: the rest of Okabe and Ito's palette, dark enough for lines on white.
_FURTHER_COLORS = ("#56B4E9", "#E69F00", "#882255", "#44AA99", "#332288", "#999933")


def colors_for(codes: Sequence[str]) -> dict[str, str]:
    """Gives each mode a colour: the known ones theirs, others one of their own as long as there are any."""
    known = {mode.code: mode.color for mode in SNOWFALL_MODES}
    further = cycle(_FURTHER_COLORS)
    return {code: known.get(code) or next(further) for code in codes}

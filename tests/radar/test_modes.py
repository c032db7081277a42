"""The five modes of the original classification."""

import re

from radar.modes import SNOWFALL_MODES, colors_for


def test_codes_are_in_the_order_of_the_original_process():
    assert [mode.code for mode in SNOWFALL_MODES] == ["SY", "VX", "LT", "DM", "NO"]


def test_modes_can_be_told_apart_by_colour_and_name():
    for values in zip(*((mode.color, mode.name_en, mode.name_ja) for mode in SNOWFALL_MODES), strict=True):
        assert len(set(values)) == len(SNOWFALL_MODES)
    assert all(re.fullmatch("#[0-9A-F]{6}", mode.color) for mode in SNOWFALL_MODES)


def test_known_modes_keep_their_colours_beside_others():
    known = {mode.code: mode.color for mode in SNOWFALL_MODES}
    colors = colors_for(["X", *reversed(known), "Y"])
    assert list(colors) == ["X", *reversed(known), "Y"]
    assert {code: colors[code] for code in known} == known
    assert not {colors["X"], colors["Y"]} & set(known.values())


def test_other_modes_have_a_colour_of_their_own_as_long_as_there_are_any():
    codes = [f"M{n}" for n in range(9)]
    colors = list(colors_for(codes).values())
    assert len(set(colors[:6])) == 6
    assert colors[6:] == colors[:3]
    assert not set(colors) & {mode.color for mode in SNOWFALL_MODES}
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in colors)
    assert colors_for(codes) == colors_for(codes)

"""The five modes of the original classification."""

import re

from radar.modes import SNOWFALL_MODES


def test_codes_are_in_the_order_of_the_original_process():
    assert [mode.code for mode in SNOWFALL_MODES] == ["SY", "VX", "LT", "DM", "NO"]


def test_modes_can_be_told_apart_by_colour_and_name():
    for values in zip(*((mode.color, mode.name_en, mode.name_ja) for mode in SNOWFALL_MODES), strict=True):
        assert len(set(values)) == len(SNOWFALL_MODES)
    assert all(re.fullmatch("#[0-9A-F]{6}", mode.color) for mode in SNOWFALL_MODES)

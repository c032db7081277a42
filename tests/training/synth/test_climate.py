"""The course of a winter and the part of it that is drawn."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from training.synth.climate import MODES, plan_winter
from training.synth.stretches import choose_slots

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_events_follow_each_other_without_gap(seed):
    winter = plan_winter(seed, 2015)
    assert winter.slots == 21_888
    assert winter.events[0].start == 0
    assert winter.events[-1].end == winter.slots
    for one, following in pairwise(winter.events):
        assert one.end == following.start
        assert one.mode != following.mode
    assert len({event.name for event in winter.events}) == len(winter.events)


@pytest.mark.parametrize("seed", SEEDS)
def test_durations_and_shares_are_sane(seed):
    winter = plan_winter(seed, 2014)
    assert winter.slots == 21_744
    hours = Counter()
    for event in winter.events:
        duration = (event.end - event.start) * winter.slot_h
        assert 3 <= duration <= 43
        assert event.mode != "VX" or duration <= 13
        hours[event.mode] += duration
    share = {mode: hours[mode] / hours.total() for mode in MODES}
    assert 0.1 < share["SY"] < 0.4
    assert 0.15 < share["LT"] < 0.45
    assert 0.05 < share["DM"] < 0.3
    assert 0.02 < share["VX"] < 0.13
    assert 0.1 < share["NO"] < 0.4


def test_winters_differ_in_climate():
    climates = [plan_winter(seed, 2015).climate for seed in SEEDS]
    assert len({climate.wind_from for climate in climates}) == len(SEEDS)
    assert plan_winter(3, 2015) == plan_winter(3, 2015)
    assert plan_winter(3, 2015).events != plan_winter(3, 2016).events


@pytest.mark.parametrize("seed", SEEDS)
def test_every_mode_and_several_events_of_each_occur_in_a_thousand_frames(seed):
    winter = plan_winter(seed, 2015)
    slots = choose_slots(winter, 1000)
    assert len(slots) == len(set(slots)) == 1000
    assert slots == sorted(slots)
    assert slots[0] >= 0
    assert slots[-1] < winter.slots
    chosen = set(slots)
    events = Counter(e.mode for e in winter.events if chosen & set(range(e.start, e.end)))
    assert all(events[mode] >= 3 for mode in MODES)
    assert slots[-1] - slots[0] > winter.slots / 2


@pytest.mark.parametrize("frames", [1, 5, 60, 20_000, 21_887, 21_888])
def test_any_number_of_frames_can_be_chosen(frames):
    assert len(set(choose_slots(plan_winter(1, 2015), frames))) == frames


@pytest.mark.parametrize("frames", [60, 300, 1000, 2500])
def test_an_event_lies_in_one_stretch(frames):
    winter = plan_winter(4, 2015)
    slots = np.array(choose_slots(winter, frames))
    for event in winter.events:
        mine = slots[(slots >= event.start) & (slots < event.end)]
        assert len(mine) < 2 or np.all(np.diff(mine) == 1)

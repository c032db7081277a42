"""Splits: no event on both sides, no winter unsealed, no near copy across."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radar.errors import LabelsError
from tests.training.labels import labels_of, timed
from training.data.splits import GUARD, TEST, TRAINING, VALIDATION, crossing_events, folds, split

MODES = {"SY", "VX", "LT"}

runs_of_frames = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), min_size=6, max_size=40)


def parts(labels, sides):
    """The events and modes of each side."""
    events, modes = {}, {}
    for label, side in zip(labels, sides.tolist(), strict=True):
        events.setdefault(side, set()).add(label.event)
        modes.setdefault(side, set()).add(label.mode)
    return events, modes


def on(labels, sides, side):
    """The labels of one side."""
    return [label for label, s in zip(labels, sides.tolist(), strict=True) if s == side]


def winters(*names):
    """Labels of several winters, each with three events of each mode, a day apart."""
    labels = []
    for number, name in enumerate(names):
        for n in range(9):
            start = datetime(2012 + number, 12, 1 + n)
            labels += timed(["SY", "VX", "LT"][n % 3], f"e{n}", 0, 12, season=name, start=start)
    return labels


@given(runs=runs_of_frames, share=st.sampled_from([0.1, 0.2, 0.34, 0.5]), seed=st.integers(0, 3))
def test_a_split_by_event_shares_no_event_and_has_every_mode_on_both_sides(runs, share, seed):
    labels = labels_of([*runs, (0, 5), (1, 5), (2, 5)])
    try:
        sides = split(labels, by="event", share=share, seed=seed)
    except LabelsError:
        assume(False)
    events, modes = parts(labels, sides)
    assert set(events) == {TRAINING, VALIDATION}
    assert not events[TRAINING] & events[VALIDATION]
    assert modes[TRAINING] == modes[VALIDATION] == MODES
    assert crossing_events(labels, sides) == []


def test_a_split_by_event_meets_its_share_nearly():
    labels = labels_of([(mode, 10) for mode in (0, 1, 2) for _ in range(20)])
    for share in (0.1, 0.2, 0.25):
        held_out = split(labels, by="event", share=share, seed=1) == VALIDATION
        assert held_out.mean() == pytest.approx(share, abs=0.05)


def test_a_split_is_the_same_for_the_same_seed_and_another_for_another():
    labels = labels_of([(mode, 6) for mode in (0, 1, 2) for _ in range(12)])
    for by in ("event", "frame"):
        once, again, other = (split(labels, by=by, share=0.2, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(once, again)
        assert (once != other).any()


def test_one_event_of_a_mode_is_too_few_and_says_what_to_do():
    labels = labels_of([(0, 9), (1, 9), (0, 9), (2, 9), (2, 9)])
    with pytest.raises(LabelsError, match=r"at least 2 events of each mode; VX has 1. Give more frames, or --set"):
        split(labels, by="event", share=0.2, seed=1)


def test_events_that_cannot_be_shared_out_are_an_error():
    labels = labels_of([(mode, 5) for mode in (0, 1, 2) for _ in range(2)])
    with pytest.raises(LabelsError, match="every mode on both sides; give more events"):
        split(labels, by="event", share=0.05, seed=1)


def test_a_split_by_frame_keeps_the_shares_of_the_modes():
    labels = labels_of([(0, 50), (1, 100), (2, 350)])
    sides = split(labels, by="frame", share=0.2, seed=1)
    counts = Counter(label.mode for label, side in zip(labels, sides, strict=True) if side == VALIDATION)
    assert counts == {"SY": 10, "VX": 20, "LT": 70}
    assert len(crossing_events(labels, sides)) == 3


def test_a_split_by_frame_of_too_few_frames_is_an_error():
    for runs in ([(0, 5), (1, 5), (2, 1)], [(0, 2), (1, 2), (2, 2)]):
        with pytest.raises(LabelsError, match="split by frame"):
            split(labels_of(runs), by="frame", share=0.2, seed=1)


# Winters.


def test_a_split_by_season_keeps_winters_whole():
    labels = winters("a", "b", "c", "d", "e")
    sides = split(labels, by="season", share=0.2, seed=1)
    seasons = {
        side: {label.season for label, s in zip(labels, sides, strict=True) if s == side} for side in set(sides)
    }
    assert len(seasons[VALIDATION]) == 1
    assert len(seasons[TRAINING]) == 4
    assert not seasons[VALIDATION] & seasons[TRAINING]


def test_one_winter_cannot_be_split_by_season():
    with pytest.raises(LabelsError, match=r"at least 2 winters of each mode; LT has 1.*data\.split=event"):
        split(winters("a"), by="season", share=0.2, seed=1)


@pytest.mark.parametrize("by", ["event", "frame", "season"])
def test_a_sealed_winter_is_on_its_own_side_and_the_others_are_split_as_without_it(by):
    labels = winters("a", "b", "c")
    sides = split(labels, by=by, share=0.34, seed=1, test_seasons=["b"])
    sealed = np.array([label.season == "b" for label in labels])
    assert set(sides[sealed]) == {TEST}
    others = [label for label in labels if label.season != "b"]
    np.testing.assert_array_equal(sides[~sealed], split(others, by=by, share=0.34, seed=1))


def test_a_sealed_winter_that_is_not_there_is_named():
    with pytest.raises(LabelsError, match=r"among hse2014, hse2015, received 'hse2051'; did you mean hse2015\?"):
        split(winters("hse2014", "hse2015"), by="event", share=0.2, seed=1, test_seasons=["hse2051"])


def test_frames_besides_the_sealed_ones_are_needed():
    with pytest.raises(LabelsError, match="Expected frames besides the sealed winters a, received none"):
        split(winters("a"), by="event", share=0.2, seed=1, test_seasons=["a"])


# Near copies.


def test_events_of_one_mode_that_follow_closely_stay_together():
    labels = []
    for day in range(8):
        for mode, hour in (("SY", 0), ("VX", 8), ("LT", 16)):
            start = datetime(2015, 12, 1 + 3 * day)
            labels += timed(mode, f"{mode}{day}a", hour, 6, start=start)
            labels += timed(mode, f"{mode}{day}b", hour + 3, 6, start=start)  # the same band after a pause
    for seed in range(5):
        events, _ = parts(labels, split(labels, by="event", share=0.3, seed=seed))
        for side in (TRAINING, VALIDATION):
            assert {name for name in events[side] if name.endswith("b")} == {
                name[:-1] + "b" for name in events[side] if name.endswith("a")
            }
    cut = False
    for seed in range(5):
        events, _ = parts(labels, split(labels, by="event", share=0.3, seed=seed, guard_hours=1))
        cut |= bool({name[:-1] for name in events[TRAINING]} & {name[:-1] for name in events[VALIDATION]})
    assert cut, "without the guard they are cut apart, or this test shows nothing"


def test_where_winters_are_cut_a_guard_band_is_set_aside():
    # Somebody cut one winter in two halves and calls them winters.
    labels = []
    for half, days in (("first", range(1, 13)), ("second", range(13, 19))):
        for day in days:
            mode = ["SY", "VX", "LT"][day % 3]
            labels += timed(mode, f"e{day}", 0, 144, season=half, start=datetime(2015, 12, day))
    sides = split(labels, by="event", share=0.3, seed=1, test_seasons=["second"], guard_hours=6)
    guard = on(labels, sides, GUARD)
    sealed = min(label.time_utc for label in labels if label.season == "second")
    assert sealed == "2015-12-13T00:00:00Z"
    assert {label.season for label in guard} <= {"first"}
    trained = [label.time_utc for label in on(labels, sides, TRAINING)]
    assert max(trained) <= "2015-12-12T18:00:00Z"
    assert all(label.time_utc > "2015-12-12T18:00:00Z" for label in guard)


def test_frames_without_times_need_no_guard():
    labels = labels_of([(mode, 6) for mode in (0, 1, 2) for _ in range(4)])
    assert GUARD not in split(labels, by="event", share=0.3, seed=1, guard_hours=48)


# As a manifest says.


def test_the_split_of_a_manifest_is_kept_to_the_letter():
    labels = labels_of([(mode, 6) for mode in (0, 1, 2) for _ in range(4)])
    sides = split(labels, by="event", share=0.3, seed=1)
    written = [replace(label, split=side) for label, side in zip(labels, sides.tolist(), strict=True)]
    np.testing.assert_array_equal(split(written, by="manifest", share=0.2, seed=9), sides)


def test_a_manifest_without_sides_is_refused():
    labels = [replace(label, split="train") for label in labels_of([(0, 3), (1, 3)])]
    with pytest.raises(LabelsError, match=r"data\.split=manifest: expected training, validation.*received 'train'"):
        split(labels, by="manifest", share=0.2, seed=1)


def test_a_manifest_that_leaves_a_mode_out_of_one_side_is_refused():
    labels = [
        replace(label, split=VALIDATION if label.mode == "SY" else TRAINING) for label in labels_of([(0, 3), (1, 3)])
    ]
    with pytest.raises(LabelsError, match="The training frames hold none of SY"):
        split(labels, by="manifest", share=0.2, seed=1)


# Folds.


@given(runs=runs_of_frames, count=st.integers(2, 5), seed=st.integers(0, 3))
def test_each_frame_validates_in_one_fold_and_no_event_is_cut(runs, count, seed):
    labels = labels_of([*runs, *[(mode, 4) for mode in (0, 1, 2) for _ in range(count)]])
    made = folds(labels, count, seed=seed)
    assert len(made) == count
    assert (sum((sides == VALIDATION).astype(int) for sides in made) == 1).all()
    for sides in made:
        assert crossing_events(labels, sides) == []


def test_folds_by_season_leave_one_winter_out():
    labels = winters("a", "b", "c")
    made = folds(labels, 3, by="season", seed=1)
    left_out = [
        {label.season for label, side in zip(labels, sides, strict=True) if side == VALIDATION} for sides in made
    ]
    assert sorted(map(sorted, left_out)) == [["a"], ["b"], ["c"]]


def test_more_folds_than_events_are_refused():
    labels = labels_of([(0, 9), (1, 9), (0, 9), (1, 9), (0, 9)])
    with pytest.raises(LabelsError, match=r"3 folds by event need 3 events of each mode.*VX has 2"):
        folds(labels, 3, seed=1)

"""Frames to look at: as many of each mode as can be, over as many events as there are."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar import durable
from tests.training.labels import CODES, labels_of
from tests.training.look.conftest import subject_of
from tests.training.look.known import known_network
from training.data import manifest
from training.data.sources import read_labels
from training.look.errors import LookError
from training.look.frames import choose, draw

RUNS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), max_size=8)


@given(RUNS, st.integers(1, 30), st.integers(0, 5))
def test_a_draw_is_fair_to_modes_and_events(runs, count, seed):
    labels = labels_of(runs)
    chosen = draw(labels, CODES, count, seed)
    assert len(chosen) == min(count, len(labels))
    assert [labels.index(label) for label in chosen] == sorted({labels.index(label) for label in chosen})
    there, drawn = Counter(label.mode for label in labels), Counter(label.mode for label in chosen)
    most = max(drawn.values(), default=0)
    # A mode has fewer than another by more than one only if all its frames were taken.
    assert all(drawn[mode] >= most - 1 or drawn[mode] == there[mode] for mode in there)
    for mode in there:
        of_event = Counter(label.event for label in chosen if label.mode == mode)
        in_all = Counter(label.event for label in labels if label.mode == mode)
        most = max(of_event.values(), default=0)
        assert all(of_event[event] >= most - 1 or of_event[event] == in_all[event] for event in in_all)
    assert draw(labels, CODES, count, seed) == chosen


def test_frames_of_a_winter_are_loaded_as_the_model_sees_them(winter):
    subject = subject_of(known_network(), modes=5)
    told = []
    frames = choose(subject, [winter], 10, seed=1, say=told.append)
    assert frames.images.shape == (10, 32, 32, 3)
    assert Counter(frames.classes.tolist()) == dict.fromkeys(range(5), 2)
    assert [subject.codes[k] for k in frames.classes] == [label.mode for label in frames.labels]
    assert told == []


def test_without_a_folder_the_frames_that_were_held_out_are_taken(winter, tmp_path):
    labels = read_labels([winter], [mode.code for mode in subject_of(known_network(), modes=5).modes], say=print)
    sides = ["validation" if n % 4 == 0 else "training" for n in range(len(labels))]
    durable.write_text(tmp_path / "manifest.csv", manifest.text(labels, sides, tmp_path))
    subject = subject_of(known_network(), modes=5, source=tmp_path)
    held_out = {label.path.name for label, side in zip(labels, sides, strict=True) if side == "validation"}
    frames = choose(subject, [], 12, seed=1, say=print)
    assert {label.path.name for label in frames.labels} <= held_out
    durable.write_text(tmp_path / "manifest.csv", manifest.text(labels, ["training"] * len(labels), tmp_path))
    with pytest.raises(LookError, match="lists no frames that were held out; name labelled frames with --frames"):
        choose(subject, [], 12, seed=1, say=print)


def test_a_bad_frame_costs_itself_and_is_named(tmp_path):
    from tests.conftest import write_png

    (tmp_path / "labels.csv").write_text("file,label\na.png,SY\nb.png,VX\nc.png,LT\n")
    write_png(tmp_path / "a.png", 1)
    (tmp_path / "b.png").write_bytes(b"no picture")
    told = []
    frames = choose(subject_of(known_network()), [tmp_path], 10, seed=1, say=told.append)
    assert [label.path.name for label in frames.labels] == ["a.png"]
    assert sum("b.png is not a PNG" in line for line in told) == 1
    assert sum("c.png cannot be read" in line for line in told) == 1
    (tmp_path / "a.png").unlink()
    with pytest.raises(LookError, match=r"Not one of 3 frames can be read.*name their folder with --frames"):
        choose(subject_of(known_network()), [tmp_path], 10, seed=1, say=told.append)


def test_no_frames_and_no_manifest_says_what_to_do(tmp_path):
    with pytest.raises(LookError, match="name labelled frames with --frames FOLDER"):
        choose(subject_of(known_network(), source=tmp_path), [], 10, seed=1, say=print)

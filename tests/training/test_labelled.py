"""Labelled frames: reading, drawing, loading, splitting, listing."""

import csv
import hashlib
import io
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from radar.errors import LabelsError
from radar.frames import FrameRule
from training.labelled import (
    Label,
    LabelledFrames,
    draw_per_mode,
    load_frames,
    manifest,
    read_labels,
    split,
)

CODES = ("SY", "VX", "LT")
RULE = FrameRule(8, 8)


def labelled(runs):
    """Makes frames of 1x1 pixels from runs of (mode number, frames): each run is an event."""
    labels, classes = [], []
    for number, (mode, count) in enumerate(runs):
        labels += [Label(Path(f"{number}-{n}.png"), "hse", CODES[mode], f"hse/{number}") for n in range(count)]
        classes += [mode] * count
    images = np.arange(len(labels) * 3, dtype=np.uint8).reshape(-1, 1, 1, 3)
    return LabelledFrames(labels, images, np.array(classes, np.int64))


def write_folder(folder, rows, columns=("file", "label", "event")):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([columns, *rows])


def write_frame(file, value):
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(file)


# Splits.


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), min_size=6, max_size=40),
    share=st.sampled_from([0.1, 0.2, 0.34, 0.5, 0.8]),
    seed=st.integers(0, 3),
)
def test_a_split_by_event_shares_no_event_and_has_every_mode_on_both_sides(runs, share, seed):
    runs = [*runs, (0, 5), (1, 5), (2, 5)]
    data = labelled(runs)
    try:
        held_out = split(data, by="event", share=share, seed=seed)
    except LabelsError:
        assume(False)
    events = data.events()
    assert held_out.dtype == bool
    assert not set(events[held_out]) & set(events[~held_out])
    assert set(data.classes[held_out]) == set(data.classes[~held_out]) == {0, 1, 2}


def test_a_split_by_event_meets_its_share_nearly():
    data = labelled([(mode, 10) for mode in (0, 1, 2) for _ in range(20)])
    for share in (0.1, 0.2, 0.25):
        held_out = split(data, by="event", share=share, seed=1)
        assert held_out.mean() == pytest.approx(share, abs=0.05)


def test_a_split_is_the_same_for_the_same_seed_and_another_for_another():
    data = labelled([(mode, 6) for mode in (0, 1, 2) for _ in range(12)])
    for by in ("event", "frame"):
        once, again, other = (split(data, by=by, share=0.2, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(once, again)
        assert (once != other).any()


def test_one_event_of_a_mode_is_too_few_and_says_what_to_do():
    data = labelled([(0, 9), (1, 9), (0, 9), (2, 9), (2, 9)])
    with pytest.raises(LabelsError, match=r"at least 2 events of each mode; VX has 1. Give more frames, or .*--set"):
        split(data, by="event", share=0.2, seed=1)


def test_events_that_cannot_be_shared_out_are_an_error():
    data = labelled([(mode, 5) for mode in (0, 1, 2) for _ in range(2)])
    with pytest.raises(LabelsError, match="every mode on both sides; give more events"):
        split(data, by="event", share=0.05, seed=1)


def test_a_split_by_frame_keeps_the_shares_of_the_modes():
    data = labelled([(0, 50), (1, 100), (2, 350)])
    held_out = split(data, by="frame", share=0.2, seed=1)
    assert Counter(data.classes[held_out].tolist()) == {0: 10, 1: 20, 2: 70}


def test_a_split_by_frame_of_too_few_frames_is_an_error():
    for runs in ([(0, 5), (1, 5), (2, 1)], [(0, 2), (1, 2), (2, 2)]):
        with pytest.raises(LabelsError, match="split by frame"):
            split(labelled(runs), by="frame", share=0.2, seed=1)


# Drawing.


@given(counts=st.tuples(*[st.integers(0, 40)] * 3), per_mode=st.integers(1, 30), seed=st.integers(0, 9))
def test_at_most_so_many_of_each_mode_are_drawn_in_the_order_they_came(counts, per_mode, seed):
    labels = labelled(list(enumerate(counts))).labels
    chosen = draw_per_mode(labels, per_mode, seed)
    drawn = Counter(label.mode for label in chosen)
    assert drawn == {CODES[mode]: min(count, per_mode) for mode, count in enumerate(counts) if count}
    positions = [labels.index(label) for label in chosen]
    assert positions == sorted(set(positions))


def test_what_is_drawn_depends_on_the_seed_alone():
    labels = labelled([(0, 100), (1, 100)]).labels
    assert draw_per_mode(labels, 10, 1) == draw_per_mode(labels, 10, 1)
    assert draw_per_mode(labels, 10, 1) != draw_per_mode(labels, 10, 2)


# Reading.


def test_labels_of_several_folders_keep_their_seasons_apart(tmp_path):
    write_folder(tmp_path / "hse1", [("a.png", "SY", "e1"), ("b.png", "LT", "e2")])
    write_folder(tmp_path / "hse2", [("a.png", "VX", "e1")])
    labels = read_labels([tmp_path / "hse1", tmp_path / "hse2"], CODES)
    assert labels == [
        Label(tmp_path / "hse1" / "a.png", "hse1", "SY", "hse1/e1"),
        Label(tmp_path / "hse1" / "b.png", "hse1", "LT", "hse1/e2"),
        Label(tmp_path / "hse2" / "a.png", "hse2", "VX", "hse2/e1"),
    ]


def test_labels_saved_by_a_spreadsheet_are_read(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbfevent,file,label,note\r\ne1,a.png,SY,x\r\n")
    assert read_labels([tmp_path], CODES)[0].mode == "SY"


def test_a_synthetic_winter_has_labels_of_every_mode(winter):
    labels = read_labels([winter], ("SY", "VX", "LT", "DM", "NO"))
    assert len(labels) == 200
    assert all(label.path.is_file() for label in labels)
    events = defaultdict(set)
    for label in labels:
        events[label.mode].add(label.event)
    assert len(events) == 5
    assert min(map(len, events.values())) >= 2


def test_missing_labels_say_where_they_were_expected(tmp_path):
    with pytest.raises(
        LabelsError, match=r"labels\.csv: expected labelled frames in a folder as `training synth` makes it"
    ):
        read_labels([tmp_path], CODES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,label\na.png,SY\n", r"labels\.csv: expected columns file, label, event; event missing"),
        (b"", "event, file, label missing"),
        (
            b"file,label,event\na.png,XX,e\nb.png,SY,e\nc.png,??,e\n",
            r"expected the labels SY, VX, LT; received \?\?, XX",
        ),
        (b"file,label,event\n", "No labelled frames in "),
        (b"file,label,event\na.png\n", "labels.csv: line 2"),
        (b"file,label,event\na.png,SY,e\nb.png,SY\n", "labels.csv: line 3"),
        (b"file,label,event\n\xff.png,SY,e\n", "labels.csv: cannot be read"),
    ],
)
def test_unusable_labels_are_named(tmp_path, content, message):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(LabelsError, match=message):
        read_labels([tmp_path], CODES)


# Loading.


def test_frames_are_loaded_in_the_order_of_their_labels(tmp_path):
    labels = []
    for n in range(70):
        write_frame(tmp_path / f"{n}.png", n)
        labels.append(Label(tmp_path / f"{n}.png", "hse", CODES[n % 3], f"hse/{n}"))
    data = load_frames(labels, CODES, RULE, pytest.fail)
    assert data.images.shape == (70, 8, 8, 3)
    assert data.images[:, 0, 0, 0].tolist() == list(range(70))
    assert data.classes.tolist() == [n % 3 for n in range(70)]
    assert data.labels == labels


def test_unreadable_frames_are_named_and_left_out(tmp_path):
    labels = [Label(tmp_path / f"{n}.png", "hse", CODES[n % 3], f"hse/{n}") for n in range(9)]
    for n in (0, 1, 2, 4, 5, 8):
        write_frame(tmp_path / f"{n}.png", n)
    (tmp_path / "3.png").write_bytes(b"no picture")
    Image.new("RGB", (4, 4)).save(tmp_path / "6.png")
    said = []
    data = load_frames(labels, CODES, RULE, said.append)
    assert said == [
        f"Left out: {tmp_path}/3.png is not a PNG: it begins with b'no pictu'",
        f"Left out: {tmp_path}/6.png is 4x4 pixels; the model needs at least 8x8",
        f"Left out: {tmp_path}/7.png cannot be read: no such file or directory",
    ]
    assert data.images[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 8]
    assert data.classes.tolist() == [0, 1, 2, 1, 2, 2]
    assert [label.path.stem for label in data.labels] == ["0", "1", "2", "4", "5", "8"]


def test_a_mode_without_a_usable_frame_is_an_error(tmp_path):
    write_frame(tmp_path / "0.png", 0)
    labels = [Label(tmp_path / f"{n}.png", "hse", CODES[n], f"hse/{n}") for n in range(3)]
    with pytest.raises(LabelsError, match="none could be used of VX, LT"):
        load_frames(labels, CODES, RULE, lambda _: None)


# The list of what was trained on.


def test_the_manifest_lists_every_frame_once_with_its_side():
    data = labelled([(0, 4), (1, 3), (2, 5)])
    held_out = np.arange(12) % 4 == 0
    rows = list(csv.DictReader(io.StringIO(manifest(data, held_out))))
    assert [row["file"] for row in rows] == [label.path.name for label in data.labels]
    assert [row["event"] for row in rows] == data.events().tolist()
    assert [row["split"] == "validation" for row in rows] == held_out.tolist()
    assert {row["split"] for row in rows} == {"training", "validation"}
    assert [row["label"] for row in rows] == [CODES[k] for k in data.classes]
    assert [row["sha256"] for row in rows] == [hashlib.sha256(image.tobytes()).hexdigest() for image in data.images]

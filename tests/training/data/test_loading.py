"""Loading labelled frames, and keeping them decoded."""

import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from radar import frames
from radar.errors import LabelsError
from radar.frames import Box, FrameRule
from tests.training.labels import CODES
from training.data.labelled import Label
from training.data.loading import load_frames

RULE = FrameRule(8, 8)


def write_frame(file, value):
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(file)


def test_frames_are_loaded_in_the_order_of_their_labels(tmp_path):
    labels = []
    for n in range(70):
        write_frame(tmp_path / f"{n}.png", n)
        labels.append(Label(tmp_path / f"{n}.png", "hse", CODES[n % 3], f"hse/{n}"))
    data = load_frames(labels, CODES, RULE, pytest.fail)
    assert data.images.shape == (70, 8, 8, 3)
    assert data.images[:, 0, 0, 0].tolist() == list(range(70))
    assert data.classes.tolist() == [n % 3 for n in range(70)]
    assert [replace(label, sha256="") for label in data.labels] == labels
    assert data.labels[7].sha256 == hashlib.sha256((tmp_path / "7.png").read_bytes()).hexdigest()


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


# The cache.


@pytest.fixture
def labels(tmp_path):
    result = []
    for n in range(12):
        write_frame(tmp_path / f"{n}.png", n)
        result.append(Label(tmp_path / f"{n}.png", "hse", CODES[n % 3], f"hse/{n}"))
    return result


def never(*_, **__):
    pytest.fail("decoded again")


def test_frames_are_decoded_once(labels, tmp_path, monkeypatch):
    first = load_frames(labels, CODES, RULE, pytest.fail, cache=tmp_path / "cache")
    monkeypatch.setattr(frames, "decode", never)
    again = load_frames(labels, CODES, RULE, pytest.fail, cache=tmp_path / "cache")
    assert isinstance(again.images, np.memmap)
    np.testing.assert_array_equal(first.images, again.images)
    assert again.labels == first.labels
    assert again.labels[3].sha256
    relabelled = [replace(label, mode=CODES[(n + 1) % 3]) for n, label in enumerate(labels)]
    assert load_frames(relabelled, CODES, RULE, pytest.fail, cache=tmp_path / "cache").classes[0] == 1


@pytest.mark.parametrize("change", ["rule", "content", "time"])
def test_other_pixels_are_decoded_anew(labels, tmp_path, change):
    load_frames(labels, CODES, RULE, pytest.fail, cache=tmp_path / "cache")
    rule = RULE
    path = labels[2].path
    if change == "rule":
        rule = FrameRule(8, 8, masks=(Box(0, 0, 8, 8),))
    elif change == "content":
        write_frame(path, 200)
    else:  # as a copy of another frame of the same size would be
        before = path.stat()
        path.write_bytes(labels[3].path.read_bytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    data = load_frames(labels, CODES, rule, pytest.fail, cache=tmp_path / "cache")
    assert int(data.images[2, 0, 0, 0]) == {"rule": 255, "content": 200, "time": 3}[change]


@pytest.mark.parametrize("part", ["npy", "json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_cache_is_made_anew(labels, tmp_path, part, damage):
    expected = load_frames(labels, CODES, RULE, pytest.fail, cache=tmp_path / "cache").images.copy()
    (file,) = (tmp_path / "cache").glob(f"*.{part}")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:50])
    data = load_frames(labels, CODES, RULE, pytest.fail, cache=tmp_path / "cache")
    np.testing.assert_array_equal(data.images, expected)


def test_a_cache_that_cannot_be_written_costs_nothing_but_itself(labels, tmp_path):
    (tmp_path / "cache").write_text("a file")
    said = []
    data = load_frames(labels, CODES, RULE, said.append, cache=tmp_path / "cache")
    assert len(data.labels) == 12
    assert len(said) == 1
    assert said[0].startswith("Decoded frames are not kept for later runs: ")


def test_frames_that_could_not_be_read_are_tried_again_next_time(labels, tmp_path):
    good = labels[4].path.read_bytes()
    labels[4].path.write_bytes(b"not yet")
    said = []
    assert len(load_frames(labels, CODES, RULE, said.append, cache=tmp_path / "cache").labels) == 11
    labels[4].path.write_bytes(good)
    assert len(load_frames(labels, CODES, RULE, pytest.fail, cache=tmp_path / "cache").labels) == 12
    assert len(said) == 1


def test_only_the_newest_sets_are_kept(labels, tmp_path):
    for size in range(1, 9):
        load_frames(labels, CODES, FrameRule(size, size), pytest.fail, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 6
    assert len(list((tmp_path / "cache").iterdir())) == 12


def test_frames_that_are_not_those_of_the_manifest_are_refused(labels, tmp_path):
    known = load_frames(labels, CODES, RULE, pytest.fail).labels
    write_frame(labels[5].path, 99)
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        with pytest.raises(LabelsError, match=r"1 of 12 frames are not those .*5\.png; run `training prepare` again"):
            load_frames(known, CODES, RULE, pytest.fail, cache=cache)

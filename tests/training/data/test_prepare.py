"""Preparing labelled frames: what is found, what is wrong, what is left out."""

import csv
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from radar.errors import LabelsError
from radar.seasons import TimeRule
from tests.conftest import picture, write_png
from training.cli import app
from training.data import prepare as module
from training.data.duplicates import HASH_SIDE, difference_hash, near_pairs
from training.data.prepare import CONFLICT, DUPLICATE, NEAR, UNREADABLE, find_labels, prepare
from training.data.preview import contact_sheets, spread
from training.data.sources import read_labels

CODES = ("SY", "VX", "LT", "DM", "NO")
DATES = TimeRule("%Y%m%d%H%M.png")


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def name(day, minute):
    return f"201512{day:02d}{minute // 60:02d}{minute % 60:02d}.png"


@pytest.fixture
def folder(tmp_path):
    """Three modes with eight events of two frames each, ten minutes apart, a day between them."""
    base = tmp_path / "hse20152016"
    for k, mode in enumerate(("LT", "DM", "NO")):
        (base / mode).mkdir(parents=True)
        for day in range(8):
            for n in range(2):
                write_png(base / mode / name(1 + day, 480 * k + 10 * n), seed=100 * k + 10 * day + n)
    return base


def prepared(folder, *, rule=DATES, said=None, table=None):
    labels = find_labels(folder, CODES, table=table)
    return prepare(labels, rule=rule, say=(said if said is not None else []).append)


def kinds(found):
    return Counter(problem.kind for problem in found.problems)


def test_folders_of_modes_become_labels_with_times_events_and_sides(folder):
    said = []
    found = prepared(folder, said=said)
    assert Counter(label.mode for label in found.labels) == {"LT": 16, "DM": 16, "NO": 16}
    assert len({label.event for label in found.labels}) == 24
    assert found.labels[0].time_utc == "2015-12-01T00:00:00Z"
    assert [label.time_utc for label in found.labels] == sorted(label.time_utc for label in found.labels)
    assert set(found.sides) == {"training", "validation"}
    assert found.problems == []
    assert said == []
    assert len(found.notes) == 3, "each mode has few frames"


def test_what_is_prepared_is_what_a_run_reads(folder):
    result = command("prepare", folder, "--pattern", "%Y%m%d%H%M.png")
    assert result.exit_code == 0, result.output
    labels = read_labels([folder], CODES)
    assert len(labels) == 48
    assert {label.season for label in labels} == {"hse20152016"}
    assert all(label.sha256 and label.path.is_file() and label.split for label in labels)
    assert not (folder / "problems.csv").exists()


def test_a_table_gives_labels_events_and_times(folder, tmp_path):
    table = tmp_path / "reviews.csv"
    rows = [(path.relative_to(folder).as_posix(), path.parent.name) for path in sorted(folder.rglob("*.png"))]
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("file", "label", "event", "time_utc")]
            + [
                (file_name, mode, f"{mode}-{n // 2}", f"2015-12-01T{n // 2:02d}:{n % 2 * 30:02d}:00Z")
                for n, (file_name, mode) in enumerate(rows)
            ]
        )
    found = prepared(folder, rule=None, table=table)
    assert len(found.labels) == 48
    assert found.labels[0].event == "hse20152016/DM-0"


def test_frames_without_times_and_events_are_events_of_their_own_and_somebody_is_told(folder):
    said = []
    found = prepared(folder, rule=None, said=said)
    assert len({label.event for label in found.labels}) == 48
    assert said[0].startswith("Warning: 48 frames have neither event nor time")


def test_unreadable_frames_are_left_out_with_the_reason(folder):
    (folder / "LT" / name(20, 0)).write_bytes(b"no picture")
    found = prepared(folder)
    (problem,) = found.problems
    assert (problem.kind, problem.left_out) == (UNREADABLE, True)
    assert "is not a PNG" in problem.what
    assert len(found.labels) == 48


def test_a_further_copy_is_left_out_and_the_frame_with_a_time_stays(folder):
    shutil.copy(folder / "LT" / name(1, 0), folder / "LT" / "a copy.png")
    found = prepared(folder)
    (problem,) = found.problems
    assert (problem.kind, problem.path.name) == (DUPLICATE, "a copy.png")
    assert name(1, 0) in {label.path.name for label in found.labels}


def test_equal_pictures_of_different_times_are_frames_of_their_own(folder):
    # Nothing to see is the same picture every ten minutes.
    white = np.full((80, 90, 3), 255, np.uint8)
    for n in range(3):
        cv2.imwrite(str(folder / "NO" / name(25, 10 * n)), white)
    found = prepared(folder)
    assert found.problems == []
    assert len(found.labels) == 51


def test_the_same_picture_under_two_labels_is_left_out_under_both(folder):
    shutil.copy(folder / "LT" / name(1, 0), folder / "DM" / name(1, 0))
    found = prepared(folder)
    assert kinds(found) == {CONFLICT: 2}
    assert name(1, 0) not in {label.path.name for label in found.labels}
    assert "labelled DM and LT" in found.problems[0].what


def test_two_labels_of_one_time_contradict_each_other(folder):
    write_png(folder / "DM" / name(1, 0), seed=999)
    found = prepared(folder)
    assert kinds(found) == {CONFLICT: 2}
    assert "2015-12-01T00:00:00Z is labelled DM and LT" in found.problems[0].what


def test_names_alone_make_no_conflict(folder):
    # Without times, 1.png in one folder and 1.png in another are two frames.
    for mode, seed in (("LT", 500), ("DM", 501)):
        write_png(folder / mode / "1.png", seed=seed)
    assert prepared(folder, rule=None).problems == []


def test_near_copies_in_different_events_are_told_and_kept(folder):
    image = picture(0)[..., ::-1].copy()
    image[2:4, 2:4] = 0
    cv2.imwrite(str(folder / "LT" / name(28, 0)), cv2.resize(image, (180, 160), interpolation=cv2.INTER_NEAREST))
    found = prepared(folder)
    assert kinds(found) == {NEAR: 1}
    (problem,) = found.problems
    assert {problem.path.name, problem.other.name} == {name(1, 0), name(28, 0)}
    assert not problem.left_out
    assert len(found.labels) == 49


def test_winters_in_one_folder_are_told_apart(folder):
    for n in range(2):
        write_png(folder / "LT" / f"20170110000{n}.png", seed=700 + n)
    found = prepared(folder)
    assert {label.season for label in found.labels} == {"hse20152016-2015", "hse20152016-2016"}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "nowhere: expected a folder of labelled frames; it does not exist"),
        ([], "expected frames .* in folders named SY, VX, LT, DM, NO, or a labels.csv; received none"),
        (["Lt"], r"expected folders named .*; received 'Lt'; did you mean LT\?"),
        (["unsorted"], "received 'unsorted'; move it away, or rename it"),
    ],
)
def test_folders_that_are_no_modes_are_named(tmp_path, made, message):
    base = tmp_path / "nowhere"
    for sub in made or []:
        (base / sub).mkdir(parents=True)
        write_png(base / sub / "1.png", 1)
    if made is not None:
        base.mkdir(exist_ok=True)
    with pytest.raises(LabelsError, match=message):
        find_labels(base, CODES)


def test_a_table_of_frames_that_lie_elsewhere_is_named(folder):
    (folder / "labels.csv").write_text("file,label\nx.png,LT\ny.png,DM\n")
    with pytest.raises(LabelsError, match=r"expected names of frames .*; none of the 2 is there, .* x\.png"):
        find_labels(folder, CODES)


def test_nothing_is_written_in_a_dry_run_and_strict_ends_with_1(folder):
    (folder / "LT" / "bad.png").write_bytes(b"")
    before = sorted(folder.rglob("*"))
    result = command("prepare", folder, "--pattern", "%Y%m%d%H%M.png", "--dry-run", "--strict")
    assert result.exit_code == 1
    assert "unreadable: 1, 1 left out" in result.output
    assert sorted(folder.rglob("*")) == before


def test_photos_are_kept_as_the_original_process_kept_them(folder, tmp_path):
    file = tmp_path / "photos.npz"
    result = command("prepare", folder, "--photos", file, "--photos-size", 32, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    with np.load(file) as photos:
        assert photos["x"].shape == (48, 32, 32, 3)
        assert photos["x"].dtype == np.uint8
        assert Counter(photos["y"].tolist()) == {2: 16, 3: 16, 4: 16}, "numbers of the modes among all five"
        assert photos["codes"].tolist() == list(CODES)
    too_large = command("prepare", folder, "--photos", file, "--photos-size", 200, "--out", tmp_path / "out")
    assert too_large.exit_code == 2
    assert "--photos: " in too_large.output
    assert "the model needs at least 200x200" in too_large.output


def test_what_cannot_be_written_leaves_the_manifest_before(folder, monkeypatch):
    found = prepared(folder)
    module.write(found, folder)
    before = (folder / "manifest.csv").read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.durable, "write_text", fail)
    with pytest.raises(OSError, match="No space"):
        module.write(found, folder)
    assert (folder / "manifest.csv").read_bytes() == before


# Hashes.


@given(seed=st.integers(0, 50), other=st.integers(51, 99), size=st.sampled_from([(80, 90), (160, 180), (120, 135)]))
def test_a_picture_is_near_its_copy_at_another_size_and_far_from_others(seed, other, size):
    image = picture(seed)
    copy = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    hashes = [difference_hash(p) for p in (image, copy, picture(other))]
    assert all(found is not None and found.shape == (HASH_SIDE**2,) for found in hashes)
    pairs = near_pairs(hashes, np.array([0, 1, 2]), bits=24)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1)]


def test_empty_pictures_are_like_no_other():
    white = np.full((50, 50, 3), 255, np.uint8)
    assert difference_hash(white) is None
    assert near_pairs([None, None, None], np.arange(3)) == []


def test_pairs_are_those_of_comparing_each_with_each():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, (6, 256)).astype(bool)
    hashes = [base[n % 6] ^ (rng.random(256) < 0.01 * (n % 4)) for n in range(60)]
    groups = np.arange(60) % 5
    found = {(pair.first, pair.second, pair.bits) for pair in near_pairs(hashes, groups)}
    expected = {
        (a, b, bits)
        for a in range(60)
        for b in range(a + 1, 60)
        if groups[a] != groups[b] and (bits := int((hashes[a] ^ hashes[b]).sum())) <= 8
    }
    assert found == expected
    assert len(expected) > 20


# Contact sheets.


def test_a_sheet_a_mode_shows_frames_of_all_events(folder, tmp_path):
    labels = prepared(folder).labels
    (folder / "LT" / name(1, 10)).write_bytes(b"")  # unreadable since
    paths = list(contact_sheets(labels, tmp_path / "sheets", rows=2))
    assert [path.name for path in paths] == ["LT.png", "DM.png", "NO.png"]
    for path in paths:
        sheet = cv2.imread(str(path))
        assert min(sheet.shape[:2]) > 150
        assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 10
    assert {label.event for label in spread(labels, 24)} == {label.event for label in labels}
    assert len(spread(labels, 5)) == 5


def test_the_preview_of_what_is_no_folder_ends_with_2(tmp_path):
    result = command("preview", tmp_path / "none")
    assert result.exit_code == 2
    assert "it does not exist (check the spelling)" in result.output

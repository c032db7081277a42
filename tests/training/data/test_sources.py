"""Sources of labelled frames: tables, manifests, and the events that nobody wrote down."""

import csv
from collections import defaultdict
from dataclasses import replace

import pytest

from radar.errors import LabelsError, SeasonError
from tests.training.labels import CODES, timed
from training.data import manifest
from training.data.labelled import Label
from training.data.sources import any_synthetic, read_labels


def write_folder(folder, rows, columns=("file", "label", "event")):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([columns, *rows])


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
        LabelsError,
        match=r"expected a labels\.csv, as `training synth` makes it, or a manifest\.csv.* run `training prepare",
    ):
        read_labels([tmp_path], CODES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,event\na.png,e\n", r"labels\.csv: expected columns file, label; label missing"),
        (b"", "file, label missing"),
        (
            b"file,label,event\na.png,XX,e\nb.png,SY,e\nc.png,??,e\n",
            r"expected the labels SY, VX, LT; received \?\?, XX",
        ),
        (b"file,label,event\n", "No labelled frames in "),
        (b"file,label,event\na.png\n", "labels.csv: line 2"),
        (b"file,label,event\na.png,SY,e\nb.png\n", "labels.csv: line 3"),
        (b"file,label\na.png,SY\nb.png,lt\n", "received lt; did you mean LT for lt"),
        (b"file,label,event\n\xff.png,SY,e\n", "labels.csv: cannot be read"),
    ],
)
def test_unusable_labels_are_named(tmp_path, content, message):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(LabelsError, match=message):
        read_labels([tmp_path], CODES)


def test_a_folder_that_does_not_exist_is_told_from_one_without_labels(tmp_path):
    with pytest.raises(LabelsError, match=r"nowhere: expected a folder of labelled frames; it does not exist"):
        read_labels([tmp_path / "nowhere"], CODES)


def test_a_folder_given_twice_is_refused(tmp_path):
    write_folder(tmp_path / "hse", [("a.png", "SY", "e1")])
    with pytest.raises(LabelsError, match=r"a\.png comes twice, as SY and as SY; give each folder once"):
        read_labels([tmp_path / "hse", tmp_path / "." / "hse"], CODES)


# Events that nobody wrote down.


def test_events_follow_from_times_where_the_table_has_none(tmp_path):
    rows = [(f"{n}.png", "SY" if n < 6 else "LT", f"2015-12-01T{n:02d}:00:00Z") for n in range(9)]
    near = [("x.png", "SY", "2015-12-01T00:10:00Z"), ("y.png", "SY", "2015-12-01T00:30:00Z")]
    write_folder(tmp_path / "hse", [*rows, *near], columns=("file", "label", "time_utc"))
    said = []
    labels = {label.path.name: label.event for label in read_labels([tmp_path / "hse"], CODES, say=said.append)}
    assert labels["0.png"] == labels["x.png"] == labels["y.png"] == labels["1.png"] == "hse/SY+0000"
    assert len(set(labels.values())) == 8
    assert said == []


def test_times_follow_from_names_by_the_rule_of_the_season(tmp_path):
    write_folder(
        tmp_path / "hse", [("f3.png", "SY"), ("f4.png", "SY"), ("other.png", "SY")], columns=("file", "label")
    )
    (tmp_path / "hse" / "season.toml").write_text(
        'pattern = "f{index}.png"\nstart = 2015-11-01T00:00:00Z\ncadence_minutes = 10\n'
    )
    said = []
    labels = read_labels([tmp_path / "hse"], CODES, say=said.append)
    assert [label.time_utc for label in labels] == ["2015-11-01T00:30:00Z", "2015-11-01T00:40:00Z", ""]
    assert [label.event for label in labels] == ["hse/SY+0000", "hse/SY+0000", "hse/+other.png"]
    assert len(said) == 1
    assert said[0].startswith("Warning: 1 frames have neither event nor time")


def test_written_events_stay_and_others_get_names_of_their_own(tmp_path):
    rows = [("a.png", "SY", "SY-0001", "2015-12-01T00:00:00Z"), ("b.png", "SY", "", "2015-12-01T00:10:00Z")]
    write_folder(tmp_path / "hse", rows, columns=("file", "label", "event", "time_utc"))
    assert [label.event for label in read_labels([tmp_path / "hse"], CODES)] == ["hse/SY-0001", "hse/SY+0000"]


def test_a_time_that_is_none_is_named(tmp_path):
    write_folder(tmp_path / "hse", [("a.png", "SY", "yesterday")], columns=("file", "label", "time_utc"))
    with pytest.raises(SeasonError, match="received 'yesterday'"):
        read_labels([tmp_path / "hse"], CODES)


# Manifests.


def test_a_manifest_reads_back_as_it_was_written(tmp_path):
    folder = tmp_path / "hse"
    (folder / "LT").mkdir(parents=True)
    labels = [
        replace(label, path=folder / "LT" / label.path.name, sha256="ab", split=side)
        for label, side in zip(timed("LT", "e1", 0, 3), ("training", "validation", "test"), strict=True)
    ]
    text = manifest.text(labels, [label.split for label in labels], folder)
    (folder / "manifest.csv").write_text(text)
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == manifest.COLUMNS
    assert rows[0]["path"] == f"LT/{labels[0].path.name}"
    assert rows[0]["event"] == "e1"
    assert read_labels([folder], CODES) == labels
    assert read_labels([folder / "manifest.csv"], CODES) == labels


def test_a_manifest_elsewhere_still_finds_its_frames(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "hse").mkdir()
    (tmp_path / "hse" / "f.png").touch()
    text = manifest.text(
        [Label(tmp_path / "hse" / "f.png", "hse", "LT", "hse/e")], ["training"], tmp_path / "runs" / "a"
    )
    assert "../../hse/f.png" in text
    (tmp_path / "runs" / "a" / "manifest.csv").write_text(text)
    (label,) = read_labels([tmp_path / "runs" / "a" / "manifest.csv"], CODES)
    assert label.path.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,label\na.png,LT\n", "expected a manifest with the columns path, .* missing: path"),
        (b"path,label\na.png,\n", "line 2: expected path and label filled in"),
        (b"path,label\na.png,LTT\n", "received LTT; did you mean LT for LTT"),
        (b"path,label\n\xff,LT\n", "cannot be read as CSV in UTF-8"),
        (b"path,label\n", "No labelled frames in"),
    ],
)
def test_unusable_manifests_are_named(tmp_path, content, message):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(LabelsError, match=message):
        read_labels([tmp_path], CODES)


def test_one_synthetic_winter_makes_the_whole_synthetic(tmp_path, winter):
    real = [Label(tmp_path / "a.png", "hse", "LT", "hse/e")]
    assert not any_synthetic(real, [tmp_path])
    assert any_synthetic([*real, *read_labels([winter], ("SY", "VX", "LT", "DM", "NO"))[:1]], [tmp_path])
    assert any_synthetic([Label(winter / "LT" / "a.png", "hse", "LT", "hse/e")], [tmp_path])

"""Held-out frames of runs: written, read back, and compared by `training compare`."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radar.seasons import format_utc
from radar.verification import caveats
from radar.verification.report import verify
from radar.verification.report_json import write_json
from training.data.labelled import Label
from training.errors import TrainingError
from training.validation import FRAMES_FILE, compare_runs, read_frames, write_frames

CODES = ("SY", "VX", "LT")
EVENTS = 30


def label(event: int, n: int, *, season: str = "hse1") -> Label:
    minutes = event * 300 + n * 10
    stamp = np.datetime64("2015-11-01T00:00:00") + np.timedelta64(minutes, "m")
    file = f"pr2hse{minutes // 10:05d}.png"
    code = CODES[event % 3]
    return Label(Path("/frames") / season / file, season, code, f"{season}/{code}-{event}", format_utc(stamp.item()))


LABELS = [label(event, n) for event in range(EVENTS) for n in range(10)]


def answers(labels: Sequence[Label], right: float, *, seed: int = 0, sure: float = 0.8) -> np.ndarray:
    """Probabilities of a model that is right so often; the same ones for the same frame."""
    table = np.full((len(labels), len(CODES)), (1 - sure) / (len(CODES) - 1))
    for n, one in enumerate(labels):
        rng = np.random.default_rng([seed, *f"{one.season}{one.path.name}".encode()])
        truth = CODES.index(one.mode)
        table[n, truth if rng.random() < right else (truth + rng.integers(1, 3)) % 3] = sure
    return table


def make_run(
    folder: Path,
    right: float,
    *,
    labels: Sequence[Label] = LABELS,
    split: str = "event",
    synthetic: bool = False,
    seed: int = 0,
) -> Path:
    """Leaves what a run leaves of its held-out frames."""
    folder.mkdir(parents=True)
    write_frames(folder / FRAMES_FILE, labels, CODES, answers(labels, right, seed=seed))
    _, sample = read_frames(folder / FRAMES_FILE)
    report = verify(sample, title=folder.name, split=split, synthetic=synthetic, replicates=20)
    write_json(report, folder / "verification.json")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "good", 0.95)
    make_run(folder / "bad", 0.5, seed=1)
    return folder


def training(*words: object) -> subprocess.CompletedProcess[str]:
    """Runs `training WORDS` where importing TensorFlow fails: a comparison has no need of it."""
    code = "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n"
    code += "from training.cli import main\nmain()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


# Held-out frames.


def test_frames_are_read_as_they_were_written(tmp_path: Path) -> None:
    table = answers(LABELS, 0.7)
    write_frames(tmp_path / FRAMES_FILE, LABELS, CODES, table)
    keys, sample = read_frames(tmp_path / FRAMES_FILE)
    assert keys == [(one.season, one.path.name) for one in LABELS]
    assert sample.codes == CODES
    assert sample.observed.tolist() == [CODES.index(one.mode) for one in LABELS]
    assert np.allclose(sample.probabilities, table, atol=1e-6)
    assert sample.predicted.tolist() == table.argmax(axis=1).tolist()
    assert sample.events.tolist() == [n // 10 for n in range(300)]
    assert [format_utc(time.item()) for time in sample.times] == [one.time_utc for one in LABELS]
    assert sample.accepted is None
    assert (tmp_path / FRAMES_FILE).read_text().splitlines()[:2] == [
        "season,file,time_utc,event,observed,p_SY,p_VX,p_LT",
        "hse1,pr2hse00000.png,2015-11-01T00:00:00Z,SY-0,SY," + ",".join(f"{p:.7g}" for p in table[0]),
    ]


def test_frames_are_read_by_season_and_time_with_all_that_is_theirs(tmp_path: Path) -> None:
    mixed = [label(event, n, season=season) for event in range(3) for n in range(4) for season in ("hse2", "hse1")]
    mixed = [mixed[n * 7 % 24] for n in range(24)]
    table = answers(mixed, 0.6)
    table[:, :] *= 1 - np.linspace(0, 1e-3, 24)[:, np.newaxis]  # to tell them apart
    table[:, 0] += 1 - table.sum(axis=1)
    write_frames(tmp_path / FRAMES_FILE, mixed, CODES, table)
    keys, sample = read_frames(tmp_path / FRAMES_FILE, threshold=0.79995)
    order = sorted(range(24), key=lambda n: (mixed[n].season != mixed[0].season, mixed[n].time_utc))
    assert keys == [(mixed[n].season, mixed[n].path.name) for n in order]
    assert sample.series.tolist() == [0] * 12 + [1] * 12
    assert [format_utc(time.item()) for time in sample.times] == [mixed[n].time_utc for n in order]
    assert np.allclose(sample.probabilities, table[order], atol=1e-7)
    assert sample.accepted.tolist() == (table[order].max(axis=1) >= 0.79995).tolist()
    assert 0 < sample.accepted.sum() < 24
    names = [mixed[n].event for n in order]
    assert len(set(sample.events.tolist())) == len(set(names)) == 6
    assert len(set(zip(sample.events.tolist(), names, strict=True))) == 6


def test_frames_without_time_keep_their_order_and_their_events(tmp_path: Path) -> None:
    timeless = [replace(one, time_utc="") for one in LABELS[:30]]
    write_frames(tmp_path / FRAMES_FILE, timeless, CODES, answers(timeless, 0.7))
    keys, sample = read_frames(tmp_path / FRAMES_FILE)
    assert keys == [(one.season, one.path.name) for one in timeless]
    assert np.isnat(sample.times).all()
    assert sample.events.max() == 2


HEADER = "season,file,time_utc,event,observed,p_SY,p_VX"
ROW = "hse1,a.png,2015-11-01T00:00:00Z,e,SY,0.8,0.2"


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"file,label\na.png,SY\n",
        HEADER.removesuffix(",p_SY,p_VX").encode(),
        f"{HEADER}\n".encode(),
        f"{HEADER}\n{ROW},0.1\n".encode(),
        f"{HEADER}\n{ROW}\n{ROW.removesuffix(',0.2')}\n".encode(),
        f"{HEADER}\nhse1,a.png\n".encode(),
        f"{HEADER}\n{ROW.replace('SY', 'XX')}\n".encode(),
        f"{HEADER}\n{ROW.replace('0.8', '0.9')}\n".encode(),
        f"{HEADER}\n{ROW.replace('0.8', 'much')}\n".encode(),
        f"{HEADER}\n{ROW.replace('0.8', 'nan')}\n".encode(),
        f"{HEADER}\n{ROW.replace('2015', 'year')}\n".encode(),
        f"{HEADER}\n{ROW}\n".encode() + b"\xff",
    ],
)
def test_damaged_frames_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FRAMES_FILE).write_bytes(content)
    with pytest.raises(TrainingError, match=r"validation\.csv: expected the held-out frames of a run"):
        read_frames(tmp_path / FRAMES_FILE)


def test_one_good_row_is_read(tmp_path: Path) -> None:
    (tmp_path / FRAMES_FILE).write_text(f"{HEADER}\n{ROW}\n")
    assert read_frames(tmp_path / FRAMES_FILE)[0] == [("hse1", "a.png")]


# Comparisons.


def test_the_command_tells_the_better_run(runs: Path, tmp_path: Path) -> None:
    done = training("compare", runs / "good", runs / "bad")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(
        "good against bad\n================\n\ngood is better than bad on 300 frames of 30 events"
    )
    assert "Scored on whole events that were not trained on" in done.stdout
    turned = training("compare", runs / "bad", runs / "good", "--out", tmp_path / "r", "--json")
    assert turned.returncode == 0
    content = json.loads(turned.stdout)
    assert content["sentence"].startswith("good is better than bad on 300 frames of 30 events")
    assert content["models"] == ["bad", "good"]
    assert content["difference"]["overall"]["hss"]["high"] < 0
    names = ["verification.txt", "verification.json", "verification.html"]
    assert turned.stderr.splitlines() == [f"Written: {tmp_path / 'r' / name}" for name in names]
    assert json.loads((tmp_path / "r" / "verification.json").read_text()) == content


def test_a_run_cannot_be_told_from_itself(runs: Path) -> None:
    content = json.loads(training("compare", runs / "good", runs / "good", "--json", "--seed", 3).stdout)
    assert "cannot be told apart" in content["sentence"]
    assert content["difference"]["overall"]["hss"] == {"value": 0, "low": 0, "high": 0, "dropped": 0}
    assert content["reports"][0]["interval"]["seed"] == 3


def test_only_frames_that_both_held_out_are_compared(tmp_path: Path) -> None:
    first = make_run(tmp_path / "a", 0.9, labels=LABELS[:200])
    second = make_run(tmp_path / "b", 0.9, labels=LABELS[100:])
    found = compare_runs(first, second)
    assert (found.reports[0].frames, found.reports[0].events) == (100, 10)
    assert [caveat for caveat in found.caveats if "held out" in caveat] == [
        "a held out 200 frames; 100 of them are compared, which both did.",
        "b held out 200 frames; 100 of them are compared, which both did.",
    ]
    assert found.overall["hss"].value == 0, "the same answers to the same frames"
    assert compare_runs(first, first).caveats == (caveats.few_events_of({"SY": 7, "VX": 7, "LT": 6}),)


def test_frames_are_paired_by_name_in_whatever_order_they_were_given(tmp_path: Path) -> None:
    # The folders of a run may be named in another order, and an event may be cut by a split by frame.
    both = [label(event, n, season=season) for season in ("hse1", "hse2") for event in range(12) for n in range(5)]
    turned = [one for one in both if one.season == "hse2"] + [one for one in both if one.season == "hse1"]
    first = make_run(tmp_path / "a", 0.7, labels=both)
    second = make_run(tmp_path / "b", 0.7, labels=turned[3:])
    found = compare_runs(first, second)
    assert found.reports[0].frames == 117
    assert (found.reports[0].table == found.reports[1].table).all()
    assert found.overall["accuracy"].value == 0
    assert found.overall["accuracy"].low == found.overall["accuracy"].high == 0
    other = compare_runs(first, make_run(tmp_path / "c", 0.5, labels=turned, seed=1))
    assert other.overall["accuracy"].value > 0
    assert math.isfinite(other.overall["accuracy"].low)


@pytest.mark.parametrize(
    ("splits", "synthetic", "expected"),
    [
        (("event", "event"), (False, False), set()),
        (("event", "frame"), (False, False), {caveats.RANDOM_SPLIT}),
        (("frame", "frame"), (True, False), {caveats.RANDOM_SPLIT, caveats.SYNTHETIC}),
        (("event", "event"), (False, True), {caveats.SYNTHETIC}),
    ],
)
def test_the_worse_split_and_synthetic_frames_are_told(
    tmp_path: Path, splits: tuple[str, str], synthetic: tuple[bool, bool], expected: set[str]
) -> None:
    first, second = (
        make_run(tmp_path / str(n), 0.9, labels=LABELS[:90], split=splits[n], synthetic=synthetic[n]) for n in (0, 1)
    )
    found = compare_runs(first, second)
    assert {caveats.RANDOM_SPLIT, caveats.SYNTHETIC, caveats.UNSEEN_UNKNOWN} & set(found.caveats) == expected


def test_runs_with_nothing_in_common_are_refused(tmp_path: Path, runs: Path) -> None:
    strangers = [label(event, n, season="hse9") for event in range(3) for n in range(9)]
    other = make_run(tmp_path / "other", 0.9, labels=strangers)
    done = training("compare", runs / "good", other)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert "expected frames that both runs held out, received none in common; train them on the same" in done.stderr


def test_runs_that_do_not_agree_on_what_was_observed_are_refused(tmp_path: Path, runs: Path) -> None:
    other = make_run(tmp_path / "other", 0.9, labels=[replace(one, mode="SY") for one in LABELS])
    done = training("compare", runs / "good", other)
    assert done.returncode == 2
    assert "good and other: expected the same frames with the same observed modes" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (FRAMES_FILE, None, "validation.csv: expected the held-out frames of a run of `training run`"),
        (FRAMES_FILE, "season\n", "validation.csv: expected the held-out frames of a run of `training run`"),
        ("verification.json", None, "verification.json: expected the report of a run of `training run`"),
        ("verification.json", "{", "verification.json: expected the report of a run of `training run`"),
        ("verification.json", '{"split": "event"}', "verification.json: expected the report of a run"),
        ("verification.json", "[]", "verification.json: expected the report of a run"),
    ],
)
def test_damaged_runs_are_refused(tmp_path: Path, runs: Path, file: str, content: str | None, message: str) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(runs / "bad", damaged)
    (damaged / file).unlink()
    if content is not None:
        (damaged / file).write_text(content)
    for pair in ((runs / "good", damaged), (damaged, runs / "good")):
        with pytest.raises(TrainingError, match=message.replace(".", r"\.")) as raised:
            compare_runs(*pair)
        assert str(damaged / file) in str(raised.value)


def test_a_folder_that_is_no_run_ends_with_2(tmp_path: Path, runs: Path) -> None:
    done = training("compare", runs / "good", tmp_path / "none")
    assert done.returncode == 2
    assert f"Error: {tmp_path / 'none' / FRAMES_FILE}: expected the held-out frames of a run" in done.stderr


def test_a_report_that_cannot_be_written_ends_with_2(tmp_path: Path, runs: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = training("compare", runs / "good", runs / "bad", "--out", tmp_path / "file")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert str(tmp_path / "file") in done.stderr

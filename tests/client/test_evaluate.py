"""`client evaluate`: results with known errors against labels and periods, as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.results.file import ResultFile, RunIdentity
from client.results.rows import columns_for
from radar.seasons import format_utc
from radar.verification import caveats
from radar.verification.report_files import FIGURES_HINT
from serving.protocol.pipeline import Prediction
from tests.absent import WITHOUT_REPORT_EXTRA
from tests.client.command import client
from tests.conftest import write_frames

CODES = ("LT", "NO")
START = datetime(2015, 12, 1, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)

# Two events of bands and a lull; the last two frames of the first were taken for nothing, and one frame of the lull
# for bands. Bands: 10 of 12 found, 1 of 11 wrong. Nothing: 5 of 6 found, 2 of 7 wrong. Right: 15 of 18.
SEEN = "LLLLLLNNNNNNLLLLLL"
SAID = "LLLLNNNNNNNLLLLLLL"


def mode(letter: str) -> str:
    return {"L": "LT", "N": "NO", "?": "?"}[letter]


def name(n: int) -> str:
    return f"pr2hse{n:05d}.png"


def time(n: int) -> datetime:
    return START + n * TEN_MINUTES


def write_results(
    path: Path,
    said: str = SAID,
    *,
    times: Sequence[datetime | None] | None = None,
    names: Sequence[str] | None = None,
    sure: float = 0.9,
    folder: str = "/frames",
) -> Path:
    """Writes a result file as `client classify` does; where it says X a frame could not be read."""
    stamps = [time(n) for n in range(len(said))] if times is None else times
    found = [
        Prediction(
            file,
            None if letter == "X" else np.array([sure, 1 - sure][:: 1 if letter == "L" else -1], np.float32),
            "is empty" if letter == "X" else "",
        )
        for file, letter in zip(names or [name(n) for n in range(len(said))], said, strict=True)
    ]
    identity = RunIdentity(folder, "snowmode", 7, columns_for(CODES), 0.6)
    with ResultFile(path, CODES, identity, [prediction.name for prediction in found]) as file:
        file.write(found, [format_utc(stamp) if stamp else "" for stamp in stamps])
        file.finish()
    return path


def write_labels(path: Path, seen: str = SEEN, *, events: Sequence[str] | None = None) -> Path:
    lines = ["file,label,event"] + [
        f"{name(n)},{mode(letter)},{events[n] if events else ''}" for n, letter in enumerate(seen)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_periods(path: Path, *periods: tuple[str, str, str]) -> Path:
    path.write_text("".join(",".join(row) + "\n" for row in (("start", "end", "mode"), *periods)))
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path / "hse20152016.csv")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_labels(tmp_path / "labels.csv")


def scored(*words: object) -> dict[str, Any]:
    """What `client evaluate --json` says."""
    done = client("evaluate", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.endswith("}\n")
    return json.loads(done.stdout, parse_constant=pytest.fail)


def refused(*words: object, code: int = 2) -> str:
    """What `client evaluate` says when it refuses: one message, and no report."""
    done = client("evaluate", *words)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


# Frame by frame.


def test_known_errors_give_known_scores(results: Path, labels: Path) -> None:
    report = scored(results, labels)
    assert report["table"]["counts"] == [[10, 2], [1, 5]]
    assert report["codes"] == ["LT", "NO"]
    assert (report["frames"], report["events"], report["seasons"]) == (18, 3, 1)
    assert report["overall"]["accuracy"]["value"] == pytest.approx(15 / 18)
    assert report["references"]["climatology"]["accuracy"] == pytest.approx(12 / 18)
    assert report["references"]["persistence"]["accuracy"] == pytest.approx(15 / 17)
    assert report["modes"]["LT"]["pod"]["value"] == pytest.approx(10 / 12)
    assert report["modes"]["LT"]["far"]["value"] == pytest.approx(1 / 11)
    assert report["modes"]["NO"]["pod"]["value"] == pytest.approx(5 / 6)
    assert report["modes"]["NO"]["far"]["value"] == pytest.approx(2 / 7)
    assert report["overall"]["brier"]["value"] == pytest.approx((15 * 0.02 + 3 * 1.62) / 18)
    assert report["accepted"]["share"] == 1
    assert report["title"] == "hse20152016, model 7"
    assert report["caveats"] == [caveats.UNSEEN_UNKNOWN, caveats.few_events(3)]


def test_events_are_found_missed_and_late(results: Path, labels: Path) -> None:
    events = scored(results, labels)["by_event"]
    # The second event of bands was seen from ten minutes before on; the lull 20 minutes too early, and too short.
    assert events["modes"]["LT"] == {"hits": 2, "misses": 0, "false_alarms": 0, "pod": 1.0, "far": 0.0, "csi": 1.0}
    errors = [(hit["mode"], hit["onset_error_minutes"], hit["end_error_minutes"]) for hit in events["hits"]]
    assert sorted(errors) == [("LT", -10, 0), ("LT", 0, -20), ("NO", -20, -10)]


def test_the_text_is_the_report(results: Path, labels: Path) -> None:
    done = client("evaluate", results, labels)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hse20152016, model 7\n====================\n\nOn 18 frames of 3 events, ")
    assert "the mode was right in 83.3% of the frames" in " ".join(done.stdout.split())
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["LT", "10", "2", "12", "2"] in lines
    assert ["NO", "1", "5", "6", "1"] in lines
    assert "\n\nTo know\n  * Nothing says whether" in done.stdout


def test_order_in_the_file_does_not_matter(tmp_path: Path, results: Path, labels: Path) -> None:
    order = [n * 7 % 18 for n in range(18)]
    (tmp_path / "other").mkdir()
    other = write_results(
        tmp_path / "other" / results.name,
        "".join(SAID[n] for n in order),
        times=[time(n) for n in order],
        names=[name(n) for n in order],
    )
    assert scored(other, labels) == scored(results, labels)


def test_seeds_are_kept_and_change_intervals_only(tmp_path: Path, results: Path) -> None:
    labels = write_labels(tmp_path / "l.csv", events=[f"E{n // 2}" for n in range(18)])
    once, again, other = (scored(results, labels, "--seed", seed) for seed in (1, 1, 2))
    assert once == again
    assert once["interval"]["seed"] == 1
    assert once["overall"] != other["overall"]
    for score, estimate in once["overall"].items():
        assert estimate["value"] == other["overall"][score]["value"]


def test_frames_without_label_and_labels_without_frame_are_told(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", "XX" + SAID[2:])
    labels = write_labels(tmp_path / "l.csv", SEEN[:15] + "?")
    with labels.open("a") as file:
        file.write("later.png,LT,\nlast.png,NO,\n")
    report = scored(results, labels, "--ignore", "?")
    assert report["table"]["counts"] == [[5, 2], [1, 5]]
    assert report["caveats"][2:] == [
        "4 labelled frames are not among the classified ones and are not scored.",
        "2 frames could not be classified and are not scored.",
        "3 classified frames have no label and are not scored.",
    ]


def test_labels_of_another_season_are_refused_by_their_times(tmp_path: Path, results: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"{name(n)},{mode(letter)},{format_utc(time(n))}" for n, letter in enumerate(SEEN)]
    table.write_text("\n".join(["file,label,time_utc", *rows]) + "\n")
    assert client("evaluate", results, table).returncode == 0
    # Indexed names are the same every winter; only the times tell.
    table.write_text(table.read_text().replace("2015-", "2014-").replace("2016-", "2015-"))
    done = client("evaluate", results, table)
    assert done.returncode == 2
    assert "another season" in done.stderr
    assert f"{name(0)} is 2014-" in done.stderr
    assert f"{len(SEEN) - 1} others" in done.stderr


def test_several_labels_may_be_ignored(tmp_path: Path, results: Path) -> None:
    labels = write_labels(tmp_path / "l.csv", "L?N" * 6)
    assert scored(results, labels, "--ignore", "?")["frames"] == 12
    assert scored(results, labels, "--ignore", "?", "--ignore", "NO")["frames"] == 6


def test_events_that_are_named_are_resampled_as_they_are(tmp_path: Path, results: Path) -> None:
    labels = write_labels(tmp_path / "l.csv", events=[f"E{n // 3}" for n in range(18)])
    assert scored(results, labels)["events"] == 6
    half = write_labels(tmp_path / "h.csv", events=[f"E{n // 3}" if n > 3 else "" for n in range(18)])
    assert scored(results, half)["events"] == 3, "cut from times where not every frame has one"


def test_without_times_there_are_events_only_if_they_are_named(tmp_path: Path, labels: Path) -> None:
    results = write_results(tmp_path / "r.csv", times=[None] * 18)
    report = scored(results, labels)
    assert report["events"] == 0
    assert report["overall"]["accuracy"] == {"value": 15 / 18, "low": None, "high": None, "dropped": 0}
    assert caveats.NO_EVENTS in report["caveats"]
    assert report["by_event"] is None
    assert report["months"] == []
    named = scored(results, write_labels(tmp_path / "l.csv", events=[f"E{n // 3}" for n in range(18)]))
    assert named["events"] == 6
    assert named["overall"]["accuracy"]["low"] is not None
    assert caveats.NO_EVENTS not in named["caveats"]


def test_the_gap_that_ends_an_event_can_be_set(tmp_path: Path, results: Path, labels: Path) -> None:
    # With so long a gap the lull only interrupts the bands, those that were seen and those that were said.
    report = scored(results, labels, "--gap", 80)
    assert report["events"] == 2
    assert [(hit["mode"], hit["pieces"]) for hit in report["by_event"]["hits"]] == [("LT", 1), ("NO", 1)]
    sparse = write_results(tmp_path / "s.csv", times=[START + 2 * n * TEN_MINUTES for n in range(18)])
    assert scored(sparse, labels)["events"] == 3
    assert scored(sparse, labels, "--gap", 10)["events"] == 18
    assert len(scored(sparse, labels, "--gap", 10)["by_event"]["hits"]) > 10


def test_the_tolerance_of_events_can_be_set(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", "LLLNNNNNN")
    labels = write_labels(tmp_path / "l.csv", "NNNNNLLNN")  # bands were seen half an hour later than they were said
    for minutes, hits in ((30, 1), (20, 0)):
        found = scored(results, labels, "--tolerance", minutes)["by_event"]
        assert found["tolerance_minutes"] == minutes
        assert found["modes"]["LT"]["hits"] == hits


@pytest.mark.parametrize(
    ("split", "caveat"),
    [("season", None), ("event", None), ("frame", caveats.RANDOM_SPLIT), ("unknown", caveats.UNSEEN_UNKNOWN)],
)
def test_what_the_model_was_trained_on_is_said(results: Path, labels: Path, split: str, caveat: str | None) -> None:
    report = scored(results, labels, "--split", split)
    assert report["split"] == split
    assert {caveats.RANDOM_SPLIT, caveats.UNSEEN_UNKNOWN} & set(report["caveats"]) == ({caveat} if caveat else set())


def test_synthetic_frames_are_known_by_their_season_file(tmp_path: Path, results: Path, labels: Path) -> None:
    assert not scored(results, labels)["synthetic"]
    assert scored(results, labels, "--synthetic")["synthetic"]
    frames = tmp_path / "frames"
    frames.mkdir()
    season = 'pattern = "pr2hse{index:05d}.png"\n[synthetic]\nseed = 1\n'
    (frames / "season.toml").write_text(season)
    of_these = write_results(tmp_path / "s.csv", folder=str(frames))
    report = scored(of_these, labels)
    assert report["synthetic"]
    assert report["caveats"][0] == caveats.SYNTHETIC
    assert caveats.SYNTHETIC not in scored(of_these, labels, "--real")["caveats"]
    assert not scored(results, labels)["synthetic"]
    (tmp_path / "season.toml").write_text(season)
    assert scored(results, labels)["synthetic"], "the labels lie beside it"


def test_the_report_is_written_where_it_is_wanted(tmp_path: Path, results: Path, labels: Path) -> None:
    out = tmp_path / "a" / "report"
    done = client("evaluate", results, labels, "--out", out)
    assert done.returncode == 0
    names = ["verification.txt", "verification.json", "verification.html"]
    names += ["confusion.png", "performance.png", "reliability.png", "by_month.png"]
    assert done.stderr.splitlines() == [f"Written: {out / name}" for name in names]
    assert (out / "verification.txt").read_text() == done.stdout
    assert json.loads((out / "verification.json").read_text()) == scored(results, labels)


def test_without_matplotlib_the_command_says_how_to_get_figures(tmp_path: Path, results: Path, labels: Path) -> None:
    out = tmp_path / "out"
    code = f"{WITHOUT_REPORT_EXTRA}\nfrom client.cli import main\nmain()"
    words = [sys.executable, "-c", code, "evaluate", results, labels, "--out", out]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"Written: {out / 'verification.txt'}",
        f"Written: {out / 'verification.json'}",
        FIGURES_HINT,
    ]
    assert "pip install 'snowmode[report]'" in FIGURES_HINT


def test_a_classified_season_is_scored(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "hse20152016", 9)
    where = ("--season-start", "2015-12-01T00:00Z", "--cadence", 10, "--pattern", "pr2hse{index:05d}.png")
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv", *where)
    assert done.returncode == 0, done.stderr
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + "".join(f"{name(n)},{'LT' if n < 5 else 'SY'}\n" for n in range(9)))
    report = scored(tmp_path / "r.csv", labels)
    assert (report["frames"], report["events"]) == (9, 2)
    assert np.sum(report["table"]["counts"], axis=1).tolist() == [4, 0, 5, 0, 0]


# By periods.

BANDS = ("2015-12-01T00:00Z", "2015-12-01T00:50Z", "LT")
LULL = ("2015-12-01T01:00Z", "2015-12-01T01:50Z", "NO")
MORE = ("2015-12-01T02:00Z", "2015-12-01T02:50Z", "LT")


def test_periods_give_the_scores_of_their_frames(tmp_path: Path, results: Path, labels: Path) -> None:
    by_period = scored(results, write_periods(tmp_path / "p.csv", BANDS, LULL, MORE))
    by_frame = scored(results, labels)
    assert by_period["table"] == by_frame["table"]
    assert by_period["overall"] == by_frame["overall"]
    assert by_period["by_event"] == by_frame["by_event"]
    assert by_period["caveats"] == by_frame["caveats"]


def test_periods_without_zone_are_in_the_zone_that_is_given(tmp_path: Path, results: Path) -> None:
    local = [("2015-12-01T09:00", "2015-12-01 09:50", "LT"), ("2015-12-01T10:00:00", "2015-12-01T10:50", "NO")]
    local += [("2015-12-01T02:00Z", "2015-12-01T02:50+00:00", "LT")]  # those that have one keep it
    periods = write_periods(tmp_path / "p.csv", *local)
    for zone in ("JST", "Asia/Tokyo"):
        assert scored(results, periods, "--zone", zone)["table"]["counts"] == [[10, 2], [1, 5]]
    assert scored(results, periods)["table"]["counts"] == [[6, 0], [0, 0]]


def test_both_ends_belong_to_a_period_and_a_shared_one_to_the_next(tmp_path: Path, results: Path) -> None:
    apart = write_periods(tmp_path / "p.csv", ("2015-12-01T00:10Z", "2015-12-01T00:30Z", "LT"))
    assert scored(results, apart)["frames"] == 3
    inside = write_periods(tmp_path / "p.csv", ("2015-12-01T00:11Z", "2015-12-01T00:29Z", "LT"))
    assert scored(results, inside)["frames"] == 1
    shared = write_periods(
        tmp_path / "p.csv",
        ("2015-12-01T00:00Z", "2015-12-01T00:30Z", "LT"),
        ("2015-12-01T00:30Z", "2015-12-01T00:40Z", "NO"),
    )
    assert scored(results, shared)["table"]["counts"] == [[3, 0], [1, 1]]


def test_frames_outside_all_periods_may_be_of_a_mode(tmp_path: Path, results: Path) -> None:
    periods = write_periods(tmp_path / "p.csv", BANDS, MORE)
    alone = scored(results, periods)
    assert alone["table"]["counts"] == [[10, 2], [0, 0]]
    assert alone["events"] == 2
    assert "6 classified frames have no label and are not scored." in alone["caveats"]
    filled = scored(results, periods, "--outside", "NO")
    assert filled["table"]["counts"] == [[10, 2], [1, 5]]
    assert filled["events"] == 3
    assert filled["events_of_mode"] == {"LT": 2, "NO": 1}
    assert not any("no label" in caveat for caveat in filled["caveats"])
    assert filled["by_event"]["modes"]["NO"]["hits"] == 1
    assert alone["by_event"]["modes"]["NO"]["hits"] == 0


def test_what_was_said_where_nobody_looked_is_no_false_alarm(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", "LLL" + "N" * 20 + "LLL")
    periods = write_periods(tmp_path / "p.csv", ("2015-12-01T00:00Z", "2015-12-01T01:00Z", "LT"))
    alone = scored(results, periods)
    found = {"hits": 1, "misses": 0, "false_alarms": 0, "pod": 1, "far": 0, "csi": 1}
    assert alone["by_event"]["modes"]["LT"] == found
    assert alone["by_event"]["modes"]["NO"]["false_alarms"] == 1
    filled = scored(results, periods, "--outside", "NO")
    assert filled["by_event"]["modes"]["LT"]["false_alarms"] == 1


def test_periods_without_frames_are_told_and_not_missed(tmp_path: Path, results: Path) -> None:
    later = ("2016-02-01T00:00Z", "2016-02-01T05:00Z", "LT")
    between = ("2015-12-01T00:51Z", "2015-12-01T00:59Z", "NO")
    report = scored(results, write_periods(tmp_path / "p.csv", BANDS, between, LULL, MORE, later))
    assert report["events"] == 3
    assert report["by_event"]["misses"] == []
    assert "2 periods hold no classified frame and are not scored." in report["caveats"]


def test_frames_without_time_lie_in_no_period(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", times=[time(n) if n < 12 else None for n in range(18)])
    report = scored(results, write_periods(tmp_path / "p.csv", BANDS), "--outside", "NO")
    assert report["table"]["counts"] == [[4, 2], [1, 5]]
    assert "6 classified frames have no label and are not scored." in report["caveats"]


# What is refused.


@pytest.mark.parametrize(
    ("labels", "words", "message"),
    [
        ("file,label\npr2hse00000.png,XX\n", (), "labels.csv: expected the labels LT, NO; received XX"),
        ("file,label\npr2hse00000.png\n", (), "labels.csv: line 2: expected file, label filled in"),
        ("file,mode\npr2hse00000.png,LT\n", (), "labels.csv: expected columns file, label; label missing"),
        ("start,end\n2015-12-01T00:00Z,2015-12-01T01:00Z\n", (), "expected columns file, label; file, label missing"),
        ("", (), "labels.csv: expected columns file, label; file, label missing"),
        ("file,label\na,LT\na,NO\n", (), "labels.csv: lines 2 and 3: a is labelled twice"),
        ("file,label\na,LT\n", ("--outside", "NO"), "--outside belongs to a table of periods; "),
        ("file,label\na,LT\n", ("--outside", "XX"), "--outside: expected a mode among LT, NO, received 'XX'"),
        ("start,end,mode\n2015-12-01,2015-12-02,SY\n", (), "line 2: expected a mode among LT, NO, received 'SY'"),
        ("start,end,mode\n2015-12-01,soon,LT\n", (), "line 2: expected times such as 2015-12-16T18:00Z"),
        ("start,end,mode\n2015-12-02,2015-12-01,LT\n", (), "line 2: the period ends before it starts"),
        ("start,end,mode\n", (), "expected at least one period, received none"),
        ("start,end,mode\na,b,LT\n", ("--ignore", "?"), "--ignore belongs to a table of labelled frames; "),
        ("start,end,mode\n2015-12-01,2015-12-02,LT\n", ("--zone", "Mars"), "Time zone: expected UTC, JST or a name"),
        (
            "start,end,mode\n2015-12-01,2015-12-03,LT\n2015-12-02,2015-12-04,NO\n",
            (),
            "lines 2 and 3: the periods overlap",
        ),
    ],
)
def test_tables_and_options_that_cannot_be_used(
    tmp_path: Path, results: Path, labels: str, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "labels.csv").write_text(labels)
    assert message in refused(results, tmp_path / "labels.csv", *words)


def test_nothing_in_common_shows_where_both_begin(tmp_path: Path, results: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nhse/pr2hse00000.png,LT\n")
    message = refused(results, labels)
    assert f"{results} and {labels} have no frame in common" in message
    beginning = "the results begin with pr2hse00000.png 2015-12-01T00:00:00Z"
    assert f"{beginning}, the labels with hse/pr2hse00000.png" in message
    periods = write_periods(tmp_path / "p.csv", ("2015-12-01T09:00", "2015-12-01T09:50", "LT"))
    assert f"{beginning}, the periods at 2015-12-01T09:00Z" in refused(results, periods)
    labels.write_text("file,label\n")
    assert "and there is no label" in refused(results, labels)
    nothing = write_results(tmp_path / "x.csv", "XXX")
    assert "the results begin with -" in refused(nothing, write_labels(labels))


def test_periods_need_results_with_times(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", times=[None] * 18)
    message = refused(results, write_periods(tmp_path / "p.csv", BANDS))
    assert "has periods, but the frames of the result file have no times; classify with --pattern" in message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png,2015-12-01T00:00:00Z,LT,0.9,0.1,0.3,1,7", "line 2: no row of a result file"),
        ("a.png,2015-12-01T00:00:00Z,LT,nine,0.1,0.3,1,7,", "line 2: no row of a result file"),
        ("a.png,2015-12-01T00:00:00Z,SY,0.9,0.1,0.3,1,7,", "line 2: no row of a result file"),
        ("a.png,2015-12-01T00:00:00Z,LT,0.9,0.9,0.3,1,7,", "probabilities from 0 to 1 that add up to 1"),
        ("a.png,yesterday,LT,0.9,0.1,0.3,1,7,", "expected a time such as 2015-11-01T00:00:00Z, received 'yesterday'"),
    ],
)
def test_rows_that_are_none_are_named(tmp_path: Path, line: str, message: str) -> None:
    results = tmp_path / "r.csv"
    results.write_text(",".join(columns_for(CODES)) + f"\n{line}\n")
    labels = tmp_path / "l.csv"
    labels.write_text("file,label\na.png,LT\n")
    said = refused(results, labels)
    assert message.lower() in said.lower()
    assert str(results) in said


def test_files_that_are_none_are_named(tmp_path: Path, results: Path, labels: Path) -> None:
    assert f"{tmp_path / 'none.csv'}: cannot be read" in refused(tmp_path / "none.csv", labels)
    assert f"{tmp_path / 'none.csv'}: cannot be read" in refused(results, tmp_path / "none.csv")
    assert "expected a result file of `client classify`, received the columns 'file,label,event'" in refused(
        labels, labels
    ).replace(", ", ",").replace("classify`,received", "classify`, received")
    assert "cannot be read" in refused(tmp_path, labels)
    assert "cannot be read" in refused(results, tmp_path)


@pytest.mark.parametrize("word", ["--split=winter", "--gap=-1", "--tolerance=x", "--seed=-1", "--nonsense"])
def test_options_that_are_none_end_with_2(results: Path, labels: Path, word: str) -> None:
    done = client("evaluate", results, labels, word)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_report_that_cannot_be_written_ends_with_4(tmp_path: Path, results: Path, labels: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "x"):
        assert f"--out {out}: cannot be written: " in refused(results, labels, "--out", out, code=4)
    assert (tmp_path / "file").read_text() == "mine"

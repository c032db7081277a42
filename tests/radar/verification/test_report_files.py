"""The report as text, JSON, HTML and files."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from radar.verification.catalog import OF_MODES, OF_PROBABILITIES, OVERALL
from radar.verification.comparison import Comparison, compare
from radar.verification.report import Report, verify
from radar.verification.report_files import can_draw, write_report
from radar.verification.report_html import as_html
from radar.verification.report_json import as_dict, write_json
from radar.verification.report_tables import comparison_tables, tables
from radar.verification.report_text import WIDTH, as_text, columns
from tests.absent import WITHOUT_REPORT_EXTRA
from tests.radar.verification.samples import DEGENERATE, SECOND_WINTER, many_events, sample_of

ROOT = Path(__file__).parents[3]
NASTY = '<script>alert("x")</script> & a$\\frac$ 冬'


@pytest.fixture(scope="module")
def report() -> Report:
    return verify(sample_of(second_winter=SECOND_WINTER), title="hse20152016, model 7", split="frame", synthetic=True)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    samples = many_events(right=0.95, seed=1), many_events(right=0.5, seed=2)
    return compare(*samples, names=("radar-1", "nakai-2"), split="event", synthetic=True)


def degenerate(name: str) -> Report:
    return verify(DEGENERATE[name], title=name)


# JSON.


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def read_strictly(text: str) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", DEGENERATE)
def test_json_has_null_where_a_score_is_undefined(name: str, tmp_path: Path) -> None:
    report = degenerate(name)
    write_json(report, tmp_path / "r.json")
    content = read_strictly((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert content == as_dict(report)
    for code, scores in report.modes.items():
        for score, estimate in scores.items():
            written = content["modes"][code][score]
            for end in ("value", "low", "high"):
                number = getattr(estimate, end)
                assert written[end] == (number if math.isfinite(number) else None), (code, score)
    assert None in leaves(content["modes"])
    write_json(compare(DEGENERATE["all right"], DEGENERATE["all right"], names=("a", "b")), tmp_path / "c.json")
    assert read_strictly((tmp_path / "c.json").read_text(encoding="utf-8"))["models"] == ["a", "b"]


def test_json_holds_every_number_of_the_report(report: Report) -> None:
    content = as_dict(report)
    assert content["format"] == "snowmode verification 1"
    assert (content["title"], content["sentence"]) == (report.title, report.sentence)
    assert content["caveats"] == list(report.caveats)
    assert (content["frames"], content["events"], content["seasons"]) == (33, 9, 2)
    assert (content["split"], content["synthetic"]) == ("frame", True)
    assert content["events_of_mode"] == {"A": 4, "B": 3, "C": 2}
    assert content["table"] == {
        "rows": "observed",
        "columns": "predicted",
        "counts": [[12, 2, 1], [4, 7, 1], [0, 1, 5]],
    }
    assert content["overall"]["accuracy"]["value"] == pytest.approx(24 / 33)
    assert content["modes"]["C"]["pod"]["value"] == pytest.approx(5 / 6)
    assert content["modes"]["C"]["far"]["value"] == pytest.approx(2 / 7)
    assert set(content["modes"]["A"]) == {score.name for score in OF_MODES}
    assert set(content["overall"]) == {score.name for score in (*OVERALL, *OF_PROBABILITIES)}
    assert content["overall"]["hss"]["low"] < content["overall"]["hss"]["value"] < content["overall"]["hss"]["high"]
    assert content["references"]["climatology"]["accuracy"] == pytest.approx(15 / 33)
    assert content["accepted"]["share"] == report.accepted.share
    assert content["interval"]["resampled"] == "whole events"
    assert [content["interval"][name] for name in ("level", "replicates", "seed")] == [0.95, 1000, 0]
    assert [(month["month"], month["events"]) for month in content["months"]] == [
        ("2015-11", 5),
        ("2015-12", 1),
        ("2016-12", 3),
    ]
    events = content["by_event"]
    assert events["modes"]["B"]["misses"] == len(events["misses"]) == 1
    assert events["misses"][0]["start"].endswith("Z")
    assert len(events["hits"]) == 8
    calibration = content["calibration"]
    assert calibration["mean_probability"]["B"] == pytest.approx(report.calibration.mean_probability[1])
    assert sum(calibration["curves"]["A"]["frames"]) == sum(calibration["curves"]["A"]["histogram"]) == 33
    assert calibration["fitting_temperature"] == report.calibration.temperature


def test_json_of_what_is_not_known_is_null() -> None:
    content = as_dict(degenerate("nothing but frames"))
    assert content["calibration"] is content["accepted"] is content["by_event"] is None
    assert content["interval"]["resampled"] is None
    assert content["months"] == []


def test_json_of_a_comparison_holds_both_reports(comparison: Comparison) -> None:
    content = as_dict(comparison)
    assert content["difference"]["meaning"] == "radar-1 minus nakai-2, on the same resampled events"
    assert content["difference"]["overall"]["hss"]["value"] == comparison.overall["hss"].value > 0
    assert [one["title"] for one in content["reports"]] == content["models"] == ["radar-1", "nakai-2"]
    assert content["sentence"] == comparison.sentence


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    path = tmp_path / "verification.json"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_json(report, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["verification.json"]


# Text.


def test_text_has_every_table_and_every_caveat(report: Report) -> None:
    text = as_text(report)
    titles = [table.title for table in tables(report)]
    assert len(titles) == 6
    assert all(f"\n\n{title}\n" in text for title in titles)
    for table in tables(report):
        assert columns(table.rows) in text
    assert text.startswith("hse20152016, model 7\n====================\n\nOn 33 frames of 9 events")
    assert "\n\nScored on randomly drawn frames of winters that were trained on.\n\n" in text
    flat = " ".join(text.split())
    assert report.sentence in flat
    assert len(report.caveats) == 3
    assert all(f"* {caveat}" in flat for caveat in report.caveats)
    assert text.endswith(".\n")


def test_text_without_caveats_has_nothing_to_know() -> None:
    text = as_text(verify(many_events(), title="t", split="season"))
    assert "To know" not in text
    assert "\n\n\n" not in text


def test_the_tables_of_the_text_hold_the_right_numbers(report: Report) -> None:
    lines = [line.split() for line in as_text(report).splitlines()]
    assert ["observed", "A", "B", "C", "frames", "events"] in lines
    assert ["A", "12", "2", "1", "15", "4"] in lines
    assert ["C", "0", "1", "5", "6", "2"] in lines
    assert ["predicted", "16", "10", "7", "33", "9"] in lines
    for name, title in {"accuracy": "accuracy", "hss": "HSS", "log_loss": "log loss"}.items():
        score, often = report.overall[name], report.references["climatology"][name]
        expected = f"{title} {score.value:.3f} ({score.low:.3f} to {score.high:.3f}) {often:.3f}".split()
        assert any(line[: len(expected)] == expected for line in lines), name
    pod = report.modes["C"]["pod"]
    assert any(line[:5] == ["C", "0.83", f"({pod.low:.2f}", "to", f"{pod.high:.2f})"] for line in lines)
    assert "72.7% of the frames are accepted" in " ".join(as_text(report).split())
    # Of B three events were observed; one was not found; one piece of A too many.
    assert any(line[:4] == ["B", "3", "2", "1"] for line in lines)


@pytest.mark.parametrize("name", DEGENERATE)
def test_undefined_scores_are_dashes(name: str) -> None:
    text = as_text(degenerate(name))
    assert "nan" not in text.lower()
    assert re.search(r" -( |$)", text, re.M)


@pytest.mark.parametrize("name", [*DEGENERATE, "many", "compared"])
def test_running_text_fits_the_width(name: str, comparison: Comparison) -> None:
    sample = replace(many_events(tuple("ABCDEFGHIJKL"), rounds=3), codes=tuple(f"MODE-NUMBER-{n}" for n in range(12)))
    many = verify(sample, title="t", synthetic=True, notes=("word " * 60,))
    report = {"many": many, "compared": comparison}.get(name) or degenerate(name)
    found = comparison_tables(report) if isinstance(report, Comparison) else tables(report)
    cells = {line for table in found for line in columns(table.rows).splitlines()}
    running = [line for line in as_text(report).splitlines() if line not in cells]
    assert len(running) > 10
    assert max(map(len, running)) <= WIDTH == 100


def test_a_comparison_as_text(comparison: Comparison) -> None:
    text = as_text(comparison)
    assert text.startswith(
        "radar-1 against nakai-2\n=======================\n\nradar-1 is better than nakai-2 on 600 frames"
    )
    assert "1st: radar-1; 2nd: nakai-2." in text
    hss = comparison.overall["hss"]
    (line,) = [line for line in text.splitlines() if line.split()[:1] == ["HSS"]]
    first, second = (report.overall["hss"].value for report in comparison.reports)
    expected = f"HSS {first:.3f} {second:.3f} {hss.value:+.3f} ({hss.low:+.3f} to {hss.high:+.3f}) higher"
    assert line.split() == expected.split()
    (brier,) = [line for line in text.splitlines() if line.strip().startswith("Brier")]
    assert brier.endswith("lower")
    assert "synthetic frames" in text


# HTML.


class Page(HTMLParser):
    """What a page is made of; refuses tags that are closed in the wrong order."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            if name in {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}:
                self.links.append(value or "")
            self.links += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            assert "@import" not in data
            assert "url(" not in data
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_page_holds_what_the_text_does(report: Report) -> None:
    page = Page(as_html(report))
    assert report.sentence in page.text
    assert all(caveat in page.text for caveat in report.caveats)
    for table in tables(report):
        assert table.title in page.text
        for cell in (cell for row in table.rows for cell in row):
            assert cell in page.text
    assert page.tags["table"] == len(tables(report)) + 1  # and the names of the scores
    assert page.tags["figure"] == page.tags["svg"] == 4
    assert page.tags["th"] > 40
    assert "Cohen's kappa" in page.text


@pytest.mark.parametrize("name", ["report", "compared", "one frame, wrong", "nothing but frames"])
def test_the_page_needs_nothing_from_elsewhere(name: str, report: Report, comparison: Comparison) -> None:
    chosen = {"report": report, "compared": comparison}.get(name) or degenerate(name)
    page = Page(as_html(chosen))
    outside = [link for link in page.links if not link.startswith(("#", "data:image/png;base64,"))]
    assert len(page.links) > 10
    assert outside == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_ids_are_unique_in_the_page(report: Report, comparison: Comparison) -> None:
    for chosen, figures in ((report, 4), (comparison, 8)):
        page = Page(as_html(chosen))
        assert page.tags["svg"] == figures
        assert len(page.ids) > 50
        assert set(page.ids.values()) == {1}, [name for name, n in page.ids.items() if n > 1][:5]


def test_a_title_is_no_markup(report: Report) -> None:
    sample = sample_of()
    for chosen in (verify(sample, title=NASTY, notes=(NASTY,)), compare(sample, sample, names=(NASTY, "b"))):
        text = as_html(chosen)
        assert "<script" not in text
        page = Page(text)
        assert not page.tags["script"]
        assert page.text.count(NASTY) >= 4  # title, heading, figures


def test_the_same_report_gives_the_same_page(report: Report) -> None:
    assert as_html(report) == as_html(report)


# Files.


def test_a_report_is_written_as_text_numbers_page_and_figures(tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "new" / "report"
    written = write_report(report, folder)
    names = ["verification.txt", "verification.json", "verification.html"]
    names += ["confusion.png", "performance.png", "reliability.png", "by_month.png"]
    assert [path.name for path in written] == names
    assert {path.name for path in folder.iterdir()} == set(names)
    assert (folder / "verification.txt").read_text(encoding="utf-8") == as_text(report)
    assert json.loads((folder / "verification.json").read_text(encoding="utf-8")) == as_dict(report)
    assert (folder / "verification.html").read_text(encoding="utf-8") == as_html(report) + "\n"
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names[3:])
    assert write_report(report, folder) == written, "again, over the old ones"


def test_a_report_of_little_has_fewer_figures(tmp_path: Path, comparison: Comparison) -> None:
    bare = write_report(degenerate("nothing but frames"), tmp_path / "bare")
    assert [path.name for path in bare][3:] == ["confusion.png", "performance.png"]
    compared = write_report(comparison, tmp_path / "compared")
    assert [path.suffix for path in compared] == [".txt", ".json", ".html"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, report: Report) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(OSError):
            write_report(report, folder)
    assert (tmp_path / "file").read_text() == "mine"


def test_without_matplotlib_and_jinja2_text_and_json_are_written(tmp_path: Path, report: Report) -> None:
    code = WITHOUT_REPORT_EXTRA + (
        "from pathlib import Path\n"
        "from radar.verification.report import verify\n"
        "from radar.verification.report_files import can_draw, write_report\n"
        "from tests.radar.verification.samples import SECOND_WINTER, sample_of\n"
        "sample = sample_of(second_winter=SECOND_WINTER)\n"
        "report = verify(sample, title='hse20152016, model 7', split='frame', synthetic=True)\n"
        "assert not can_draw()\n"
        "print(*(path.name for path in write_report(report, Path(sys.argv[1]))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "r"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["verification.txt", "verification.json"]
    assert (tmp_path / "r" / "verification.txt").read_text(encoding="utf-8") == as_text(report)
    assert {path.name for path in (tmp_path / "r").iterdir()} == {"verification.txt", "verification.json"}
    assert can_draw(), "here they are installed"

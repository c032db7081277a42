"""The report: its numbers equal what is computed by hand, and it says what there is to know about them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from radar.events import find_events
from radar.resampling import resample
from radar.verification import caveats, overall
from radar.verification.catalog import OF_MODES, OVERALL
from radar.verification.event_level import match_events
from radar.verification.probabilities import SMALLEST, brier_scores, fit_temperature, log_losses
from radar.verification.reliability import expected_calibration_error
from radar.verification.report import Report, verify
from radar.verification.sample import Sample
from radar.verification.table import count
from tests.radar.verification.samples import CODES, DEGENERATE, SECOND_WINTER, many_events, sample_of

SAMPLE = sample_of(second_winter=SECOND_WINTER)


@pytest.fixture(scope="module")
def report() -> Report:
    return verify(SAMPLE, title="t", split="season")


def tables_of_events(sample: Sample, frames: np.ndarray | slice = slice(None)) -> np.ndarray:
    tables = np.zeros((int(sample.events.max()) + 1, len(sample.codes), len(sample.codes)))
    for event, row, column in zip(
        *(x[frames] for x in (sample.events, sample.observed, sample.predicted)), strict=True
    ):
        tables[event, row, column] += 1
    return tables


# Numbers.


def test_the_table_has_observed_modes_in_rows(report: Report) -> None:
    # By eye, from the runs: A is observed in events 1, 3, 6 and 9; one of its frames was taken for C, two for B.
    assert report.table.tolist() == [[12, 2, 1], [4, 7, 1], [0, 1, 5]]
    assert (report.frames, report.events, report.seasons) == (33, 9, 2)
    assert report.events_of_mode.tolist() == [4, 3, 2]


def test_every_score_stands_under_its_name(report: Report) -> None:
    for score in OVERALL:
        assert report.overall[score.name].value == pytest.approx(float(score.function(report.table))), score.name
    for score in OF_MODES:
        for code, value in zip(CODES, score.function(report.table), strict=True):
            assert report.modes[code][score.name].value == pytest.approx(value, nan_ok=True), (code, score.name)
    for name, function in {"brier": brier_scores, "log_loss": log_losses}.items():
        mean = function(SAMPLE.probabilities, SAMPLE.observed).mean()
        assert report.overall[name].value == pytest.approx(mean)


def test_every_interval_is_that_of_its_score_from_whole_events(report: Report) -> None:
    tables = tables_of_events(SAMPLE)
    for score in OVERALL:
        interval = resample(tables, score.function)
        estimate = report.overall[score.name]
        assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high)), score.name
    for score in OF_MODES:
        interval = resample(tables, score.function)
        for k, code in enumerate(CODES):
            estimate = report.modes[code][score.name]
            expected = interval.low[k], interval.high[k]
            assert (estimate.low, estimate.high) == pytest.approx(expected, nan_ok=True), (code, score.name)
            assert estimate.dropped == interval.dropped[k]
    sums = np.bincount(SAMPLE.events, brier_scores(SAMPLE.probabilities, SAMPLE.observed))
    both = np.stack([sums, np.bincount(SAMPLE.events)], axis=1)
    interval = resample(both, lambda rows: rows[:, 0] / rows[:, 1])
    assert report.overall["brier"].low == pytest.approx(interval.low)
    assert report.overall["accuracy"].low < report.overall["accuracy"].value < report.overall["accuracy"].high


def test_level_seed_and_replicates_are_those_that_were_asked_for() -> None:
    sample = many_events()
    usual = verify(sample, title="t")
    narrow = verify(sample, title="t", level=0.5, seed=3, replicates=400)
    again = verify(sample, title="t", level=0.5, seed=3, replicates=400)
    other = verify(sample, title="t", level=0.5, seed=4, replicates=400)
    assert (narrow.level, narrow.seed, narrow.replicates) == (0.5, 3, 400)
    assert narrow.overall == again.overall
    assert narrow.overall != other.overall
    width, usual_width = (r.overall["hss"].high - r.overall["hss"].low for r in (narrow, usual))
    assert width < 0.6 * usual_width


def test_references_forecast_what_they_should(report: Report) -> None:
    share = report.table.sum(axis=1) / report.frames
    assert report.references["climatology"]["accuracy"] == pytest.approx(15 / 33)
    assert report.references["climatology"]["hss"] == pytest.approx(0)
    assert report.references["climatology"]["brier"] == pytest.approx(1 - (share**2).sum())
    assert report.references["climatology"]["log_loss"] == pytest.approx(-(share * np.log(share)).sum())
    assert report.references["random"]["accuracy"] == pytest.approx((share**2).sum())
    pairs = [
        (before, now)
        for before, now, winter, this in zip(
            SAMPLE.observed, SAMPLE.observed[1:], SAMPLE.series, SAMPLE.series[1:], strict=False
        )
        if winter == this
    ]
    assert len(pairs) == 31  # neither winter's first frame has one before it
    persistence = report.references["persistence"]
    assert persistence["accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]))
    table = count([b for _, b in pairs], [a for a, _ in pairs], 3)
    assert persistence["mcc"] == pytest.approx(float(overall.matthews_correlation(table)))
    assert set(report.references) == {"climatology", "random", "persistence"}


def test_accepted_frames_are_scored_apart(report: Report) -> None:
    kept = SAMPLE.accepted
    assert 0 < kept.sum() < 33
    assert report.accepted.share == pytest.approx(kept.mean())
    interval = resample(tables_of_events(SAMPLE, kept), overall.heidke_skill_score)
    estimate = report.accepted.overall["hss"]
    assert estimate.value == pytest.approx(interval.value)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))


def test_calibration_is_computed_from_the_probabilities(report: Report) -> None:
    p = SAMPLE.probabilities
    found = report.calibration
    assert found.mean_probability == pytest.approx(p.mean(axis=0))
    assert found.ece == expected_calibration_error(p, SAMPLE.observed)
    assert found.ece_adaptive == expected_calibration_error(p, SAMPLE.observed, adaptive=True)
    assert found.temperature == pytest.approx(fit_temperature(np.log(np.maximum(p, SMALLEST)), SAMPLE.observed))
    for k, (curve, bars) in enumerate(zip(found.curves, found.bars, strict=True)):
        assert curve.frames.sum() == 33
        assert curve.climatology == pytest.approx((SAMPLE.observed == k).mean())
        assert bars.shape == (2, len(curve.frames))


def test_bars_of_a_curve_resample_the_events_of_its_bins() -> None:
    sample = many_events()
    report = verify(sample, title="t")
    for k, (curve, bars) in enumerate(zip(report.calibration.curves, report.calibration.bars, strict=True)):
        of = np.array([(p >= curve.edges).sum() for p in sample.probabilities[:, k]])
        for n in range(len(curve.frames)):
            inside = of == n
            frames = np.bincount(sample.events[inside], minlength=report.events)
            hits = np.bincount(sample.events[inside], sample.observed[inside] == k, minlength=report.events)
            interval = resample(
                np.stack([hits, frames], axis=1),
                lambda rows: np.divide(rows[:, 0], rows[:, 1], out=np.full(len(rows), np.nan), where=rows[:, 1] > 0),
            )
            assert curve.observed[n] == pytest.approx(interval.value)
            assert bars[:, n] == pytest.approx([interval.low, interval.high], nan_ok=True)


def test_months_hold_their_frames_and_their_events(report: Report) -> None:
    months = SAMPLE.times.astype("datetime64[M]").astype(str)
    assert [month.name for month in report.months] == ["2015-11", "2015-12", "2016-12"]
    for month in report.months:
        inside = months == month.name
        assert month.table.tolist() == count(SAMPLE.observed[inside], SAMPLE.predicted[inside], 3).tolist()
        assert month.events == len(set(SAMPLE.events[inside].tolist()))
    assert sum(int(month.table.sum()) for month in report.months) == 33


def test_an_event_over_the_turn_of_a_month_counts_in_both() -> None:
    found = verify(sample_of(["A " + "A" * 24 * 6 * 2]), title="t").months
    assert [(month.name, month.events) for month in found] == [("2015-11", 1), ("2015-12", 1)]


def test_frames_without_time_are_in_no_month() -> None:
    times = SAMPLE.times.copy()
    times[::2] = np.datetime64("NaT")
    report = verify(replace(SAMPLE, times=times), title="t")
    assert sum(int(month.table.sum()) for month in report.months) == 16
    assert report.frames == 33


def test_events_are_matched_within_the_tolerance(report: Report) -> None:
    for tolerance in (timedelta(0), timedelta(hours=6)):
        found = verify(SAMPLE, title="t", tolerance=tolerance).by_event
        lists = (
            find_events(modes, SAMPLE.times, series=SAMPLE.series)[0] for modes in (SAMPLE.observed, SAMPLE.predicted)
        )
        assert found == match_events(*lists, 3, tolerance=tolerance)
    assert report.by_event.tolerance == timedelta(minutes=30)
    # The fifth event, of B, was taken for A throughout, and nothing else was seen in its time.
    assert [(event.mode, event.frames) for event in report.by_event.misses] == [(1, 4)]
    assert sum(report.by_event.counts()[0]) == 8


def test_events_that_are_given_are_the_ones_that_are_matched() -> None:
    observed, _ = find_events(SAMPLE.observed, SAMPLE.times, series=SAMPLE.series)
    far = [
        replace(event, start=event.start.replace(year=1999), end=event.start.replace(year=1999)) for event in observed
    ]
    report = verify(replace(SAMPLE, predicted_events=far, observed_events=observed[:2]), title="t")
    assert len(report.by_event.misses) == 2
    assert report.by_event.hits == ()
    assert len(report.by_event.false_alarms) == 9
    unscored = replace(SAMPLE, predicted_events=far, scored_events=[False] * 8 + [True])
    assert verify(unscored, title="t").by_event.false_alarms == (far[8],)


def test_events_are_cut_from_times_if_nobody_names_them() -> None:
    report = verify(sample_of(events=False), title="t")
    assert report.events == 9
    assert report.overall["accuracy"].known


# What is not known is not there.


def test_without_times_there_are_no_months_and_no_event_scores() -> None:
    report = verify(sample_of(times=False), title="t")
    assert report.months == ()
    assert report.by_event is None
    assert report.events == 9
    assert report.overall["accuracy"].known


def test_without_events_there_are_no_intervals() -> None:
    report = verify(sample_of(times=False, events=False), title="t")
    assert report.events == 0
    assert report.events_of_mode.tolist() == [0, 0, 0]
    estimates = [*report.overall.values(), *(e for scores in report.modes.values() for e in scores.values())]
    assert all(math.isnan(e.low) and math.isnan(e.high) for e in estimates)
    assert report.overall["accuracy"].value == pytest.approx(24 / 33)
    assert all(np.isnan(bars).all() for bars in report.calibration.bars)


def test_without_probabilities_there_is_no_calibration() -> None:
    report = verify(sample_of(probabilities=False), title="t")
    assert report.calibration is None
    assert not {"brier", "log_loss"} & {*report.overall, *report.references["climatology"]}
    assert report.accepted is not None
    assert verify(sample_of(accepted=False), title="t").accepted is None


# Caveats.

FEW, ENOUGH = sample_of(), many_events()
RARE = many_events().take(np.flatnonzero(many_events().events < 59))
UNSEEN = caveats.UNSEEN_UNKNOWN


@pytest.mark.parametrize(
    ("sample", "options", "expected"),
    [
        (ENOUGH, {"split": "season"}, ()),
        (ENOUGH, {"split": "event"}, ()),
        (ENOUGH, {"split": "frame"}, (caveats.RANDOM_SPLIT,)),
        (ENOUGH, {"split": "unknown"}, (UNSEEN,)),
        (ENOUGH, {}, (UNSEEN,)),
        (ENOUGH, {"split": "season", "synthetic": True}, (caveats.SYNTHETIC,)),
        (ENOUGH, {"split": "season", "notes": ("one", "two")}, ("one", "two")),
        (FEW, {"split": "season"}, (caveats.few_events(9),)),
        (RARE, {"split": "season"}, (caveats.few_events_of({"C": 19}),)),
        (
            many_events(("A", "B", "C"), rounds=7),
            {"split": "event"},
            (caveats.few_events_of({"A": 7, "B": 7, "C": 7}),),
        ),
        (many_events(rounds=6), {"split": "season"}, (caveats.few_events(18),)),
        (
            sample_of(["A AB", "B BB"], times=False, events=False),
            {"split": "frame", "synthetic": True, "notes": ("mind",)},
            (caveats.SYNTHETIC, caveats.RANDOM_SPLIT, caveats.NO_EVENTS, caveats.absent(["C"]), "mind"),
        ),
        (
            sample_of(["B AB"] * 20),
            {"split": "season"},
            (caveats.absent(["A", "C"]),),
        ),
    ],
)
def test_caveats_stand_when_they_apply_and_only_then(
    sample: Sample, options: dict, expected: tuple[str, ...]
) -> None:
    assert verify(sample, title="t", **options).caveats == expected


def test_caveats_name_the_numbers() -> None:
    assert "(9, expected at least 20)" in caveats.few_events(9)
    assert "(C 19, D 3)" in caveats.few_events_of({"C": 19, "D": 3})
    assert "A, C" in caveats.absent(["A", "C"])


# The sentence.


def test_the_sentence_tells_what_there_is(report: Report) -> None:
    accuracy = report.overall["accuracy"]
    assert report.sentence == (
        f"On 33 frames of 9 events, the mode was right in 72.7% of the frames (95% interval {accuracy.low:.1%} to "
        f"{accuracy.high:.1%}); always saying A would be right in 45.5%. Best told A (80% of it found, 25% of what "
        "was called so wrong); worst B (58% of it found, 30% of what was called so wrong)."
    )


def test_the_sentence_is_silent_on_what_is_unknown() -> None:
    bare = verify(DEGENERATE["nothing but frames"], title="t").sentence
    assert bare.startswith("On 33 frames, the mode was right in 72.7% of the frames; always saying A")
    assert "interval" not in bare
    never = verify(DEGENERATE["never predicted"], title="t").sentence
    assert "worst C (0% of it found, never predicted)" in never
    unseen = verify(DEGENERATE["never observed"], title="t").sentence
    assert "worst C (never observed, 100% of what was called so wrong)" in unseen


def test_nothing_is_best_or_worst_where_all_are_alike() -> None:
    for name in ("one frame, right", "one mode of one", "all right"):
        assert "Best" not in verify(DEGENERATE[name], title="t").sentence, name


@pytest.mark.parametrize("name", DEGENERATE)
def test_undefined_scores_break_no_sentence(name: str) -> None:
    sentence = verify(DEGENERATE[name], title="t").sentence
    assert "nan" not in sentence.lower()
    assert sentence.endswith(".")


def test_an_event_of_one_season_is_not_joined_with_the_next_ones() -> None:
    # The same ten minutes of the calendar in two winters would be one event if the season were not looked at.
    one = sample_of(["A AA", "A AA"], hours_between=0)
    two = replace(one, series=np.array([0, 0, 1, 1]), events=np.empty(0, np.int64))
    assert verify(replace(one, events=np.empty(0, np.int64)), title="t").events == 1
    report = verify(two, title="t")
    assert report.events == 2
    assert report.seasons == 2
    assert [hit.observed.series for hit in report.by_event.hits] == [0, 1]
    assert report.by_event.hits[0].observed.start == datetime(2015, 11, 29, 20, tzinfo=UTC)

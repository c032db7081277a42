"""Two models on the same frames: told apart where they differ, and not where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radar.errors import VerificationError
from radar.resampling import resample_difference
from radar.verification import caveats
from radar.verification.catalog import OF_MODES, OVERALL
from radar.verification.comparison import compare
from radar.verification.sample import Sample
from radar.verification.table import count_by_group
from tests.radar.verification.samples import DEGENERATE, many_events, sample_of

GOOD, BAD = many_events(right=0.95, seed=1), many_events(right=0.5, seed=2)
NAMES = ("good", "bad")


def tables(sample: Sample) -> np.ndarray:
    return count_by_group(sample.observed, sample.predicted, 3, sample.events, int(sample.events.max()) + 1)


def test_a_model_does_not_differ_from_itself() -> None:
    found = compare(GOOD, GOOD, names=("one", "other"))
    for difference in [*found.overall.values(), *(e for scores in found.modes.values() for e in scores.values())]:
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert found.sentence.startswith("one and other cannot be told apart on 600 frames of 60 events")
    assert "(95% interval +0.000 to +0.000)" in found.sentence


def test_a_clearly_better_model_is_called_so_in_either_order() -> None:
    found, turned = compare(GOOD, BAD, names=NAMES), compare(BAD, GOOD, names=NAMES[::-1])
    for comparison, sign in ((found, 1), (turned, -1)):
        assert comparison.sentence.startswith("good is better than bad on 600 frames of 60 events (HSS ")
        difference = comparison.overall["hss"]
        assert sign * difference.low > 0
        assert sign * difference.high > 0
        assert f"difference {difference.value:+.3f}, 95% interval {difference.low:+.3f} to" in comparison.sentence
        for name in ("far", "brier", "log_loss"):  # lower is better
            scores = [comparison.overall] if name in comparison.overall else list(comparison.modes.values())
            assert all(sign * of[name].value < 0 for of in scores), name
    assert turned.overall["hss"].value == -found.overall["hss"].value
    assert [report.title for report in turned.reports] == ["bad", "good"]


def test_every_difference_is_the_paired_one_of_its_score() -> None:
    found = compare(GOOD, BAD, names=NAMES, seed=5, level=0.9, replicates=300)
    how = {"seed": 5, "level": 0.9, "replicates": 300}
    for score in OVERALL:
        interval = resample_difference(tables(GOOD), tables(BAD), score.function, **how)
        estimate = found.overall[score.name]
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
            tuple(map(float, (interval.value, interval.low, interval.high)))
        ), score.name
    for score in OF_MODES:
        interval = resample_difference(tables(GOOD), tables(BAD), score.function, **how)
        for k, scores in enumerate(found.modes.values()):
            estimate = scores[score.name]
            expected = (interval.value[k], interval.low[k], interval.high[k])
            assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected, nan_ok=True), score.name
    for name in (score.name for score in OVERALL):
        first, second = (report.overall[name].value for report in found.reports)
        assert found.overall[name].value == pytest.approx(first - second)


def test_models_of_which_one_accepts_more_are_compared_on_all_frames() -> None:
    found = compare(replace(GOOD, accepted=None), BAD, names=NAMES)
    assert found.overall["hss"] == compare(GOOD, BAD, names=NAMES).overall["hss"]
    assert [report.accepted is None for report in found.reports] == [True, False]


def test_the_numbers_of_events_do_not_matter_but_which_frames_they_hold() -> None:
    turned = replace(BAD, events=BAD.events.max() - BAD.events)
    assert compare(GOOD, turned, names=NAMES).overall == compare(GOOD, BAD, names=NAMES).overall
    halves = replace(BAD, events=BAD.events // 2)
    with pytest.raises(VerificationError, match="good and bad: a comparison needs the same events, or times"):
        compare(GOOD, halves, names=NAMES)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (BAD.take(np.arange(599)), "expected the same frames with the same observed modes, in the same order"),
        (replace(BAD, observed=(BAD.observed + 1) % 3), "expected the same frames"),
        (replace(BAD, codes=("A", "B", "D")), "expected the same frames"),
        (replace(BAD, probabilities=None), "only one of them has probabilities"),
    ],
)
def test_different_frames_are_refused(second: Sample, message: str) -> None:
    with pytest.raises(VerificationError, match=f"good and bad: {message}"):
        compare(GOOD, second, names=NAMES)
    with pytest.raises(VerificationError, match=f"bad and good: {message}"):
        compare(second, GOOD, names=NAMES[::-1])


def test_frames_without_events_are_refused() -> None:
    bare = sample_of(times=False, events=False)
    with pytest.raises(VerificationError, match="a comparison needs the same events, or times"):
        compare(bare, bare, names=NAMES)


def test_caveats_are_those_of_the_frames() -> None:
    found = compare(GOOD, BAD, names=NAMES, split="event", synthetic=True, notes=("mind",))
    assert found.caveats == (caveats.SYNTHETIC, "mind")
    few = sample_of()
    assert compare(few, few, names=NAMES, split="frame").caveats == (caveats.RANDOM_SPLIT, caveats.few_events(9))


@pytest.mark.parametrize("name", sorted(set(DEGENERATE) - {"nothing but frames"}))
def test_where_nothing_can_be_said_the_sentence_says_so(name: str) -> None:
    sentence = compare(DEGENERATE[name], DEGENERATE[name], names=NAMES).sentence
    assert "nan" not in sentence
    assert "is better than" not in sentence
    if DEGENERATE[name].events.max() == 0:
        assert sentence.startswith("Whether good or bad is better cannot be said on ")

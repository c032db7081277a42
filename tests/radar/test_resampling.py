"""Intervals from resampled events: what they promise is counted in simulations."""

import re
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from radar import resampling
from radar.errors import VerificationError
from radar.resampling import FEW_EVENTS, resample, resample_difference
from radar.verification import modes, overall

FREQUENCIES = np.array([0.35, 0.2, 0.2, 0.15, 0.1])
SKILL = (3.0, 1.5)  # of the beta distribution the skill of an event is drawn from
FRAMES = 40


def draw_events(rng, events=60, *, skill=None):
    """Tables of events: one mode each, skill that varies from event to event, the other modes equally wrong."""
    mode = rng.choice(5, events, p=FREQUENCIES)
    right = (rng.beta(*SKILL, events) if skill is None else skill)[:, np.newaxis]
    shares = np.where(np.arange(5) == mode[:, np.newaxis], right, (1 - right) / 4)
    tables = np.zeros((events, 5, 5))
    tables[np.arange(events), mode] = rng.multinomial(FRAMES, shares)
    return tables


def expected_table():
    """What the tables of endlessly many events add up to, but for a factor."""
    right = SKILL[0] / sum(SKILL)
    return FREQUENCIES[:, np.newaxis] * (np.eye(5) * right + (1 - np.eye(5)) * (1 - right) / 4)


def three_scores(tables):
    return np.stack([overall.accuracy(tables), overall.heidke_skill_score(tables), overall.macro_f1(tables)], axis=-1)


def mean(sums):
    """Of sums and counts."""
    return sums[:, 0] / sums[:, 1]


def with_counts(values):
    return np.stack([values, np.ones_like(values)], axis=1)


# Coverage.


@pytest.mark.slow
def test_intervals_of_resampled_events_hold_as_often_as_they_say():
    """Nominal 95 %: counted in 1,000 samples, whose own error is 0.7 %."""
    rng = np.random.default_rng(2024)
    truth = three_scores(expected_table())
    held = np.zeros(3)
    for n in range(1000):
        found = resample(draw_events(rng), three_scores, seed=n)
        held += (found.low <= truth) & (truth <= found.high)
    assert ((held > 930) & (held < 970)).all(), held


def test_intervals_of_resampled_frames_hold_far_too_rarely():
    rng = np.random.default_rng(2)
    truth = overall.accuracy(expected_table())
    held = {"frames": 0, "events": 0}
    for n in range(60):
        events = draw_events(rng)
        rows, columns = (
            np.repeat(side, events.sum(axis=0).astype(int).ravel()) for side in np.indices((5, 5)).reshape(2, 25)
        )
        frames = np.zeros((len(rows), 5, 5))
        frames[np.arange(len(rows)), rows, columns] = 1
        for name, parts in (("frames", frames), ("events", events)):
            found = resample(parts, overall.accuracy, replicates=200, seed=n)
            held[name] += bool(found.low <= truth <= found.high)
    assert held["frames"] < 0.6 * 60
    assert held["events"] > 0.85 * 60


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_other_levels_hold_as_well(level):
    rng = np.random.default_rng(3)
    held = 0
    for n in range(500):
        found = resample(with_counts(rng.exponential(size=40)), mean, level=level, replicates=400, seed=n)
        held += bool(found.low <= 1 <= found.high)
    # Five hundred samples tell a share to 2 %.
    assert held / 500 == pytest.approx(level, abs=0.06)


# Oracles.


@pytest.mark.parametrize("skewed", [False, True])
def test_without_widening_the_interval_is_that_of_scipy(monkeypatch, skewed):
    monkeypatch.setattr(resampling, "_widened_quantile", lambda level, events: NormalDist().inv_cdf((1 + level) / 2))
    rng = np.random.default_rng(5)
    values = rng.exponential(size=50) if skewed else rng.normal(size=50)
    found = resample(with_counts(values), mean, replicates=40_000, seed=1)
    oracle = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(2))
    # Two draws of 40,000 tell a 2.5 % quantile to about 2 % of the width.
    tolerance = 0.02 * (found.high - found.low)
    assert found.low == pytest.approx(oracle.confidence_interval.low, abs=tolerance)
    assert found.high == pytest.approx(oracle.confidence_interval.high, abs=tolerance)
    if skewed:  # the percentile interval is another one
        drawn = stats.bootstrap(
            (values,), np.mean, n_resamples=40_000, method="percentile", rng=np.random.default_rng(2)
        )
        assert found.high > drawn.confidence_interval.high + 1.5 * tolerance


def test_the_interval_of_a_mean_is_that_of_student():
    """For normal values and few events the widening makes of the bootstrap the textbook interval."""
    rng = np.random.default_rng(8)
    widths = []
    for n in range(40):
        values = rng.normal(size=12)
        found = resample(with_counts(values), mean, replicates=4000, seed=n)
        low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
        widths.append((found.high - found.low) / (high - low))
    assert np.mean(widths) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("share", [0.75, 0.9, 0.975, 0.995])
@pytest.mark.parametrize(
    ("freedom", "tolerance"), [(2, 5e-2), (5, 2e-3), (10, 5e-5), (19, 2e-6), (59, 1e-8), (4999, 1e-9)]
)
def test_quantiles_of_student(share, freedom, tolerance):
    assert resampling._student_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=tolerance)


def test_a_replicate_draws_as_many_events_as_there_are():
    parts = np.eye(7)
    draws = np.concatenate(list(resampling._replicate(parts, 3000, 0)))
    assert draws.shape == (3000, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (draws >= 0).all()
    # The count of one event is binomial with mean 1 and variance 6/7.
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.07)
    np.testing.assert_allclose(draws.var(axis=0), 6 / 7, atol=0.09)
    # Different events are drawn apart: the correlation of two multinomial counts is -1/6.
    correlation = np.corrcoef(draws.T)
    np.testing.assert_allclose(correlation[~np.eye(7, dtype=bool)], -1 / 6, atol=0.08)


def test_many_replicates_at_once_are_those_of_a_few_at_a_time(monkeypatch):
    tables = draw_events(np.random.default_rng(0))
    expected = resample(tables, three_scores)
    for chunk in (1, 60 * 7, 60 * 1000):
        monkeypatch.setattr(resampling, "_CHUNK", chunk)
        found = resample(tables, three_scores)
        np.testing.assert_array_equal(found.low, expected.low)
        np.testing.assert_array_equal(found.high, expected.high)


# What an interval is made of.


def test_the_value_is_the_score_of_all_events():
    tables = draw_events(np.random.default_rng(0))
    found = resample(tables, three_scores)
    np.testing.assert_array_equal(found.value, three_scores(tables.sum(axis=0)))
    assert ((found.low < found.value) & (found.value < found.high)).all()
    assert (found.level, found.events) == (0.95, 60)
    assert found.dropped.tolist() == [0, 0, 0]


def test_scores_may_have_any_shape():
    tables = draw_events(np.random.default_rng(0))
    assert resample(tables, overall.accuracy).value.shape == ()
    assert resample(tables, modes.f1).low.shape == (5,)
    both = resample(tables, lambda t: np.stack([modes.f1(t), modes.recall(t)], axis=-1))
    assert both.high.shape == both.dropped.shape == (5, 2)
    np.testing.assert_array_equal(both.high[:, 0], resample(tables, modes.f1).high)


def test_the_same_seed_gives_the_same_interval():
    tables = draw_events(np.random.default_rng(0))
    first, again, other = (resample(tables, overall.accuracy, seed=seed) for seed in (7, 7, 8))
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)


def test_a_higher_level_gives_a_wider_interval():
    tables = draw_events(np.random.default_rng(0))
    lows, highs = zip(
        *[(i.low, i.high) for i in (resample(tables, overall.accuracy, level=x) for x in (0.5, 0.9, 0.99))],
        strict=True,
    )
    assert lows[0] > lows[1] > lows[2]
    assert highs[0] < highs[1] < highs[2]


def test_events_without_variation_have_no_interval():
    """Also a perfect score: events that are all alike do not tell how other ones would be."""
    found = resample(np.tile(draw_events(np.random.default_rng(0), 1), (30, 1, 1)), overall.accuracy)
    assert found.telling == 0
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_an_interval_rests_on_the_events_that_tell_of_the_score():
    tables = np.zeros((30, 5, 5))
    tables[:, 0, 0], tables[:10, 0, 1], tables[:4, 4, 4], tables[:3, 4, 0] = 5, 1, 3, 1
    found = resample(tables, modes.probability_of_detection)
    assert found.telling[[0, 4]].tolist() == [30, 4]
    assert np.isfinite(found.low[[0, 4]]).all()


def test_one_event_has_no_interval():
    tables = draw_events(np.random.default_rng(0), 1)
    found = resample(tables, overall.accuracy)
    assert found.value == overall.accuracy(tables[0])
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    assert found.few


def test_two_events_have_an_interval():
    found = resample(draw_events(np.random.default_rng(0), 2), overall.accuracy)
    assert found.low <= found.value <= found.high


def test_few_events_are_less_than_twenty():
    for events, few in ((FEW_EVENTS - 1, True), (FEW_EVENTS, False)):
        assert resample(np.ones((events, 2)), mean).few is few
    assert FEW_EVENTS == 20


# Scores that are undefined.


def test_replicates_without_a_mode_are_dropped_and_counted():
    """Mode 4 is in two events of thirty, so (1 - 2 / 30) ** 30 = 12.6 % of the draws miss it; mode 3 in one."""
    tables = np.zeros((30, 5, 5))
    tables[:, 0, 0], tables[0, 0, 1], tables[:2, 4, 4], tables[0, 4, 0], tables[2, 3, :2] = 5, 1, 3, 1, 1
    found = resample(tables, modes.probability_of_detection)
    assert found.dropped[4] == pytest.approx(126, abs=40)
    assert found.dropped[3] == pytest.approx(362, abs=60)
    assert found.dropped[0] == 0
    assert found.dropped[1:3].tolist() == [1000] * 2
    assert found.value[4] == pytest.approx(6 / 7)
    assert 0.75 <= found.low[4] < 6 / 7 < found.high[4] <= 1
    assert np.isnan([found.value[1], found.low[1], found.high[1]]).all()
    # One event tells nothing of others.
    assert (found.value[3], found.telling[3]) == (0, 1)
    assert np.isnan([found.low[3], found.high[3]]).all()


def test_a_score_that_most_replicates_leave_undefined_has_no_interval():
    def rarely(sums):
        """Known of the whole, unknown of all but few replicates."""
        return np.where(sums[:, 0] >= 10, sums[:, 0], np.nan)

    parts = np.zeros((20, 1))
    parts[:10] = 1
    found = resample(parts, rarely)
    assert found.value == 10
    assert 300 < found.dropped < 500
    assert np.isfinite(found.low)
    found = resample(parts, lambda sums: np.where(sums[:, 0] == 10, 1.0, np.nan))
    assert found.dropped > 500
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_a_score_of_the_whole_that_is_undefined_has_no_interval():
    found = resample(np.ones((30, 1)), lambda sums: np.full(len(sums), np.nan))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.dropped == 1000


# Two models.


def two_models(seed, *, better=0.0, events=60):
    """Tables of two models of the same events, alike in what they find hard; the first is better by a share."""
    rng = np.random.default_rng(seed)
    skill = rng.beta(*SKILL, events)
    draws = [np.random.default_rng((seed, n)) for n in (1, 1)]  # the same modes
    return tuple(
        draw_events(draw, events, skill=np.clip(skill + shift, 0, 1))
        for draw, shift in zip(draws, (better, 0), strict=True)
    )


def test_a_model_does_not_differ_from_itself():
    tables = draw_events(np.random.default_rng(0))
    found = resample_difference(tables, tables, three_scores)
    for part in (found.value, found.low, found.high):
        assert part.tolist() == [0, 0, 0]


def test_the_difference_is_first_minus_second():
    first, second = two_models(4, better=0.1)
    found = resample_difference(first, second, overall.accuracy)
    assert found.value == overall.accuracy(first.sum(axis=0)) - overall.accuracy(second.sum(axis=0)) > 0
    opposite = resample_difference(second, first, overall.accuracy)
    assert (opposite.value, opposite.low, opposite.high) == pytest.approx(
        (-found.value, -found.high, -found.low), abs=2e-3
    )


def test_a_difference_is_known_better_than_either_score():
    first, second = two_models(6, better=0.05)
    difference = resample_difference(first, second, overall.accuracy)
    alone = [resample(tables, overall.accuracy) for tables in (first, second)]
    # Of independent samples the widths would add up in squares.
    unpaired = np.hypot(*[interval.high - interval.low for interval in alone])
    assert difference.high - difference.low < unpaired / 2
    # The intervals of the two overlap, and yet the difference is no chance.
    assert alone[0].low < alone[1].high
    assert difference.low > 0


def test_the_interval_of_a_difference_holds_as_often_as_it_says():
    rng = np.random.default_rng(12)
    held = 0
    for n in range(400):
        hard = rng.beta(*SKILL, 60)
        first = rng.binomial(FRAMES, hard * 0.95) / FRAMES
        second = rng.binomial(FRAMES, hard * 0.9) / FRAMES
        found = resample_difference(with_counts(first), with_counts(second), mean, replicates=400, seed=n)
        held += bool(found.low <= 0.05 * SKILL[0] / sum(SKILL) <= found.high)
    # Four hundred samples tell a share of 95 % to 1.1 %.
    assert 0.92 < held / 400 < 0.98


def test_a_score_undefined_for_one_of_two_is_undefined():
    first = draw_events(np.random.default_rng(0))
    first[:, 4] = first[:, :, 4] = 0
    found = resample_difference(first, draw_events(np.random.default_rng(0)), modes.f1)
    assert np.isnan([found.value[4], found.low[4], found.high[4]]).all()
    assert np.isfinite(found.low[:4]).all()


# Refusals.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sums": np.empty((0, 5, 5))}, "Expected at least one event to resample, received none"),
        ({"sums": 3.0}, "Expected at least one event to resample, received none"),
        ({"replicates": 1}, "Expected 2 or more replicates and a level between 0 and 1: 1, 0.95"),
        ({"level": 0.0}, "Expected 2 or more replicates and a level between 0 and 1: 1000, 0.0"),
        ({"level": 1.0}, "a level between 0 and 1: 1000, 1.0"),
        ({"level": float("nan")}, "a level between 0 and 1: 1000, nan"),
    ],
)
def test_what_cannot_be_resampled_is_refused(settings, message):
    with pytest.raises(VerificationError, match=re.escape(message)):
        resample(**{"sums": np.ones((5, 2)), "score": mean, **settings})


def test_two_models_need_the_same_events():
    with pytest.raises(VerificationError, match=r"same events twice; received the shapes \(5, 2\) and \(6, 2\)"):
        resample_difference(np.ones((5, 2)), np.ones((6, 2)), mean)

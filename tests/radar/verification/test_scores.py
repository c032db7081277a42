"""Scores of modes and of whole tables: known answers, scikit-learn, and what must hold for any table."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from radar.verification import modes, overall
from radar.verification.catalog import OF_MODES, OVERALL
from tests.radar.verification.tables import FINLEY, FIVE, frames_of, tables

ALL = [score.function for score in (*OF_MODES, *OVERALL)]


def scores_of(table):
    return np.concatenate([np.atleast_1d(function(table)) for function in ALL])


# Known answers.


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (modes.probability_of_detection, 0.549020),
        (modes.false_alarm_ratio, 0.72),
        (modes.success_ratio, 0.28),
        (modes.probability_of_false_detection, 0.026163),
        (modes.critical_success_index, 0.227642),
        (modes.f1, 2 * 28 / (2 * 28 + 72 + 23)),
        (modes.frequency_bias, 1.960784),
        (modes.equitable_threat_score, 0.216046),
        (modes.heidke_skill_score, 0.355325),
        (modes.peirce_skill_score, 0.522857),
        (modes.symmetric_extremal_dependence_index, 0.752804),
        (modes.recall, 0.549020),
        (modes.precision, 0.28),
    ],
)
def test_finleys_tornadoes(score, expected):
    assert score(FINLEY)[0] == pytest.approx(expected, abs=5e-7)


def test_never_a_tornado_is_more_often_right_than_finley():
    never = [[0, 51], [0, 2752]]
    assert overall.accuracy(FINLEY) == pytest.approx(0.966108, abs=5e-7)
    assert overall.accuracy(never) == pytest.approx(0.981805, abs=5e-7)
    assert overall.heidke_skill_score(never) == pytest.approx(0, abs=1e-15)


def test_two_modes_have_the_same_overall_scores_as_either_of_them():
    for of_all, of_one in (
        (overall.heidke_skill_score, modes.heidke_skill_score),
        (overall.peirce_skill_score, modes.peirce_skill_score),
    ):
        np.testing.assert_allclose(of_one(FINLEY), of_all(FINLEY))


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (overall.accuracy, 0.66),
        (overall.heidke_skill_score, 0.553259),
        (overall.peirce_skill_score, 0.553970),
        (overall.matthews_correlation, 0.553582),
        (overall.macro_f1, 0.662429),
        (overall.balanced_accuracy, 0.662992),
        (overall.heidke_skill_score_equal_chance, 0.575),
        (modes.probability_of_detection, [0.625, 0.6, 0.714286, 0.7, 0.675676]),
        (modes.success_ratio, [0.666667, 0.631579, 0.657895, 0.7, 0.657895]),
    ],
)
def test_the_table_of_five_modes(score, expected):
    np.testing.assert_allclose(score(FIVE), expected, atol=5e-7)


def test_the_peirce_score_is_not_adjusted_balanced_accuracy():
    adjusted = metrics.balanced_accuracy_score(*frames_of(FIVE), adjusted=True)
    assert adjusted == pytest.approx(0.578740, abs=5e-7)
    assert abs(overall.peirce_skill_score(FIVE) - adjusted) > 0.02


# scikit-learn.


@given(tables())
def test_overall_scores_equal_those_of_scikit_learn(table):
    observed, predicted = frames_of(table)
    seen, said = set(observed), set(predicted)
    assume(len(seen | said) > 1)
    assert overall.accuracy(table) == pytest.approx(metrics.accuracy_score(observed, predicted))
    assert overall.heidke_skill_score(table) == pytest.approx(metrics.cohen_kappa_score(observed, predicted))
    assert overall.macro_f1(table) == pytest.approx(metrics.f1_score(observed, predicted, average="macro"))
    # scikit-learn averages the recall of what was observed as well, but warns of predictions beside it.
    shares = metrics.recall_score(observed, predicted, labels=sorted(seen), average=None)
    assert overall.balanced_accuracy(table) == pytest.approx(shares.mean())
    if said <= seen:
        expected = metrics.balanced_accuracy_score(observed, predicted)
        assert overall.balanced_accuracy(table) == pytest.approx(expected)
    if len(seen) > 1 and len(said) > 1:
        expected = metrics.matthews_corrcoef(observed, predicted)
        assert overall.matthews_correlation(table) == pytest.approx(expected, abs=1e-12)


@given(tables())
def test_scores_of_modes_equal_those_of_scikit_learn(table):
    assume(table.sum())
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        *frames_of(table), labels=range(len(table)), zero_division=np.nan
    )
    np.testing.assert_allclose(modes.precision(table), precision)
    np.testing.assert_allclose(modes.recall(table), recall)
    np.testing.assert_allclose(modes.f1(table), np.where(support + table.sum(axis=0) > 0, f1, np.nan))
    jaccard = metrics.jaccard_score(*frames_of(table), labels=range(len(table)), average=None, zero_division=0.0)
    np.testing.assert_allclose(np.nan_to_num(modes.critical_success_index(table)), jaccard)
    for k in range(len(table)):
        observed, predicted = (frames == k for frames in frames_of(table))
        if 0 < observed.sum() + predicted.sum() < 2 * table.sum():
            kappa = metrics.cohen_kappa_score(observed, predicted)
            assert modes.heidke_skill_score(table)[k] == pytest.approx(kappa)


# What must hold for any table.


@given(tables(), st.integers(1, 4))
def test_many_tables_at_once_score_like_one_by_one(table, repeat):
    batch = np.stack([table * n for n in range(repeat + 1)] + [table.T])[np.newaxis]
    for score in ALL:
        found = score(batch)
        for n, single in enumerate(batch[0]):
            np.testing.assert_array_equal(found[0, n], score(single), err_msg=score.__name__)


@given(tables().filter(lambda table: (table.sum(axis=1) > 0).sum() > 1))
def test_a_perfect_forecast_is_perfect(table):
    perfect = np.diag(table.sum(axis=1))
    for score in OVERALL:
        assert score.function(perfect) == pytest.approx(score.perfect), score.name
    for score in OF_MODES:
        found = score.function(perfect)
        np.testing.assert_allclose(found[np.isfinite(found)], score.perfect, err_msg=score.name)
        if score.name != "sedi":  # not defined at 0 and 1
            assert np.isfinite(found[table.sum(axis=1) > 0]).all(), score.name


@given(tables(), st.data())
def test_a_constant_forecast_has_no_skill(table, data):
    constant = np.zeros_like(table)
    constant[:, data.draw(st.integers(0, len(table) - 1))] = table.sum(axis=1)
    assume((table.sum(axis=1) > 0).sum() > 1)
    assert overall.heidke_skill_score(constant) == pytest.approx(0, abs=1e-12)
    assert overall.peirce_skill_score(constant) == pytest.approx(0, abs=1e-12)
    assert np.isnan(overall.matthews_correlation(constant))
    for score in (modes.heidke_skill_score, modes.peirce_skill_score, modes.equitable_threat_score):
        found = score(constant)
        np.testing.assert_allclose(found[np.isfinite(found)], 0, atol=1e-12)


@given(tables(), st.data())
def test_renaming_the_modes_changes_no_score(table, data):
    order = data.draw(st.permutations(range(len(table))))
    renamed = table[np.ix_(order, order)]
    for score in OVERALL:
        np.testing.assert_allclose(score.function(renamed), score.function(table), atol=1e-12, err_msg=score.name)
    for score in OF_MODES:
        expected = score.function(table)[..., order]
        np.testing.assert_allclose(score.function(renamed), expected, atol=1e-12, err_msg=score.name)


@given(tables())
def test_transposing_swaps_detection_and_success(table):
    np.testing.assert_array_equal(modes.probability_of_detection(table.T), modes.success_ratio(table))
    for score in (modes.critical_success_index, modes.f1, modes.heidke_skill_score, modes.equitable_threat_score):
        np.testing.assert_allclose(score(table.T), score(table), atol=1e-12)
    for score in (overall.accuracy, overall.heidke_skill_score, overall.matthews_correlation, overall.macro_f1):
        np.testing.assert_allclose(score(table.T), score(table), atol=1e-12)


@given(tables(most=10**6))
def test_scores_stay_in_their_range(table):
    bounds = {
        "0 to 1": (0, 1),
        "-1 to 1": (-1, 1),
        "-1/3 to 1": (-1 / 3, 1),
        "to 1": (-np.inf, 1),
        "0 to inf": (0, np.inf),
    }
    for score in (*OF_MODES, *OVERALL):
        found = np.atleast_1d(score.function(table))
        low, high = bounds[score.span]
        known = found[~np.isnan(found)]
        assert ((known >= low - 1e-12) & (known <= high + 1e-12)).all(), score.name
        assert not np.isinf(found).any(), score.name


@given(tables())
def test_scores_that_say_the_same_agree(table):
    np.testing.assert_allclose(modes.false_alarm_ratio(table), 1 - modes.success_ratio(table))
    f1 = modes.f1(table)
    np.testing.assert_allclose(modes.critical_success_index(table), f1 / (2 - f1), atol=1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = modes.probability_of_detection(table) / modes.success_ratio(table)
    usable = np.isfinite(bias)
    np.testing.assert_allclose(modes.frequency_bias(table)[usable], bias[usable])


def test_an_independent_forecast_has_hardly_any_skill():
    rng = np.random.default_rng(1)
    observed, predicted = rng.choice(5, (2, 200_000), p=[0.4, 0.1, 0.3, 0.05, 0.15])
    table = np.zeros((5, 5))
    np.add.at(table, (observed, predicted), 1)
    # The standard error of kappa is about 1 / sqrt(n) = 0.002.
    for score in (overall.heidke_skill_score, overall.peirce_skill_score, overall.matthews_correlation):
        assert abs(score(table)) < 0.007
    assert overall.accuracy(table) > 0.25
    # The expected table of independent forecasts has none at all.
    exact = np.outer([40, 10, 50], [20, 30, 50]) / 100
    assert overall.heidke_skill_score(exact) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(modes.equitable_threat_score(exact), 0, atol=1e-12)
    np.testing.assert_allclose(modes.symmetric_extremal_dependence_index(exact), [0, 0, 0], atol=1e-12)


# What is undefined is NaN: no zero, no warning (warnings are errors in these tests).


def test_a_mode_that_never_came_up_has_no_scores():
    found = {score.name: score.function([[5, 1, 0], [2, 4, 0], [0, 0, 0]])[2] for score in OF_MODES}
    assert {name for name, value in found.items() if not np.isnan(value)} == {"pofd"}
    assert found["pofd"] == 0


def test_a_mode_that_was_never_observed_or_never_predicted():
    table = [[5, 1, 1], [2, 4, 0], [0, 0, 0]]  # mode 2 was predicted once, wrongly
    found = {score.name: score.function(table)[2] for score in OF_MODES}
    assert {name for name, value in found.items() if np.isnan(value)} == {"pod", "bias", "pss", "sedi"}
    assert (found["far"], found["success_ratio"], found["csi"], found["f1"]) == (1, 0, 0, 0)
    found = {score.name: score.function(np.transpose(table))[2] for score in OF_MODES}
    assert {name for name, value in found.items() if np.isnan(value)} == {"far", "success_ratio", "sedi"}
    assert (found["pod"], found["bias"], found["csi"], found["f1"]) == (0, 0, 0, 0)


def test_nothing_is_known_of_no_frames():
    assert np.isnan(scores_of(np.zeros((5, 5)))).all()


@pytest.mark.parametrize("frames", [1, 3, 7, 49, 1_000_003])
def test_of_one_mode_alone_only_accuracy_is_known(frames):
    table = np.zeros((3, 3))
    table[1, 1] = frames
    found = {score.name: float(score.function(table)) for score in OVERALL}
    assert {name for name, value in found.items() if np.isnan(value)} == {"hss", "pss", "mcc"}
    assert found["accuracy"] == found["macro_f1"] == found["balanced_accuracy"] == 1


def test_a_world_of_one_mode():
    assert overall.accuracy([[3]]) == 1
    assert np.isnan(overall.heidke_skill_score_equal_chance([[3]]))


def test_absent_modes_do_not_pull_down_the_means():
    table = np.zeros((5, 5))
    table[:2, :2] = [[8, 2], [0, 10]]
    assert overall.balanced_accuracy(table) == pytest.approx(0.9)
    assert overall.macro_f1(table) == pytest.approx((16 / 18 + 20 / 22) / 2)


def test_one_rare_frame_among_a_hundred_million_is_seen():
    assert overall.matthews_correlation([[10**8, 0], [0, 1]]) == pytest.approx(1, abs=1e-6)
    assert overall.matthews_correlation([[10**8, 1], [1, 0]]) == pytest.approx(0, abs=1e-6)


def test_the_names_of_the_catalogue_are_unique():
    for scores in (OF_MODES, OVERALL):
        names = [score.name for score in scores]
        assert len(names) == len(set(names))
    assert modes.recall is modes.probability_of_detection
    assert modes.precision is modes.success_ratio

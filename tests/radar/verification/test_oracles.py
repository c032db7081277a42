"""Equality with the libraries of the field: scores (binary) and xskillscore (K categories).

Mind the order of arguments: scores takes the forecast first, xskillscore the observation.
"""

import numpy as np
import pytest
from hypothesis import assume, given

from radar.verification import modes, overall
from tests.radar.verification.tables import FINLEY, FIVE, frames_of, tables

NAMES = [
    ("probability_of_detection", modes.probability_of_detection),
    ("false_alarm_ratio", modes.false_alarm_ratio),
    ("success_ratio", modes.success_ratio),
    ("probability_of_false_detection", modes.probability_of_false_detection),
    ("critical_success_index", modes.critical_success_index),
    ("f1_score", modes.f1),
    ("frequency_bias", modes.frequency_bias),
    ("equitable_threat_score", modes.equitable_threat_score),
    ("heidke_skill_score", modes.heidke_skill_score),
    ("peirce_skill_score", modes.peirce_skill_score),
    ("symmetric_extremal_dependence_index", modes.symmetric_extremal_dependence_index),
]


@pytest.fixture(scope="module")
def xarray():
    return pytest.importorskip("xarray", reason="oracle of development: pip install scores xskillscore")


@pytest.fixture(scope="module")
def of_scores(xarray):
    """Scores of one mode against the rest by nci/scores, by name."""
    categorical = pytest.importorskip("scores.categorical", reason="oracle of development: pip install scores")

    def compute(observed, predicted):
        forecast, truth = (xarray.DataArray(values.astype(float), dims="frame") for values in (predicted, observed))
        manager = categorical.BinaryContingencyManager(forecast, truth).transform()
        with np.errstate(all="ignore"):  # they divide by zero and take its logarithm
            return {name: float(getattr(manager, name)()) for name, _ in NAMES}

    return compute


@pytest.fixture(scope="module")
def of_xskillscore(xarray):
    """Heidke and Peirce scores of K categories by xskillscore."""
    xskillscore = pytest.importorskip("xskillscore", reason="oracle of development: pip install xskillscore")

    def compute(observed, predicted, categories):
        edges = np.arange(categories + 1) - 0.5
        truth, forecast = (xarray.DataArray(values.astype(float), dims="frame") for values in (observed, predicted))
        found = xskillscore.Contingency(truth, forecast, edges, edges, dim="frame")
        with np.errstate(all="ignore"):
            return float(found.heidke_score()), float(found.peirce_score())

    return compute


def assert_equal_to_scores(table, of_scores):
    observed, predicted = frames_of(table)
    for k in range(len(table)):
        expected = of_scores(observed == k, predicted == k)
        for name, score in NAMES:
            ours = score(table)[k]
            # Where nothing was observed they call the bias infinite, and at 0 or 1 SEDI its limit: ours are unknown.
            if np.isnan(ours) and (np.isinf(expected[name]) or name == "symmetric_extremal_dependence_index"):
                continue
            np.testing.assert_allclose(ours, expected[name], rtol=1e-9, atol=1e-12, err_msg=f"{name} of mode {k}")


@pytest.mark.parametrize("table", [FINLEY, FIVE], ids=["Finley", "five modes"])
def test_known_tables_score_as_in_scores(table, of_scores):
    assert_equal_to_scores(table, of_scores)


@pytest.mark.parametrize("seed", range(12))
def test_random_tables_score_as_in_scores(seed, of_scores):
    rng = np.random.default_rng(seed)
    size = rng.integers(2, 6)
    # Many zeros: modes that were never observed or never predicted are among them.
    table = rng.integers(0, 30, (size, size)) * (rng.random((size, size)) < rng.choice([0.4, 1.0]))
    table[0, 0] += 1
    assert_equal_to_scores(table, of_scores)


def test_the_order_of_their_arguments_is_understood(of_scores):
    """POD and SR would change places if it were not."""
    observed, predicted = (frames == 0 for frames in frames_of(FINLEY))
    assert of_scores(observed, predicted)["probability_of_detection"] == pytest.approx(28 / 51)
    assert of_scores(observed, predicted)["success_ratio"] == pytest.approx(28 / 100)


def test_the_table_of_five_modes_scores_as_in_xskillscore(of_xskillscore):
    heidke, peirce = of_xskillscore(*frames_of(FIVE), 5)
    assert overall.heidke_skill_score(FIVE) == pytest.approx(heidke)
    assert overall.peirce_skill_score(FIVE) == pytest.approx(peirce)
    # The Peirce score of the transposed table is another.
    assert overall.peirce_skill_score(FIVE.T) != pytest.approx(peirce)


@given(table=tables(most=12))
def test_random_tables_score_as_in_xskillscore(table, of_xskillscore):
    assume(len(table) > 1)
    assume((table.sum(axis=1) > 0).sum() > 1)
    heidke, peirce = of_xskillscore(*frames_of(table), len(table))
    assert overall.heidke_skill_score(table) == pytest.approx(heidke, abs=1e-12)
    assert overall.peirce_skill_score(table) == pytest.approx(peirce, abs=1e-12)

"""Scores of whole tables, shape ``(..., K, K)`` with rows observed; results ``(...)``.

With PC = trace / n, and the shares o_i of observed and f_i of predicted frames. The modes have no order, so scores
for ordered categories (Gerrity, RPS) are not here: renaming the modes would change them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from radar.verification import modes
from radar.verification.table import Floats, as_table, ratio


def accuracy(table: ArrayLike) -> Floats:
    """PC = trace / n: the share of frames whose mode was right.

    Range 0 to 1, perfect 1. Also: proportion correct, hit rate of all classes. Alone it misleads: in Finley's table
    "never a tornado" scores 0.982, the forecasts 0.966. NaN of an empty table.
    Source: MET User's Guide, appendix C (ACC).
    """
    counts = as_table(table)
    return ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def heidke_skill_score(table: ArrayLike) -> Floats:
    """HSS = (PC - E) / (1 - E), E = sum of o_i f_i: accuracy beyond a random forecast of the same frequencies.

    Range below 0 to 1, perfect 1, no skill 0. Machine learning: Cohen's kappa. NaN if only one mode is observed and
    it alone is predicted. Source: MET User's Guide, appendix C (HSS, multi-category).
    """
    correct, observed, predicted = _shares(table)
    chance = (observed * predicted).sum(axis=-1)
    return ratio(correct - chance, 1 - chance)


def peirce_skill_score(table: ArrayLike) -> Floats:
    """PSS = (PC - E) / (1 - sum of o_i squared), E = sum of o_i f_i.

    Range below 0 to 1, perfect 1, no skill 0. Also: Hanssen-Kuipers discriminant, true skill statistic. It is *not*
    the balanced accuracy adjusted for chance, except for two modes. NaN if only one mode is observed.
    Source: MET User's Guide, appendix C (HK, multi-category).
    """
    correct, observed, predicted = _shares(table)
    chance = (observed * predicted).sum(axis=-1)
    return ratio(correct - chance, 1 - (observed**2).sum(axis=-1))


def heidke_skill_score_equal_chance(table: ArrayLike) -> Floats:
    """HSS_EC = (PC - 1/K) / (1 - 1/K): skill beyond a throw of dice, for seasons whose mix of modes differs.

    Range -1/(K-1) to 1, perfect 1, no skill 0. NaN of an empty table and of one mode.
    Source: MET User's Guide, appendix C (HSS_EC).
    """
    chance = 1 / as_table(table).shape[-1]
    return ratio(accuracy(table) - chance, 1 - chance)


def matthews_correlation(table: ArrayLike) -> Floats:
    """MCC = (PC - E) / sqrt((1 - sum of o_i squared)(1 - sum of f_i squared)), E = sum of o_i f_i.

    Range -1 to 1, perfect 1, no skill 0. Also: R_K statistic, phi coefficient for two modes. NaN if only one mode is
    observed or only one predicted (scikit-learn says 0 there).
    Source: Gorodkin (2004), Computational Biology and Chemistry 28, 367-374.
    """
    correct, observed, predicted = _shares(table)
    chance = (observed * predicted).sum(axis=-1)
    of_observed, of_predicted = 1 - (observed**2).sum(axis=-1), 1 - (predicted**2).sum(axis=-1)
    # Rounding can leave a table of one mode at -1e-16; the product may well be smaller than that.
    known = (of_observed > 1e-15) & (of_predicted > 1e-15)
    return ratio(correct - chance, np.sqrt(np.where(known, of_observed * of_predicted, 0.0)))


def macro_f1(table: ArrayLike) -> Floats:
    """Mean of F1 over the modes that were observed or predicted, each with the same weight.

    Range 0 to 1, perfect 1. NaN if there is none. Source: scikit-learn, `f1_score(average="macro")`.
    """
    return _mean(modes.f1(table))


def balanced_accuracy(table: ArrayLike) -> Floats:
    """Mean of POD over the modes that were observed, each with the same weight.

    Range 0 to 1, perfect 1, no skill 1/K. Also: macro-averaged recall. NaN if there is none.
    Source: scikit-learn, `balanced_accuracy_score`.
    """
    return _mean(modes.probability_of_detection(table))


def _shares(table: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Gives the share of right frames, and those of observed and predicted modes."""
    counts = as_table(table)
    frames = counts.sum(axis=(-2, -1))
    observed = ratio(counts.sum(axis=-1), frames[..., np.newaxis])
    return accuracy(counts), observed, ratio(counts.sum(axis=-2), frames[..., np.newaxis])


def _mean(scores: Floats) -> Floats:
    known = np.isfinite(scores)
    return ratio(np.where(known, scores, 0).sum(axis=-1), known.sum(axis=-1))

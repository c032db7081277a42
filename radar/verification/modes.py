"""Scores of each mode against the rest, from tables of shape ``(..., K, K)`` (rows observed); results ``(..., K)``.

With hits a, false alarms b, misses c, correct negatives d and n = a + b + c + d, as in the MET User's Guide,
appendix C, and Wilks (2019), Statistical Methods in the Atmospheric Sciences, chapter 9.
A score whose denominator is zero is NaN: unknown, neither good nor bad.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from radar.verification.table import Floats, binary, ratio


def probability_of_detection(table: ArrayLike) -> Floats:
    """POD = a / (a + c): the share of the mode's frames that were found.

    Range 0 to 1, perfect 1. Machine learning: recall, sensitivity, true positive rate. Also: hit rate.
    NaN if the mode was never observed. Source: MET User's Guide, appendix C (PODY).
    """
    t = binary(table)
    return ratio(t.hits, t.hits + t.misses)


def false_alarm_ratio(table: ArrayLike) -> Floats:
    """FAR = b / (a + b): the share of the mode's predictions that were wrong.

    Range 0 to 1, perfect 0. Machine learning: false discovery rate, 1 - precision. Not the false alarm *rate*, which
    is `probability_of_false_detection`. NaN if the mode was never predicted.
    Source: MET User's Guide, appendix C; Barnes et al. (2009), Wea. Forecasting 24, on the confusion of the names.
    """
    t = binary(table)
    return ratio(t.false_alarms, t.hits + t.false_alarms)


def success_ratio(table: ArrayLike) -> Floats:
    """SR = a / (a + b) = 1 - FAR: the share of the mode's predictions that were right.

    Range 0 to 1, perfect 1. Machine learning: precision, positive predictive value.
    NaN if the mode was never predicted. Source: Roebber (2009), Wea. Forecasting 24, 601-608.
    """
    t = binary(table)
    return ratio(t.hits, t.hits + t.false_alarms)


def probability_of_false_detection(table: ArrayLike) -> Floats:
    """POFD = b / (b + d): the share of the other modes' frames that were taken for this one.

    Range 0 to 1, perfect 0. Machine learning: false positive rate, 1 - specificity. Also: false alarm *rate*.
    NaN if nothing else was observed. Source: MET User's Guide, appendix C.
    """
    t = binary(table)
    return ratio(t.false_alarms, t.false_alarms + t.correct_negatives)


def critical_success_index(table: ArrayLike) -> Floats:
    """CSI = a / (a + b + c): hits among all frames where the mode was observed or predicted.

    Range 0 to 1, perfect 1. Machine learning: Jaccard index, intersection over union. Also: threat score.
    CSI = F1 / (2 - F1). NaN if the mode was neither observed nor predicted. Source: MET User's Guide, appendix C.
    """
    t = binary(table)
    return ratio(t.hits, t.hits + t.false_alarms + t.misses)


def f1(table: ArrayLike) -> Floats:
    """F1 = 2a / (2a + b + c): the harmonic mean of POD and success ratio.

    Range 0 to 1, perfect 1. Machine learning: F score, Dice coefficient. The score of the original process.
    NaN if the mode was neither observed nor predicted. Source: van Rijsbergen (1979), Information Retrieval.
    """
    t = binary(table)
    return ratio(2 * t.hits, 2 * t.hits + t.false_alarms + t.misses)


def frequency_bias(table: ArrayLike) -> Floats:
    """Bias = (a + b) / (a + c): how often the mode was predicted for each time it was observed.

    Range 0 to infinity, perfect 1; above 1 the mode is predicted too often. It says nothing about *which* frames.
    NaN if the mode was never observed. Source: MET User's Guide, appendix C (FBIAS).
    """
    t = binary(table)
    return ratio(t.hits + t.false_alarms, t.hits + t.misses)


def equitable_threat_score(table: ArrayLike) -> Floats:
    """ETS = (a - r) / (a + b + c - r) with r = (a + b)(a + c) / n: CSI without the hits of chance.

    Range -1/3 to 1, perfect 1, no skill 0. Also: Gilbert skill score. NaN if the mode was neither observed nor
    predicted, or is everything. Source: Gilbert (1884); MET User's Guide, appendix C (GSS).
    """
    t = binary(table)
    chance = ratio((t.hits + t.false_alarms) * (t.hits + t.misses), t.frames)
    return ratio(t.hits - chance, t.hits + t.false_alarms + t.misses - chance)


def heidke_skill_score(table: ArrayLike) -> Floats:
    """HSS = (a + d - E) / (n - E), E = ((a + b)(a + c) + (c + d)(b + d)) / n: accuracy beyond chance.

    Range -1 to 1, perfect 1, no skill 0. Machine learning: Cohen's kappa of the mode against the rest.
    NaN if the mode is nothing or everything in both. Source: Heidke (1926); MET User's Guide, appendix C.
    """
    t = binary(table)
    yes = (t.hits + t.false_alarms) * (t.hits + t.misses)
    no = (t.misses + t.correct_negatives) * (t.false_alarms + t.correct_negatives)
    expected = ratio(yes + no, t.frames)
    return ratio(t.hits + t.correct_negatives - expected, t.frames - expected)


def peirce_skill_score(table: ArrayLike) -> Floats:
    """PSS = POD - POFD: how well the mode is told from the rest, whatever its share.

    Range -1 to 1, perfect 1, no skill 0. Machine learning: informedness, Youden's J. Also: true skill statistic,
    Hanssen-Kuipers discriminant. NaN if the mode is never or always observed.
    Source: Peirce (1884); MET User's Guide, appendix C (HK).
    """
    return probability_of_detection(table) - probability_of_false_detection(table)


def symmetric_extremal_dependence_index(table: ArrayLike) -> Floats:
    """SEDI = (ln F - ln H - ln(1 - F) + ln(1 - H)) / (ln F + ln H + ln(1 - F) + ln(1 - H)), H = POD, F = POFD.

    Range -1 to 1, perfect 1, no skill 0. For rare modes: it does not vanish with their share.
    NaN where H or F is 0, 1 or unknown. Source: Ferro and Stephenson (2011), Wea. Forecasting 26, 699-713.
    """
    h, f = probability_of_detection(table), probability_of_false_detection(table)
    inside = (h > 0) & (h < 1) & (f > 0) & (f < 1)
    h, f = np.where(inside, h, 0.5), np.where(inside, f, 0.5)
    a, b, c, d = np.log(f), np.log(h), np.log1p(-f), np.log1p(-h)
    return np.where(inside, ratio(a - b - c + d, a + b + c + d), np.nan)


recall = probability_of_detection
precision = success_ratio

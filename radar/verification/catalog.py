"""Every score by its one name, with its title, its perfect value, and what the two fields call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from radar.verification import modes, overall
from radar.verification.table import Floats


@dataclass(frozen=True, slots=True)
class Score:
    """One score.

    Attributes:
        name: In files and code.
        title: In tables and on figures.
        function: From tables (..., K, K) to scores (..., K) or (...); None for scores of probabilities.
        span: Range.
        perfect: Perfect value.
        machine: What machine learning calls it.
        also: Other names in meteorology.
    """

    name: str
    title: str
    function: Callable[[ArrayLike], Floats] | None
    span: str
    perfect: float
    machine: str = ""
    also: str = ""


OF_MODES: tuple[Score, ...] = (
    Score("pod", "POD", modes.probability_of_detection, "0 to 1", 1, "recall, sensitivity", "hit rate"),
    Score("far", "FAR", modes.false_alarm_ratio, "0 to 1", 0, "1 - precision", "false alarm ratio (not rate)"),
    Score("success_ratio", "SR", modes.success_ratio, "0 to 1", 1, "precision", "1 - FAR"),
    Score(
        "pofd", "POFD", modes.probability_of_false_detection, "0 to 1", 0, "false positive rate", "false alarm rate"
    ),
    Score("csi", "CSI", modes.critical_success_index, "0 to 1", 1, "Jaccard index", "threat score"),
    Score("f1", "F1", modes.f1, "0 to 1", 1, "F score, Dice", "2 CSI / (1 + CSI)"),
    Score("bias", "bias", modes.frequency_bias, "0 to inf", 1, "", "frequency bias"),
    Score("ets", "ETS", modes.equitable_threat_score, "-1/3 to 1", 1, "", "Gilbert skill score"),
    Score("hss", "HSS", modes.heidke_skill_score, "-1 to 1", 1, "Cohen's kappa", "Heidke skill score"),
    Score("pss", "PSS", modes.peirce_skill_score, "-1 to 1", 1, "informedness, Youden's J", "TSS, Hanssen-Kuipers"),
    Score("sedi", "SEDI", modes.symmetric_extremal_dependence_index, "-1 to 1", 1, "", "for rare modes"),
)

OVERALL: tuple[Score, ...] = (
    Score("accuracy", "accuracy", overall.accuracy, "0 to 1", 1, "accuracy", "proportion correct"),
    Score("hss", "HSS", overall.heidke_skill_score, "to 1", 1, "Cohen's kappa", "Heidke skill score"),
    Score("pss", "PSS", overall.peirce_skill_score, "to 1", 1, "", "Hanssen-Kuipers, TSS"),
    Score("mcc", "MCC", overall.matthews_correlation, "-1 to 1", 1, "Matthews correlation", "R_K"),
    Score("macro_f1", "macro F1", overall.macro_f1, "0 to 1", 1, "macro-averaged F score"),
    Score("balanced_accuracy", "balanced accuracy", overall.balanced_accuracy, "0 to 1", 1, "macro-averaged recall"),
    Score("hss_ec", "HSS, equal chance", overall.heidke_skill_score_equal_chance, "to 1", 1, "", "HSS_EC"),
)

OF_PROBABILITIES: tuple[Score, ...] = (
    Score("brier", "Brier score", None, "0 to 2", 0, "mean squared error"),
    Score("log_loss", "log loss", None, "0 to 16.1", 0, "cross-entropy", "ignorance score, in nats"),
)

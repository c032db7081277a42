"""The non-neural baseline: measurements of the echo, and a classical classifier on top.

Reviewers ask for it first, and rightly: on storm modes, logistic regression came close to convolutional networks
(Sobash et al. 2023, Mon. Wea. Rev. 151). A network that does not beat it has learned nothing it could not be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radar.frames import FrameRule
from training.errors import TrainingError
from training.studies import echo_features

Kind = Literal["logistic", "boosting"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Baseline:
    """A trained baseline.

    Attributes:
        model: Of scikit-learn.
        modes: K.
    """

    model: Any
    modes: int

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gives probabilities (N, K) of measured frames (N, F)."""
        table = np.zeros((len(features), self.modes))
        table[:, self.model[-1].classes_] = self.model.predict_proba(features)
        result: NDArray[np.float64] = table / table.sum(axis=1, keepdims=True)
        return result


def rule_for(rule: FrameRule) -> FrameRule:
    """Gives the preprocessing of frames to be measured: crop and masks of a recipe, at a size of its own."""
    side = echo_features.SIDE
    return FrameRule(height=side, width=side, crop=rule.crop, masks=rule.masks, no_echo=rule.no_echo)


def train(
    features: NDArray[np.float64], classes: NDArray[np.int64], *, kind: Kind, modes: int, seed: int
) -> Baseline:
    """Trains a baseline.

    Args:
        features: Shape (N, F).
        classes: Shape (N,).
        kind: ``logistic`` regression, or ``boosting`` of decision trees.
        modes: K.
        seed: Of every random draw.

    Raises:
        TrainingError: All frames are of one mode, or there is no such kind.
    """
    if kind not in KINDS:
        raise TrainingError(f"Expected a baseline among {', '.join(KINDS)}, received {kind!r}")
    if len(np.unique(classes)) < 2:
        raise TrainingError("A baseline needs frames of two modes or more")
    if kind == "logistic":
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
    else:
        trees = HistGradientBoostingClassifier(
            max_iter=80, max_leaf_nodes=15, learning_rate=0.1, early_stopping=False, random_state=seed
        )
        model = make_pipeline(trees)
    return Baseline(model.fit(features, classes), modes)

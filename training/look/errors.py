"""What can go wrong when a network is looked into.

TrainingError
└── LookError        nothing to look at: no weights, no frames, a folder of another model
    └── Undefined    a method that has no meaning for this network; the others go on
"""

from training.errors import TrainingError


class LookError(TrainingError):
    """Nothing to look at, or no place to write what was seen."""


class Undefined(LookError, ValueError):  # noqa: N818  # no fault of anybody: the method does not apply
    """A method that has no meaning for this network."""

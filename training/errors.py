"""What can go wrong in training.

SnowmodeError
└── TrainingError
    ├── RecipeError     a recipe or an override that cannot work; nothing was started
    └── GateError       a model that must not be published; names every check it failed
"""

from radar.errors import SnowmodeError


class TrainingError(SnowmodeError):
    """Anything that goes wrong in training."""


class RecipeError(TrainingError):
    """A recipe or an override that cannot work; nothing was started."""


class GateError(TrainingError):
    """A model that must not be published."""

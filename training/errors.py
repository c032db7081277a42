"""What can go wrong in training.

SnowmodeError
└── TrainingError
    ├── RecipeError     a recipe or an override that cannot work; nothing was started
    ├── DivergedError   a loss that is no number any more; the settings are to blame
    ├── GateError       a model that must not be published; names every check it failed
    ├── RefusedError    a model that is worse than the one in production; nothing was published
    ├── MachineError    a full disk, a lost peer: the machine's trouble, worth another try
    └── Interrupted     told to stop; the same command continues
"""

import errno

from radar.errors import SnowmodeError


class TrainingError(SnowmodeError):
    """Anything that goes wrong in training."""


class RecipeError(TrainingError):
    """A recipe or an override that cannot work; nothing was started."""


class DivergedError(TrainingError):
    """The loss is no number any more."""


class GateError(TrainingError):
    """A model that must not be published."""


class RefusedError(TrainingError):
    """A model that is worse than the one in production."""


class MachineError(TrainingError):
    """Trouble of the machine, not of settings or input: the same command may succeed later."""


class Interrupted(TrainingError):  # noqa: N818  # no error: somebody asked for it
    """The run was told to stop, by Ctrl-C or SIGTERM, and can be continued."""


OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT}
)
"""Numbers of an OSError that another try may cure."""

"""How a command ends: a Kubernetes Job decides by its exit code whether to try again."""

import errno

import pytest
import typer

from radar.errors import LabelsError
from serving.protocol.errors import ServingError
from training.commands.options import exit_code, fail
from training.errors import GateError, Interrupted, MachineError, RecipeError, RefusedError, TrainingError


def from_full_disk():
    error = TrainingError("models: cannot publish there")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GateError("x"), 1),
        (RefusedError("x"), 1),
        (TrainingError("x"), 2),
        (RecipeError("x"), 2),
        (LabelsError("x"), 2),
        (FileNotFoundError(errno.ENOENT, "x"), 2),
        (PermissionError(errno.EACCES, "x"), 2),
        (ValueError("x"), 2),
        (ServingError("x"), 3),
        (MachineError("x"), 74),
        (OSError(errno.ENOSPC, "x"), 74),
        (from_full_disk(), 74),
        (Interrupted("x"), 75),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_code(error, code):
    assert exit_code(error) == code


def test_an_error_is_named_as_one_and_an_interruption_is_not(capsys):
    with pytest.raises(typer.Exit) as ended:
        fail(TrainingError("no such folder"))
    assert (ended.value.exit_code, capsys.readouterr().err) == (2, "Error: no such folder\n")
    with pytest.raises(typer.Exit) as ended:
        fail(Interrupted("Interrupted; the same command continues."))
    assert (ended.value.exit_code, capsys.readouterr().err) == (75, "Interrupted; the same command continues.\n")

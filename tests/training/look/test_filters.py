"""Filters: lengths and angles in closed form, and that `before` is where training began."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.training.look.conftest import subject_of
from training import architectures
from training.look import filters, subject
from training.look.errors import Undefined
from training.look.subject import fresh


def kernels(*columns):
    return np.array(columns, float).T.reshape(1, 2, 1, -1)


def test_changes_in_closed_form():
    before = kernels([1, 0], [3, 4], [1, 1], [0, 0], [0, 0])
    after = kernels([0, 2], [6, 8], [-1, -1], [0, 3], [0, 0])
    found = filters.compare(before, after)
    np.testing.assert_allclose(found.norm_before, [1, 5, np.sqrt(2), 0, 0])
    np.testing.assert_allclose(found.norm_after, [2, 10, np.sqrt(2), 3, 0])
    np.testing.assert_allclose(found.cosine, [0, 1, -1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(found.relative, [np.sqrt(5), 1, 2, np.inf, 0])


@pytest.mark.parametrize(
    ("architecture", "name", "shape"),
    [
        ("radar", "conv2d", (5, 5, 5, 24)),
        ("nakai2022", "conv2d", (3, 3, 3, 32)),
        ("mlp", "dense", (32, 32, 3, 128)),
        ("vgg16", "block1_conv1", (3, 3, 3, 64)),
    ],
)
def test_the_first_filters_of_every_kind_of_network(architecture, name, shape):
    network = architectures.build(architecture, height=32, width=32, modes=5)
    found, values = filters.first_kernels(network)
    assert found.startswith(name)
    assert values.shape == shape


def test_a_network_as_it_began_has_not_changed(tmp_path):
    made = subject_of(architectures.build("radar", height=32, width=32, modes=5), modes=5)
    made = subject_of(fresh(made), modes=5)
    part = filters.look(made, None, tmp_path, seed=0)
    assert "24 hardly turned" in part.finding
    numbers = np.load(tmp_path / "filters.npz")
    np.testing.assert_array_equal(numbers["before"], numbers["after"])
    weight = made.network.model.weights[0]
    weight.assign(-weight)
    part = filters.look(made, None, tmp_path, seed=0)
    assert "0 hardly turned" in part.finding
    np.testing.assert_allclose(np.load(tmp_path / "filters.npz")["cosine"], -1, atol=1e-6)


def test_a_start_that_cannot_be_had_is_no_guess(tmp_path):
    made = subject_of(architectures.build("vgg16", height=32, width=32, modes=5), modes=5, architecture="vgg16")
    transfer = made.recipe.transfer.model_copy(update={"weights": str(tmp_path / "gone.h5")})
    made = subject.Subject(
        made.name, made.network, made.recipe.model_copy(update={"transfer": transfer}), made.card, made.source
    )
    with pytest.raises(Undefined, match=r"before training cannot be had: transfer.weights: .*gone.h5"):
        filters.look(made, None, tmp_path, seed=0)


@pytest.mark.slow
def test_before_is_where_a_run_began(winter, tmp_path):
    """A run that cannot learn keeps the weights of its start: those that `fresh` makes of recipe and seed."""
    words = ["run", "--recipe", "nakai2022", "--frames", winter, "--runs", tmp_path / "runs", "--seed", 5]
    words += ["--models", tmp_path / "models", "--set", "fit.epochs=1", "--set", "fit.learning_rate=1e-12"]
    words += ["--set", "augment.kind=none"]
    command = [sys.executable, "-c", "from training.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if not path.name.startswith("."))
    assert (folder / "final.weights.h5").is_file(), done.stderr
    found = subject.load(folder)
    assert found.seed == 5
    assert json.loads((folder / "recipe.json").read_text())["fit"]["learning_rate"] == 1e-12
    _, after = filters.first_kernels(found.network)
    _, before = filters.first_kernels(fresh(found))
    np.testing.assert_allclose(before, after, atol=1e-9)

"""The subject: out of a run or a published model, and that it is the same network."""

import json
import shutil

import numpy as np
import pytest

from tests.training.look.conftest import subject_of
from tests.training.look.known import known_network
from training import architectures
from training.errors import TrainingError
from training.look import subject as subjects
from training.look.errors import LookError
from training.publishing import export
from training.records import save_weights

SIZE = 32


def trained(seed=7, architecture="radar"):
    """Makes a network whose weights are not those it began with."""
    network = architectures.build(architecture, height=SIZE, width=SIZE, modes=5)
    rng = np.random.default_rng(seed)
    for weight in network.model.weights:
        if weight.dtype == "float32":
            weight.assign(weight + rng.uniform(0.05, 0.1, weight.shape))
    return network


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A published model with its recipe in its card, and the network it was made of."""
    network = trained()
    folder = tmp_path_factory.mktemp("models") / "202401010000"
    made = subject_of(network, size=SIZE, modes=5, temperature=1.5)
    export.write(folder, network, made.card)
    return folder, made


@pytest.fixture
def run_folder(tmp_path):
    """The records of a finished run."""
    made = subject_of(trained(), size=SIZE, modes=5)
    (tmp_path / "recipe.json").write_text(made.recipe.model_dump_json())
    (tmp_path / "model_card.json").write_text(made.card.model_dump_json())
    save_weights(made.network.model, tmp_path)
    return tmp_path, made


def frames(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def test_a_published_model_gives_its_network_back(version):
    folder, made = version
    found = subjects.load(folder)
    assert found.name == "202401010000"
    assert found.digest == made.digest
    np.testing.assert_allclose(found.logits(frames()), made.logits(frames()), rtol=1e-5, atol=1e-6)


def test_a_run_gives_its_network_back(run_folder):
    folder, made = run_folder
    found = subjects.load(folder)
    assert (found.name, found.digest, found.seed) == (folder.name, made.digest, 3)
    assert found.features(frames(3)).shape == (3, 64)


def test_a_run_without_weights_finds_them_in_the_model_it_published(run_folder, version):
    folder, _ = run_folder
    (folder / "final.weights.h5").unlink()
    with pytest.raises(LookError, match=r"expected final.weights.h5.*is not where it was.*published version"):
        subjects.load(folder)
    (folder / "published.json").write_text(json.dumps({"model": str(version[0])}))
    assert subjects.load(folder).digest == version[1].digest


def test_weights_of_another_network_are_refused(run_folder, version, tmp_path_factory):
    folder, _ = run_folder
    (folder / "final.weights.h5").write_bytes(b"no weights")
    with pytest.raises(TrainingError, match=r"final.weights.h5: expected the weights of this run's network"):
        subjects.load(folder)
    copy = tmp_path_factory.mktemp("copy") / "1"
    shutil.copytree(version[0], copy)
    card = json.loads((copy / "assets.extra" / "model_card.json").read_text())
    card["settings"]["architecture"] = "nakai2022"
    (copy / "assets.extra" / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(LookError, match=r"of other shapes; name the folder of its run instead"):
        subjects.load(copy)
    del card["settings"]
    (copy / "assets.extra" / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(LookError, match=r"with its recipe; name: Field required; .* name the folder of its run"):
        subjects.load(copy)


def test_a_rebuilt_network_that_answers_otherwise_is_refused(version, monkeypatch):
    """As after a change of the code of an architecture: the variables fit, the network is another one."""
    monkeypatch.setattr(subjects, "_take_over", lambda *_: None)
    with pytest.raises(LookError, match=r"does not answer as the model does \(logits differ by up to"):
        subjects.load(version[0])


def test_other_folders_are_refused_with_what_lies_in_them(tmp_path, run_folder, tmp_path_factory):
    with pytest.raises(LookError, match="expected a run, RUNS/NAME, or a published model; it does not exist"):
        subjects.load(tmp_path / "none")
    runs = tmp_path_factory.mktemp("runs")
    shutil.copytree(run_folder[0], runs / "radar-1")
    with pytest.raises(LookError, match=r"with neither; inside there are radar-1$"):
        subjects.load(runs)


def test_probabilities_are_calibrated_and_batches_do_not_matter():
    made = subject_of(known_network(), temperature=2.0)
    images = np.random.default_rng(0).integers(0, 256, (131, 32, 32, 3), np.uint8)
    logits = made.logits(images)
    np.testing.assert_allclose(logits[[130]], made.logits(images[[130]]), rtol=1e-4, atol=1e-5)
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(made.probabilities(images), expected, rtol=1e-5)


def test_fresh_weights_are_those_of_the_seed():
    made = subject_of(trained(), size=SIZE, modes=5)
    first, again = subjects.fresh(made).model.get_weights(), subjects.fresh(made).model.get_weights()
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(first[0], made.network.model.get_weights()[0])

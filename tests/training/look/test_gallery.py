import numpy as np
import pytest

from tests.training.look.conftest import known_look
from training.look import embedding, gallery, techniques
from training.look.errors import Undefined
from training.look.trained_on import training_frames


def test_the_surest_mistakes_come_first_one_of_each_event():
    table = np.array([[0.9, 0.1], [0.95, 0.05], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    classes = np.array([1, 1, 1, 1, 0])
    events = np.array(["a", "a", "b", "c", "d"])
    assert gallery.misclassified(table, classes, events, 8).tolist() == [1, 2, 0]
    assert gallery.misclassified(table, classes, events, 2).tolist() == [1, 2]
    assert gallery.misclassified(table, table.argmax(axis=1), events, 8).tolist() == []


def test_doubt_is_how_close_the_two_largest_are():
    table = np.array([[0.5, 0.25, 0.25], [0.4, 0.39, 0.21], [0.45, 0.45, 0.1]])
    assert gallery.least_certain(table, np.array(["a", "b", "c"]), 2).tolist() == [2, 1]
    assert gallery.least_certain(table, np.array(["a", "b", "b"]), 3).tolist() == [2, 0, 1]


@pytest.mark.slow
def test_a_gallery_shows_mistakes_with_their_nearest_training_frames(trained, looked_at, tmp_path):
    part = techniques.run("gallery", trained, looked_at, tmp_path, seed=0)
    numbers = np.load(tmp_path / "gallery" / "gallery.npz")
    wrong = int((numbers["predicted"] != numbers["observed"]).sum())
    assert part.finding.startswith(f"{wrong} of {len(looked_at.labels)} frames are misclassified")
    np.testing.assert_allclose(numbers["probabilities"].sum(axis=1), 1, atol=1e-6)
    assert not part.warnings
    for picture in part.pictures:
        assert (tmp_path / "gallery" / picture.file).stat().st_size > 20_000
    assert [picture.file for picture in part.pictures][-1] == "doubtful.png"


def test_training_frames_are_those_of_the_manifest_less_what_is_looked_at(trained, looked_at, labelled_winter):
    frames, problem = training_frames(trained, exclude=looked_at.labels, seed=0)
    assert not problem
    names = {label.path.name for label in frames.labels}
    assert len(frames.labels) == 160
    assert not names & {label.path.name for label in looked_at.labels}
    few, _ = training_frames(trained, exclude=labelled_winter.labels[:150], seed=0)
    assert {label.path.name for label in few.labels} <= {label.path.name for label in labelled_winter.labels[150:]}
    at = [label.path.name for label in labelled_winter.labels].index(frames.labels[7].path.name)
    np.testing.assert_array_equal(frames.images[7], labelled_winter.images[at])


def test_without_a_manifest_or_its_frames_the_gallery_says_so(known_subject, trained, looked_at, tmp_path):
    frames, problem = training_frames(known_subject, seed=0)
    assert frames is None
    assert "manifest.csv is missing" in problem
    text = (trained.source / "manifest.csv").read_text(encoding="utf-8")
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")  # its relative paths lead nowhere from here
    moved = type(trained)(trained.name, trained.network, trained.recipe, trained.card, tmp_path)
    frames, problem = training_frames(moved, seed=0)
    assert frames is None
    assert problem.startswith("No training frame can be read, such as pr2hse")
    part = techniques.run("gallery", moved, looked_at.take(np.arange(40) < 6), tmp_path, seed=0)
    assert part.warnings == (problem,)


@pytest.mark.slow
def test_the_space_of_frames_is_drawn_and_leakage_counted(trained, looked_at, tmp_path):
    part = techniques.run("embedding", trained, looked_at, tmp_path, seed=3)
    numbers = np.load(tmp_path / "embedding" / "embedding.npz")
    features = numbers["features"]
    assert features.shape == (40, 512)
    # PCA is the singular value decomposition, up to the sign of each axis.
    centred = features.astype(float) - features.mean(axis=0, dtype=float)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(numbers["pca"]), np.abs(left[:, :2] * values[:2]), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(numbers["explained"], (values**2 / (values**2).sum())[:2], rtol=1e-4)
    again = embedding.embed(features, seed=3)
    np.testing.assert_allclose(again.tsne, numbers["tsne"], rtol=1e-3, atol=1e-2)
    assert "nearest neighbour in their own event" in part.finding
    assert (tmp_path / "embedding" / "embedding.png").stat().st_size > 20_000


def test_a_map_of_few_frames_is_refused_with_the_reason(known_subject, tmp_path):
    with pytest.raises(Undefined, match="10 frames or more, received 4; raise --count"):
        embedding.look(known_subject, known_look(4), tmp_path, seed=0)
    part = techniques.run("embedding", known_subject, known_look(4), tmp_path, seed=0)
    assert part.finding.startswith("Not defined for this network")


def test_frames_that_the_network_cannot_tell_apart_have_no_map(known_subject, tmp_path):
    frames = known_look(12)
    frames.images[:] = 255
    part = techniques.run("embedding", known_subject, frames, tmp_path, seed=0)
    assert "all 12 frames have the same features" in part.finding
    frames.images[0, :8, :8] = (255, 0, 0)
    part = techniques.run("embedding", known_subject, frames, tmp_path, seed=0)
    assert "nan" not in part.finding
    assert part.pictures

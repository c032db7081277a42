"""A subject whose evidence is known, and frames to look at."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.look.known import LT, SIZE, known_frames, known_network

CODES = ("SY", "VX", "LT")


def subject_of(network, *, size=SIZE, modes=3, name="known", source=Path("known"), architecture="radar", **card):
    """Makes a subject of any network."""
    from serving.protocol.contract import InputEntry
    from tests.benchmarks.material import card_for
    from training.look.subject import Subject
    from training.recipe import load_recipe

    recipe = load_recipe(architecture, [f"input.height={size}", f"input.width={size}"])
    made = card_for(network, architecture, size)
    settings = {**recipe.model_dump(mode="json"), "seed": 3}
    entry = InputEntry(height=size, width=size)
    made = made.model_copy(update={"modes": made.modes[:modes], "settings": settings, "input": entry, **card})
    return Subject(name, network, recipe, made, source)


def known_look(count=12, *, seed=1):
    """Gives frames of known evidence with labels; of LT there are some without any patch."""
    from training.data.labelled import Label, LabelledFrames

    images, classes, _ = known_frames(count, seed=seed)
    images[-2:], classes[-2:] = 255, LT
    labels = [
        Label(Path(f"pr2hse{n:05d}.png"), "hse20152016", CODES[k], f"hse20152016/{CODES[k]}-{n // 2}")
        for n, k in enumerate(classes.tolist())
    ]
    return LabelledFrames(labels, images, np.asarray(classes, np.int64))


@pytest.fixture(scope="session")
def known_subject():
    """The network of known evidence."""
    return subject_of(known_network())


@pytest.fixture(scope="session")
def frames():
    """Frames of known evidence."""
    return known_look()


@pytest.fixture(scope="session")
def labelled_winter(winter):
    """The synthetic winter, loaded at 32 x 32 pixels."""
    from radar.frames import FrameRule
    from training.data.loading import load_frames
    from training.data.sources import read_labels

    codes = ("SY", "VX", "LT", "DM", "NO")
    return load_frames(read_labels([winter], codes), codes, FrameRule(SIZE, SIZE), lambda _: None)


@pytest.fixture(scope="session")
def trained(labelled_winter, tmp_path_factory):
    """A small network that was trained for some seconds, with a manifest: four of five frames trained it."""
    import keras

    from training import architectures
    from training.data import manifest

    keras.utils.set_random_seed(4)
    network = architectures.build("nakai2022", height=SIZE, width=SIZE, modes=5)
    sides = ["validation" if n % 5 == 0 else "training" for n in range(len(labelled_winter.labels))]
    mine = np.array(sides) == "training"
    network.model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = labelled_winter.images.astype(np.float32)
    network.model.fit(images[mine], labelled_winter.classes[mine], batch_size=32, epochs=12, verbose=0)
    run = tmp_path_factory.mktemp("runs") / "trained"
    run.mkdir()
    text = manifest.text(labelled_winter.labels, sides, run)
    (run / manifest.MANIFEST_FILE).write_text(text, encoding="utf-8")
    return subject_of(network, modes=5, name="trained", source=run, architecture="nakai2022", synthetic=True)


@pytest.fixture(scope="session")
def looked_at(labelled_winter):
    """The frames that it was not trained on."""
    return labelled_winter.take(np.arange(len(labelled_winter.labels)) % 5 == 0)

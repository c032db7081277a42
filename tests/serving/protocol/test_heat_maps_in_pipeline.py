"""Heat maps through the pipeline: whose they are, and how large an answer may get."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from radar import frames
from radar.errors import FrameError
from radar.frames import FrameRule, Picture
from serving.protocol.connection import Connection
from serving.protocol.contract import EXPLAIN, GRADCAM, HIRESCAM, PROBABILITIES, HeatMapEntry
from serving.protocol.pipeline import ANSWER_BYTES, Classifier
from tests.conftest import write_frames
from tests.serving.stand_in import CARD

COUNT = 150


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = write_frames(tmp_path_factory.mktemp("season"), COUNT)
    (folder / "pr2hse00070.png").write_bytes(b"no picture")
    return folder, sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kinds", [(GRADCAM,), (HIRESCAM,), (GRADCAM, HIRESCAM)])
def test_every_frame_gets_its_own_heat_maps(season: tuple[Path, list[str]], server: str, kinds: tuple) -> None:
    folder, names = season
    with Connection(server) as connection:
        card = connection.describe().card
        classifier = Classifier(connection, card, heat_maps=kinds)
        found = list(itertools.chain.from_iterable(classifier.run(folder, names)))
        good = [name for name in names if name != "pr2hse00070.png"]
        images = np.stack([frames.load(folder / name, card.input.frame_rule()) for name in good])
        expected = connection.call(EXPLAIN, images)
    assert [p.name for p in found] == names
    assert "is not a PNG" in found[70].error
    assert found[70].heat_maps == {}
    answered = [p for p in found if p.probabilities is not None]
    assert {tuple(p.heat_maps) for p in answered} == {kinds}
    np.testing.assert_allclose([p.probabilities for p in answered], expected[PROBABILITIES], atol=1e-5)
    for kind in kinds:
        scale = np.abs(expected[kind]).max()
        np.testing.assert_allclose([p.heat_maps[kind] for p in answered], expected[kind], atol=1e-4 * scale)


def test_batches_of_large_heat_maps_are_small() -> None:
    large = CARD.model_copy(update={"heat_map": HeatMapEntry(height=224, width=224)})
    with Connection("localhost:1") as connection:
        classifier = Classifier(connection, large, heat_maps=(GRADCAM, HIRESCAM))
        plain = Classifier(connection, large)
    frame = 4 * (2 + 2 * 2 * 224 * 224)
    assert classifier._batch_size == ANSWER_BYTES // frame
    assert plain._batch_size > 100


def test_other_heat_maps_are_not_asked_for() -> None:
    with Connection("localhost:1") as connection, pytest.raises(ValueError, match="received: smoothgrad"):
        Classifier(connection, CARD, heat_maps=("smoothgrad",))


def test_the_caller_may_say_how_a_path_becomes_a_picture(season: tuple[Path, list[str]], server: str) -> None:
    folder, names = season

    def load(path: str, rule: FrameRule) -> Picture:
        if path.endswith("00003.png"):
            raise FrameError("is of a kind of its own")
        return np.zeros((rule.height, rule.width, 3), np.uint8)

    with Connection(server) as connection:
        classifier = Classifier(connection, connection.describe().card, load=load)
        found = list(itertools.chain.from_iterable(classifier.run(folder, names[:5])))
    assert [p.error for p in found] == ["", "", "", "is of a kind of its own", ""]
    assert len({tuple(p.probabilities) for p in found if p.probabilities is not None}) == 1

"""Publishing the model of a run: held against production, gated, labelled; and the records it is made from."""

import csv
import json
import re
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from serving.protocol import contract
from training import report
from training.calibrate import calibrate
from training.cli import app
from training.errors import GateError, TrainingError
from training.foreign import reject
from training.layers import layer_diagram, stages
from training.publishing import judge, published, releases
from training.publishing import release as release_module
from training.publishing.release import judge_run, publish_run
from training.recipe import load_recipe
from training.records import WEIGHTS_FILE, load_weights, read_card, read_recipe, save_weights
from training.run import run
from training.validation import read_frames, split_of

pytestmark = pytest.mark.slow

SMALL = ["input.height=32", "input.width=32", "fit.epochs=2", "fit.batch_size=32"]


@pytest.fixture(scope="module")
def home(winter, tmp_path_factory):
    """A run whose model was published, the first."""
    folder = tmp_path_factory.mktemp("home")
    result = run(
        load_recipe("radar", SMALL),
        [winter],
        models=folder / "models",
        runs=folder / "runs",
        seed=1,
        say=lambda _: None,
        report=lambda *_: None,
    )
    assert releases.read(folder / "models").production == int(result.published.name)
    return folder, result


@pytest.fixture
def place(home, tmp_path):
    """A copy of its models and of its run, to change; paths in the manifest are made absolute."""
    folder, result = home
    models, run_folder = tmp_path / "models", tmp_path / "runs" / result.folder.name
    shutil.copytree(folder / "models", models)
    shutil.copytree(result.folder, run_folder)
    path = run_folder / "manifest.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["path"] = str((result.folder / row["path"]).resolve())
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return models, run_folder


def pretend(run_folder, *, right):
    """Rewrites the held-out probabilities: right in all frames, or in none."""
    with (run_folder / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        codes = [name for name in row if name.startswith("p_")]
        said = (codes.index(f"p_{row['observed']}") + (not right)) % len(codes)
        for n, name in enumerate(codes):
            row[name] = 0.96 if n == said else 0.01
    with (run_folder / "validation.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_the_same_model_is_not_worse_and_becomes_a_candidate(place):
    models, run_folder = place
    (first,) = releases.versions(models)
    said = []
    released = publish_run(run_folder, models, say=said.append, again=True)
    comparison = released.verdict.comparison
    assert comparison.overall["hss"].value == pytest.approx(0, abs=1e-6), "the run's own frames, neither trained on"
    assert comparison.reports[0].frames == read_card(run_folder).metrics["validation_by_event_frames"]
    now = releases.read(models)
    assert (now.production, now.candidate) == (first, int(released.folder.name))
    assert sum(line.startswith("  passed  ") for line in said) == 7
    assert json.loads((run_folder / "published.json").read_text())["labels"] == ["candidate"]
    with (released.folder / "assets.extra" / "manifest.csv").open() as file:
        assert {row["split"] for row in csv.DictReader(file)} >= {"training", "validation"}
    assert "candidate" in published.as_text(published.look(models))
    result = CliRunner().invoke(app, ["models", "--models", str(models), "--json"])
    listed = json.loads(result.output)
    assert [entry["labels"] for entry in listed["versions"]] == [["candidate"], ["production"]]
    assert listed["versions"][0]["card"]["recipe"] == "radar"


def test_a_run_that_was_published_is_not_published_twice(place):
    models, run_folder = place
    (first,) = releases.versions(models)
    recorded = (run_folder / "published.json").read_bytes()
    publish_run(run_folder, models, say=lambda _: None)
    assert (run_folder / "published.json").read_bytes() == recorded, "with its verdict"
    (run_folder / "published.json").unlink()  # as if killed before it was written
    result = CliRunner().invoke(app, ["publish", str(run_folder), "--models", str(models)])
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    assert text == (
        f"Published already, as version {first}, production; nothing was done. To publish it once more: training "
        "publish RUN --again"
    )
    assert releases.versions(models) == [first]
    assert json.loads((run_folder / "published.json").read_text())["version"] == first


def test_a_version_that_nobody_was_told_of_is_offered_when_its_job_is_started_again(place):
    models, run_folder = place
    (first,) = releases.versions(models)
    other = models / contract.MODEL_NAME / "1"
    other.mkdir()
    (other / "saved_model.pb").write_bytes(b"")
    # Killed between the two: the folder is there, and stands in no history.
    (models / releases.RELEASES_FILE).unlink()
    releases.promote(models, 1)
    again = publish_run(run_folder, models, say=lambda _: None)
    assert (again.folder.name, again.labels) == (str(first), ("candidate",))
    assert releases.read(models).production == 1


def test_the_first_version_that_nobody_was_told_of_goes_into_production(place):
    models, run_folder = place
    (first,) = releases.versions(models)
    config = releases.config_text(models, releases.read(models))
    for lost in ((releases.RELEASES_FILE, releases.CONFIG_FILE), (releases.CONFIG_FILE,)):
        for name in lost:
            (models / name).unlink()
        assert publish_run(run_folder, models, say=lambda _: None).labels == ("production",)
        assert (models / releases.CONFIG_FILE).read_text() == config
        assert [step.version for step in releases.read(models).history] == [first]


def test_the_first_model_goes_into_production_with_a_warning_unless_it_has_skill(home):
    _, result = home
    warning = "Warning: it is in production because it is the first, not because it is good: "
    assert warning + "too few events were held out to tell its skill" in result.outcome
    side = "validation_by_event"

    def doubt(low, high):
        metrics = {f"{side}_hss_low": low, f"{side}_hss_high": high, f"{side}_accuracy": 0.9}
        return release_module._doubt(result.card.model_copy(update={"metrics": metrics}))

    assert doubt(0.31, 0.6) == ""
    assert warning + "the 95% interval of its HSS is -0.10 to 0.60" in doubt(-0.1, 0.6)


def test_a_model_that_is_worse_is_refused_unless_told(place, monkeypatch):
    models, run_folder = place
    _, sample = read_frames(run_folder / "validation.csv")
    perfect = np.eye(len(sample.codes))[sample.observed]
    monkeypatch.setattr(judge, "_classify", lambda folder, images: perfect)  # two epochs make no good model
    pretend(run_folder, right=False)
    before = releases.versions(models)
    result = CliRunner().invoke(app, ["publish", str(run_folder), "--models", str(models), "--again"])
    assert result.exit_code == 1
    assert re.search(r"Not published: worse than version \d+, which is in production", result.output)
    assert "--even-if-worse" in result.output
    assert releases.versions(models) == before
    assert CliRunner().invoke(app, ["publish", str(run_folder), "--models", str(models), "--dry-run"]).exit_code == 1
    released = publish_run(run_folder, models, say=lambda _: None, even_if_worse=True, again=True)
    assert released.verdict.worse
    assert len(releases.versions(models)) == 2


def test_frames_that_production_was_trained_on_do_not_count(place):
    models, run_folder = place
    (version,) = releases.versions(models)
    listing = models / contract.MODEL_NAME / str(version) / "assets.extra" / "manifest.csv"
    text = listing.read_text(encoding="utf-8")
    card = read_card(run_folder)
    listing.write_text(text.replace(",validation", ",training"), encoding="utf-8")
    verdict = judge_run(run_folder, models, card, seed=0)
    assert (verdict.comparison, verdict.worse) == (None, False)
    assert "no frame that neither model was trained on" in verdict.sentence
    listing.unlink()
    verdict = judge_run(run_folder, models, card, seed=0)
    assert verdict.comparison is not None
    assert f"Nothing says which frames version {version} was trained on" in verdict.sentence


def test_a_candidate_with_a_clear_lead_is_not_worse_whatever_the_interval(place):
    models, run_folder = place
    pretend(run_folder, right=True)
    verdict = judge_run(run_folder, models, read_card(run_folder), seed=0)
    assert verdict.comparison.overall["hss"].value > 0
    assert not verdict.worse
    judge.Verdict(None, None, "").refuse_worse(even_if_worse=False)


def test_a_damaged_production_model_is_named_with_the_way_out(place):
    models, run_folder = place
    (version,) = releases.versions(models)
    (models / contract.MODEL_NAME / str(version) / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"the model in production cannot be loaded.*training promote VERSION"):
        judge_run(run_folder, models, read_card(run_folder), seed=0)


def test_a_run_without_its_weights_or_with_those_of_another_is_refused(place, tmp_path):
    models, run_folder = place
    (run_folder / WEIGHTS_FILE).write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"final.weights.h5: expected the weights of this run's network"):
        publish_run(run_folder, models, say=lambda _: None)
    (run_folder / WEIGHTS_FILE).unlink()
    result = CliRunner().invoke(app, ["publish", str(run_folder), "--models", str(models)])
    assert result.exit_code == 2
    with pytest.raises(TrainingError, match=r"expected the recipe of a run"):
        publish_run(tmp_path, models, say=lambda _: None)


def test_a_baseline_without_heat_maps_is_never_published(place, winter):
    from dataclasses import replace

    from training import architectures

    models, run_folder = place
    network = architectures.build("radar", height=32, width=32, modes=5)
    with pytest.raises(GateError, match="a baseline only"):
        release_module.release(
            replace(network, explains=False),
            read_card(run_folder),
            run_folder,
            models=models,
            images=np.zeros((2, 32, 32, 3), np.uint8),
            seed=0,
            say=lambda _: None,
        )


def test_the_page_of_a_run_stands_alone_and_says_all(home):
    _, result = home
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="https?:|url\(https?:|@import|<script', page)
    for text in (
        "the first in production",
        "Learning curve, radar",
        "weights",
        "before: plain softmax",
        "What a prediction is worth",
        "The recipe in full",
        "fit.batch_size",
    ):
        assert text in page, text
    environment = json.loads((result.folder / "environment.json").read_text())
    assert {"tensorflow", "keras", "numpy"} <= set(environment["libraries"])
    assert environment["deterministic"] is False
    assert split_of(result.folder) == "event"
    assert read_recipe(result.folder).name == "radar"


@pytest.mark.parametrize("name", ["radar", "mlp", "resnet"])
def test_the_layer_diagram_counts_every_weight_and_marks_what_is_explained(name):
    from training import architectures

    network = architectures.build(name, height=32, width=32, modes=5)
    found = stages(network)
    assert sum(stage.weights for stage in found) == network.model.count_params()
    assert found[-1].shape == (5,)
    explained = [stage for stage in found if stage.explained]
    assert [stage.shape for stage in explained] == (
        [tuple(network.features.output.shape[1:])] if network.explains else []
    )
    texts = [text.get_text() for text in layer_diagram(network, title="x").axes[0].texts]
    assert any(text.startswith("32 x 32 x 3") for text in texts)


def test_foreign_frames_are_turned_away_by_the_threshold(tmp_path):
    from radar.frames import FrameRule

    for n in range(4):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((20, 20, 3), 60 * n, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"x")

    def probabilities(images):
        sure = images.mean(axis=(1, 2, 3)) / 255
        return np.stack([sure, 1 - sure], axis=1)

    (found,) = reject([tmp_path], FrameRule(16, 16), probabilities, 0.7)
    # Winners: 1.0, 0.76, 0.53 and 0.71.
    assert (found.frames, found.rejected) == (4, 0.25)
    assert found.predicted.tolist() == [1, 3]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TrainingError, match=r"--foreign .*: expected frames that can be read; it holds no frames"):
        reject([empty], FrameRule(16, 16), probabilities, 0.7)
    table = report.calibration_table(
        calibrate(np.log(probabilities(np.full((4, 2, 2, 3), 200, np.uint8))), np.zeros(4, int), np.arange(4)), 1.0
    )
    assert table.rows[1][0] == "before: plain softmax"


def test_weights_are_written_whole_or_not_at_all(tmp_path, toy, monkeypatch):
    save_weights(toy.model, tmp_path)
    before = (tmp_path / WEIGHTS_FILE).read_bytes()

    def fill(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(toy.model, "save_weights", fill)
    with pytest.raises(OSError, match="No space left"):
        save_weights(toy.model, tmp_path)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS_FILE]
    load_weights(toy.model, tmp_path)

"""A run from labelled frames to a published model."""

import csv
import hashlib
import json
import re

import cv2
import numpy as np
import pytest

from radar.errors import LabelsError
from radar.frames import load
from radar.verification import caveats
from radar.verification.report_json import as_dict
from serving.protocol import contract
from serving.protocol.contract import ModelCard
from training import calibrate, finish
from training import run as training_run
from training.calibrate import accepted_share
from training.errors import DivergedError, GateError, Interrupted, TrainingError
from training.publishing import gate
from training.publishing.session import SessionModel
from training.recipe import Recipe, load_recipe
from training.synth import make_winter
from training.validation import compare_runs, read_frames

pytestmark = pytest.mark.slow

SMALL = ["input.height=32", "input.width=32", "fit.epochs=2", "fit.batch_size=32"]


def run(recipe, winter, base, said=None, **more):
    return training_run.run(
        recipe,
        [winter],
        models=base / "models",
        runs=base / "runs",
        seed=1,
        say=(said if said is not None else []).append,
        report=lambda *_: None,
        **more,
    )


@pytest.fixture(scope="module")
def done(winter, tmp_path_factory):
    """One run of the recommended recipe on 200 synthetic frames."""
    said = []
    result = run(load_recipe("radar", SMALL), winter, tmp_path_factory.mktemp("run"), said)
    return result, said


def test_a_run_publishes_one_version_that_passed_the_gate(done):
    result, said = done
    assert re.search(
        r"^Lowest validation loss [\d.]+ in epoch ([12]); weights of epoch \1 kept$", "\n".join(said), re.M
    )
    base = result.published.parent
    assert base.name == contract.MODEL_NAME
    assert [path.name for path in base.iterdir()] == [result.published.name]
    assert result.published.name == f"{result.card.created:%Y%m%d%H%M}"
    assert sum(line.startswith("  passed  ") for line in said) == 7


def test_the_records_of_a_run_are_complete(done):
    result, _ = done
    assert {path.name for path in result.folder.iterdir()} == {
        "recipe.json",
        "manifest.csv",
        "metrics.jsonl",
        "learning_curve.png",
        "model_card.json",
        "validation.csv",
        "verification.txt",
        "verification.json",
        "verification.html",
        "confusion.png",
        "performance.png",
        "reliability.png",
        "by_month.png",
        "published.json",
        "environment.json",
        "final.weights.h5",
        "layers.png",
        "report.html",
        "recipe.toml",
        "started.json",
        "checkpoints",
        "tensorboard",
    }
    assert load_recipe(str(result.folder / "recipe.toml")) == load_recipe("radar", SMALL)
    assert list((result.folder / "tensorboard").glob("events.out.tfevents.*"))
    recipe = Recipe.model_validate_json((result.folder / "recipe.json").read_text())
    assert recipe == load_recipe("radar", SMALL)
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert json.loads((result.folder / "published.json").read_text()) == {
        "model": str(result.published),
        "version": int(result.published.name),
        "labels": ["production"],
        "verdict": "No model is in production to compare with.",
    }
    for name in ("learning_curve.png", "confusion.png", "performance.png", "reliability.png", "by_month.png"):
        picture = cv2.imread(str(result.folder / name))
        assert min(picture.shape[:2]) > 200
        assert len(np.unique(picture)) > 10


def test_the_manifest_lists_each_frame_once_and_no_event_on_both_sides(done, winter):
    result, _ = done
    text = (result.folder / "manifest.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    with (winter / "labels.csv").open() as file:
        labels = {row["file"]: row for row in csv.DictReader(file)}
    names = [row["path"].rpartition("/")[2] for row in rows]
    assert names == list(labels)
    assert all(row["label"] == labels[name]["label"] for name, row in zip(names, rows, strict=True))
    assert all((result.folder / row["path"]).samefile(winter / name) for name, row in zip(names, rows, strict=True))
    assert rows[3]["sha256"] == hashlib.sha256((winter / names[3]).read_bytes()).hexdigest()
    sides = {side: {row["event"] for row in rows if row["split"] == side} for side in ("training", "validation")}
    assert not sides["training"] & sides["validation"]
    for side in sides:
        assert {row["label"] for row in rows if row["split"] == side} == set(result.card.codes)
    assert result.card.manifest_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_card_says_what_was_done_and_warns(done):
    result, _ = done
    card = result.card
    assert card.synthetic
    assert caveats.SYNTHETIC in card.caveats
    assert not {caveats.RANDOM_SPLIT, caveats.UNSEEN_UNKNOWN} & set(card.caveats)
    assert "Epoch, temperature and threshold were chosen on the validation frames, so their" in " ".join(card.caveats)
    assert caveats.few_events(result.report.events) in card.caveats
    assert card.caveats == result.report.caveats
    assert card.settings == {**load_recipe("radar", SMALL).model_dump(mode="json"), "seed": 1}
    assert card.codes == ("SY", "VX", "LT", "DM", "NO")
    assert set(card.libraries) == {"tensorflow", "keras", "numpy"}
    assert all("_by_event_" in name for name in card.metrics)
    for place in (result.folder / contract.CARD_FILE, result.published / "assets.extra" / contract.CARD_FILE):
        assert ModelCard.model_validate_json(place.read_text(encoding="utf-8")) == card


def test_the_published_model_gives_the_scores_of_its_card(done, winter):
    result, _ = done
    rows = list(csv.DictReader((result.folder / "manifest.csv").read_text().splitlines()))
    rows = [row for row in rows if row["split"] == "validation"]
    rule = result.card.input.frame_rule()
    images = np.stack([load(result.folder / row["path"], rule) for row in rows])
    classes = np.array([result.card.codes.index(row["label"]) for row in rows])
    session = SessionModel(result.published)
    table = session.run(contract.CLASSIFY, {contract.IMAGES: images})[contract.PROBABILITIES]
    session.close()
    metrics = result.card.metrics
    assert metrics["validation_by_event_frames"] == len(rows)
    assert metrics["validation_by_event_events"] == len({row["event"] for row in rows})
    accuracy = (table.argmax(axis=1) == classes).mean()
    assert metrics["validation_by_event_accuracy"] == pytest.approx(accuracy, abs=1e-4)
    loss = -np.log(table[np.arange(len(rows)), classes]).mean()
    assert metrics["validation_by_event_log_loss"] == pytest.approx(loss, abs=1e-3)
    assert metrics["validation_by_event_climatology_accuracy"] == pytest.approx(
        np.bincount(classes).max() / len(rows), abs=1e-4
    )
    events = np.array([row["event"] for row in rows])
    assert accepted_share(table, events, result.card.rejection_threshold) >= 0.95


def test_the_report_of_a_run_is_that_of_its_held_out_frames(done, winter):
    result, _ = done
    keys, sample = read_frames(result.folder / "validation.csv")
    rows = list(csv.DictReader((result.folder / "manifest.csv").read_text().splitlines()))
    held_out = {row["path"].rpartition("/")[2]: row for row in rows if row["split"] == "validation"}
    assert {(winter.name, name) for name in held_out} == set(keys)
    assert [result.card.codes[k] for k in sample.observed] == [held_out[name]["label"] for _, name in keys]
    assert not np.isnat(sample.times).any()
    report = result.report
    assert report.frames == report.table.sum() == len(keys)
    assert report.events == len({row["event"] for row in held_out.values()})
    assert report.overall["accuracy"].value == pytest.approx((sample.predicted == sample.observed).mean())
    accepted = sample.probabilities.max(axis=1) >= result.card.rejection_threshold
    assert report.accepted.share == pytest.approx(accepted.mean())
    assert json.loads((result.folder / "verification.json").read_text(encoding="utf-8")) == as_dict(report)
    assert (report.split, report.synthetic) == ("event", True)
    comparison = compare_runs(result.folder, result.folder)
    assert comparison.overall["hss"].value == 0
    assert comparison.reports[0].table.tolist() == report.table.tolist()


def test_the_metrics_of_the_card_are_those_of_the_report(done):
    result, _ = done
    report, metrics = result.report, dict(result.card.metrics)
    for name in ("accuracy", "hss", "pss", "macro_f1", "brier", "log_loss"):
        estimate = report.overall[name]
        for end, value in {"": estimate.value, "_low": estimate.low, "_high": estimate.high}.items():
            written = metrics.pop(f"validation_by_event_{name}{end}")
            assert written == (pytest.approx(value, abs=5.1e-5) if np.isfinite(value) else None), (name, end)
    assert metrics == {
        "validation_by_event_frames": report.frames,
        "validation_by_event_events": report.events,
        "validation_by_event_climatology_accuracy": pytest.approx(
            report.references["climatology"]["accuracy"], abs=5.1e-5
        ),
        "validation_by_event_ece": pytest.approx(report.calibration.ece.value, abs=5.1e-5),
        "validation_by_event_mean_confidence": pytest.approx(report.calibration.mean_confidence, abs=5.1e-5),
        "validation_by_event_accepted_share": pytest.approx(report.accepted.share, abs=5.1e-5),
    }


def test_frames_are_accepted_by_their_own_probability_in_whatever_order_the_labels_are(winter, tmp_path, monkeypatch):
    shuffled = tmp_path / winter.name
    shuffled.mkdir()
    for path in winter.iterdir():
        if path.name != "labels.csv":
            (shuffled / path.name).symlink_to(path)
    header, *lines = (winter / "labels.csv").read_text().splitlines()
    order = np.random.default_rng(0).permutation(len(lines))
    (shuffled / "labels.csv").write_text("\n".join([header, *(lines[n] for n in order)]) + "\n")
    scored = []
    verify = finish.verify
    monkeypatch.setattr(finish, "verify", lambda sample, **how: scored.append(sample) or verify(sample, **how))
    monkeypatch.setattr(
        calibrate, "rejection_threshold", lambda table, *_, **__: round(float(np.median(table.max(axis=1))), 4)
    )
    result = run(load_recipe("radar", [*SMALL, "fit.epochs=1"]), shuffled, tmp_path)
    (sample,) = scored
    assert (np.diff(sample.times) > np.timedelta64(0)).all(), "persistence needs them in order"
    sure = sample.probabilities.max(axis=1) >= result.card.rejection_threshold
    assert 0.3 < sure.mean() < 0.7
    assert sample.accepted.tolist() == sure.tolist()


def test_a_model_that_fails_the_gate_is_not_published(winter, tmp_path, monkeypatch):
    cards = []

    def refuse(folder, card, images, eager):
        assert (folder / "saved_model.pb").exists()
        cards.append(card)
        raise GateError("not this one")

    monkeypatch.setattr(gate, "check", refuse)
    recipe = load_recipe("nakai2022", ["data.per_mode=10", "fit.epochs=1", "fit.batch_size=256"])
    with pytest.raises(GateError, match="not this one"):
        run(recipe, winter, tmp_path)
    assert list((tmp_path / "models" / contract.MODEL_NAME).iterdir()) == []
    (records,) = (path for path in (tmp_path / "runs").iterdir() if not path.name.startswith("."))
    assert not (records / "published.json").exists()
    assert (records / "metrics.jsonl").exists()
    assert "not this one" in (records / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "models" / "releases.json").exists()
    # The original's way of splitting flatters, and its card says so.
    (card,) = cards
    assert caveats.RANDOM_SPLIT in card.caveats
    assert any(caveat.startswith("Temperature and threshold were chosen") for caveat in card.caveats)
    assert card.metrics["validation_by_frame_frames"] == 10
    assert (card.heat_map.height, card.heat_map.width) == (10, 10)


def test_unusable_labels_end_a_run_before_anything_is_written(tmp_path):
    with pytest.raises(LabelsError):
        run(load_recipe("radar"), tmp_path / "nowhere", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_to_end_a_run_before_frames_are_loaded(winter, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "load_data", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "file").write_text("")
    for taken, option in [("models", "--models"), ("runs", "--runs")]:
        base = tmp_path / option
        base.mkdir()
        (base / taken).symlink_to(tmp_path / "file")
        with pytest.raises(TrainingError, match=f"cannot write there: .*choose another folder with {option}"):
            run(load_recipe("radar"), winter, base)


# Names, and going on.


def test_a_run_that_is_finished_is_left_alone(done, winter):
    result, _ = done
    base = result.folder.parents[1]
    said = []
    assert run(load_recipe("radar", SMALL), winter, base, said, name=result.folder.name) is None
    assert "is finished and published" in said[-1]


def test_a_run_of_other_settings_does_not_go_on_under_the_same_name(winter, tmp_path):
    def stop(*_):
        raise Interrupted("stop")

    recipe = load_recipe("radar", SMALL)
    with pytest.raises(Interrupted):
        run(recipe, winter, tmp_path, name="january", tick=stop)
    folder = tmp_path / "runs" / "january"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    relabelled = tmp_path / winter.name
    relabelled.mkdir()
    for path in winter.iterdir():
        (relabelled / path.name).symlink_to(path)
    text = (winter / "labels.csv").read_text().splitlines()
    (relabelled / "labels.csv").unlink()
    (relabelled / "labels.csv").write_text("\n".join(text[:-1]) + "\n")
    for settings, problems in (
        ((load_recipe("radar", [*SMALL, "fit.epochs=3"]), winter), ["fit.epochs was 2, is 3"]),
        ((load_recipe("radar", [*SMALL, "fit.ema=0.5", "name=x"]), winter), ["fit.ema was 0.0, is 0.5", "name was"]),
        ((recipe, relabelled), ["the frames differ: 200 frames are gone"]),
    ):
        with pytest.raises(TrainingError, match="holds a run of other settings") as error:
            run(*settings, tmp_path, name="january", tick=stop)
        for problem in problems:
            assert problem in str(error.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    said = []
    with pytest.raises(Interrupted):
        run(recipe, winter, tmp_path, said, name="january", tick=stop)
    assert "Goes on where this run was interrupted" in said


def test_a_name_that_is_none_for_a_folder_is_refused(winter, tmp_path):
    for name in ("../x", "a/b", "-x", "a b"):
        with pytest.raises(TrainingError, match="--name: expected letters, digits"):
            run(load_recipe("radar"), winter, tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_a_backbone_that_are_not_there_are_told_before_frames_are_read(winter, tmp_path):
    recipe = load_recipe("vgg16", ["transfer.weights=nowhere.h5"])
    with pytest.raises(TrainingError, match=r"nowhere\.h5: expected a file of weights"):
        run(recipe, winter, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_mode_alone_is_refused_and_a_missing_one_is_told(winter, tmp_path):
    lines = (winter / "labels.csv").read_text().splitlines()
    folder = tmp_path / winter.name
    folder.mkdir()
    for path in winter.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "labels.csv").unlink()
    (folder / "labels.csv").write_text("\n".join([lines[0], *(line for line in lines if ",LT," in line)]) + "\n")
    with pytest.raises(LabelsError, match="Expected frames of at least two modes, received LT alone"):
        run(load_recipe("radar", SMALL), folder, tmp_path)
    (folder / "labels.csv").write_text("\n".join(line for line in lines if ",VX," not in line) + "\n")
    said = []
    result = run(load_recipe("mlp", SMALL), folder, tmp_path, said)
    assert any(line.startswith("Warning: no frames of VX; the model will take such weather") for line in said)
    assert result.card.codes == ("SY", "LT", "DM", "NO")
    assert result.published is None, "a baseline is not published"
    assert "baseline only" in result.outcome


def test_loss_that_is_no_number_ends_a_run_at_once_and_keeps_its_checkpoint(winter, tmp_path):
    overrides = [*SMALL, "fit.epochs=5", "augment.kind=none"]
    recipe = load_recipe("radar", overrides)
    broken = recipe.model_copy(update={"fit": recipe.fit.model_copy(update={"learning_rate": float("nan")})})
    with pytest.raises(DivergedError, match=r"loss is nan in epoch 1, step 2: .* Lower fit\.learning_rate"):
        run(broken, winter, tmp_path, name="nan")
    assert not (tmp_path / "runs" / "nan" / "checkpoints").exists()


def test_a_sealed_winter_is_scored_and_never_used(winter, tmp_path):
    other = tmp_path / "hse20152016"
    make_winter(other, frames=60, seed=2, year=2015, size=(64, 64), workers=1)
    recipe = load_recipe("mlp", [*SMALL, "data.test_seasons=['hse20152016']"])
    result = training_run.run(
        recipe,
        [winter, other],
        models=None,
        runs=tmp_path / "runs",
        seed=1,
        say=lambda _: None,
        report=lambda *_: None,
    )
    rows = list(csv.DictReader((result.folder / "manifest.csv").read_text().splitlines()))
    assert {row["split"] for row in rows if row["season"] == "hse20152016"} == {"test"}
    assert "test" not in {row["split"] for row in rows if row["season"] != "hse20152016"}
    assert result.test is not None
    assert result.test.frames == 60

"""Cross-validation, curves over events and studies: what is seen by whom, what is kept, what is refused."""

import csv
import json
import math
import re

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from radar.errors import LabelsError
from training.cli import app
from training.data.labelled import Label, LabelledFrames
from training.errors import TrainingError
from training.recipe import load_recipe
from training.studies import crossval, event_curve, study, study_text, trial
from training.validation import compare_runs, read_frames

TINY = ["input.height=16", "input.width=16", "fit.epochs=1", "fit.batch_size=32", "fit.patience=0", "data.per_mode=0"]


def tiny(name="mlp", *more):
    return load_recipe(name, [*TINY, *more])


@pytest.fixture
def trained(monkeypatch):
    """Which events each network saw, and which it was stopped by."""
    seen = []
    train = trial.train

    def spy(recipe, training, validation, **how):
        seen.append((set(training.events()), set(validation.events())))
        return train(recipe, training, validation, **how)

    monkeypatch.setattr(trial, "train", spy)
    return seen


def cross(winter, folder, recipe=None, **how):
    said = []
    how = {"folds": 2, "by": "event", "seed": 1} | how
    report = crossval.cross_validate(recipe or tiny(), [winter], folder=folder, say=said.append, **how)
    return report, "\n".join(said)


@pytest.mark.slow
def test_every_event_is_predicted_once_by_a_network_that_never_saw_it(winter, tmp_path, trained):
    folder = tmp_path / "cv"
    report, said = cross(winter, folder)
    with (winter / "labels.csv").open() as file:
        labels = list(csv.DictReader(file))
    assert report.frames == len(labels) == report.table.sum()
    with (folder / crossval.FOLDS_FILE).open() as file:
        fold = {row["event"]: int(row["fold"]) for row in csv.DictReader(file)}
    assert set(fold.values()) == {1, 2}
    for number, (training, validation) in enumerate(trained, start=1):
        held_out = {event for event, of in fold.items() if of == number}
        assert training.isdisjoint(validation)
        assert held_out.isdisjoint(training | validation)
        assert held_out | training | validation == set(fold)
    keys, sample = read_frames(folder / "validation.csv")
    assert len(set(keys)) == len(labels)
    assert (folder / "verification.html").exists()
    with (folder / crossval.DOUBTFUL_FILE).open() as file:
        doubtful = list(csv.DictReader(file))
    assert len(doubtful) == (sample.predicted != sample.observed).sum()
    beliefs = [float(row["p_label"]) for row in doubtful]
    assert beliefs == sorted(beliefs)
    assert "Fold 2 of 2" in said

    # Killed after the first fold, it goes on with the second, to the same end.
    before = (folder / "validation.csv").read_bytes()
    for name in ("fold-2.csv", "validation.csv"):
        (folder / name).unlink()
    trained.clear()
    _, said = cross(winter, folder)
    assert len(trained) == 1
    assert "Fold 1 of 2 is there already" in said
    assert (folder / "validation.csv").read_bytes() == before

    # Two recipes on the same folds can be compared, event by event.
    cross(winter, tmp_path / "other", tiny("mlp", "fit.learning_rate=0.01"))
    comparison = compare_runs(folder, tmp_path / "other")
    assert comparison.reports[0].frames == len(labels)
    assert comparison.overall["hss"].known

    with pytest.raises(TrainingError, match=r"fit.epochs was 1, received 2; give it another --name"):
        cross(winter, folder, tiny("mlp", "fit.epochs=2"))
    with pytest.raises(TrainingError, match=r"seed was 1, received 2"):
        cross(winter, folder, seed=2)


def test_too_many_folds_are_refused_before_anything_is_trained(winter, tmp_path, trained):
    with pytest.raises(LabelsError, match="50 folds by event need 50 events of each mode"):
        cross(winter, tmp_path / "cv", folds=50)
    assert not trained
    assert not (tmp_path / "cv").exists()


def frames_of(events_of_modes):
    """Frames of some events of each mode, three frames each."""
    labels = [
        Label(None, "hse", "ABC"[mode], f"hse/{mode}-{event}")
        for mode, events in enumerate(events_of_modes)
        for event in range(events)
        for _ in range(3)
    ]
    classes = np.array(["ABC".index(label.mode) for label in labels])
    return LabelledFrames(labels, np.zeros((len(labels), 1, 1, 3), np.uint8), classes)


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_events_are_nested_whole_and_of_every_mode(seed):
    pool = frames_of([16, 7, 2])
    events = pool.events()
    before = np.zeros(len(events), bool)
    for share in (0.125, 0.25, 0.5, 1.0):
        chosen = event_curve.draw_events(pool, share, seed=seed)
        assert chosen[before].all(), "nested"
        for mode, count in enumerate([16, 7, 2]):
            drawn = np.unique(events[chosen & (pool.classes == mode)])
            assert len(drawn) == max(2, math.ceil(share * count))
        assert not set(events[chosen]) & set(events[~chosen]), "whole events"
        before = chosen
    held = trial.hold_back(pool.take(event_curve.draw_events(pool, 0.125, seed=seed)), tiny(), seed=seed)
    assert 0 < held.sum() < len(held)


def test_a_mode_of_one_event_cannot_be_halved():
    with pytest.raises(LabelsError, match="at least 2 events of each mode; B has one"):
        event_curve.draw_events(frames_of([3, 1]), 1.0, seed=0)


@pytest.mark.slow
def test_a_curve_over_events_is_scored_on_events_that_no_network_saw(winter, tmp_path, trained):
    folder, said = tmp_path / "curve", []
    how = {"sizes": 2, "repeats": 2, "folder": folder, "seed": 1, "say": said.append}
    curve = event_curve.learning_curve(tiny(), [winter], **how)
    assert [point.share for point in curve.points] == [0.5, 1.0]
    assert curve.points[0].events < curve.points[1].events
    for file in folder.glob("share-*.csv"):
        read_frames(file)
        with file.open() as text:
            held_out = {f"{row['season']}/{row['event']}" for row in csv.DictReader(text)}
        assert len(held_out) == curve.held_out
        assert all(held_out.isdisjoint(training | validation) for training, validation in trained)
    for point in curve.points:
        assert point.scores["hss"].value == pytest.approx(np.mean(point.draws), abs=0.15)
        assert min(point.draws) <= max(point.draws)
    with (folder / event_curve.TABLE_FILE).open() as text:
        rows = list(csv.DictReader(text))
    assert [float(row["share"]) for row in rows] == [0.5, 1.0]
    picture = cv2.imread(str(folder / event_curve.PICTURE_FILE))
    assert len(np.unique(picture)) > 10
    assert "more labels" in event_curve.as_text(curve)
    trained.clear()
    again = event_curve.learning_curve(tiny(), [winter], **how)
    assert not trained, "what is there is not trained again"
    assert event_curve.as_csv(again) == event_curve.as_csv(curve)


@pytest.fixture(scope="module")
def other_winter(tmp_path_factory):
    from training.synth import make_winter

    folder = tmp_path_factory.mktemp("winters") / "hse20152016"
    make_winter(folder, frames=120, seed=7, year=2015, size=(64, 64), workers=1)
    return folder


@pytest.mark.slow
def test_a_study_sets_recipes_and_baseline_beside_each_other(winter, other_winter, tmp_path, trained):
    folder, said = tmp_path / "study", []
    foreign = tmp_path / "noise"
    foreign.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (5, 70, 70, 3), np.uint8)
    for n, image in enumerate(noise):
        cv2.imwrite(str(foreign / f"{n}.png"), image)
    how = {
        "baselines": ["logistic"],
        "foreign_folders": [foreign],
        "folder": folder,
        "seed": 1,
        "say": said.append,
    }
    recipes = [tiny(), tiny("mlp", "name='leaky'", "data.split='frame'")]
    rows = study.study(recipes, [winter], [other_winter], **how)
    assert [row.name for row in rows] == ["mlp", "leaky", "echo features, logistic"]
    assert len(trained) == 4
    for training, validation in trained:
        assert all(event.startswith("hse20142015/") for event in training | validation)
    # Both recipes, each split by frame and by event.
    assert [training.isdisjoint(validation) for training, validation in trained] == [False, True, False, True]
    for row in rows:
        _, sample = read_frames(next(folder.glob(f"*{row.name.split(', ')[-1]}")) / "winter.csv")
        right = (sample.predicted == sample.observed).mean()
        assert row.report.overall["accuracy"].value == pytest.approx(right)
        assert row.report.split == "season"
        assert row.report.synthetic
        assert 0 <= row.accepted <= 1
        assert set(row.foreign) == {"noise"}
    assert rows[0].against is None
    difference = rows[2].against.overall["hss"]
    values = [row.report.overall["hss"].value for row in rows]
    assert difference.value == pytest.approx(values[0] - values[2])
    written = study_text.write(rows, folder)
    text = written[0].read_text(encoding="utf-8")
    assert f"{rows[0].random:.3f}" in text
    assert "Foreign frames rejected" in text
    with written[1].open() as file:
        table = list(csv.DictReader(file))
    assert [row["model"] for row in table] == [row.name for row in rows]
    assert float(table[2]["first_minus_this_hss"]) == pytest.approx(difference.value, abs=1e-4)
    assert table[2]["ece_before"] == "", "undefined is empty, never 0"
    assert len(np.unique(cv2.imread(str(written[2])))) > 10
    assert not re.search(r'(?:src|href)="https?:|url\(https?:|@import', written[3].read_text(encoding="utf-8"))

    trained.clear()
    again = study.study(recipes, [winter], [other_winter], **how)
    assert not trained
    assert study_text.as_csv(again) == study_text.as_csv(rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["crossval", "--recipe", "rader"], "did you mean radar?"),
        (["learning-curve", "--set", "fit.epoch=1"], "did you mean fit.epochs?"),
        (["study", "--test", "nowhere"], "it does not exist"),
        (["crossval", "--name", "a/b"], "expected the name of a folder, without a slash"),
    ],
)
def test_wrong_settings_end_with_2_and_leave_nothing(tmp_path, words, message):
    base = ["--frames", str(tmp_path / "none"), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*words, *base])
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_cannot_be_read_is_named(tmp_path):
    from training.studies import plans

    (tmp_path / plans.PLAN_FILE).write_text(json.dumps([1]))
    with pytest.raises(TrainingError, match=r"plan\.json: expected the plan of earlier work; cannot be read"):
        plans.keep(tmp_path, plans.plan("x", tiny(), []))

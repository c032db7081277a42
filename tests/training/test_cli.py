"""The `training` command: what it prints and how it ends."""

import csv

import pytest
from typer.testing import CliRunner

from training.cli import app
from training.recipe import recipe_names


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def ended(result, code):
    """Whether a command ended on purpose, not by an exception nobody expected."""
    return result.exit_code == code and (result.exception is None or isinstance(result.exception, SystemExit))


def test_recipes_are_listed_with_their_first_words():
    result = run("recipes")
    assert ended(result, 0)
    for name in recipe_names():
        assert f"\n{name}  (" in f"\n{result.output}"
    assert "32x32 pixels, split by frame, 15 epochs" in result.output
    assert "Its validation accuracy flatters" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "none"], "expected one of convbn, convnext_tiny, mlp, nakai2022, radar"),
        (["--set", "fit.epoch=5"], "fit.epoch: unknown key (received 5); did you mean fit.epochs?"),
        (["--set", "fit.epochs"], "expected key=value"),
        ([], "hse: expected a folder of labelled frames; it does not exist"),
    ],
)
def test_wrong_settings_and_missing_frames_end_with_2(tmp_path, words, message):
    result = run(
        "run", "--frames", tmp_path / "hse", "--models", tmp_path / "models", "--runs", tmp_path / "runs", *words
    )
    assert ended(result, 2)
    assert result.output.count("Error: ") == 1
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_is_missing_ends_with_2():
    assert ended(run("run"), 2)


def test_the_gate_ends_with_1_for_what_is_no_model(tmp_path, exported):
    result = run("gate", tmp_path)
    assert ended(result, 1)
    assert "expected a model with a card in assets.extra/model_card.json" in result.output
    extra = tmp_path / "assets.extra"
    extra.mkdir()
    (extra / "model_card.json").write_text(exported.card.model_dump_json())
    result = run("gate", tmp_path)
    assert ended(result, 1)
    assert f"Error: {tmp_path} must not be published" in result.output


@pytest.mark.parametrize(
    ("out", "message"),
    [("x.txt", "expected a file that ends in .png, .pdf, .svg"), ("none/x.png", "expected a file in a folder")],
)
def test_a_picture_that_cannot_be_written_is_refused_before_there_is_a_server(tmp_path, out, message):
    result = run("draw", "heat-maps", "x.png", "--server", f"embedded:{tmp_path}", "--out", tmp_path / out)
    assert ended(result, 2)
    assert f"Error: --out: {message}" in result.output


def test_a_synthetic_winter_is_made_once(tmp_path):
    folder = tmp_path / "hse20152016"
    words = ("synth", folder, "--frames", 12, "--height", 64, "--width", 64)
    result = run(*words)
    assert ended(result, 0)
    assert "12 frames" in result.output
    with (folder / "labels.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(list(folder.glob("*.png"))) == 12
    again = run(*words)
    assert ended(again, 2)
    assert "expected a folder without frames" in again.output
    assert ended(run(*words, "--overwrite"), 0)


def test_more_frames_than_a_winter_has_end_with_2(tmp_path):
    result = run("synth", tmp_path / "hse", "--frames", 30_000)
    assert ended(result, 2)
    assert "expected 1 to 21888, received: frames=30000" in result.output

"""The embedded server: which version of a folder it hosts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from serving.protocol.connection import Connection
from serving.protocol.contract import MODEL_NAME
from serving.protocol.embedded import CONFIG_FILE, server_at, version_in_production
from serving.protocol.errors import EmbeddedServerError
from tests.client.command import client
from tests.conftest import write_frames

OLD, NEW = 202601010000, 202602020000


def config(*versions: int, **more: int) -> str:
    """A config as `training promote --served-at /models` writes it: the path is one of other machines."""
    entries = {MODEL_NAME: versions, **{name.replace("_", "-"): (version,) for name, version in more.items()}}
    written = ""
    for name, numbers in entries.items():
        wanted = " ".join(f"versions: {number}" for number in numbers)
        policy = f"model_version_policy {{ specific {{ {wanted} }} }}" if numbers else ""
        written += (
            f'config {{ name: "{name}" base_path: "/models/snowmode" model_platform: "tensorflow" {policy} }}\n'
        )
    return f"model_config_list {{ {written} }}\n"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Two versions that are just about recognised as such; the older one is in production."""
    for version in (OLD, NEW):
        (tmp_path / MODEL_NAME / str(version)).mkdir(parents=True)
    (tmp_path / CONFIG_FILE).write_text(config(1, OLD), encoding="utf-8")
    return tmp_path


def test_what_is_in_production_goes_before_what_is_newest(shelf: Path) -> None:
    assert version_in_production(f"embedded:{shelf}") == OLD
    assert version_in_production(f"embedded:{shelf}/{MODEL_NAME}") is None, (
        "the folder of versions itself: the newest"
    )
    assert version_in_production("localhost:8500") is None
    (shelf / CONFIG_FILE).write_text(config(), encoding="utf-8")
    assert version_in_production(f"embedded:{shelf}") is None
    (shelf / CONFIG_FILE).write_text(config(OLD, snowmode_candidate=NEW), encoding="utf-8")
    assert version_in_production(f"embedded:{shelf}", "snowmode-candidate") == NEW
    (shelf / CONFIG_FILE).unlink()
    assert version_in_production(f"embedded:{shelf}") is None


@pytest.mark.parametrize(
    ("text", "model", "said"),
    [
        (
            "model_config_list {",
            MODEL_NAME,
            r"models.config: expected a config of model servers.*embedded:.*snowmode",
        ),
        ("# Schneefälle", MODEL_NAME, r"models.config: expected a config of model servers, received: .*utf-8"),
        (config(7), MODEL_NAME, r"names version 7, which is not in .*snowmode; .*training promote VERSION --models"),
        (config(OLD), "snowmode-candidate", r"names no model 'snowmode-candidate'; there is: snowmode"),
        ("", "other", r"names no model 'other'; there is: none"),
    ],
)
def test_a_config_that_cannot_be_followed_is_named_with_the_way_out(
    shelf: Path, text: str, model: str, said: str
) -> None:
    (shelf / CONFIG_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(EmbeddedServerError, match=said), server_at(f"embedded:{shelf}", model=model):
        pass


@pytest.mark.slow
def test_the_version_in_production_answers_also_beside_a_newer_one(models: Path, tmp_path: Path) -> None:
    (version,) = (models / MODEL_NAME).iterdir()
    shelf = tmp_path / "models"
    for number in (OLD, NEW):
        shutil.copytree(version, shelf / MODEL_NAME / str(number))
    (shelf / CONFIG_FILE).write_text(config(OLD), encoding="utf-8")
    with server_at(f"embedded:{shelf}") as target, Connection(target) as connection:
        assert connection.describe().version == OLD
    season = write_frames(tmp_path / "hse20152016", 5)
    done = client(
        *("classify", season, "--server", f"embedded:{shelf}", "--out", tmp_path / "r.csv"),
        *("--shadow-version", NEW),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "r.csv.run.json").read_text())["version"] == OLD
    assert json.loads((tmp_path / f"r.v{NEW}.csv.run.json").read_text())["version"] == NEW

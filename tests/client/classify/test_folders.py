"""Several folders in one go: a result file each, and a folder that fails costs itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.classify.run import result_paths
from client.errors import ConfigError
from tests.client.command import client, rows_of
from tests.conftest import write_frames


@pytest.fixture(scope="module")
def winters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("winters")
    write_frames(base / "hse20142015", 20)
    write_frames(base / "hse20152016", 30)
    return base


def test_each_folder_gets_its_result_file_and_all_share_a_summary(winters: Path, server: str, tmp_path: Path) -> None:
    out = tmp_path / "results"
    done = client("classify", *sorted(winters.iterdir()), "--server", server, "--out", out, "--format", "nakai-short")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        f"hse{years}{suffix}"
        for years in ("20142015", "20152016")
        for suffix in (".csv", ".csv.run.json", ".short.txt")
    }
    assert [len(rows_of(out / f"hse{years}.csv")) for years in ("20142015", "20152016")] == [20, 30]
    assert "50 of 50 frames of 2 folders classified" in done.stdout
    assert done.stderr.count("Model snowmode version") == 1


def test_a_folder_that_fails_is_named_and_the_others_are_done(winters: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bad_rule = write_frames(tmp_path / "ruled", 2)
    (bad_rule / "season.toml").write_text("pattern = 7")
    folders = [winters / "hse20142015", tmp_path / "empty", bad_rule, tmp_path / "gone", winters / "hse20152016"]
    done = client("classify", *folders, "--server", server, "--out", tmp_path / "out", "--json")
    assert done.returncode == 2
    summary = json.loads(done.stdout)
    assert [folder["classified"] for folder in summary["folders"]] == [20, 30]
    assert list(summary["failures"]) == [str(folder) for folder in folders[1:4]]
    for folder in folders[1:4]:
        assert str(folder) in done.stderr
    assert "3 of 5 folders were left out; the others are done" in done.stderr


def test_results_that_cannot_be_written_say_so_by_the_exit_code(winters: Path, server: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "hse20142015.csv.partial").mkdir(parents=True)
    done = client("classify", *sorted(winters.iterdir()), "--server", server, "--out", out)
    assert done.returncode == 4
    assert "hse20142015.csv.partial: cannot be written" in done.stderr
    assert len(rows_of(out / "hse20152016.csv")) == 30


def test_a_lost_server_is_everybodys(winters: Path, tmp_path: Path) -> None:
    done = client("classify", *sorted(winters.iterdir()), "--server", "localhost:1", "--out", tmp_path / "out")
    assert done.returncode == 3
    assert not (tmp_path / "out").exists()


def test_two_folders_of_one_name_do_not_share_a_result_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="would both write"):
        result_paths([tmp_path / "2014" / "png", tmp_path / "2015" / "png"], None)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="a folder is expected"):
        result_paths([tmp_path / "a", tmp_path / "b"], tmp_path / "file")


def test_a_dry_run_tells_of_every_folder(winters: Path, tmp_path: Path) -> None:
    folders = [winters / "hse20142015", tmp_path / "gone", winters / "hse20152016"]
    done = client("classify", *folders, "--dry-run", "--out", tmp_path / "out", "--server", "localhost:1")
    assert "20 frames in" in done.stderr
    assert "30 frames in" in done.stderr
    assert "would be left out" in done.stderr
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()

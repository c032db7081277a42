"""Two versions side by side: how often they agree, on which frames they do not, and the main result untouched."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from client.classify.shadow import compare
from client.errors import ConfigError
from client.results.file import ResultFile
from client.results.rows import columns_for
from client.results.runs import RunIdentity
from serving.protocol.pipeline import Prediction
from tests.benchmarks.material import publish_fresh
from tests.client.command import client, rows_of
from tests.conftest import write_frames

OLD, NEW = 202601010000, 202602020000


def results(path: Path, codes: tuple[str, ...], table: dict[str, list[float] | None]) -> Path:
    identity = RunIdentity("/frames", "snowmode", 7, columns_for(codes), 0.6)
    predictions = [
        Prediction(name, None if p is None else np.array(p, np.float32), "" if p else "is empty")
        for name, p in table.items()
    ]
    with ResultFile(path, codes, identity, list(table)) as file:
        file.write(predictions, [""] * len(predictions))
        file.finish()
    return path


def test_the_table_counts_frames_by_both_modes_and_lists_those_that_differ(tmp_path: Path) -> None:
    main = results(
        tmp_path / "a.csv",
        ("A", "B"),
        {"1.png": [0.9, 0.1], "2.png": [0.8, 0.2], "3.png": [0.1, 0.9], "4.png": None, "5.png": None},
    )
    shadow = results(
        tmp_path / "b.csv",
        ("B", "C", "A"),
        {"1.png": [0, 0.2, 0.8], "2.png": [0, 1, 0], "3.png": [1, 0, 0], "4.png": None, "5.png": [1, 0, 0]},
    )
    found = compare(main, shadow, tmp_path / "d.csv", versions=(7, 8))
    assert found.table.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert (found.compared, found.agreed, found.one_sided) == (3, 2, 1)
    assert found.share == pytest.approx(2 / 3)
    with (tmp_path / "d.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["file"], r["label"], r["shadow_label"]) for r in rows] == [("2.png", "A", "C"), ("5.png", "", "B")]
    assert (rows[0]["p_A"], rows[0]["shadow_p_C"], rows[1]["p_A"]) == ("0.800000", "1.000000", "")


@pytest.mark.parametrize("names", [["1.png"], ["1.png", "x.png"], ["1.png", "2.png", "3.png"]])
def test_results_of_other_frames_are_not_compared(tmp_path: Path, names: list[str]) -> None:
    main = results(tmp_path / "a.csv", ("A", "B"), {"1.png": [0.9, 0.1], "2.png": [0.8, 0.2]})
    shadow = results(tmp_path / "b.csv", ("A", "B"), {name: [0.9, 0.1] for name in names})
    with pytest.raises(ConfigError, match="is not of the frames"):
        compare(main, shadow, tmp_path / "d.csv", versions=(7, 8))
    assert not (tmp_path / "d.csv").exists()


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("two")
    for version, seed in ((OLD, 1), (NEW, 2)):
        published, _ = publish_fresh(tmp_path_factory.mktemp("one"), "nakai2022", 32, seed=seed)
        shutil.copytree(published, models / "snowmode" / str(version))
    return models


@pytest.fixture(scope="module")
def both(two_versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that hosts both versions, the older one also as `canary`."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "models.config").write_text(
        f'model_config_list {{ config {{ name: "snowmode" base_path: "{two_versions}/snowmode" '
        f'model_platform: "tensorflow" model_version_policy {{ all {{}} }} '
        f'version_labels {{ key: "canary" value: {OLD} }} }} }}'
    )
    command = [
        *(sys.executable, "-m", "serving.model_server", f"--model_config_file={folder}/models.config"),
        *("--allow_version_labels_for_unavailable_models", "--host=127.0.0.1", "--port=0"),
        f"--port_file={folder}/port",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 120
            while (folder / "log").read_text().count("loaded snowmode version") < 2:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield f"127.0.0.1:{(folder / 'port').read_text().strip()}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_frames(tmp_path_factory.mktemp("seasons") / "season", 80)
    (folder / "pr2hse00007.png").write_bytes(b"not a picture")
    return folder


@pytest.mark.parametrize("name", [str(OLD), "canary"])
def test_the_main_result_is_the_newest_versions_and_the_shadow_has_its_own(
    season: Path, both: str, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "r.csv"
    words = ("classify", season, "--server", both, "--out", out, "--shadow-version", name)
    done = client(*words, "--json")
    assert done.returncode == 0, done.stderr
    main, shadow = rows_of(out), rows_of(tmp_path / f"r.v{OLD}.csv")
    assert {row["model_version"] for row in main} == {str(NEW)}
    assert {row["model_version"] for row in shadow} == {str(OLD)}
    summary = json.loads(done.stdout)["shadow"]
    agreed = sum(a["label"] == b["label"] != "" for a, b in zip(main, shadow, strict=True))
    assert (summary["version"], summary["compared"], summary["agreed"]) == (OLD, 79, agreed)
    assert np.sum(summary["table"]) == 79
    differing = [a["file"] for a, b in zip(main, shadow, strict=True) if a["label"] != b["label"]]
    assert [row["file"] for row in rows_of(tmp_path / f"r.v{OLD}.disagree.csv")] == differing
    again = client(*words)
    assert f"agree on {agreed} of 79 frames" in again.stdout
    assert "80 were done before" in again.stdout


def test_an_embedded_server_hosts_both(season: Path, two_versions: Path, tmp_path: Path) -> None:
    words = ("classify", season, "--server", f"embedded:{two_versions}", "--out", tmp_path / "r.csv", "--json")
    done = client(*words, "--shadow-version", OLD)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shadow"]["version"] == OLD
    missing = client(*words, "--shadow-version", 7)
    assert missing.returncode == 3
    assert f"there is {OLD}, {NEW}" in missing.stderr


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("7", "must serve both versions"),
        ("beta", "Unrecognized servable version label"),
        (str(NEW), "another version"),
    ],
)
def test_a_version_that_cannot_be_the_shadow_stops_before_work_starts(
    season: Path, both: str, tmp_path: Path, version: str, complaint: str
) -> None:
    done = client("classify", season, "--server", both, "--out", tmp_path / "r.csv", "--shadow-version", version)
    assert done.returncode in {2, 3}
    assert complaint in done.stderr
    assert not list(tmp_path.iterdir())

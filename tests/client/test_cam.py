"""`client cam` as a process against a real model server: which pictures, which numbers, what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from radar import frames
from radar.heat_map_pictures import CAPTION, overlay
from radar.heat_maps import to_unit_peak
from serving.protocol.connection import Connection
from serving.protocol.contract import EXPLAIN, GRADCAM, HIRESCAM, PROBABILITIES
from tests.client.command import client
from tests.conftest import write_frames, write_png
from tests.serving.stand_in import brightness, stand_in

COUNT = 40


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seasons") / "hse20152016"
    folder.mkdir()
    for n in range(COUNT):
        write_png(folder / f"pr2hse{n:05d}.png", n, 300, 280)
    return folder


@pytest.fixture(scope="module")
def answer(season: Path, server: str) -> dict[str, np.ndarray]:
    with Connection(server) as connection:
        rule = connection.describe().card.input.frame_rule()
        return connection.call(EXPLAIN, np.stack([frames.load(path, rule) for path in sorted(season.iterdir())]))


@pytest.fixture(scope="module")
def codes(server: str) -> tuple[str, ...]:
    with Connection(server) as connection:
        return connection.describe().card.codes


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return picture[..., ::-1]


def test_a_picture_for_each_frame_and_mode(
    season: Path, server: str, answer: dict[str, np.ndarray], codes: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    kinds = ("--pictures", "each", "--pictures", "winner", "--pictures", "panel")
    done = client("cam", season, "--server", server, "--out", out, *kinds)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in season.iterdir())
    assert sorted(path.name for path in (out / "each").iterdir()) == sorted(codes)
    for folder in (*(out / "each" / code for code in codes), out / "winner", out / "panel"):
        assert sorted(path.name for path in folder.iterdir()) == names
    assert f"{COUNT * (len(codes) + 2)} pictures" in done.stdout
    n = 17
    grey = cv2.cvtColor(read(season / names[n]), cv2.COLOR_RGB2GRAY)
    peak = float(answer[GRADCAM][n].max())
    winner = int(answer[PROBABILITIES][n].argmax())
    for k, code in enumerate(codes):
        drawn = read(out / "each" / code / names[n])
        assert drawn.shape == (300 + CAPTION, 280, 3)
        expected = overlay(grey, answer[GRADCAM][n, k], peak)
        assert np.abs(drawn[:300].astype(int) - expected).max() <= 3
    np.testing.assert_array_equal(read(out / "winner" / names[n]), read(out / "each" / codes[winner] / names[n]))
    assert not list(out.rglob(".*"))


def test_the_numbers_are_what_the_server_answers(
    season: Path, server: str, answer: dict[str, np.ndarray], codes: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("--numbers", "--method", "hirescam", "--pictures", "none", "--json")
    done = client("cam", season, "--server", server, "--out", out, *words)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["frames"], summary["done"], summary["pictures"]) == (COUNT, COUNT, 0)
    assert sum(summary["frames_by_mode"].values()) == COUNT
    found = np.load(out / "heat_maps.npz")
    assert found["maps"].dtype == np.float32
    np.testing.assert_allclose(found["maps"], answer[HIRESCAM], atol=1e-5 * answer[HIRESCAM].max())
    np.testing.assert_allclose(found["probabilities"], answer[PROBABILITIES], atol=1e-5)
    assert found["names"].tolist() == sorted(path.name for path in season.iterdir())
    assert found["codes"].tolist() == list(codes)
    assert (str(found["method"]), int(found["version"])) == ("hirescam", summary["version"])


def test_means_are_those_of_the_maps(
    season: Path, server: str, answer: dict[str, np.ndarray], codes: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = client("cam", season, "--server", server, "--out", out, "--pictures", "none")
    assert done.returncode == 0, done.stderr
    sheets = {f"mean_{c}_{s}.png" for c in ("all", "predicted") for s in ("raw", "unit-peak")}
    assert {path.name for path in out.iterdir()} == {*sheets, "means.npz", "cam.json"}
    assert all(read(out / name).shape[1] > 240 * len(codes) for name in sheets)
    found = np.load(out / "means.npz")
    maps, winners = answer[GRADCAM].astype(np.float64), answer[PROBABILITIES].argmax(axis=1)
    unit, empty = to_unit_peak(answer[GRADCAM])
    scale = maps.max()
    np.testing.assert_allclose(found["all_raw_mean"], maps.mean(axis=0), atol=1e-6 * scale)
    np.testing.assert_allclose(found["all_raw_std"], maps.std(axis=0), atol=1e-5 * scale)
    assert found["all_empty"].tolist() == empty.sum(axis=0).tolist()
    pictures = np.stack([read(path) for path in sorted(season.iterdir())])
    for k in range(len(codes)):
        own = winners == k
        assert found["predicted_raw_count"][k] == own.sum()
        assert found["predicted_echo_count"][k] == own.sum()
        if own.any():
            np.testing.assert_allclose(found["predicted_raw_mean"][k], maps[own, k].mean(axis=0), atol=1e-6 * scale)
            chosen = own & ~empty[:, k]
            if chosen.any():
                expected = unit[chosen, k].mean(axis=0)
                np.testing.assert_allclose(found["predicted_unit_peak_mean"][k], expected, atol=1e-4)
            echo = (pictures[own] != 255).any(axis=3).mean(axis=0)
            np.testing.assert_allclose(found["predicted_echo_share"][k], echo, atol=1e-6)


def test_frames_of_several_folders_and_single_frames(season: Path, server: str, tmp_path: Path) -> None:
    other = write_frames(tmp_path / "hse20142015", 3)
    (other / "deep").mkdir()
    write_png(other / "deep" / "pr2hse00009.png", 9)
    out = tmp_path / "out"
    inputs = (season / "pr2hse00005.png", season / "pr2hse00007.png", other)
    done = client("cam", *inputs, "--server", server, "--out", out, "--recursive", "--no-means", "--numbers")
    assert done.returncode == 0, done.stderr
    expected = [
        "hse20152016/pr2hse00005.png",
        "hse20152016/pr2hse00007.png",
        *(f"hse20142015/{name}" for name in ("deep/pr2hse00009.png", *(f"pr2hse{n:05d}.png" for n in range(3)))),
    ]
    panels = sorted(path.relative_to(out / "panel").as_posix() for path in (out / "panel").rglob("*.png"))
    assert panels == sorted(expected)
    assert sorted(np.load(out / "heat_maps.npz")["names"].tolist()) == sorted(expected)


def test_bad_frames_cost_only_themselves(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 5)
    (folder / "pr2hse00002.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    done = client("cam", folder, "--server", server, "--out", out, "--numbers")
    assert done.returncode == 0, done.stderr
    assert "4 of 5 frames" in done.stdout
    assert "pr2hse00002.png is not a PNG" in done.stderr
    assert len(list((out / "panel").iterdir())) == 4
    assert np.load(out / "heat_maps.npz")["maps"].shape[0] == 4
    strict = client("cam", folder, "--server", server, "--out", out, "--strict")
    assert strict.returncode == 1
    for path in folder.iterdir():
        path.write_bytes(b"")
    nothing = client("cam", folder, "--server", server, "--out", tmp_path / "other", "--numbers")
    assert nothing.returncode == 1
    assert np.load(tmp_path / "other" / "heat_maps.npz")["maps"].shape[0] == 0


def test_a_name_tells_a_terminal_nothing(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "odd", 3)
    name = "\x1b[2J\nall is well.png"
    (folder / name).write_bytes(b"no picture")
    done = client("cam", folder, "--server", server, "--out", tmp_path / "out", "--pictures", "none")
    assert done.returncode == 0, done.stderr
    assert f"  {name!a} " in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_frames_of_other_sizes_have_their_echo_too(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 2)
    write_png(folder / "pr2hse00002.png", 2, 120, 100)
    done = client("cam", folder, "--server", server, "--out", tmp_path / "out", "--pictures", "none")
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "out" / "means.npz")["predicted_echo_count"].sum() == 3


def test_composites_of_the_meteorological_agency(shared_data: Path, server: str, tmp_path: Path) -> None:
    name = "Z__C_RJTD_20160306190000_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin"
    done = client("cam", shared_data / "jma" / name, "--server", server, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "panel" / f"{name}.png").exists()


# The folder.


def test_with_several_servers_more_calls_are_in_flight(tmp_path: Path) -> None:
    lock, at_work, enough = threading.Lock(), 0, threading.Event()

    def answer(images: np.ndarray) -> np.ndarray:
        nonlocal at_work
        with lock:
            at_work += 1
            if at_work == 4:  # all batches that there are: 8, 32, 96 and 164 frames
                enough.set()
        enough.wait(10)
        with lock:
            at_work -= 1
        return brightness(images)

    folder = write_frames(tmp_path / "many", 300)
    with stand_in(answer) as one, stand_in(answer) as other:
        words = ("--server", f"{one},{other}", "--out", tmp_path / "out", "--pictures", "none")
        done = client("cam", folder, *words)
    assert done.returncode == 0, done.stderr
    assert enough.is_set()


def test_other_peoples_folders_are_left_alone(season: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    done = client("cam", season, "--server", server, "--out", tmp_path)
    assert done.returncode == 2
    assert "other files" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_heat_maps_of_two_kinds_do_not_mix(season: Path, server: str, tmp_path: Path) -> None:
    words = ("cam", season / "pr2hse00001.png", "--server", server, "--out", tmp_path / "out")
    assert client(*words).returncode == 0
    assert client(*words, "--pictures", "winner").returncode == 0  # another picture of the same maps
    mixed = client(*words, "--method", "hirescam")
    assert mixed.returncode == 2
    assert "method: 'gradcam' there, 'hirescam' now" in mixed.stderr
    assert client(*words, "--method", "hirescam", "--overwrite").returncode == 0
    (tmp_path / "out" / "cam.json").write_text("[1")
    assert client(*words).returncode == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--pictures", "none", "--no-means"), "Nothing is to be made"),
        (("--pictures", "none", "--pictures", "each"), "--pictures none"),
        (("--method", "smoothgrad"), "smoothgrad"),
        (("--window", "1,2"), "received '1,2'"),
    ],
)
def test_wrong_options(season: Path, server: str, tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    done = client("cam", season, "--server", server, "--out", tmp_path / "out", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()


def test_folders_of_one_name_are_refused(season: Path, server: str, tmp_path: Path) -> None:
    twin = write_frames(tmp_path / "hse20152016", 1)
    done = client("cam", season, twin, "--server", server, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "'hse20152016'" in done.stderr


def test_a_dry_run_needs_no_server_and_writes_nothing(season: Path, tmp_path: Path) -> None:
    done = client("cam", season, "--server", "localhost:1", "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "40 frames" in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_server_and_no_frames(season: Path, tmp_path: Path) -> None:
    gone = client("cam", season, "--server", "localhost:1", "--out", tmp_path / "out")
    assert gone.returncode == 3
    assert "serving model-server" in gone.stderr
    assert client("cam", tmp_path, "--server", "localhost:1", "--out", tmp_path / "out").returncode == 2


def test_a_folder_that_cannot_be_written_is_named(season: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cam.json").write_text("{}")
    (tmp_path / "out" / "panel").touch()
    done = client("cam", season, "--server", server, "--out", tmp_path / "out", "--overwrite")
    assert done.returncode == 4
    assert "panel" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_leaves_whole_pictures_and_no_means(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 1)
    for n in range(1, 3000):
        (folder / f"pr2hse{n:05d}.png").hardlink_to(folder / "pr2hse00000.png")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "client", "cam", str(folder), "--server", server, "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    while not (out / "panel").is_dir() or not any((out / "panel").glob("*.png")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "no means yet" in errors
    assert not (out / "means.npz").exists()
    left = list((out / "panel").iterdir())
    assert all(read(path).size for path in left)
    assert len(left) < 3000

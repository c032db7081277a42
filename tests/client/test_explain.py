"""Heat maps beside the results: the model's own, one for every row, also after a run was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from client.errors import OutputError
from client.explain.maps import MapsFile
from radar import frames
from serving.protocol.connection import Connection
from serving.protocol.contract import EXPLAIN, GRADCAM, HIRESCAM
from serving.protocol.pipeline import Prediction
from tests.client.classify.test_resume import started
from tests.client.command import client, rows_of
from tests.conftest import write_frames
from tests.limits import files_up_to
from tests.serving.stand_in import CARD

COUNT = 60


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_frames(tmp_path_factory.mktemp("seasons") / "season", COUNT)
    (folder / "pr2hse00007.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture(scope="module")
def expected(season: Path, server: str) -> dict[str, np.ndarray]:
    with Connection(server) as connection:
        rule = connection.describe().card.input.frame_rule()
        good = [n for n in range(COUNT) if n != 7]
        answer = connection.call(EXPLAIN, np.stack([frames.load(season / f"pr2hse{n:05d}.png", rule) for n in good]))
    maps = {}
    for kind in (GRADCAM, HIRESCAM):
        maps[kind] = np.full((COUNT, *answer[kind].shape[1:]), np.nan, np.float32)
        maps[kind][good] = answer[kind]
    return maps


def maps_of(path: Path, kind: str) -> np.ndarray:
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return archive[kind]
    with netCDF4.Dataset(path) as data:
        return np.ma.filled(data[kind][:], np.nan)


@pytest.mark.parametrize(("words", "name"), [((), "r.maps.npz"), (("--format", "netcdf"), "r.maps.nc")])
def test_every_frame_has_the_maps_the_model_gives_it(
    season: Path, server: str, tmp_path: Path, expected: dict[str, np.ndarray], words: Sequence[str], name: str
) -> None:
    done = client("classify", season, "--server", server, "--out", tmp_path / "r.csv", "--explain", "both", *words)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / name) in done.stdout
    for kind in (GRADCAM, HIRESCAM):
        np.testing.assert_allclose(maps_of(tmp_path / name, kind), expected[kind], atol=1e-5)
    assert not list(tmp_path.glob("*.partial"))
    plain = tmp_path / "plain.csv"
    assert client("classify", season, "--server", server, "--out", plain).returncode == 0
    assert [(r["file"], r["label"]) for r in rows_of(plain)] == [
        (r["file"], r["label"]) for r in rows_of(tmp_path / "r.csv")
    ]


def test_an_npz_says_which_frames_and_modes_its_maps_are_of(season: Path, server: str, tmp_path: Path) -> None:
    rule = ("--pattern", "pr2hse{index:05d}.png", "--season-start", "2015-11-01", "--cadence", "10")
    words = ("--server", server, "--out", tmp_path / "r.csv", "--explain", "gradcam", *rule)
    assert client("classify", season, *words).returncode == 0
    with np.load(tmp_path / "r.maps.npz") as archive:
        assert set(archive) == {"gradcam", "names", "times", "codes", "version"}
        assert archive["names"].tolist() == [row["file"] for row in rows_of(tmp_path / "r.csv")]
        assert archive["times"][6] == np.datetime64("2015-11-01T01:00:00")
        assert archive["codes"].tolist() == ["SY", "VX", "LT", "DM", "NO"]
        assert archive["version"] > 202600000000


@pytest.mark.parametrize("words", [(), ("--format", "netcdf")])
def test_a_grown_folder_costs_only_its_new_frames(server: str, tmp_path: Path, words: Sequence[str]) -> None:
    folder, out = write_frames(tmp_path / "season", 20), tmp_path / "r.csv"
    words = ("classify", folder, "--server", server, "--out", out, "--explain", "gradcam", *words)
    assert client(*words).returncode == 0
    file = next(tmp_path.glob("r.maps.*"))
    first = maps_of(file, GRADCAM)
    write_frames(folder, 25)
    done = client(*words)
    assert done.returncode == 0, done.stderr
    assert "5 frames in" in done.stdout
    again = maps_of(file, GRADCAM)
    assert again.shape[0] == 25
    np.testing.assert_array_equal(again[:20], first)


@pytest.mark.parametrize("words", [(), ("--format", "netcdf")])
def test_lost_or_damaged_maps_are_asked_for_again(server: str, tmp_path: Path, words: Sequence[str]) -> None:
    folder, out = write_frames(tmp_path / "season", 20), tmp_path / "r.csv"
    words = ("classify", folder, "--server", server, "--out", out, "--explain", "gradcam", *words)
    assert client(*words).returncode == 0
    file = next(tmp_path.glob("r.maps.*"))
    first = maps_of(file, GRADCAM)
    data = file.read_bytes()
    for damaged in (data[: len(data) // 2], b"nothing", None):
        file.write_bytes(damaged) if damaged is not None else file.unlink()
        done = client(*words)
        assert done.returncode == 0, done.stderr
        assert "20 frames are classified again: their heat maps are not there" in done.stderr
        np.testing.assert_allclose(maps_of(file, GRADCAM), first, atol=1e-5)


def test_results_without_maps_are_not_replaced_unasked(season: Path, server: str, tmp_path: Path) -> None:
    words = ("classify", season, "--server", server, "--out", tmp_path / "r.csv")
    assert client(*words).returncode == 0
    refused = client(*words, "--explain", "gradcam")
    assert refused.returncode == 2
    assert "heat_maps: '' there, 'gradcam' now" in refused.stderr
    assert client(*words, "--explain", "gradcam", "--overwrite").returncode == 0


def test_a_dry_run_says_how_large_the_maps_will_be(season: Path, server: str, tmp_path: Path) -> None:
    words = ("classify", season, "--out", tmp_path / "r.csv", "--explain", "both", "--dry-run")
    with Connection(server) as connection:
        cells = connection.describe().card.heat_map
    done = client(*words, "--server", server)
    size = COUNT * 5 * cells.height * cells.width * 4 * 2 / 1e6
    assert f"= {size:,.1f} MB" in done.stderr
    assert "no server answers now" in client(*words, "--server", "localhost:1").stderr
    assert not list(tmp_path.iterdir())


def test_a_full_disk_stops_with_a_clear_message_and_continues(season: Path, server: str, tmp_path: Path) -> None:
    words = ("classify", season, "--server", server, "--out", tmp_path / "r.csv", "--explain", "both")
    done = client(*words, limits=files_up_to(40_000))
    assert done.returncode == 4
    assert "heat maps" in done.stderr
    assert "same command again" in done.stderr
    assert not (tmp_path / "r.csv").exists()
    done = client(*words)
    assert done.returncode == 0, done.stderr
    assert len(maps_of(tmp_path / "r.maps.npz", GRADCAM)) == COUNT


@pytest.mark.slow
def test_a_killed_run_continues_with_the_maps_of_every_row(server: str, tmp_path: Path) -> None:
    folder, season = write_frames(tmp_path / "source", 50), tmp_path / "season"
    season.mkdir()
    for n in range(2500):
        (season / f"pr2hse{n:05d}.png").hardlink_to(folder / f"pr2hse{n % 50:05d}.png")
    out = tmp_path / "r.csv"
    with started(season, server, out, "--explain", "both", rows=20) as process:
        process.kill()
    assert not list(tmp_path.glob("r.maps.*"))
    done = client("classify", season, "--server", server, "--out", out, "--explain", "both")
    assert done.returncode == 0, done.stderr
    assert "were done before" in done.stdout
    for kind in (GRADCAM, HIRESCAM):
        maps = maps_of(tmp_path / "r.maps.npz", kind)
        assert len(maps) == 2500
        np.testing.assert_allclose(maps, np.concatenate([maps[-50:]] * 50), atol=1e-5)


def predictions(low: int, high: int) -> list[Prediction]:
    return [
        Prediction(f"{n}.png", np.array([1, 0], np.float32), heat_maps={GRADCAM: np.full((2, 1, 1), n, np.float32)})
        for n in range(low, high)
    ]


def test_half_a_record_is_dropped_and_rows_beyond_the_maps_are_not_kept(tmp_path: Path) -> None:
    out, names = tmp_path / "r.csv", [f"{n}.png" for n in range(10)]
    with closing(MapsFile(out, CARD, [GRADCAM], [])) as maps:
        maps.write(predictions(0, 6))
    records = tmp_path / "r.csv.gradcam.partial"
    records.write_bytes(records.read_bytes()[:-3])
    for kept, left in ((6, 5), (3, 3)):
        with closing(MapsFile(out, CARD, [GRADCAM], names[:kept])) as maps:
            assert maps.kept == left
        assert records.stat().st_size == left * 8


def test_maps_that_cannot_be_written_say_where(tmp_path: Path) -> None:
    (tmp_path / "r.csv.gradcam.partial").mkdir()
    with pytest.raises(OutputError, match=r"heat maps of .*r\.csv"):
        MapsFile(tmp_path / "r.csv", CARD, [GRADCAM], [])

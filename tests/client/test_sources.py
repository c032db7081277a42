"""Frames of both kinds in one folder: PNGs, and JMA's composites with the time of their message."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from client.errors import ConfigError
from client.sources import Folder, Source, find_frames
from radar import jma
from radar.frames import FrameRule
from radar.palette import COLORS
from tests.client.command import client, rows_of
from tests.conftest import write_frames, write_png
from tests.radar.jma.messages import CLASS_LEVELS, jma_name, message, tar_name, tar_of, write_message

START = datetime(2015, 12, 1, tzinfo=UTC)
PLAIN = "Z__C_RJTD_20151201000000_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin"


def classes_of(picture: np.ndarray) -> np.ndarray:
    """The palette class of every pixel of an RGB picture."""
    matches = (picture[:, :, np.newaxis] == COLORS).all(axis=-1)
    assert matches.any(axis=-1).all()
    return matches.argmax(axis=-1)


@pytest.fixture(scope="module")
def winter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A synthetic winter of the size of the default window, as PNGs and as the composites they would come from."""
    from training.synth import make_winter

    folder = tmp_path_factory.mktemp("winters")
    pictures, composites = folder / "png", folder / "grib2"
    window = jma.HOKUSHINETSU
    make_winter(pictures, frames=10, seed=3, year=2015, size=(window.rows, window.columns))
    composites.mkdir()
    for n, path in enumerate(sorted(pictures.glob("*.png"))):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        write_message(composites, CLASS_LEVELS[classes_of(picture)], START + n * timedelta(minutes=10))
    return pictures, composites


def test_a_winter_written_as_grib2_classifies_exactly_like_its_pngs(
    winter: tuple[Path, Path], server: str, tmp_path: Path
) -> None:
    tables = []
    for folder in winter:
        out = tmp_path / f"{folder.name}.csv"
        done = client("classify", folder, "--server", server, "--out", out)
        assert done.returncode == 0, done.stderr
        rows = rows_of(out)
        tables.append([[value for name, value in row.items() if name[:2] in {"p_", "la", "en"}] for row in rows])
    assert len(tables[0]) == 10
    assert tables[0] == tables[1]
    assert len({tuple(row) for row in tables[0]}) > 1
    assert [row["time_utc"] for row in rows][:2] == ["2015-12-01T00:00:00Z", "2015-12-01T00:10:00Z"]


def test_pngs_composites_and_tars_lie_side_by_side_and_bad_ones_cost_themselves(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "mixed", 2)
    levels = np.full((600, 480), 20, np.uint8)
    whole = message(np.full((3360, 2560), 1, np.uint8), START + timedelta(minutes=10))
    write_message(folder, levels, START)
    (folder / tar_name(START + timedelta(minutes=10))).write_bytes(
        tar_of({jma_name(START + timedelta(minutes=10)): whole})
    )
    (folder / jma_name(START + timedelta(minutes=20))).write_bytes(whole[:1000])
    (folder / "notes.tar.gz").write_bytes(b"no frame, and not looked at")
    (folder / "renamed.grib2").write_bytes((folder / jma_name(START)).read_bytes())
    out = tmp_path / "r.csv"
    done = client("classify", folder, "--server", server, "--out", out, "--cadence", "10")
    assert done.returncode == 0, done.stderr
    rows = {row["file"]: row for row in rows_of(out)}
    assert len(rows) == 6
    assert rows[PLAIN]["time_utc"] == rows["renamed.grib2"]["time_utc"] == "2015-12-01T00:00:00Z"
    assert rows[PLAIN]["label"]
    assert rows[PLAIN]["p_SY"] == rows["renamed.grib2"]["p_SY"]
    assert rows[tar_name(START + timedelta(minutes=10))]["label"]
    bad = rows[jma_name(START + timedelta(minutes=20))]
    assert (bad["label"], bad["time_utc"]) == ("", "2015-12-01T00:20:00Z")
    assert bad["error"]
    assert rows["pr2hse00000.png"]["time_utc"] == ""
    assert "1 other files left alone" in done.stderr
    assert "1 frame with the time of another, the first at 2015-12-01T00:00:00Z" in done.stdout
    assert "missing" not in done.stdout


def test_the_cadence_alone_is_enough_for_composites(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "jma"
    folder.mkdir()
    for n in (0, 1, 4):
        write_message(folder, np.full((600, 480), 3, np.uint8), START + n * timedelta(minutes=10))
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv", "--cadence", "10")
    assert "2 frames missing in 1 gap" in done.stdout
    dry = client("classify", folder, "--cadence", "10", "--dry-run", "--window", "japan", "--out", tmp_path / "x.csv")
    assert "2 frames missing in 1 gap" in dry.stdout
    assert "3 of them are JMA composites" in dry.stderr
    wrong = client("classify", folder, "--cadence", "0", "--dry-run")
    assert wrong.returncode == 2
    assert "minutes above 0" in wrong.stderr


def test_results_of_another_window_are_another_run(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "jma"
    folder.mkdir()
    write_message(folder, np.full((600, 480), 20, np.uint8), START)
    words = ("classify", folder, "--server", server, "--out", tmp_path / "r.csv")
    assert client(*words).returncode == 0
    refused = client(*words, "--window", "136,140,36,39")
    assert refused.returncode == 2
    assert "window: " in refused.stderr
    bad = client(*words, "--window", "1,2,3,4")
    assert bad.returncode == 2


def test_the_real_composites_classify(shared_data: Path, server: str, tmp_path: Path) -> None:
    folder = tmp_path / "jma"
    folder.mkdir()
    for path in (shared_data / "jma").glob("Z__C_RJTD*"):
        shutil.copy(path, folder)
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv", "--strict")
    assert done.returncode == 0, done.stderr + done.stdout
    times = [row["time_utc"] for row in rows_of(tmp_path / "r.csv")]
    assert times == ["2016-03-06T19:00:00Z", "2022-08-08T00:00:00Z", "2024-10-18T00:05:00Z"]


def test_a_time_is_taken_once_so_that_a_season_does_not_pile_up(tmp_path: Path) -> None:
    path = str(write_message(tmp_path, np.full((600, 480), 20, np.uint8), START))
    source = Source()
    source.load(path, FrameRule(32, 32))
    assert source.take_time(path) == START
    assert source.take_time(path) is None


@pytest.mark.parametrize(
    ("shape", "odd"), [((80, 90), False), ((80, 119), False), ((80, 121), True), ((200, 100), True)]
)
def test_frames_of_another_shape_than_the_models_input_are_worth_a_word(
    tmp_path: Path, shape: tuple[int, int], odd: bool
) -> None:
    write_png(tmp_path / "a.png", 1, *shape)
    source = Source()
    source.load(f"{tmp_path}/a.png", FrameRule(32, 32))
    assert source.odd_shape == (shape if odd else None)


def test_a_folder_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    with pytest.raises(ConfigError, match="expected PNG frames"):
        find_frames(tmp_path)
    with pytest.raises(ConfigError, match="expected a PNG, or a JMA composite"):
        find_frames(tmp_path / "labels.csv")
    write_png(tmp_path / "a.png", 1)
    with pytest.raises(ConfigError, match="--cadence needs --pattern"):
        Folder(tmp_path, given_minutes=10).frames()

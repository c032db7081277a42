"""What `make_winter` leaves in a folder."""

import csv
import hashlib
import tomllib
from concurrent.futures import Future
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from radar.palette import COLORS
from radar.seasons import read_season
from training.synth import SynthError, make_winter
from training.synth import winter as winter_module

SIZE = (48, 64)


def read_labels(folder):
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def winter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("winters") / "hse20152016"
    return make_winter(folder, frames=60, seed=7, year=2015, size=SIZE, workers=1)


def test_the_number_of_workers_changes_no_byte(winter, tmp_path):
    folder = tmp_path / "hse20152016"
    make_winter(folder, frames=60, seed=7, year=2015, size=SIZE, workers=2)
    assert hashes(folder) == hashes(winter.folder)


def test_a_frame_does_not_depend_on_how_many_are_drawn(winter, tmp_path):
    make_winter(tmp_path, frames=120, seed=7, year=2015, size=SIZE, workers=1)
    one, other = hashes(winter.folder), hashes(tmp_path)
    common = {name for name in one.keys() & other.keys() if name.endswith(".png")}
    assert all(one[name] == other[name] for name in common)


def test_another_seed_and_another_year_give_other_winters(winter, tmp_path):
    for name, seed, year in [("seed", 8, 2015), ("year", 7, 2016)]:
        make_winter(tmp_path / name, frames=6, seed=seed, year=year, size=SIZE, workers=1)
        assert not set(hashes(tmp_path / name).values()) & set(hashes(winter.folder).values())


def test_frames_are_palette_pngs_in_the_colours_of_jma(winter):
    for path in sorted(winter.folder.glob("*.png"))[::7]:
        with Image.open(path) as image:
            image.load()
            assert image.mode == "P"
            assert image.size == (SIZE[1], SIZE[0])
            assert image.info["transparency"] == 0
            palette = np.array(image.getpalette()).reshape(-1, 3)[: len(COLORS)]
            assert np.array_equal(palette, COLORS)
            assert np.asarray(image).max() < len(COLORS)


def test_labels_and_files_match_one_to_one(winter):
    rows = read_labels(winter.folder)
    assert [row["file"] for row in rows] == sorted(path.name for path in winter.folder.glob("*.png"))
    assert len(rows) == winter.frames == 60
    assert all(row["event"].startswith(f"{row['label']}-") for row in rows)
    assert len({row["event"] for row in rows}) == winter.events
    assert {mode: sum(row["label"] == mode for row in rows) for mode in winter.modes} == winter.modes


def test_the_season_file_gives_the_times_of_the_labels(winter):
    table = tomllib.loads((winter.folder / "season.toml").read_text(encoding="utf-8"))
    assert table["name"] == "hse20152016"
    assert table["start"] == datetime(2015, 11, 1, tzinfo=UTC)
    assert table["cadence_minutes"] == 10
    assert table["synthetic"]["seed"] == 7
    assert table["synthetic"]["year"] == 2015
    assert "nothing about skill on real snow" in table["synthetic"]["note"]
    rule = read_season(winter.folder / "season.toml")
    for row in read_labels(winter.folder):
        assert row["time_utc"].endswith("Z")
        assert rule.time_of(row["file"]) == datetime.fromisoformat(row["time_utc"])


def test_a_folder_with_frames_is_refused_unless_overwrite(winter, tmp_path):
    with pytest.raises(SynthError, match="overwrite"):
        make_winter(winter.folder, frames=3, seed=1, year=2015, size=SIZE, workers=1)
    make_winter(tmp_path, frames=6, seed=1, year=2015, size=SIZE, workers=1)
    make_winter(tmp_path, frames=3, seed=2, year=2015, size=SIZE, workers=1, overwrite=True)
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert len(read_labels(tmp_path)) == 3


def test_an_interrupted_winter_has_no_labels(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_winter(tmp_path, frames=12, seed=1, year=2015, size=SIZE, workers=1, progress=stop)
    assert list(tmp_path.glob("*.png"))
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".png"] == [".synthetic"]
    with pytest.raises(SynthError, match=r"give overwrite \(--overwrite\)"):
        make_winter(tmp_path, frames=3, seed=1, year=2015, size=SIZE, workers=1)
    make_winter(tmp_path, frames=3, seed=1, year=2015, size=SIZE, workers=1, overwrite=True)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize(
    "season", [None, b'name = "hse"\n', b'synthetic = "no table"\n', b"no toml", b"\xff[synthetic]\n"]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_real_data_are_never_removed(tmp_path, season, overwrite):
    (tmp_path / "pr2hse00000.png").write_bytes(b"real")
    (tmp_path / "labels.csv").write_text("file,label\n")
    if season is not None:
        (tmp_path / "season.toml").write_bytes(season)
    before = hashes(tmp_path)
    with pytest.raises(SynthError, match=r"may be real data; choose another folder"):
        make_winter(tmp_path, frames=3, seed=1, year=2015, size=SIZE, workers=1, overwrite=overwrite)
    assert hashes(tmp_path) == before


def test_a_mark_of_an_unfinished_winter_does_not_stand_against_a_real_season_file(tmp_path):
    (tmp_path / "pr2hse00000.png").write_bytes(b"real")
    (tmp_path / "season.toml").write_text('name = "hse"\n')
    (tmp_path / ".synthetic").touch()
    before = hashes(tmp_path)
    with pytest.raises(SynthError, match="may be real data"):
        make_winter(tmp_path, frames=3, seed=1, year=2015, size=SIZE, workers=1, overwrite=True)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize("folder", ["file", "file/hse20152016"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(SynthError, match=rf"{folder}: expected a folder that can be made .*choose another folder"):
        make_winter(tmp_path / folder, frames=3, seed=1, year=2015, size=SIZE, workers=1)


def test_an_interrupt_cancels_the_frames_that_wait(tmp_path, monkeypatch):
    shutdowns = []

    class Pool:
        def __init__(self, *args, **kwargs):
            pass

        def submit(self, function, job):
            future = Future()
            future.set_result(function(job))
            return future

        def shutdown(self, **how):
            shutdowns.append(how)

    def stop(done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(winter_module, "ProcessPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        make_winter(tmp_path, frames=12, seed=1, year=2015, size=SIZE, workers=2, progress=stop)
    # A second call would take the cancelling back.
    assert shutdowns == [{"wait": True, "cancel_futures": True}]


def test_progress_ends_at_the_number_of_frames(tmp_path):
    seen = []
    make_winter(tmp_path, frames=12, seed=1, year=2015, size=SIZE, workers=1, progress=lambda *now: seen.append(now))
    assert seen == sorted(seen)
    assert seen[-1] == (12, 12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 0},
        {"frames": 21889},
        {"seed": -1},
        {"year": 15},
        {"size": (400, 8)},
        {"workers": 0},
        {"cadence_minutes": 7},
        {"layout": "nested"},
    ],
)
def test_bad_arguments_are_named(tmp_path, wrong):
    arguments = {"frames": 3, "seed": 1, "year": 2015, "size": SIZE, "workers": 1} | wrong
    with pytest.raises(ValueError, match=f"expected .*received: {next(iter(wrong))}="):
        make_winter(tmp_path / "never", **arguments)
    assert not (tmp_path / "never").exists()

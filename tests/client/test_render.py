"""`client render`: composites in, a folder of frames out."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from client.errors import ConfigError, Interrupted, OutputError
from client.render import run as module
from client.render.plan import Settings, make_plan
from client.render.run import render
from radar import durable, frames, jma
from radar.errors import SeasonError
from radar.palette import COLORS
from radar.seasons import read_season
from tests.client.command import client
from tests.radar.jma.messages import CLASS_LEVELS, jma_name, message, national, tar_name, tar_of, write_message

START = datetime(2024, 2, 26, 0, 0, tzinfo=UTC)


def picture(seed: int) -> np.ndarray:
    """Palette classes of a window, in blocks."""
    blocks = np.random.default_rng(seed).integers(0, 9, (30, 24))
    return np.kron(blocks, np.ones((20, 20), int)).astype(np.uint8)


@pytest.fixture(scope="session")
def composites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour: three tars of 10 minutes, then plain files of 5 minutes; echo tops and a text among them."""
    folder = tmp_path_factory.mktemp("jma")
    for n in range(3):
        time = START + timedelta(minutes=10 * n)
        body = message(national(CLASS_LEVELS[picture(n)]), time)
        echo_tops = f"Z__C_RJTD_{time:%Y%m%d%H%M%S}_RDR_JMAGPV_Gll2p5km_Phhlv_ANAL_grib2.bin"
        (folder / tar_name(time)).write_bytes(tar_of({jma_name(time): body, echo_tops: b"GRIB"}))
        (folder / echo_tops).write_bytes(b"GRIB")
    for n in range(6, 12):
        write_message(folder, CLASS_LEVELS[picture(n)], START + timedelta(minutes=5 * n), "Prr05lv")
    (folder / "readme.txt").write_text("from the archive")
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def frame(time: datetime) -> str:
    return f"{time:%Y%m%d%H%M}.png"


def test_an_hour_becomes_one_even_series(composites, tmp_path):
    out = tmp_path / "hse20232024"
    done = client("render", composites, "--out", out, "--strict")
    assert done.returncode == 0, done.stderr
    times = [START + timedelta(minutes=10 * n) for n in range(6)]
    assert names_in(out) == [*map(frame, times), "season.toml"]
    for n, time in zip([0, 1, 2, 6, 8, 10], times, strict=True):
        decoded = frames.decode((out / frame(time)).read_bytes())
        np.testing.assert_array_equal(decoded, COLORS[picture(n)], err_msg=f"{time}")
    assert "6 frames rendered" in done.stderr
    assert "3 composites lie before the season or between its frames" in done.stderr
    assert "6 composites, 2024-02-26T00:00:00Z to 2024-02-26T00:50:00Z (4 other files left alone)" in done.stderr
    assert "Window 135 to 141 E, 35 to 40 N: 480 columns x 600 rows" in done.stderr
    assert "出典：気象庁ホームページ" in done.stderr


def test_the_season_file_tells_the_times(composites, tmp_path):
    out = tmp_path / "hse"
    assert client("render", composites, "--out", out, "--cadence", 5, "--zone", "JST").returncode == 0
    rule = read_season(out / "season.toml")
    assert rule.cadence == timedelta(minutes=5)
    assert rule.time_of("202402260900.png") == START
    table = tomllib.loads((out / "season.toml").read_text(encoding="utf-8"))
    assert table["jma"]["window"] == [135.0, 141.0, 35.0, 40.0]
    assert table["jma"]["size"] == [480, 600]
    assert table["jma"]["coverage"] is False
    assert len(names_in(out)) == 9 + 1


def test_names_with_a_running_index(composites, tmp_path):
    rule = ("--pattern", "pr2hse{index:05d}.png", "--season-start", "2024-02-25T00:00Z")
    out = tmp_path / "hse"
    assert client("render", composites, "--out", out, *rule).returncode == 0
    assert names_in(out) == [*(f"pr2hse{n:05d}.png" for n in range(144, 150)), "season.toml"]
    assert read_season(out / "season.toml").time_of("pr2hse00144.png") == START


def test_a_second_run_makes_only_what_is_missing(composites, tmp_path):
    out = tmp_path / "hse"
    assert client("render", composites, "--out", out).returncode == 0
    first, second = out / frame(START), out / frame(START + timedelta(minutes=10))
    before = first.stat().st_mtime_ns
    whole = second.read_bytes()
    second.unlink()
    done = client("render", composites, "--out", out)
    assert "1 frame rendered" in done.stderr
    assert "5 were there before" in done.stderr
    assert second.read_bytes() == whole
    assert first.stat().st_mtime_ns == before
    done = client("render", composites, "--out", out, "--overwrite")
    assert "6 frames rendered" in done.stderr
    assert first.stat().st_mtime_ns > before


def test_every_unusable_file_is_named_with_the_reason(composites, tmp_path):
    folder = tmp_path / "jma"
    folder.mkdir()
    good, short, tar, odd = (START + timedelta(minutes=10 * n) for n in range(4))
    whole = write_message(folder, CLASS_LEVELS[picture(1)], good).read_bytes()
    (folder / jma_name(short)).write_bytes(whole[:-100])
    (folder / tar_name(tar)).write_bytes(tar_of({"readme": b""}))
    (folder / jma_name(odd)).write_bytes(whole)
    (folder / "other.grib2").write_bytes(b"BUFR and more")
    done = client("render", folder, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "out") == [frame(good), "season.toml"]
    assert "4 files could not be used:" in done.stderr
    for name, reason in [
        (jma_name(short), "is truncated:"),
        (tar_name(tar), "holds no rain-rate composites, expected one; its members: readme"),
        (jma_name(odd), "disagrees with itself: its name says 2024-02-26 00:30:00"),
        ("other.grib2", "is no GRIB2 message"),
    ]:
        assert f"{folder / name} {reason}" in done.stderr
    assert client("render", folder, "--out", tmp_path / "out", "--strict").returncode == 1
    quiet = client("render", folder, "--out", tmp_path / "out", "--quiet")
    assert quiet.stderr.startswith("4 files could not be used:")


def test_nothing_but_unusable_files_is_a_failure(tmp_path):
    (tmp_path / jma_name(START)).write_bytes(b"")
    done = client("render", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "is empty (0 bytes)" in done.stderr


def test_a_dry_run_says_what_it_would_do_and_does_nothing(composites, tmp_path):
    done = client("render", composites, "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0
    assert f"Would render 6 frames, first {composites / tar_name(START)}" in done.stderr
    assert names_in(tmp_path) == []


def test_gaps_are_told_and_are_strict_failures(tmp_path):
    folder = tmp_path / "jma"
    folder.mkdir()
    for minutes in (0, 10, 40):
        write_message(folder, CLASS_LEVELS[picture(1)], START + timedelta(minutes=minutes))
    done = client("render", folder, "--out", tmp_path / "out", "--strict")
    assert done.returncode == 1
    assert "2 frames missing in 1 gap" in done.stdout


def test_the_same_time_twice_is_taken_once_and_said(tmp_path):
    for n in range(2):
        (tmp_path / f"{n}").mkdir()
        write_message(tmp_path / f"{n}", CLASS_LEVELS[picture(n)], START)
    out = tmp_path / "out"
    done = client("render", tmp_path / "0", tmp_path / "1", "--out", out)
    assert done.returncode == 0
    left, taken = tmp_path / "1" / jma_name(START), tmp_path / "0" / jma_name(START)
    assert f"{left} is left out: {taken} has the same time" in done.stderr
    np.testing.assert_array_equal(frames.decode((out / frame(START)).read_bytes()), COLORS[picture(0)])


def test_files_of_any_name_take_their_time_from_the_message(tmp_path):
    path = tmp_path / "newest"
    path.write_bytes(gzip.compress(message(national(CLASS_LEVELS[picture(3)]), START, "Prr05lv")))
    done = client("render", path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "out") == [frame(START), "season.toml"]


def test_windows_and_coverage(composites, tmp_path):
    source = composites / tar_name(START)
    window = ("--window", "134.5,137,36,39")
    for name, more in (("plain", ()), ("marked", ("--coverage",))):
        done = client("render", source, "--out", tmp_path / name, *window, *more)
        assert done.returncode == 0, done.stderr
    plain, marked = (frames.decode((tmp_path / n / frame(START)).read_bytes()) for n in ("plain", "marked"))
    assert plain.shape == (360, 200, 3)
    differing = (plain != marked).any(axis=2)
    assert differing[:, :40].any()  # west of 135 E nothing was put into these composites
    assert not differing[:, 40:].any()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--window", "130,120,35,40"], "Window: expected W,E,S,N"),
        (["--window", "hokkaido"], "one of hokushinetsu, japan; received 'hokkaido'"),
        (["--pattern", "%Y/%m%d.png"], "--pattern: expected a file name"),
        (["--pattern", "%Y%m%d%H%M.jpg"], "--pattern: expected a file name"),
        (["--pattern", "%Y%m%d.png"], "the same name, 20240226.png"),
        (["--season-start", "2024-01-01"], "--season-start belongs to a pattern with {index}"),
        (["--cadence", "0"], "expected minutes above 0"),
    ],
)
def test_settings_that_cannot_work(composites, tmp_path, words, reason):
    done = client("render", composites, "--out", tmp_path / "out", *words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert names_in(tmp_path) == []


def test_folders_without_composites(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(ConfigError, match="give --recursive to look into its 1 subfolders"):
        make_plan(Settings((tmp_path / "a",), tmp_path / "out"))
    with pytest.raises(ConfigError, match=r"expected JMA composites .*, found no files"):
        make_plan(Settings((tmp_path / "a",), tmp_path / "out", recursive=True))
    write_message(tmp_path / "a" / "b", CLASS_LEVELS[picture(1)], START)
    assert len(make_plan(Settings((tmp_path / "a",), tmp_path / "out", recursive=True)).items) == 1


def test_frames_of_different_making_do_not_meet_in_one_folder(composites, tmp_path):
    out = tmp_path / "out"
    settings = {"inputs": (composites,), "out": out}
    render(make_plan(Settings(**settings)))
    for different, reason in [
        ({"window": jma.JAPAN}, "rendered with window 135,141,35,40, now window 118,150,20,48 is asked for"),
        ({"coverage": True}, "now window 135,141,35,40 and coverage is asked for"),
        ({"pattern": "a%Y%m%d%H%M.png"}, "rendered with pattern"),
        ({"zone": "JST"}, "rendered with zone UTC, now JST"),
        ({"cadence": 5}, "rendered with a cadence of 10 min, now 5"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            make_plan(Settings(**settings, **different))
        with pytest.raises(ConfigError, match=reason):
            make_plan(Settings(**settings, **different, overwrite=True))


@pytest.mark.parametrize("season", [None, 'pattern = "pr2hse{index}.png"\n[synthetic]\nseed = 1\n', "pattern = "])
def test_frames_of_others_are_left_alone(composites, tmp_path, season):
    out = tmp_path / "archive"
    out.mkdir()
    (out / "pr2hse00000.png").write_bytes(b"somebody's")
    if season is not None:
        (out / "season.toml").write_text(season)
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="choose another folder"):
            make_plan(Settings((composites,), out, overwrite=overwrite))
    assert (out / "pr2hse00000.png").read_bytes() == b"somebody's"


def test_later_composites_keep_the_cadence_of_the_folder(composites, tmp_path):
    out = tmp_path / "out"
    render(make_plan(Settings((composites / tar_name(START),), out)))
    later = tmp_path / "later"
    later.mkdir()
    for minutes in (60, 65, 70):
        write_message(later, CLASS_LEVELS[picture(1)], START + timedelta(minutes=minutes), "Prr05lv")
    plan = make_plan(Settings((later,), out))
    assert [item.name for item in plan.items] == ["202402260100.png", "202402260110.png"]
    assert plan.between == 1
    assert plan.season_text == ""


def test_a_start_after_the_composites_leaves_them_out(composites, tmp_path):
    start = START + timedelta(minutes=30)
    plan = make_plan(Settings((composites,), tmp_path / "out", pattern="{index}.png", start=start))
    assert [item.name for item in plan.items] == ["0.png", "1.png", "2.png"]
    with pytest.raises(SeasonError, match="needs the season's start"):
        make_plan(Settings((composites,), tmp_path / "out", pattern="{index}.png"))


def test_a_full_disk_stops_the_run_and_keeps_what_is_there(composites, tmp_path, monkeypatch):
    out = tmp_path / "out"
    written = []

    def fill(path: Path):
        if len(written) == 3 and path.suffix == ".png":
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        return whole(path)

    whole = durable.replacing
    monkeypatch.setattr(module.durable, "replacing", fill)
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device. \d of 6 frames are in"):
        render(make_plan(Settings((composites,), out)), threads=1)
    monkeypatch.undo()
    assert 1 <= len(list(out.glob("*.png"))) <= 3
    outcome = render(make_plan(Settings((composites,), out)))
    assert outcome.rendered + outcome.kept == 6


def test_ctrl_c_says_what_is_there(composites, tmp_path):
    out = tmp_path / "out"
    calls = []

    def interrupt(_count: int) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"Stopped. \d of 6 frames are in .*run the same command again"):
        render(make_plan(Settings((composites,), out)), threads=1, advance=interrupt)
    assert render(make_plan(Settings((composites,), out))).kept >= 1


def test_a_killed_run_leaves_whole_frames_only(composites, tmp_path):
    """Killed once at each number of frames seen; what is there is whole, and the next run makes the rest."""
    expected = tmp_path / "expected"
    render(make_plan(Settings((composites,), expected, cadence=5)))
    for seen in (1, 4, 8):
        out = tmp_path / f"killed{seen}"
        code = (
            "import os, signal, sys\nfrom pathlib import Path\nfrom client.render.run import render\n"
            "from client.render.plan import Settings, make_plan\ndone = []\n"
            "def advance(n):\n    done.append(n)\n"
            f"    if len(done) == {seen}: os.kill(os.getpid(), signal.SIGKILL)\n"
            "render(make_plan(Settings((Path(sys.argv[1]),), Path(sys.argv[2]), cadence=5)), advance=advance)\n"
        )
        killed = subprocess.run([sys.executable, "-c", code, str(composites), str(out)], check=False, timeout=120)
        assert killed.returncode == -signal.SIGKILL
        there = {path.name for path in out.glob("*.png")}
        assert len(there) >= seen
        for name in there:
            assert (out / name).read_bytes() == (expected / name).read_bytes()
        outcome = render(make_plan(Settings((composites,), out, cadence=5)))
        assert (outcome.kept, outcome.rendered) == (len(there), 9 - len(there))
        for name in names_in(expected):
            if name.endswith(".png"):
                assert (out / name).read_bytes() == (expected / name).read_bytes()


def test_verified_by_eccodes(composites, tmp_path, monkeypatch):
    pytest.importorskip("eccodes", reason="needs the extra [jma]")
    done = client("render", composites, "--out", tmp_path / "out", "--verify")
    assert done.returncode == 0, done.stderr
    assert "6 frames rendered" in done.stderr
    assert "ECCODES" not in done.stderr

    read = module.second_reader.rate

    def differing(data: bytes) -> np.ndarray:
        rate = read(data)
        rate[1000, 1500:1503] += 1
        rate[0, 0] = 5.0 if np.isnan(rate[0, 0]) else np.nan
        return rate

    monkeypatch.setattr(module.second_reader, "rate", differing)
    outcome = render(make_plan(Settings((composites,), tmp_path / "again")), verify=True)
    assert outcome.rendered == 0
    assert {reason for _, reason in outcome.failures} <= {
        f"is read differently by eccodes: {n} points differ" for n in (1, 4)
    }


def test_verify_without_eccodes_says_what_to_install(composites, tmp_path):
    code = "import sys; sys.modules['eccodes'] = None; from client.cli import main; main()"
    words = ["render", str(composites), "--out", str(tmp_path / "out"), "--verify"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'snowmode[jma]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unwritable_place(composites, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out: expected a folder, received the file"):
        make_plan(Settings((composites,), tmp_path / "file"))
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OutputError, match="cannot be written"):
            render(make_plan(Settings((composites,), tmp_path / "locked" / "out")))


@pytest.mark.parametrize("window", ["hokushinetsu", "japan"])
def test_the_three_real_files(shared_data, tmp_path, window):
    out = tmp_path / window
    done = client("render", shared_data / "jma", "--out", out, "--cadence", 5, "--window", window)
    assert done.returncode == 0, done.stderr
    assert names_in(out) == ["201603061900.png", "202208080000.png", "202410180005.png", "season.toml"]
    size = (600, 480, 3) if window == "hokushinetsu" else (3360, 2560, 3)
    for path in out.glob("*.png"):
        colors = frames.decode(path.read_bytes())
        assert colors.shape == size
        assert len(np.unique(colors[::5, ::5].reshape(-1, 3), axis=0)) >= 4

"""`client classify` as a process against a real model server: what users do, and what goes wrong for them."""

from __future__ import annotations

import gzip
import json
import os
import struct
import threading
import zlib
from pathlib import Path

import grpc
import numpy as np
import pytest

from radar import frames
from serving.protocol.connection import Connection
from serving.protocol.contract import CLASSIFY, PROBABILITIES
from tests.client.command import client, rows_of
from tests.conftest import write_frames, write_png
from tests.limits import no_superpowers
from tests.serving.stand_in import CARD, Refuse, brightness, stand_in


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("seasons") / "hse20152016", 300)


def test_every_frame_gets_the_row_the_server_gives_it(season: Path, server: str, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    done = client("classify", season, "--server", server, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = rows_of(out)
    names = [f"pr2hse{n:05d}.png" for n in range(300)]
    assert [row["file"] for row in rows] == names
    with Connection(server) as connection:
        card = connection.describe().card
        images = np.stack([frames.load(season / name, card.input.frame_rule()) for name in names])
        expected = connection.call(CLASSIFY, images)[PROBABILITIES]
    table = np.array([[float(row[f"p_{code}"]) for code in card.codes] for row in rows])
    np.testing.assert_allclose(table, expected, atol=1e-5)
    assert [row["label"] for row in rows] == [card.codes[k] for k in expected.argmax(axis=1)]
    entropies = -(expected * np.log(expected)).sum(axis=1)
    np.testing.assert_allclose([float(row["entropy"]) for row in rows], entropies, atol=1e-3)
    accepted = expected.max(axis=1) >= card.rejection_threshold
    assert [row["accepted"] == "1" for row in rows] == accepted.tolist()
    assert {row["error"] for row in rows} == {""}
    assert "300 of 300 frames classified" in done.stdout
    assert all(code in done.stdout for code in card.codes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.csv.run.json"]


def test_the_default_result_file_is_named_like_the_folder(season: Path, server: str, tmp_path: Path) -> None:
    done = client("classify", f"{season}/", "--server", server, cwd=tmp_path, env=_with_project())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hse20152016.csv").exists()


def _with_project() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def test_server_from_environment_and_json_summary(season: Path, server: str, tmp_path: Path) -> None:
    environment = {**os.environ, "SNOWMODE_SERVER": server}
    done = client("classify", season, "--out", tmp_path / "r.csv", "--json", env=environment)
    summary = json.loads(done.stdout)
    assert (summary["frames"], summary["classified"], summary["failed"]) == (300, 300, 0)
    assert sum(summary["counts"].values()) == 300


def test_nakai_formats_hold_what_the_csv_holds(season: Path, server: str, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    done = client("classify", season, "--server", server, "--out", out, "--format", "nakai")
    assert done.returncode == 0, done.stderr
    rows = rows_of(out)
    codes = [name[2:] for name in rows[0] if name.startswith("p_")]
    long_lines = gzip.decompress((tmp_path / "r.long.txt.gz").read_bytes()).decode().splitlines()
    assert long_lines == [
        "\t".join([r["file"], *(r[f"p_{c}"] for c in codes), str(codes.index(r["label"])), r["label"]]) for r in rows
    ]
    short_lines = (tmp_path / "r.short.txt").read_text().splitlines()
    assert short_lines == [f"{r['file']}\t{r['label']}" for r in rows]


def test_times_come_from_the_rule_and_gaps_are_told(season: Path, server: str, tmp_path: Path) -> None:
    folder = tmp_path / "gappy"
    folder.mkdir()
    for n in (0, 1, 2, 7, 8):
        write_png(folder / f"pr2hse{n:05d}.png", n)
    write_png(folder / "legend.png", 1)
    rule = ("--pattern", "pr2hse{index:05d}.png", "--season-start", "2015-11-01T00:00Z", "--cadence", "10")
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv", *rule)
    assert done.returncode == 0, done.stderr
    times = {row["file"]: row["time_utc"] for row in rows_of(tmp_path / "r.csv")}
    assert times["pr2hse00007.png"] == "2015-11-01T01:10:00Z"
    assert times["legend.png"] == ""
    assert "4 frames missing in 1 gap:" in done.stdout
    assert "2015-11-01 00:30 to 2015-11-01 01:00 UTC" in done.stdout
    assert "1 frame without a time" in done.stdout
    strict = client("classify", folder, "--server", server, "--out", tmp_path / "s.csv", *rule, "--strict")
    assert strict.returncode == 1


def test_a_season_file_in_the_folder_is_the_rule(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "hse20142015", 3)
    (folder / "season.toml").write_text(
        'pattern = "pr2hse{index:05d}.png"\nstart = 2014-11-01T00:00:00Z\ncadence_minutes = 10\n'
    )
    assert client("classify", folder, "--server", server, "--out", tmp_path / "r.csv").returncode == 0
    assert [r["time_utc"][:16] for r in rows_of(tmp_path / "r.csv")] == [
        "2014-11-01T00:00",
        "2014-11-01T00:10",
        "2014-11-01T00:20",
    ]


def test_dry_run_writes_nothing_and_needs_no_server(season: Path, tmp_path: Path) -> None:
    done = client("classify", season, "--dry-run", "--out", tmp_path / "r.csv", "--server", "localhost:1")
    assert done.returncode == 0, done.stderr
    assert "300 frames" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_version_is_that_of_the_installed_project() -> None:
    import importlib.metadata

    assert client("--version").stdout == f"snowmode {importlib.metadata.version('snowmode')}\n"


# Wrong input that stops the run.


def test_with_several_servers_more_calls_are_in_flight(season: Path, tmp_path: Path) -> None:
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

    with stand_in(answer) as one, stand_in(answer) as other:
        done = client("classify", season, "--server", f"{one},{other}", "--out", tmp_path / "results.csv")
    assert done.returncode == 0, done.stderr
    assert enough.is_set()


def test_no_such_folder(server: str, tmp_path: Path) -> None:
    done = client("classify", tmp_path / "nowhere", "--server", server)
    assert done.returncode == 2
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_empty_folder_says_what_is_there_instead(server: str, tmp_path: Path) -> None:
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").touch()
    done = client("classify", tmp_path / "empty", "--server", server)
    assert done.returncode == 2
    assert "1 other files" in done.stderr
    assert "--recursive" in done.stderr


def test_unreadable_folder_and_result_folder_are_named(season: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = client("classify", season, "--server", server, "--out", tmp_path / "file" / "r.csv")
    assert done.returncode == 4
    assert "cannot be written" in done.stderr


def test_no_server_says_how_to_start_one(season: Path, tmp_path: Path) -> None:
    done = client("classify", season, "--server", "localhost:1", "--out", tmp_path / "r.csv")
    assert done.returncode == 3
    for hint in ("localhost:1", "serving model-server", "embedded:", "SNOWMODE_SERVER"):
        assert hint in done.stderr
    assert not list(tmp_path.iterdir())


def test_wrong_model_name(season: Path, server: str, tmp_path: Path) -> None:
    done = client("classify", season, "--server", server, "--model", "rain", "--out", tmp_path / "r.csv")
    assert done.returncode == 3
    assert "'rain'" in done.stderr
    assert "--model" in done.stderr


def test_embedded_folder_without_models(season: Path, tmp_path: Path) -> None:
    done = client("classify", season, "--server", f"embedded:{tmp_path}", "--out", tmp_path / "r.csv")
    assert done.returncode == 3
    assert "No published model" in done.stderr
    assert "saved_model.pb" in done.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--pattern", "%H%M.png"), "whole date"),
        (("--pattern", "{index}.png"), "--season-start"),
        (("--pattern", "%Q.png"), "%Q"),
        (("--cadence", "10"), "--pattern"),
        (("--zone", "JST"), "--pattern"),
        (("--pattern", "%m%d%H%M.png"), "whole date"),
        (("--pattern", "%Y%m%d%H%M.png"), "Not one of the 300 frames follows"),
        (("--pattern", "%Y%m%d.png", "--season-start", "2015-11-01"), "--season-start"),
        (("--pattern", "%Y%m%d.png", "--zone", "Japan/Nagaoka"), "Time zone"),
    ],
)
def test_wrong_time_rules_stop_before_work_starts(
    season: Path, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    done = client("classify", season, "--server", "localhost:1", "--out", tmp_path / "r.csv", *options)
    assert done.returncode == 2
    assert complaint in done.stderr


# Bad frames: each costs itself.


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _header_only(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"x") + _chunk(b"IEND", b"")


def test_bad_frames_cost_themselves_and_are_named_with_the_reason(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "mixed", 20)
    good = (folder / "pr2hse00003.png").read_bytes()
    bad = {
        "bad_empty.png": (b"", "is empty"),
        "bad_huge.png": (_header_only(20_000, 20_000), "400,000,000 pixels"),
        "bad_jpeg.png": (b"\xff\xd8\xff\xe0 not a png", "is not a PNG"),
        "bad_truncated.png": (good[: len(good) // 2], "is truncated"),
    }
    for name, (data, _) in bad.items():
        (folder / name).write_bytes(data)
    write_png(folder / "bad_tiny.png", 1, 1, 1)
    (folder / "bad_gone.png").symlink_to(folder / "nowhere.png")
    (folder / "bad_loop.png").symlink_to(folder / "bad_loop.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    out = tmp_path / "r.csv"
    done = client("classify", folder, "--server", server, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = {row["file"]: row for row in rows_of(out)}
    assert len(rows) == 27
    assert "no such file" in rows["bad_gone.png"]["error"]
    assert "symbolic links" in rows["bad_loop.png"]["error"]
    for name, (_, reason) in bad.items():
        assert reason in rows[name]["error"]
        assert rows[name]["label"] == ""
        assert name in done.stdout
    assert "is 1x1 pixels" in rows["bad_tiny.png"]["error"]
    assert all(rows[f"pr2hse{n:05d}.png"]["label"] for n in range(20))
    strict = client("classify", folder, "--server", server, "--out", tmp_path / "s.csv", "--strict")
    assert strict.returncode == 1


def test_a_folder_of_nothing_but_bad_frames_is_a_failure(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"nothing")
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv")
    assert done.returncode == 1
    assert "a.png is not a PNG" in done.stdout


def test_every_kind_of_png_is_classified_alike(server: str, tmp_path: Path) -> None:
    from PIL import Image

    from tests.conftest import picture

    folder = tmp_path / "kinds"
    folder.mkdir()
    rgb = Image.fromarray(picture(3))
    grey = Image.fromarray(picture(3)[..., 0])
    rgb.save(folder / "rgb.png")
    rgb.convert("RGBA").save(folder / "rgba.png")
    rgb.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    grey.save(folder / "grey.png")
    grey.convert("RGB").save(folder / "grey_as_rgb.png")
    Image.fromarray(picture(3)[..., 0].astype(np.uint16) * 257).save(folder / "grey_16_bit.png")
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv")
    assert done.returncode == 0, done.stderr
    p = {row["file"]: float(row["p_SY"]) for row in rows_of(tmp_path / "r.csv")}
    assert p["rgb.png"] == p["rgba.png"] == p["palette.png"]
    assert p["grey.png"] == p["grey_as_rgb.png"] == p["grey_16_bit.png"]
    assert p["grey.png"] != p["rgb.png"]


def test_names_with_spaces_commas_and_japanese(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "冬 2015, 長岡"
    folder.mkdir()
    names = ["雪 雲.png", 'a, "b".png', "frame 10.png", "frame 2.png", "é́.PNG"]
    for n, name in enumerate(names):
        write_png(folder / name, n)
    out = tmp_path / "結果 r.csv"
    done = client("classify", folder, "--server", server, "--out", out, "--format", "nakai-short")
    assert done.returncode == 0, done.stderr
    listed = [row["file"] for row in rows_of(out)]
    assert sorted(listed) == sorted(names)
    assert listed.index("frame 2.png") < listed.index("frame 10.png")
    assert len((tmp_path / "結果 r.short.txt").read_text().splitlines()) == 5


def test_a_name_that_is_no_text_is_still_written_and_read_back(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "bytes"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    write_png(folder / name, 1)
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv")
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in rows_of(tmp_path / "r.csv")] == [name]


def test_a_name_tells_a_terminal_nothing(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "odd", 3)
    name = "\x1b[2J\nall is well.png"
    (folder / name).write_bytes(b"no picture")
    done = client("classify", folder, "--server", server, "--out", tmp_path / "r.csv")
    assert done.returncode == 0, done.stderr
    assert f"  {name!a} " in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert [row["file"] for row in rows_of(tmp_path / "r.csv") if row["error"]] == [name]


def test_why_a_server_refuses_a_frame_tells_a_terminal_nothing(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 3)
    bad = brightness(np.stack([frames.load(str(path), CARD.input.frame_rule()) for path in sorted(folder.iterdir())]))

    def answer(images: np.ndarray) -> np.ndarray:
        if bad[1, 0] in brightness(images)[:, 0]:
            raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "\x1b[2J\x9b2J all\nis 良い")
        return brightness(images)

    with stand_in(answer) as target:
        done = client("classify", folder, "--server", target, "--out", tmp_path / "r.csv")
    assert done.returncode == 0, done.stderr
    assert r"\x1b[2J\x9b2J all is 良い" in done.stdout + done.stderr
    assert not {"\x1b", "\x9b"} & set(done.stdout + done.stderr)


def test_an_unreadable_frame_costs_itself(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "locked", 5)
    (folder / "pr2hse00002.png").chmod(0)
    out = tmp_path / "r.csv"
    done = client("classify", folder, "--server", server, "--out", out, limits=no_superpowers())
    assert done.returncode == 0, done.stderr
    rows = {row["file"]: row for row in rows_of(out)}
    assert rows["pr2hse00002.png"]["error"] == "cannot be read: permission denied"
    assert sum(1 for row in rows.values() if row["label"]) == 4

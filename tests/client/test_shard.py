"""Shards: every frame in exactly one, and all of them together the result of a single run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import ConfigError
from client.shard import Shard, whole
from tests.client.command import client, rows_of
from tests.conftest import write_frames, write_png

SHARDS = 3


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 50))
def test_every_frame_belongs_to_exactly_one_shard(name: str, count: int) -> None:
    assert sum(Shard(index, count).takes(name) for index in range(count)) == 1


def test_shards_are_of_about_the_same_size() -> None:
    names = [f"pr2hse{n:05d}.png" for n in range(20_000)]
    for index in range(8):
        assert sum(map(Shard(index, 8).takes, names)) == pytest.approx(2500, rel=0.08)


def test_the_shard_of_a_frame_never_changes() -> None:
    """Shards of releases to come must continue those of this one."""
    names = [f"pr2hse{n:05d}.png" for n in range(6)]
    found = [next(index for index in range(4) if Shard(index, 4).takes(name)) for name in names]
    assert found == [0, 3, 3, 1, 1, 3]


def test_the_index_may_come_from_kubernetes() -> None:
    assert Shard.parse("2/8", {}) == Shard(2, 8)
    assert Shard.parse("/8", {"JOB_COMPLETION_INDEX": "7"}) == Shard(7, 8)
    assert Shard.parse("2/8", {"JOB_COMPLETION_INDEX": "7"}) == Shard(2, 8)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("8/8", "from 0 to 7"),
        ("1", "expected I/N"),
        ("-1/8", "expected I/N"),
        ("0/0", "received 0/0"),
        ("/8", "JOB_COMPLETION_INDEX"),
        ("a/b", "expected I/N"),
    ],
)
def test_what_is_no_shard_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Shard.parse(text, {})


def test_names_of_shards_lead_back_to_the_name_of_the_whole() -> None:
    path = Shard(2, 8).path(Path("a/hse.csv"))
    assert path == Path("a/hse.shard-2-of-8.csv")
    assert whole(path) == Path("a/hse.csv")


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_frames(tmp_path_factory.mktemp("seasons") / "hse20152016", 120)
    for n in (17, 40, 41):
        (folder / f"pr2hse{n:05d}.png").unlink()
    (folder / "pr2hse00099.png").write_bytes(b"not a picture")
    write_png(folder / "冬, 1.png", 7)
    (folder / "season.toml").write_text(
        'pattern = "pr2hse{index:05d}.png"\nstart = 2015-11-01T00:00:00Z\ncadence_minutes = 10\n'
    )
    return folder


@pytest.fixture
def shards(season: Path, server: str, tmp_path: Path) -> list[Path]:
    """The result files of all shards, as the pods of an Indexed Job write them: all by the same command."""
    for index in range(SHARDS):
        environment = {**os.environ, "JOB_COMPLETION_INDEX": str(index), "SNOWMODE_SERVER": server}
        done = client("classify", season, "--out", tmp_path / "r.csv", "--shard", f"/{SHARDS}", env=environment)
        assert done.returncode == 0, done.stderr
    return [tmp_path / f"r.shard-{index}-of-{SHARDS}.csv" for index in range(SHARDS)]


def test_merged_shards_are_what_one_run_writes_and_a_run_continues_them(
    season: Path, server: str, tmp_path: Path, shards: list[Path]
) -> None:
    alone = tmp_path / "alone.csv"
    assert client("classify", season, "--server", server, "--out", alone).returncode == 0
    done = client("merge", *reversed(shards), "--format", "nakai-short")
    assert done.returncode == 0, done.stderr
    assert "118 frames of 3 shards; 1 could not be classified" in done.stdout
    assert "3 frames missing in 2 gaps" in done.stdout
    merged = rows_of(tmp_path / "r.csv")
    assert [(r["file"], r["time_utc"], r["label"], r["error"]) for r in merged] == [
        (r["file"], r["time_utc"], r["label"], r["error"]) for r in rows_of(alone)
    ]
    for row, other in zip(merged, rows_of(alone), strict=True):
        assert float(row["p_SY"] or 0) == pytest.approx(float(other["p_SY"] or 0), abs=1e-5)
    assert (tmp_path / "r.short.txt").read_text().count("\n") == 118
    again = client("classify", season, "--server", server, "--out", tmp_path / "r.csv")
    assert again.returncode == 0, again.stderr
    assert "0 frames in" in again.stdout


def test_a_shard_continues_and_takes_only_its_share_of_new_frames(
    season: Path, server: str, tmp_path: Path, shards: list[Path]
) -> None:
    before = [len(rows_of(path)) for path in shards]
    assert sum(before) == 118
    done = client("classify", season, "--server", server, "--out", tmp_path / "r.csv", "--shard", "1/3")
    assert "0 frames in" in done.stdout
    assert "missing" not in done.stdout  # between the frames of a shard lie those of the others


def test_an_empty_shard_is_no_failure(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "few", 1)
    codes = []
    for index in range(2):
        words = ("--server", server, "--out", tmp_path / "r.csv", "--shard", f"{index}/2")
        codes.append(client("classify", folder, *words).returncode)
    assert codes == [0, 0]
    assert client("merge", *tmp_path.glob("r.shard-*.csv")).returncode == 0
    assert len(rows_of(tmp_path / "r.csv")) == 1


def test_what_does_not_make_a_whole_is_refused(season: Path, server: str, tmp_path: Path, shards: list[Path]) -> None:
    def refusal(*files: Path) -> str:
        done = client("merge", *files, "--out", tmp_path / "x.csv")
        assert done.returncode == 2
        assert not (tmp_path / "x.csv").exists()
        return done.stderr

    assert "1 of 3 shards are missing: 1/3" in refusal(shards[0], shards[2])
    copy = tmp_path / "copy.csv"
    copy.write_bytes(shards[0].read_bytes())
    record = shards[0].with_name(shards[0].name + ".run.json")
    (tmp_path / "copy.csv.run.json").write_bytes(record.read_bytes())
    assert "the same shard" in refusal(*shards, copy)
    (tmp_path / "copy.csv.run.json").write_text(record.read_text().replace("hse20152016", "hse20142015"))
    assert "folder: " in refusal(copy, *shards[1:])
    (tmp_path / "copy.csv.run.json").write_text(record.read_text().replace('"0/3"', '"2/3"'))
    assert "does not belong to shard 2/3" in refusal(shards[0], shards[1], copy)
    alone = tmp_path / "alone.csv"
    assert client("classify", season, "--server", server, "--out", alone).returncode == 0
    assert "is no shard" in refusal(*shards, alone)
    shards[1].rename(shards[1].with_name(shards[1].name + ".partial"))
    assert "is not finished" in refusal(*shards)


def test_results_of_another_run_are_not_replaced_unasked(tmp_path: Path, shards: list[Path]) -> None:
    target = tmp_path / "r.csv"
    assert client("merge", *shards).returncode == 0
    assert client("merge", *shards).returncode == 0  # of the same run: brought up to date
    record = tmp_path / "r.csv.run.json"
    record.write_text(record.read_text().replace("hse20152016", "hse20142015"))
    before = target.read_bytes()
    refused = client("merge", *shards)
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert target.read_bytes() == before
    assert client("merge", *shards, "--overwrite").returncode == 0

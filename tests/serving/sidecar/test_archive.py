"""The archive: what it finds, and that nothing leads out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar import jma
from radar.errors import FrameError
from radar.frames import FrameRule
from serving.sidecar.archive import MAX_BYTES, Archive
from serving.sidecar.errors import NotFound, Unavailable
from tests.conftest import write_png

RULE = FrameRule(32, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with links in it, and a secret beside it."""
    outside = tmp_path_factory.mktemp("outside")
    write_png(outside / "secret.png", 1)
    root = outside / "archive"
    (root / "s" / "deep").mkdir(parents=True)
    (root / "other").mkdir()
    write_png(root / "s" / "a.png", 2)
    write_png(root / "s" / "deep" / "b.png", 3)
    write_png(root / "other" / "c.png", 4)
    write_png(root / "top.png", 5)
    (root / "s" / "inside.png").symlink_to("deep/b.png")
    (root / "s" / "leaves.png").symlink_to("../../secret.png")
    (root / "s" / "dead.png").symlink_to("nowhere.png")
    (root / "s" / "circle.png").symlink_to("circle.png")
    (root / "elsewhere").symlink_to("..")
    return root


@pytest.mark.parametrize("name", ["a.png", "deep/b.png", "inside.png", "deep/../a.png"])
def test_frames_are_found(folder: Path, name: str) -> None:
    archive = Archive(folder)
    assert archive.picture("s", name, RULE).shape == (80, 90, 3)
    assert archive.png("s", name).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("season", "name"),
    [
        ("s", "gone.png"),
        ("s", "../other/c.png"),  # of another season
        ("s", "../../secret.png"),
        ("s", "leaves.png"),
        ("s", "dead.png"),
        ("s", "circle.png"),
        ("s", "deep"),
        ("s", "."),
        ("s", ""),
        ("s", "/etc/hostname"),
        ("s", "a.png\0"),
        ("s", "a" * 5000),
        ("s", "a.png/b.png"),
        ("..", "secret.png"),
        ("elsewhere", "secret.png"),
        ("s/deep", "b.png"),
        (".", "top.png"),
        ("", "top.png"),
        ("no such season", "a.png"),
        ("s\0", "a.png"),
    ],
)
def test_what_is_not_there_or_leads_out_is_not_found(folder: Path, season: str, name: str) -> None:
    for read in (Archive(folder).find, Archive(folder).png):
        with pytest.raises(NotFound):
            read(season, name)


@given(
    season=st.text(max_size=20),
    name=st.lists(st.sampled_from(["..", ".", "s", "/", "~", "a.png", "*"])).map("/".join),
)
def test_no_name_leads_out(folder: Path, season: str, name: str) -> None:
    archive = Archive(folder)
    for where in (season, "s"):
        try:
            found = archive.find(where, name).path
        except NotFound:
            continue
        assert found.is_relative_to(folder / "s")


def test_an_archive_that_is_a_link_is_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").symlink_to(folder)
    assert Archive(tmp_path / "archive").find("s", "a.png").path == folder / "s" / "a.png"


@pytest.mark.parametrize("where", [None, "nowhere", "top.png"])
def test_an_archive_that_is_away_is_said_so(folder: Path, where: str | None) -> None:
    archive = Archive(None if where is None else folder / where)
    for ask in (archive.check, lambda: archive.find("s", "a.png")):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.part == "archive"


def test_the_tag_changes_with_the_file(folder: Path) -> None:
    archive = Archive(folder)
    write_png(folder / "s" / "new.png", 1)
    before = archive.find("s", "new.png").tag
    assert archive.find("s", "new.png").tag == before
    write_png(folder / "s" / "new.png", 2)
    assert archive.find("s", "new.png").tag != before


def test_what_is_no_frame_is_refused_with_its_name(folder: Path) -> None:
    (folder / "s" / "text.png").write_text("no picture")
    with (folder / "s" / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    small = Archive(folder, max_pixels=80 * 90 - 1)
    for archive, name, reason in (
        (Archive(folder), "text.png", "s/text.png: is not a PNG"),
        (Archive(folder), "huge.png", "s/huge.png: has 67 MB"),
        (small, "a.png", "s/a.png: "),
    ):
        for read in (archive.png, lambda season, name, archive=archive: archive.picture(season, name, RULE)):
            with pytest.raises(FrameError, match=reason):
                read("s", name)


def test_a_damaged_frame_is_named_and_not_shown(folder: Path) -> None:
    whole = (folder / "s" / "a.png").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for name, data, reason in (
        ("half.png", whole[: len(whole) // 2], "s/half.png: is truncated"),
        ("flipped.png", bytes(flipped), "s/flipped.png: is damaged: wrong checksum"),
        ("empty.png", b"", "s/empty.png: is empty"),
    ):
        (folder / "s" / name).write_bytes(data)
        for read in (Archive(folder).png, lambda season, name: Archive(folder).picture(season, name, RULE)):
            with pytest.raises(FrameError, match=reason):
                read("s", name)


def test_a_composite_is_drawn(shared_data: Path, tmp_path: Path) -> None:
    composites = sorted(shared_data.rglob("*_RDR_JMAGPV_Ggis1km_Prr*lv_ANAL_grib2.bin"))
    if not composites:
        pytest.skip(f"no composites in {shared_data}")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / composites[0].name).write_bytes(composites[0].read_bytes())
    archive = Archive(tmp_path)
    assert archive.png("s", composites[0].name).startswith(b"\x89PNG")
    assert archive.picture("s", composites[0].name, RULE).shape[2] == 3
    small = Archive(tmp_path, window=jma.Window.parse("137,138,36,37"))
    expected, _ = jma.picture(composites[0], jma.Window.parse("137,138,36,37"))
    np.testing.assert_array_equal(small.picture("s", composites[0].name, RULE), expected)

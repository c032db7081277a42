"""Scanning a folder of frames."""

import functools
import os
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.archive import natural_order, scan
from radar.errors import ArchiveError


def fill(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")


def compare(one, other):
    """The reference: character by character, a run of digits standing for its number and sorting like a digit."""

    def tokens(name):
        parts = re.findall("[0-9]+|.", name, re.DOTALL)
        return [("0", int(part)) if part[0] in "0123456789" else (part, 0) for part in parts]

    a, b = (tokens(one), one), (tokens(other), other)
    return (a > b) - (a < b)


names_of_frames = st.lists(
    st.text("ab-._/ 雪019", max_size=8) | st.from_regex(r"pr2hse[0-9]{1,6}\.png", fullmatch=True)
)


@given(names=names_of_frames)
def test_the_order_is_that_of_the_numbers_in_the_names(names):
    assert natural_order(names) == sorted(names, key=functools.cmp_to_key(compare))


@given(numbers=st.lists(st.integers(0, 99_999)), width=st.integers(0, 5))
def test_indices_are_in_order_with_and_without_leading_zeros(numbers, width):
    shuffled = [f"pr2hse{number:0{width}d}.png" for number in numbers]
    assert natural_order(shuffled) == [f"pr2hse{number:0{width}d}.png" for number in sorted(numbers)]


def test_frame_2_comes_before_frame_10_and_mixed_shapes_stay_together():
    expected = ["a1.png", "a2.png", "a02.png", "a10.png", "a10b1.png", "a10b9.png", "a10b10.png", "b0.png"]
    # Equal numbers are told apart by their text, so that the order is always the same.
    expected[1:3] = sorted(expected[1:3])
    shuffled = expected.copy()
    random.Random(1).shuffle(shuffled)
    assert natural_order(shuffled) == expected


def test_a_folder_gives_its_frames_and_counts_the_rest(tmp_path):
    fill(tmp_path, "f10.png", "f2.png", "F3.PNG", "labels.csv", "season.toml", "f4.png.part", ".hidden.png", "png")
    fill(tmp_path, "sub/f1.png", "sub.png/f1.png", ".cache/f1.png")
    listing = scan(tmp_path)
    assert listing.root == tmp_path
    assert listing.names == ["F3.PNG", "f2.png", "f10.png"]
    assert listing.others == 4
    assert listing.folders == 2


def test_a_recursive_scan_goes_into_folders_but_not_hidden_ones(tmp_path):
    fill(tmp_path, "10/f1.png", "2/f10.png", "2/f9.png", "2/deep/f1.png", "top.png", "2/notes.txt", ".cache/f1.png")
    listing = scan(tmp_path, recursive=True)
    assert listing.names == ["2/deep/f1.png", "2/f9.png", "2/f10.png", "10/f1.png", "top.png"]
    assert all((listing.root / name).is_file() for name in listing.names)
    assert listing.others == 1
    assert listing.folders == 0


def test_a_single_frame_is_a_listing_of_its_own(tmp_path):
    fill(tmp_path, "a.png", "b.png")
    listing = scan(tmp_path / "a.png")
    assert (listing.root, listing.names, listing.others, listing.folders) == (tmp_path, ["a.png"], 0, 0)


def test_other_suffixes_may_be_asked_for(tmp_path):
    fill(tmp_path, "a.png", "b.bin", "c.GRIB2")
    assert scan(tmp_path, suffixes=(".bin", ".grib2")).names == ["b.bin", "c.GRIB2"]


def test_an_empty_folder_has_no_frames(tmp_path):
    assert scan(tmp_path).names == []
    assert scan(str(tmp_path)).names == []


def test_spaces_japanese_and_undecodable_names(tmp_path):
    folder = tmp_path / "冬 2015 年"
    fill(folder, "雪 10.png", "雪 9.png", "a b.png")
    with open(os.fsencode(folder) + b"/\xff.png", "wb"):  # noqa: PTH123
        pass
    names = scan(folder).names
    assert names[:3] == ["a b.png", "雪 9.png", "雪 10.png"]
    assert os.fsencode(names[3]) == b"\xff.png"


def test_links_to_files_count_even_broken_ones_and_links_to_folders_are_not_followed(tmp_path):
    fill(tmp_path, "archive/f1.png", "winter/f2.png")
    winter = tmp_path / "winter"
    (winter / "f3.png").symlink_to(tmp_path / "archive" / "f1.png")
    (winter / "f4.png").symlink_to(tmp_path / "archive")
    (winter / "again").symlink_to(winter)
    (winter / "broken.png").symlink_to(tmp_path / "nowhere.png")
    for recursive in (False, True):
        listing = scan(winter, recursive=recursive)
        assert listing.names == ["broken.png", "f2.png", "f3.png"]
        assert listing.others == 2
        assert listing.folders == 0


def test_a_folder_reached_by_a_link_is_scanned(tmp_path):
    fill(tmp_path, "winter/f1.png")
    (tmp_path / "link").symlink_to(tmp_path / "winter")
    assert scan(tmp_path / "link").names == ["f1.png"]


def test_a_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ArchiveError, match=rf"^{re.escape(str(tmp_path))}/hse: No such file .*check the spelling"):
        scan(tmp_path / "hse")


def test_a_path_below_a_file_is_an_error_without_the_hint(tmp_path):
    fill(tmp_path, "a.png")
    with pytest.raises(ArchiveError, match=r"a\.png/b: Not a directory$"):
        scan(tmp_path / "a.png" / "b")

"""Pictures that are no good: truncated, damaged, too large, or no PNG at all."""

import io
import re
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from radar import frames
from radar.errors import FrameError
from radar.frames import FrameRule
from radar.palette import COLORS
from tests.radar import png

ROWS, COLUMNS = 13, 21
RNG = np.random.default_rng(0)


def samples(channels, bit_depth):
    return RNG.integers(0, 1 << bit_depth, (ROWS, COLUMNS, channels))


def whole_picture():
    index = samples(1, 4) % len(COLORS)
    return png.encode(index, png.PALETTE, 4, palette=COLORS.tobytes(), transparency=b"\0", extra=[(b"tEXt", b"a\0b")])


WHOLE = whole_picture()
BORDERS = [8 + sum(12 + len(body) for _, body in png.split(WHOLE)[:n]) for n in range(len(png.split(WHOLE)))]


def jpeg():
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (1, 2, 3)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("data", [jpeg(), b"<html>404 Not Found</html>", b"\0" * 100, b"GRIB", WHOLE[1:], b"\x89PNG"])
def test_what_is_not_a_png_says_how_it_begins(data):
    with pytest.raises(FrameError, match=f"^is not a PNG: it begins with {re.escape(repr(data[:8]))}$"):
        frames.decode(data)


def test_an_empty_file_says_so():
    with pytest.raises(FrameError, match=r"^is empty \(0 bytes\)$"):
        frames.decode(b"")


@pytest.mark.parametrize("end", BORDERS)
def test_a_picture_cut_between_two_chunks_is_truncated(end):
    assert frames.decode(WHOLE).shape == (ROWS, COLUMNS, 3)
    with pytest.raises(FrameError, match=f"is truncated: .* after {end} bytes"):
        frames.decode(WHOLE[:end])


@given(end=st.integers(8, len(WHOLE) - 1))
def test_a_picture_cut_anywhere_is_truncated(end):
    with pytest.raises(FrameError, match=r"^is truncated: "):
        frames.decode(WHOLE[:end])


@given(position=st.integers(0, len(WHOLE) - 1), change=st.integers(1, 255))
def test_a_flipped_byte_is_noticed(position, change):
    data = bytearray(WHOLE)
    data[position] ^= change
    with pytest.raises(FrameError):
        frames.decode(bytes(data))


@settings(max_examples=300)
@given(data=st.data())
def test_a_picture_with_nonsense_inside_right_checksums_costs_that_picture_only(data):
    parts = png.split(WHOLE)
    number = data.draw(st.integers(0, len(parts) - 2))
    kind, body = parts[number]
    position = data.draw(st.integers(0, len(body) - 1))
    if kind == b"IHDR":
        position = data.draw(st.integers(8, 12))  # depth, colour and methods; the size has tests of its own
    value = data.draw(st.integers(0, 255))
    parts[number] = (kind, body[:position] + bytes([value]) + body[position + 1 :])
    order = data.draw(st.permutations(range(1, len(parts) - 1)))
    shuffled = [parts[0], *(parts[n] for n in order), parts[-1]]
    try:
        picture = frames.decode(png.join(shuffled))
    except FrameError:
        return
    assert picture.shape == (ROWS, COLUMNS, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8])
@pytest.mark.parametrize(("color_type", "channels"), [(png.GREY, 1), (png.RGB, 3)])
def test_a_transparent_colour_of_the_wrong_length_is_damage(color_type, channels, length):
    data = png.encode(samples(channels, 8), color_type, 8, transparency=bytes(length))
    with pytest.raises(FrameError, match=f"tRNS chunk holds {length} bytes"):
        frames.decode(data)


@pytest.mark.parametrize("bit_depth", [0, 3, 17, 200])
def test_an_impossible_bit_depth_is_damage(bit_depth):
    parts = png.split(png.encode(samples(1, 8), png.GREY, 8, transparency=b"\0\0"))
    size = parts[0][1]
    parts[0] = (b"IHDR", size[:8] + bytes([bit_depth]) + size[9:])
    with pytest.raises(FrameError, match=f"says {bit_depth} bits a sample"):
        frames.decode(png.join(parts))


SOUND = zlib.compress(b"".join(b"\0" + bytes(COLUMNS) for _ in range(ROWS)))


@pytest.mark.parametrize(
    "pixels",
    [
        b"no deflate stream",
        SOUND[: len(SOUND) // 2],
        SOUND[:-1] + bytes([SOUND[-1] ^ 1]),
        zlib.compress(bytes((COLUMNS + 1) * (ROWS // 2))),
        zlib.compress(b"\x09" * ((COLUMNS + 1) * ROWS)),
    ],
    ids=["garbage", "half", "wrong sum", "half the rows", "unknown filter"],
)
def test_damaged_pixels_behind_a_right_checksum_are_no_picture(pixels):
    def data(body):
        return (
            png.SIGNATURE
            + png.header(COLUMNS, ROWS, 8, png.GREY)
            + png.chunk(b"IDAT", body)
            + png.chunk(b"IEND", b"")
        )

    assert not frames.decode(data(SOUND)).any()
    with pytest.raises(FrameError, match="is damaged"):
        frames.decode(data(pixels))


def test_a_picture_without_pixels_is_damaged():
    for pixels in (b"", png.chunk(b"IDAT", b"")):
        data = png.SIGNATURE + png.header(4, 4, 8, png.GREY) + pixels + png.chunk(b"IEND", b"")
        with pytest.raises(FrameError, match="no pixels"):
            frames.decode(data)


def test_the_header_comes_first():
    parts = png.split(WHOLE)
    with pytest.raises(FrameError, match=r"expected a 13-byte header chunk first, received: b'tEXt'"):
        frames.decode(png.join([parts[1], parts[0], *parts[2:]]))
    with pytest.raises(FrameError, match="13-byte header"):
        frames.decode(png.join([(b"IHDR", b"short"), *parts[1:]]))


def test_a_huge_picture_is_refused_by_its_header_alone():
    header = png.header(20_000, 20_000, 8, png.RGB)
    body = png.chunk(b"IDAT", zlib.compress(bytes(10)))
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="is 20000x20000 = 400,000,000 pixels; at most 50,000,000"):
            frames.decode(png.SIGNATURE + header + body + png.chunk(b"IEND", b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_large_picture_with_alpha_takes_little_more_than_its_samples():
    side = 2000
    rows = b"".join(b"\0" + (bytes([n % 256]) * 6 + b"\xff\xff") * side for n in range(side))
    body = png.chunk(b"IDAT", zlib.compress(rows, 1))
    data = png.SIGNATURE + png.header(side, side, 16, png.RGBA) + body + png.chunk(b"IEND", b"")
    tracemalloc.start()
    try:
        picture = frames.decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (picture == (np.arange(side) % 256)[:, np.newaxis, np.newaxis]).all()
    assert peak < 2 * (8 + 3) * side**2


def test_the_largest_picture_is_a_rule_of_its_own(tmp_path):
    (tmp_path / "a.png").write_bytes(png.encode(samples(1, 8), png.GREY, 8))
    assert frames.load(tmp_path / "a.png", FrameRule(4, 4, max_pixels=ROWS * COLUMNS)).shape == (4, 4, 3)
    with pytest.raises(FrameError, match="is 21x13"):
        frames.load(tmp_path / "a.png", FrameRule(4, 4, max_pixels=ROWS * COLUMNS - 1))


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_a_picture_without_extent_is_damaged(width, height):
    data = (
        png.SIGNATURE + png.header(width, height, 8, png.GREY) + png.chunk(b"IDAT", SOUND) + png.chunk(b"IEND", b"")
    )
    with pytest.raises(FrameError, match=f"its header says {width}x{height} pixels"):
        frames.decode(data)

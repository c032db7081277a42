"""From the bytes of a PNG to the pixels a model sees."""

import io
import os
import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from radar import frames
from radar.errors import FrameError
from radar.frames import Box, FrameRule
from radar.palette import COLORS, NO_ECHO
from tests.radar import png

ROWS, COLUMNS = 13, 21
UNDER = (10, 200, 90)  # a no-echo colour that no rounding can mistake for white or black
RNG = np.random.default_rng(0)


def over(colors, alpha, under):
    """Alpha compositing in real numbers: colors 0..255, alpha 0..1."""
    return np.rint(colors * alpha + np.array(under) * (1 - alpha)).astype(np.uint8)


def pillow(data, under=NO_ECHO):
    """The oracle: Pillow decodes and lays the picture over a colour."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGBA")
    background = Image.new("RGBA", picture.size, (*under, 255))
    return np.asarray(Image.alpha_composite(background, picture).convert("RGB"))


def samples(channels, bit_depth):
    return RNG.integers(0, 1 << bit_depth, (ROWS, COLUMNS, channels))


# Palette pictures, as JMA's are.


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bit_depth", [1, 2, 4, 8])
def test_a_palette_picture_decodes_as_in_pillow(bit_depth, interlaced):
    colors = RNG.integers(0, 256, (1 << bit_depth, 3), np.uint8)
    index = samples(1, bit_depth)
    data = png.encode(index, png.PALETTE, bit_depth, palette=colors.tobytes(), interlaced=interlaced)
    picture = frames.decode(data)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, colors[index[..., 0]])
    np.testing.assert_array_equal(picture, pillow(data))


@pytest.mark.parametrize("bit_depth", [1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [[0], [0, 255], [255, 128], [7, 0]])
def test_transparent_entries_of_a_palette_are_laid_over_no_echo(bit_depth, alpha):
    colors = RNG.integers(0, 256, (1 << bit_depth, 3), np.uint8)
    index = samples(1, bit_depth)
    data = png.encode(index, png.PALETTE, bit_depth, palette=colors.tobytes(), transparency=bytes(alpha))
    entries = np.full((len(colors), 1), 255.0)
    entries[: len(alpha), 0] = alpha
    flat = over(colors.astype(float), entries / 255, UNDER)
    picture = frames.decode(data, no_echo=UNDER)
    np.testing.assert_array_equal(picture, flat[index[..., 0]])
    assert np.abs(picture.astype(int) - pillow(data, UNDER)).max() <= 1


def test_an_alpha_of_its_own_for_each_entry():
    colors = RNG.integers(0, 256, (256, 3), np.uint8)
    alpha = RNG.permutation(256).astype(np.uint8)
    index = np.arange(256).reshape(16, 16, 1)
    data = png.encode(index, png.PALETTE, 8, palette=colors.tobytes(), transparency=alpha.tobytes())
    expected = over(colors.astype(float), alpha[:, np.newaxis] / 255, UNDER).reshape(16, 16, 3)
    np.testing.assert_array_equal(frames.decode(data, no_echo=UNDER), expected)


def test_the_word_trns_inside_a_palette_is_no_transparency_chunk():
    palette = b"tRNS\0\0\0\0\0\xff\xffPLTE"
    index = samples(1, 2)
    data = png.encode(index, png.PALETTE, 2, palette=palette)
    colors = np.frombuffer(palette, np.uint8)[:15].reshape(5, 3)
    np.testing.assert_array_equal(frames.decode(data, no_echo=UNDER), colors[index[..., 0]])


def test_a_composite_as_pillow_writes_it_has_the_colours_of_jma(tmp_path):
    classes = RNG.integers(0, len(COLORS), (ROWS, COLUMNS), np.uint8)
    image = Image.fromarray(classes, "P")
    image.putpalette(COLORS.tobytes())
    image.save(tmp_path / "frame.png", bits=4, transparency=0)
    picture = frames.load(tmp_path / "frame.png", FrameRule(ROWS, COLUMNS))
    np.testing.assert_array_equal(picture, COLORS[classes])


# Grey, RGB, alpha, 1 to 16 bits.


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("color_type", "channels", "bit_depth"),
    [
        *((png.GREY, 1, depth) for depth in (1, 2, 4, 8, 16)),
        *((png.RGB, 3, depth) for depth in (8, 16)),
        *((png.GREY_ALPHA, 2, depth) for depth in (8, 16)),
        *((png.RGBA, 4, depth) for depth in (8, 16)),
    ],
)
def test_grey_and_colour_with_and_without_alpha(color_type, channels, bit_depth, interlaced):
    values = samples(channels, bit_depth)
    data = png.encode(values, color_type, bit_depth, interlaced=interlaced)
    picture = frames.decode(data, no_echo=UNDER)
    shares = values / ((1 << bit_depth) - 1)
    has_alpha = channels in (2, 4)
    colors = shares[..., :-1] if has_alpha else shares
    alpha = shares[..., -1:] if has_alpha else np.ones((ROWS, COLUMNS, 1))
    expected = over(np.broadcast_to(colors * 255, (ROWS, COLUMNS, 3)), alpha, UNDER)
    # At 16 bits colour and alpha are rounded to 8 before they are mixed.
    slack = 1 if bit_depth == 16 and has_alpha else 0
    assert picture.shape == (ROWS, COLUMNS, 3)
    assert np.abs(picture.astype(int) - expected).max() <= slack
    if bit_depth < 16 or color_type != png.GREY:  # Pillow clips grey of 16 bits when it converts
        assert np.abs(picture.astype(int) - pillow(data, UNDER)).max() <= (
            0 if bit_depth < 16 and not has_alpha else 2
        )


@pytest.mark.parametrize("bit_depth", [1, 2, 4, 8, 16])
def test_one_transparent_grey(bit_depth):
    values = samples(1, bit_depth)
    key = int(values[0, 0, 0])
    data = png.encode(values, png.GREY, bit_depth, transparency=struct.pack(">H", key))
    expected = np.rint(np.repeat(values, 3, axis=2) * 255 / ((1 << bit_depth) - 1)).astype(np.uint8)
    expected[values[..., 0] == key] = UNDER
    np.testing.assert_array_equal(frames.decode(data, no_echo=UNDER), expected)


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_one_transparent_colour(bit_depth):
    values = samples(3, bit_depth)
    values[3:6, 4:9] = values[0, 0]
    values[7, 7] = values[0, 0] + [
        0,
        0,
        1 if values[0, 0, 2] == 0 else -1,
    ]  # differs in the last bit: not transparent
    data = png.encode(values, png.RGB, bit_depth, transparency=struct.pack(">3H", *values[0, 0].tolist()))
    expected = np.rint(values * 255 / ((1 << bit_depth) - 1)).astype(np.uint8)
    expected[(values == values[0, 0]).all(axis=2)] = UNDER
    picture = frames.decode(data, no_echo=UNDER)
    np.testing.assert_array_equal(picture, expected)
    assert tuple(picture[4, 5]) == UNDER
    assert tuple(picture[7, 7]) != UNDER


def test_of_an_animated_picture_the_first_is_taken():
    first, second = (RNG.integers(0, 256, (ROWS, COLUMNS, 3), np.uint8) for _ in range(2))
    file = io.BytesIO()
    Image.fromarray(first).save(file, "PNG", save_all=True, append_images=[Image.fromarray(second)], duration=100)
    assert b"acTL" in file.getvalue()
    np.testing.assert_array_equal(frames.decode(file.getvalue()), first)


def test_chunks_about_the_picture_do_not_change_it():
    values = samples(3, 8)
    rotate = (
        b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x112, 3, 1, 6) + bytes(4)
    )  # a camera's "turn by 90 degrees"
    extra = [
        (b"tEXt", b"Comment\0tRNS IDAT IEND"),
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"sBIT", bytes([5, 5, 5])),
        (b"pHYs", struct.pack(">IIB", 1, 3, 0)),
        (b"bKGD", struct.pack(">3H", 0, 255, 0)),
        (b"zTXt", b"Title\0\0" + zlib.compress(b"radar")),
        (b"eXIf", rotate),
    ]
    np.testing.assert_array_equal(frames.decode(png.encode(values, png.RGB, 8, extra=extra)), values)


def test_pixels_in_many_chunks_and_bytes_after_the_end():
    values = samples(3, 8)
    start, (kind, pixels), end = png.split(png.encode(values, png.RGB, 8))
    pieces = [(kind, pixels[n : n + 50]) for n in range(0, len(pixels), 50)]
    data = png.join([start, *pieces, end]) + b"left over"
    np.testing.assert_array_equal(frames.decode(data), values)


# Masks, crop, size.


def test_masks_are_painted_before_the_crop_and_may_reach_outside():
    picture = RNG.integers(0, 200, (20, 30, 3), np.uint8)
    rule = FrameRule(
        8, 10, crop=Box(2, 5, 8, 10), masks=(Box(0, 0, 4, 7), Box(9, 14, 50, 50), Box(90, 90, 5, 5)), no_echo=UNDER
    )
    expected = picture.copy()
    expected[0:4, 0:7] = UNDER
    expected[9:, 14:] = UNDER
    result = frames.prepare(picture.copy(), rule)
    np.testing.assert_array_equal(result, expected[2:10, 5:15])
    assert tuple(result[0, 0]) == UNDER
    assert tuple(result[-1, -1]) == UNDER


@pytest.mark.parametrize(("down", "across"), [(2, 2), (3, 5), (1, 4)])
def test_resizing_by_a_whole_factor_is_the_mean_of_blocks(down, across):
    picture = RNG.integers(0, 256, (12 * down, 14 * across, 3), np.uint8)
    blocks = picture.reshape(12, down, 14, across, 3).mean(axis=(1, 3))
    result = frames.prepare(picture, FrameRule(12, 14))
    assert result.shape == (12, 14, 3)
    assert np.abs(result - blocks).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("size", [(32, 32), (17, 40), (99, 64)])
def test_resizing_weighs_pixels_by_their_area(size):
    picture = RNG.integers(0, 256, (100, 130, 3), np.uint8)
    expected = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(frames.prepare(picture, FrameRule(*size)), expected)
    # Area weights keep the mean, which nearest or bilinear weights do not.
    assert abs(float(expected.mean()) - float(picture.mean())) < 0.5


def test_a_picture_of_the_right_size_stays_as_it_is():
    picture = RNG.integers(0, 256, (ROWS, COLUMNS, 3), np.uint8)
    np.testing.assert_array_equal(frames.prepare(picture.copy(), FrameRule(ROWS, COLUMNS)), picture)
    cropped = frames.prepare(picture.copy(), FrameRule(5, 6, crop=Box(1, 2, 5, 6)))
    np.testing.assert_array_equal(cropped, picture[1:6, 2:8])
    assert cropped.flags.c_contiguous


@pytest.mark.parametrize("size", [(14, 21), (13, 22), (500, 5)])
def test_a_picture_smaller_than_the_input_is_refused(size):
    picture = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    message = rf"is 21x13 pixels; the model needs at least {size[1]}x{size[0]}"
    with pytest.raises(FrameError, match=message):
        frames.prepare(picture, FrameRule(*size))


def test_a_crop_smaller_than_the_input_is_refused():
    with pytest.raises(FrameError, match="is 6x5 pixels; the model needs at least 8x8"):
        frames.prepare(np.zeros((20, 20, 3), np.uint8), FrameRule(8, 8, crop=Box(0, 0, 5, 6)))


@pytest.mark.parametrize("crop", [Box(4, 0, 10, 10), Box(0, 12, 10, 10), Box(900, 900, 1, 1)])
def test_a_crop_outside_the_picture_is_refused(crop):
    needed = f"at least {crop.left + crop.width}x{crop.top + crop.height}"
    with pytest.raises(FrameError, match=rf"is 21x13 pixels; the model's crop needs {needed}"):
        frames.prepare(np.zeros((ROWS, COLUMNS, 3), np.uint8), FrameRule(1, 1, crop=crop))


@pytest.mark.parametrize("numbers", [(-1, 0, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0)])
def test_an_impossible_box_is_refused(numbers):
    with pytest.raises(ValueError, match=r"Received: Box\("):
        Box(*numbers)


# Files that are no good.


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


# Reading files that others write.


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(FrameError, match=r"^cannot be read: no such file or directory$"):
        frames.load(tmp_path / "none.png", FrameRule(4, 4))
    with pytest.raises(FrameError, match=r"^cannot be read: is a directory$"):
        frames.load(tmp_path, FrameRule(4, 4))


def test_a_file_without_permission_cannot_be_read(tmp_path):
    file = tmp_path / "secret.png"
    file.write_bytes(WHOLE)
    file.chmod(0)
    # root may read everything, so a child gives its rights up first.
    script = """
import os, sys
from radar.errors import FrameError
from radar.frames import read
if os.getuid() == 0:
    os.setuid(65534)
try:
    read(sys.argv[1])
except FrameError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "cannot be read: permission denied\n"


def test_reading_gives_the_bytes_of_the_file(tmp_path):
    (tmp_path / "a.png").write_bytes(WHOLE)
    assert frames.read(tmp_path / "a.png") == WHOLE
    assert frames.read(str(tmp_path / "a.png")) == WHOLE


class Writer:
    """Writes to a file whenever its reader asks for its state: that is before and after each time it is read."""

    def __init__(self, file, times):
        self.file, self.times, self.asked = file, times, 0

    def fstat(self, descriptor):
        self.asked += 1
        if self.asked % 2 == 0 and self.asked <= 2 * self.times:
            with self.file.open("ab") as file:
                file.write(b"more")
        return STAT(descriptor)


STAT = os.fstat


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_grows_is_read_again(tmp_path, monkeypatch, times):
    file = tmp_path / "a.png"
    file.write_bytes(b"begin")
    monkeypatch.setattr(os, "fstat", Writer(file, times).fstat)
    assert frames.read(file) == b"begin" + b"more" * times


def test_a_file_that_keeps_growing_is_left_for_later(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(b"begin")
    monkeypatch.setattr(os, "fstat", Writer(file, 3).fstat)
    with pytest.raises(FrameError, match="was written to while it was read, three times"):
        frames.read(file)


def test_a_file_overwritten_in_place_at_the_same_size_is_read_again(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(b"old old")
    asked = []

    def fstat(descriptor):
        asked.append(descriptor)
        if len(asked) == 2:
            file.write_bytes(b"new new")
            os.utime(file, ns=(1, 1))
        return STAT(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)
    assert frames.read(file) == b"new new"


def test_a_file_replaced_by_another_is_read_whole(tmp_path, monkeypatch):
    file, other = tmp_path / "a.png", tmp_path / "b.png"
    file.write_bytes(WHOLE)
    other.write_bytes(b"another picture")
    asked = []

    def fstat(descriptor):
        asked.append(descriptor)
        if len(asked) == 1:
            other.replace(file)
        return STAT(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)
    assert frames.read(file) == WHOLE
    assert frames.read(file) == b"another picture"

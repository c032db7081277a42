"""From the bytes of a PNG to the pixels a model sees."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
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

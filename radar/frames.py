"""Frames: from the bytes of a PNG to the pixels a model sees.

This is the one preprocessing function of the project. Training, client and sidecar all call it, so that a
frame looks the same to every one of them: decode (any PNG), alpha over the no-echo colour, masks, crop,
area-average resize, 8-bit RGB.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.errors import FrameError
from radar.palette import NO_ECHO

Picture = NDArray[np.uint8]

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, in pixels; the national 1 km composite has 8.6 million."""

MAX_BYTES = 256 << 20
"""Largest file that is read. A frame has some 100 kB; a huge one would fill the memory before it is known as none."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3

_STRIP = 1 << 18
"""Pixels that are laid over the no-echo colour at a time: the sums of a whole picture would take gigabytes."""

# Frames are decoded in parallel by their callers, one a thread; OpenCV's own threads inside each call only
# get in each other's way.
cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the original picture; row 0 is the top."""

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ValueError(f"A box needs top, left >= 0 and height, width >= 1. Received: {self}")


@dataclass(frozen=True, slots=True)
class FrameRule:
    """How a picture becomes a model's input.

    Attributes:
        height: Rows of the result.
        width: Columns of the result.
        crop: Part of the picture to keep; None keeps all of it.
        masks: Decorations (legend, burnt-in time, logo) painted over with the no-echo colour.
        no_echo: RGB that stands under transparent pixels and masks.
        max_pixels: Larger pictures are refused before they are decoded.
    """

    height: int
    width: int
    crop: Box | None = None
    masks: tuple[Box, ...] = ()
    no_echo: tuple[int, int, int] = NO_ECHO
    max_pixels: int = MAX_PIXELS


def load(path: str | os.PathLike[str], rule: FrameRule) -> Picture:
    """Reads one PNG file and prepares it.

    Args:
        path: The file.
        rule: What the model wants.

    Returns:
        uint8 RGB, shape (rule.height, rule.width, 3).

    Raises:
        FrameError: The file cannot be read, is no complete PNG, or does not fit the rule.
    """
    return prepare(decode(read(path), no_echo=rule.no_echo, max_pixels=rule.max_pixels), rule)


def read(path: str | os.PathLike[str]) -> bytes:
    """Reads a file that others may be writing to.

    Args:
        path: The file.

    Returns:
        Its bytes, of one version of the file.

    Raises:
        FrameError: The file cannot be read, is too large for a frame, or changed each of the three times it was read.
    """
    try:
        for _ in range(3):
            with Path(path).open("rb", buffering=0) as file:
                before = os.fstat(file.fileno())
                if before.st_size > MAX_BYTES:
                    raise FrameError(
                        f"has {before.st_size / 1e6:,.0f} MB; at most {MAX_BYTES / 1e6:,.0f} MB are read as a frame"
                    )
                data = file.read()
                after = os.fstat(file.fileno())
            unchanged = before.st_mtime_ns == after.st_mtime_ns
            if unchanged and before.st_size == after.st_size == len(data):
                return data
    except OSError as error:
        reason = error.strerror or str(error)
        raise FrameError(f"cannot be read: {reason[:1].lower()}{reason[1:]}") from error
    raise FrameError("was written to while it was read, three times; classify it again when it is complete")


def decode(data: bytes, *, no_echo: tuple[int, int, int] = NO_ECHO, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decodes a PNG of any kind: palette, grey or RGB, with alpha or without, 1 to 16 bit.

    Args:
        data: The bytes of the file.
        no_echo: RGB that transparent pixels are laid over.
        max_pixels: Larger pictures are refused by their header, before memory is spent on them.

    Returns:
        uint8 RGB, shape (rows, columns, 3). 16-bit values are scaled by 255/65535 and rounded.

    Raises:
        FrameError: Not a PNG, truncated, damaged or too large.
    """
    palette, transparency = _check(data, max_pixels)
    color_type, bit_depth = data[25], data[24]
    if color_type == _PALETTE and transparency:
        data = _flatten_palette(data, palette, transparency, no_echo)
    if color_type == _PALETTE or (color_type == _RGB and bit_depth == 8 and not transparency):
        # The common cases come out of the decoder as 8-bit RGB; the swap of channels is done there too.
        return _imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    key = None
    if transparency:
        # One colour is declared transparent, in samples of the file's own bit depth.
        samples = data[transparency.start : transparency.stop]
        expected = 2 if color_type == _GREY else 6
        if len(samples) != expected:
            raise FrameError(f"is damaged: its tRNS chunk holds {len(samples)} bytes, expected {expected}")
        key = np.frombuffer(samples, ">u2").astype(np.int64)
        key = key * (65535 if bit_depth == 16 else 255) // ((1 << bit_depth) - 1)
    return _over_no_echo(_imdecode(data, cv2.IMREAD_UNCHANGED), key, no_echo)


def prepare(picture: Picture, rule: FrameRule) -> Picture:
    """Masks, crops and resizes a decoded picture.

    Args:
        picture: uint8 RGB, shape (rows, columns, 3). Masks are painted into it.
        rule: What the model wants.

    Returns:
        uint8 RGB, shape (rule.height, rule.width, 3).

    Raises:
        FrameError: The picture does not contain the crop, or is smaller than the model's input: it would
            have to be enlarged, and detail would be made up.
    """
    rows, columns = picture.shape[:2]
    for mask in rule.masks:
        picture[mask.top : mask.top + mask.height, mask.left : mask.left + mask.width] = rule.no_echo
    if rule.crop is not None:
        crop = rule.crop
        if crop.top + crop.height > rows or crop.left + crop.width > columns:
            raise FrameError(
                f"is {columns}x{rows} pixels; the model's crop needs at least "
                f"{crop.left + crop.width}x{crop.top + crop.height}"
            )
        picture = picture[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        rows, columns = crop.height, crop.width
    if rows < rule.height or columns < rule.width:
        raise FrameError(f"is {columns}x{rows} pixels; the model needs at least {rule.width}x{rule.height}")
    if (rows, columns) == (rule.height, rule.width):
        return np.ascontiguousarray(picture)
    resized: Picture = cv2.resize(picture, (rule.width, rule.height), interpolation=cv2.INTER_AREA)
    return resized


def check(data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
    """Checks that a PNG is whole, without decoding its pixels.

    Raises:
        FrameError: Not a PNG, truncated, with wrong checksums or too large.
    """
    _check(data, max_pixels)


def _check(data: bytes, max_pixels: int) -> tuple[range, range]:
    """Walks the chunks of a PNG: header, lengths and checksums.

    A decoder may return the upper half of a truncated picture without an error, and that half would be
    classified; so completeness is checked here.

    Returns:
        Where the data of the palette and of the transparency chunk lie; empty where there is none.
    """
    if not data:
        raise FrameError("is empty (0 bytes)")
    if data[:8] != _SIGNATURE:
        raise FrameError(f"is not a PNG: it begins with {data[:8]!r}")
    palette = transparency = pixels = range(0)
    position, kind = 8, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise FrameError(f"is truncated: the end of the picture is missing after {len(data)} bytes")
        kind = data[position + 4 : position + 8]
        body = range(position + 8, position + 8 + int.from_bytes(data[position : position + 4]))
        if body.stop + 4 > len(data):
            raise FrameError(
                f"is truncated: its {len(data)} bytes end inside chunk {kind!r}, which needs {body.stop + 4}"
            )
        checksum = int.from_bytes(data[body.stop : body.stop + 4])
        if zlib.crc32(memoryview(data)[position + 4 : body.stop]) != checksum:
            raise FrameError(f"is damaged: wrong checksum in chunk {kind!r} at byte {position}")
        if position == 8:
            _check_header(kind, data[body.start : body.stop], max_pixels)
        elif kind == b"PLTE":
            palette = body
        elif kind == b"tRNS":
            transparency = body
        elif kind == b"IDAT":
            pixels = body
        position = body.stop + 4
    if not pixels:
        raise FrameError("is damaged: it holds no pixels (no IDAT chunk)")
    return palette, transparency


def _check_header(kind: bytes, header: bytes, max_pixels: int) -> None:
    if kind != b"IHDR" or len(header) != 13:
        raise FrameError(f"is damaged: expected a 13-byte header chunk first, received: {kind!r}")
    width, height, bit_depth = struct.unpack(">IIB", header[:9])
    if bit_depth not in (1, 2, 4, 8, 16):
        raise FrameError(f"is damaged: its header says {bit_depth} bits a sample")
    if width == 0 or height == 0:
        raise FrameError(f"is damaged: its header says {width}x{height} pixels")
    if width * height > max_pixels:
        raise FrameError(f"is {width}x{height} = {width * height:,} pixels; at most {max_pixels:,} are decoded")


def _flatten_palette(data: bytes, palette: range, transparency: range, no_echo: tuple[int, int, int]) -> bytes:
    """Lays a palette's transparent entries over the no-echo colour, in the file's bytes.

    256 palette entries are blended instead of every pixel, and the decoder need not make an alpha channel.
    """
    colors = np.frombuffer(data[palette.start : palette.stop], np.uint8)[: len(palette) // 3 * 3].reshape(-1, 3)
    entries = np.frombuffer(data[transparency.start : transparency.stop], np.uint8)[: len(colors)]
    alpha = np.full((len(colors), 1), 255, np.uint8)
    alpha[: len(entries), 0] = entries
    flat = _blend(colors, alpha, no_echo).tobytes()
    body = b"PLTE" + flat
    before, between = data[: palette.start - 8], data[palette.stop + 4 : transparency.start - 8]
    chunk = len(flat).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    return before + chunk + between + data[transparency.stop + 4 :]


def _imdecode(data: bytes, flags: int) -> Picture:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise FrameError(f"is damaged: {str(error).strip().splitlines()[-1]}") from error
    if picture is None:
        raise FrameError("is damaged: its pixels cannot be decoded")
    decoded: Picture = picture
    return decoded


def _over_no_echo(raw: NDArray[np.generic], key: NDArray[np.int64] | None, no_echo: tuple[int, int, int]) -> Picture:
    """Brings what the decoder gave (grey or BGR, with alpha or without, 8 or 16 bit) to RGB."""
    picture = np.empty((*raw.shape[:2], 3), np.uint8)
    rows = max(1, _STRIP // raw.shape[1])
    for top in range(0, len(raw), rows):
        picture[top : top + rows] = _strip_over_no_echo(raw[top : top + rows], key, no_echo)
    return picture


def _strip_over_no_echo(
    raw: NDArray[np.generic], key: NDArray[np.int64] | None, no_echo: tuple[int, int, int]
) -> Picture:
    pixels = raw[..., np.newaxis] if raw.ndim == 2 else raw
    has_alpha = pixels.shape[2] in (2, 4)
    colors, alpha = (pixels[..., :-1], pixels[..., -1:]) if has_alpha else (pixels, None)
    colors = np.repeat(colors, 3, axis=2) if colors.shape[2] == 1 else colors[..., ::-1]
    if alpha is None and key is not None:
        opaque = (colors != key).any(axis=2, keepdims=True)
        alpha = np.where(opaque, 65535 if raw.dtype == np.uint16 else 255, 0).astype(raw.dtype)
    if raw.dtype == np.uint16:
        colors = _to_8_bit(colors)
        alpha = None if alpha is None else _to_8_bit(alpha)
    if alpha is None:
        return np.ascontiguousarray(colors, dtype=np.uint8)
    return _blend(colors, alpha, no_echo)


def _to_8_bit(values: NDArray[np.generic]) -> Picture:
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _blend(colors: NDArray[np.generic], alpha: NDArray[np.generic], under: tuple[int, int, int]) -> Picture:
    """Alpha compositing of non-premultiplied 8-bit colours, rounded to the nearest."""
    a = alpha.astype(np.uint32)
    mixed = colors.astype(np.uint32) * a + np.array(under, np.uint32) * (255 - a)
    return ((mixed + 127) // 255).astype(np.uint8)

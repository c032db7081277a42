"""Writes PNGs of every kind, the malformed ones included, which picture libraries do not write."""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6

# Column, row, and steps of the seven passes of Adam7.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width, height, bit_depth, color_type, *, interlaced=False):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, int(interlaced)))


def encode(samples, color_type, bit_depth, *, palette=None, transparency=None, interlaced=False, extra=()):
    """Encodes samples of shape (rows, columns, channels), in the file's own bit depth.

    Args:
        samples: Integers.
        color_type: As in the header.
        bit_depth: As in the header.
        palette: Bytes of the PLTE chunk.
        transparency: Bytes of the tRNS chunk.
        interlaced: Whether to write Adam7.
        extra: Chunks to put before the palette, as (kind, body).
    """
    height, width = samples.shape[:2]
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in _PASSES] if interlaced else [samples]
    raw = b"".join(_rows(part, bit_depth) for part in passes if part.size)
    return b"".join(
        [
            SIGNATURE,
            header(width, height, bit_depth, color_type, interlaced=interlaced),
            *(chunk(kind, body) for kind, body in extra),
            b"" if palette is None else chunk(b"PLTE", palette),
            b"" if transparency is None else chunk(b"tRNS", transparency),
            chunk(b"IDAT", zlib.compress(raw)),
            chunk(b"IEND", b""),
        ]
    )


def split(data):
    """Takes a PNG apart: [(kind, body), ...]."""
    parts, position = [], len(SIGNATURE)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        parts.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return parts


def join(parts):
    """Puts a PNG together, every checksum right."""
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in parts)


def _rows(samples, bit_depth):
    flat = samples.reshape(len(samples), -1)
    if bit_depth == 16:
        packed = flat.astype(">u2").view(np.uint8).reshape(len(flat), -1)
    elif bit_depth == 8:
        packed = flat.astype(np.uint8)
    else:
        bits = flat.astype(np.uint8)[..., np.newaxis] >> np.arange(bit_depth - 1, -1, -1, dtype=np.uint8) & 1
        packed = np.packbits(bits.reshape(len(flat), -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)

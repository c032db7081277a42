"""PNGs with a palette of up to 16 colours, 4 bits a pixel, like JMA's own tiles.

OpenCV writes no palettes, and Pillow is not part of the base install.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray


def encode(picture: NDArray[np.uint8], palette: NDArray[np.uint8], *, transparent: Collection[int] = ()) -> bytes:
    """Writes a palette PNG.

    Args:
        picture: Palette indices, shape (rows, columns).
        palette: RGB, shape (colours, 3), at most 16 colours.
        transparent: Indices with alpha 0; the others are opaque.

    Returns:
        The bytes of the file; the same input gives the same bytes.

    Raises:
        ValueError: The palette has more than 16 colours, or the picture an index outside it.
    """
    if not 1 <= len(palette) <= 16 or picture.max(initial=0) >= len(palette):
        raise ValueError(
            f"Expected 1 to 16 colours and indices below their number, received: {len(palette)} colours, "
            f"index {picture.max(initial=0)}"
        )
    rows, columns = picture.shape
    # Each row begins with a filter byte: 0, none, which suits palettes.
    packed = np.zeros((rows, 1 + (columns + 1) // 2), np.uint8)
    packed[:, 1:] = picture[:, 0::2] << 4
    packed[:, 1 : 1 + columns // 2] |= picture[:, 1::2]
    alpha = bytes(0 if n in transparent else 255 for n in range(max(transparent, default=-1) + 1))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 4, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
            _chunk(b"tRNS", alpha) if alpha else b"",
            _chunk(b"IDAT", zlib.compress(packed.tobytes(), 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

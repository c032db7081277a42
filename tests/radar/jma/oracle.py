"""A second decoder of run lengths, from the manual's words, one byte at a time."""

from __future__ import annotations

import numpy as np


def sections(message: bytes) -> dict[int, bytes]:
    found, position = {}, 16
    while message[position : position + 4] != b"7777":
        length = int.from_bytes(message[position : position + 4], "big")
        found[message[position + 4]] = message[position : position + length]
        position += length
    return found


def rain_rate(message: bytes) -> np.ndarray:
    """Rain rate in mm/h of every point, float64, NaN where missing."""
    parts = sections(message)
    head, packed = parts[5], parts[7][5:]
    highest = int.from_bytes(head[12:14], "big")
    count = int.from_bytes(head[14:16], "big")
    table = [float("nan")]
    for level in range(count):
        table.append(int.from_bytes(head[17 + 2 * level : 19 + 2 * level], "big") / 10 ** head[16])
    values: list[float] = []
    position = 0
    while position < len(packed):
        level = packed[position]
        position += 1
        run, weight = 1, 1
        while position < len(packed) and packed[position] > highest:
            run += (packed[position] - highest - 1) * weight
            weight *= 255 - highest
            position += 1
        values.extend([table[level]] * run)
    return np.array(values)

"""Frames of any kind as pictures: PNGs as they are, JMA's composites drawn in its colours."""

from __future__ import annotations

import os

import cv2

from radar import frames, jma
from radar.frames import Box, FrameRule, Picture

# Unfiltered is twice as fast for pictures of heat maps, and no larger; OpenCV before 4.11 cannot be told.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):
    _PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]

JMA_CREDIT = "Source: Japan Meteorological Agency website, processed."
"""Wherever a picture made of JMA's data is shown."""


def read_picture(path: str | os.PathLike[str], rule: FrameRule, window: jma.Window = jma.HOKUSHINETSU) -> Picture:
    """Reads a frame; what it is, its name says.

    Args:
        path: The file.
        rule: Its no-echo colour and its limit of pixels are used.
        window: Part of a composite that is drawn.

    Returns:
        uint8 RGB, shape (rows, columns, 3).

    Raises:
        FrameError: It cannot be used.
    """
    if jma.is_composite(os.fspath(path)):
        return jma.picture(path, window)[0]
    return frames.decode(frames.read(path), no_echo=rule.no_echo, max_pixels=rule.max_pixels)


def undecorated(picture: Picture, rule: FrameRule) -> Picture:
    """Masks and crops a picture as the model sees it, and leaves it at its own resolution.

    Args:
        picture: uint8 RGB; masks are painted into it.
        rule: What the model wants.

    Raises:
        FrameError: The picture does not contain the crop.
    """
    part = rule.crop or Box(0, 0, *picture.shape[:2])
    return frames.prepare(picture, FrameRule(part.height, part.width, rule.crop, rule.masks, rule.no_echo))


def undecorated_rule(rule: FrameRule) -> FrameRule:
    """Gives what is left of a rule for a picture that is masked and cropped already."""
    return FrameRule(rule.height, rule.width, no_echo=rule.no_echo, max_pixels=rule.max_pixels)


def encode_png(picture: Picture) -> bytes:
    """Gives a picture, uint8 RGB, as the bytes of a PNG."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _PNG)
    return data.tobytes()

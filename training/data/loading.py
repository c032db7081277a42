"""Loading: labelled frames as a model sees them, decoded once and kept for the runs to come."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar import durable, frames
from radar.errors import FrameError, LabelsError
from radar.frames import FrameRule
from training.data.labelled import Label, LabelledFrames

_VERSION = 1
"""Of the files below; also to be raised when `radar.frames` changes what a frame looks like."""

_KEPT = 6
"""Decoded sets that are kept: the recipes somebody compares at a time."""


def load_frames(
    labels: Sequence[Label],
    codes: Sequence[str],
    rule: FrameRule,
    say: Callable[[str], None],
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> LabelledFrames:
    """Loads frames; those that cannot be read are reported and left out.

    Args:
        labels: The frames.
        codes: Codes of the modes, in the order of the classes.
        rule: What the model wants.
        say: Told of each frame that is left out.
        cache: Folder of decoded frames. A set is found again as long as its files have the same paths, sizes and
            times of change; it is mapped into memory, not read.
        progress: Called now and then with the frames loaded and their number.

    Returns:
        The frames, each label with the sha256 of its file.

    Raises:
        LabelsError: Not one frame of a mode could be read, or files are not those that a manifest was made of.
    """
    key = "" if cache is None else _key(labels, rule)
    found = None if cache is None else _find(cache, key)
    if found is None:
        images, digests, errors = _decode(labels, rule, progress)
        if cache is not None and not any(errors):
            try:
                images = _keep(cache, key, images, digests)
            except OSError as error:
                say(f"Decoded frames are not kept for later runs: {cache}: {error.strerror or error}")
    else:
        images, digests = found
        errors = [""] * len(labels)
    changed = [
        label
        for label, sha256 in zip(labels, digests, strict=True)
        if label.sha256 and sha256 not in ("", label.sha256)
    ]
    if changed:
        raise LabelsError(
            f"{len(changed)} of {len(labels)} frames are not those that the manifest was made of: "
            f"{', '.join(str(label.path) for label in changed[:3])}; run `training prepare` again"
        )
    for label, problem in zip(labels, errors, strict=True):
        if problem:
            say(f"Left out: {label.path} {problem}")
    good = [n for n, problem in enumerate(errors) if not problem]
    kept = [replace(labels[n], sha256=digests[n]) for n in good]
    absent = [code for code in codes if code not in {label.mode for label in kept}]
    if absent:
        raise LabelsError(f"Expected frames of every mode; none could be used of {', '.join(absent)}")
    classes = np.array([codes.index(label.mode) for label in kept], np.int64)
    return LabelledFrames(kept, images[good] if len(good) < len(labels) else images, classes)


def read_all(
    paths: Sequence[Path], work: Callable[[int, bytes], None], progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[list[str], list[str]]:
    """Reads files on all cores and hands the bytes of each to a function.

    Args:
        paths: Of the frames.
        work: Called with the number of a frame and its bytes; a FrameError it raises is kept.
        progress: Called now and then with the frames done and their number.

    Returns:
        The sha256 of each file, empty where it cannot be read; and what is wrong with each, empty for good ones.
    """

    def one(n: int) -> tuple[str, str]:
        digest = ""
        try:
            data = frames.read(paths[n])
            digest = hashlib.sha256(data).hexdigest()
            work(n, data)
        except FrameError as error:
            return digest, str(error)
        return digest, ""

    digests, errors = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for n, (digest, error) in enumerate(pool.map(one, range(len(paths)), chunksize=32), start=1):
            digests.append(digest)
            errors.append(error)
            if n % 64 == 0 or n == len(paths):
                progress(n, len(paths))
    return digests, errors


def _decode(
    labels: Sequence[Label], rule: FrameRule, progress: Callable[[int, int], None]
) -> tuple[NDArray[np.uint8], list[str], list[str]]:
    images = np.zeros((len(labels), rule.height, rule.width, 3), np.uint8)

    def load(n: int, data: bytes) -> None:
        images[n] = frames.prepare(frames.decode(data, no_echo=rule.no_echo, max_pixels=rule.max_pixels), rule)

    digests, errors = read_all([label.path for label in labels], load, progress)
    return images, digests, errors


def _key(labels: Sequence[Label], rule: FrameRule) -> str:
    digest = hashlib.sha256(json.dumps([_VERSION, asdict(rule)]).encode())
    for label in labels:
        try:
            status = label.path.stat()
            known = (str(label.path.resolve()), status.st_size, status.st_mtime_ns)
        except OSError:
            known = (str(label.path), -1, -1)
        digest.update(json.dumps(known).encode())
    return digest.hexdigest()[:32]


def _find(cache: Path, key: str) -> tuple[NDArray[np.uint8], list[str]] | None:
    try:
        digests: list[str] = json.loads((cache / f"{key}.json").read_text(encoding="utf-8"))
        images: NDArray[np.uint8] = np.load(cache / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return (images, digests) if len(images) == len(digests) else None


def _keep(cache: Path, key: str, images: NDArray[np.uint8], digests: list[str]) -> NDArray[np.uint8]:
    cache.mkdir(parents=True, exist_ok=True)
    with durable.replacing(cache / f"{key}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, images, allow_pickle=False)
    durable.write_text(cache / f"{key}.json", json.dumps(digests))
    kept = sorted(cache.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for old in kept[:-_KEPT]:
        old.unlink(missing_ok=True)
        old.with_suffix(".npy").unlink(missing_ok=True)
    mapped: NDArray[np.uint8] = np.load(cache / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    return mapped

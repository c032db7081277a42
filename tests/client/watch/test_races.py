"""Files that change or vanish while `client watch` is at work with them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.client.watch.watching import drop, png, rows_in, sha256, state_of, watching
from tests.serving.stand_in import brightness, stand_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def test_a_correction_while_the_first_is_being_classified(folder: Path, tmp_path: Path) -> None:
    path, out, once = folder / "202601010000.png", tmp_path / "out", threading.Lock()

    def answer(images: np.ndarray) -> np.ndarray:
        if once.acquire(blocking=False):  # the first request only
            drop(path, png(2))
        return brightness(images)

    with stand_in(answer) as target, watching(folder, target, out) as watch:
        drop(path, png(1))
        watch.until_recorded(1)
        watch.stop()
    state = state_of(out)[path.name]
    assert (state["sha256"], state["revision"]) == (sha256(png(2)), 1)
    assert len(rows_in(out)) == 1


def test_a_frame_that_is_moved_away_while_it_is_classified_is_recorded(folder: Path, tmp_path: Path) -> None:
    path, out = folder / "202601010000.png", tmp_path / "out"

    def answer(images: np.ndarray) -> np.ndarray:
        path.unlink(missing_ok=True)
        return brightness(images)

    with stand_in(answer) as target, watching(folder, target, out) as watch:
        drop(path, png(1))
        watch.until_recorded(1)
        watch.stop()
    assert [row["label"] for row in rows_in(out)] != [""]


def test_a_frame_that_is_gone_before_it_is_read_leaves_no_trace(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with stand_in() as target, watching(folder, target, out, "--give-up", 0) as watch:
        for n in range(20):
            drop(folder / "202601010000.png", png(n))
            watch.until_said("watching")
            (folder / "202601010000.png").unlink()
        drop(folder / "202601010005.png", png(1))
        watch.until(lambda: "202601010005.png" in {row["file"] for row in rows_in(out)}, "the other frame")
        watch.stop()
    assert all(row["label"] for row in rows_in(out))


def test_a_frame_that_is_put_back_unchanged_is_not_recorded_again(folder: Path, tmp_path: Path) -> None:
    path, out, frames = folder / "202601010000.png", tmp_path / "out", []

    def answer(images: np.ndarray) -> np.ndarray:
        frames.append(len(images))
        return brightness(images)

    with stand_in(answer) as target, watching(folder, target, out) as watch:
        drop(path, png(1))
        watch.until_recorded(1)
        first = state_of(out)[path.name]
        path.unlink()
        drop(path, png(1))
        watch.until(lambda: state_of(out)[path.name]["ctime_ns"] != first["ctime_ns"], "another look")
        watch.stop()
    assert state_of(out)[path.name]["revision"] == 1
    assert frames == [1]

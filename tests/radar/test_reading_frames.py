"""Reading files that others may be writing to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from radar import frames
from radar.errors import FrameError
from radar.frames import FrameRule

WHOLE = b"the bytes of a picture"


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


def test_a_file_too_large_for_a_frame_is_not_read(tmp_path, monkeypatch):
    file = tmp_path / "huge.png"
    with file.open("wb") as stream:
        stream.truncate(frames.MAX_BYTES + 1)
    with pytest.raises(FrameError, match=r"^has 268 MB; at most 268 MB are read as a frame$"):
        frames.read(file)
    monkeypatch.setattr(frames, "MAX_BYTES", len(WHOLE))
    file.write_bytes(WHOLE)
    assert frames.read(file) == WHOLE

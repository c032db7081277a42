"""eccodes as the second reader: absent, present, and never shown damage."""

from __future__ import annotations

import sys

import pytest

from radar.errors import FrameError
from radar.jma import second_reader


def test_without_eccodes_it_says_what_to_install(monkeypatch, whole):
    monkeypatch.setitem(sys.modules, "eccodes", None)
    with pytest.raises(second_reader.LibraryMissing, match=r"pip install 'snowmode\[jma\]'"):
        second_reader.rate(whole)


def test_damage_does_not_reach_eccodes(monkeypatch, whole):
    """It would end the process: this message is one of those it dies of."""

    class Refusing:
        def __getattr__(self, name):
            raise AssertionError(f"eccodes.{name} was called")

    monkeypatch.setattr(second_reader, "library", Refusing)
    bent = bytearray(whole)
    bent[16 + 21 + 72 + 82 + 11] = 0  # bits a value
    with pytest.raises(FrameError, match="0 bits"):
        second_reader.rate(bytes(bent))

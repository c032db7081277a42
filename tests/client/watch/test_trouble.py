"""One line when something stops working, one when it works again, and no flood."""

from __future__ import annotations

import logging

import pytest

from client.errors import OutputError
from client.watch.trouble import LINES_AN_HOUR, Trouble
from tests.client.watch.test_folder import Clock


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO)

    class Lines(list[str]):
        def __eq__(self, other: object) -> bool:
            return [record.getMessage() for record in caplog.records] == other

        def __len__(self) -> int:
            return len(caplog.records)

    return Lines()


def test_two_lines_however_long_it_lasts(lines: list[str]) -> None:
    clock = Clock()
    trouble = Trouble(clock=clock)
    for _ in range(100):
        with trouble.of("disk", OSError, "it cannot be written"):
            raise OSError(28, "No space left on device", "/a/file")
        clock.now += 1
    assert trouble.names == {"disk"}
    assert trouble.seconds("disk") == 100
    for _ in range(5):
        with trouble.of("disk", OSError, "it cannot be written"):
            pass
    assert trouble.names == set()
    assert trouble.seconds("disk") == 0
    assert lines == [
        "it cannot be written: No space left on device; trying again",
        "over after 100 s: it cannot be written",
    ]


def test_other_errors_pass_and_end_nothing() -> None:
    trouble = Trouble()
    trouble.begin("disk", "x")
    with pytest.raises(KeyError), trouble.of("disk", OSError, "x"):
        raise KeyError
    assert trouble.names == {"disk"}


def test_what_comes_and_goes_floods_no_log(lines: list[str]) -> None:
    clock = Clock()
    trouble = Trouble(clock=clock)
    for _ in range(1000):
        trouble.begin("server", "away")
        clock.now += 2
        trouble.end("server", "away")
        clock.now += 1
    assert len(lines) == 2 * LINES_AN_HOUR
    clock.now += 3600
    trouble.begin("server", "away")
    assert len(lines) == 2 * LINES_AN_HOUR + 1


def test_the_last_line_of_a_row_says_that_more_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble()
    for _ in range(LINES_AN_HOUR + 5):
        trouble.begin("server", "away")
        trouble.end("server", "away")
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line for line in errors if line != "away"] == [
        "away; it comes and goes: no more lines about it for a while"
    ]


def test_errors_may_be_fatal(lines: list[str]) -> None:
    trouble = Trouble(fatal=True)
    with pytest.raises(OSError, match="full"), trouble.of("disk", OSError, "x"):
        raise OSError("full")
    with pytest.raises(OutputError, match="x: full"), trouble.of("disk", OSError, "x", raises=OutputError):
        raise OSError(28, "full")
    assert len(lines) == 0

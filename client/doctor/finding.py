"""What one check of `client doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "FAIL"
    SKIPPED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was looked at, in a word or two.
        state: How it ended.
        text: What was seen.
        advice: What to do about it, or empty.
    """

    check: str
    state: State
    text: str
    advice: str = ""


def ok(check: str, text: str, advice: str = "") -> Finding:
    """Makes a finding that all is well."""
    return Finding(check, State.OK, text, advice)


def warning(check: str, text: str, advice: str) -> Finding:
    """Makes a finding that something may become a trouble."""
    return Finding(check, State.WARNING, text, advice)


def failure(check: str, text: str, advice: str) -> Finding:
    """Makes a finding that something does not work."""
    return Finding(check, State.FAIL, text, advice)


def skipped(check: str, text: str, advice: str = "") -> Finding:
    """Makes a finding that something could not be looked at."""
    return Finding(check, State.SKIPPED, text, advice)

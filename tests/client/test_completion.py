"""Completion, as the shells ask for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("client")

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the command `client` is not installed")


def ask(**variables: str) -> str:
    done = subprocess.run([COMMAND], env=variables, capture_output=True, text=True, check=True)
    return done.stdout


def bash(*words: str) -> list[str]:
    line = " ".join(["client", *words])
    answer = ask(_CLIENT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words)))
    return answer.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("cl",), ["classify"]),
        (("classify", "--thr"), ["--threads"]),
        (("classify", "--format", "nakai-"), ["nakai-long", "nakai-short"]),
        (("evaluate", "--split", "s"), ["season"]),
        (("bench", "--signature", "e"), ["explain", "embed"]),
        (("config", "wa"), ["watch"]),
        (("classify", "hse"), []),  # files and folders: bash completes them itself
        (("classify", "--out", "res"), []),
    ],
)
def test_bash(words: tuple[str, ...], expected: list[str]) -> None:
    assert bash(*words) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("client cl", '"classify"'),
        ("client evaluate --split ", '"season"'),
        ("client classify hse", "_files"),
    ],
)
def test_zsh(line: str, expected: str) -> None:
    assert expected in ask(_CLIENT_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_for_a_shell_is_printed(shell: str) -> None:
    assert "_CLIENT_COMPLETE=complete_" in ask(_CLIENT_COMPLETE=f"source_{shell}")

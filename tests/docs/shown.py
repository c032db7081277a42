"""Compares what a page shows with what was printed."""

from __future__ import annotations

import re

_VARIES = re.compile(r"\d[\d,]*(?:\.\d+)?%?|\b(?:SY|VX|LT|DM|NO)\b")
# A score that is undefined on few frames is printed as a hyphen.
_NUMBER = r"(?:\d[\d,]*(?:\.\d+)?%?|-)"
_MODE = r"(?:SY|VX|LT|DM|NO)"


def difference(shown: str, printed: str, *, other_modes: bool = True) -> str:
    """Tells where the printed text differs from the shown one.

    `...` alone on a line of the shown text stands for any number of lines, within a line for any text. Numbers may be
    others: they depend on the size of the run and on the machine. So may the width of columns.

    Args:
        shown: Text of the page.
        printed: Text of the command.
        other_modes: Whether the mode of a frame or row may be another one, too, as after a smaller training.

    Returns:
        The first line that differs, in words; empty if none does.
    """
    lines = _lines(printed)
    if _match(shown.splitlines(), lines, other_modes):
        return ""
    wanted = shown.splitlines()
    for count in range(1, len(wanted) + 1):
        if not _match([*wanted[:count], "..."], lines, other_modes):
            return f"shown, but not printed there: {wanted[count - 1]!r}"
    return "more was printed after the last line shown; end with '...' if that is meant"


def renewed(shown: str, printed: str) -> str:
    """Gives the shown text with its lines as they were printed; what `...` stands for is left out again."""
    found = _match(shown.splitlines(), _lines(printed), other_modes=False)
    if not found:
        return shown
    printed_lines = iter(found.groups())
    lines = []
    for line in shown.splitlines():
        if line.strip() != "...":
            as_printed = next(printed_lines)
            line = line if "..." in line else as_printed.rstrip()
        lines.append(line)
    return "\n".join(lines) + "\n"


def _lines(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _match(shown: list[str], printed: str, other_modes: bool) -> re.Match[str] | None:
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else rf"({_pattern(line, other_modes)})[ ]*\n" for line in shown
    )
    return re.fullmatch(pattern, printed)


def _pattern(line: str, other_modes: bool) -> str:
    parts = []
    for word in re.split(r"( +)", line.rstrip()):
        if word.startswith(" "):
            parts.append(" +")
            continue
        end = 0
        for found in _VARIES.finditer(word):
            mode = _MODE if other_modes else found[0]
            parts += [_literal(word[end : found.start()]), _NUMBER if found[0][0].isdigit() else mode]
            end = found.end()
        parts.append(_literal(word[end:]))
    return "".join(parts).replace(" +.*", " *.*")


def _literal(text: str) -> str:
    return re.escape(text).replace(re.escape("..."), ".*")

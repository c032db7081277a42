"""Names of files as they may be shown: whoever made a file chose its name."""

from __future__ import annotations


def plain(name: str) -> str:
    """Gives a name that fits into one line and tells a terminal nothing, whatever is in it."""
    return name if name.isprintable() else ascii(name)

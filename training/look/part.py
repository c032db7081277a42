"""Parts: what a technique found, as a page shows it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from radar import durable
from radar.verification.report_tables import Table
from training.look.errors import LookError

PART_FILE = "part.json"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a part.

    Attributes:
        file: Its name in the folder of the part, ``.png`` or ``.svg``.
        caption: What it shows, of how many frames, in which units, and what not to read into it.
        alt: What it shows, in a few words, for those who cannot see it.
        shown: Whether the page shows it; what is not shown lies beside it, and is linked.
    """

    file: str
    caption: str
    alt: str = ""
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """What a technique found.

    Attributes:
        name: Of the technique, and of its folder.
        heading: Of its section.
        finding: What came out, in plain words.
        paragraphs: What was done, and how to read it.
        warnings: What to know before believing it.
        pictures: In order.
        tables: Below them.
        numbers: File of all numbers, `.npz`, in the same folder; empty if there is none.
    """

    name: str
    heading: str
    finding: str
    paragraphs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    numbers: str = ""


def write_part(part: Part, folder: Path) -> None:
    """Writes a part into its folder, whole or not at all; raises OSError if it cannot."""
    durable.write_text(folder / PART_FILE, json.dumps(asdict(part), indent=1, ensure_ascii=False) + "\n")


def read_part(folder: Path) -> Part:
    """Reads what `write_part` wrote.

    Raises:
        LookError: It is missing or damaged.
    """
    path = folder / PART_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Part(
            **{key: content[key] for key in ("name", "heading", "finding", "numbers")},
            paragraphs=tuple(content["paragraphs"]),
            warnings=tuple(content["warnings"]),
            pictures=tuple(Picture(**picture) for picture in content["pictures"]),
            tables=tuple(
                Table(table["title"], tuple(tuple(row) for row in table["rows"]), table["note"])
                for table in content["tables"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LookError(f"{path}: cannot be read ({error}); remove its folder and look again") from error

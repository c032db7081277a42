"""The page of a look: one HTML file that opens without a network, with every shown picture inside."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from radar import durable
from radar.verification.plots import SYNTHETIC_NOTE
from training.data.labelled import LabelledFrames
from training.look.errors import LookError
from training.look.part import PART_FILE, Part, read_part
from training.look.subject import Subject
from training.look.techniques import TECHNIQUES

REPORT_FILE = "report.html"
SUBJECT_FILE = "subject.json"


def claim(out: Path, subject: Subject) -> None:
    """Takes a folder for looks at one network: parts of two networks on one page would be told as one.

    Args:
        out: Made if it does not exist.
        subject: The network.

    Raises:
        LookError: It cannot be written to, or holds looks at another network.
    """
    path = out / SUBJECT_FILE
    mine = {"name": subject.name, "weights_sha256": subject.digest}
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            theirs = json.loads(path.read_text(encoding="utf-8"))
            if theirs.get("weights_sha256") != subject.digest:
                raise LookError(
                    f"{out}: holds looks at {theirs.get('name')}, which has other weights; choose another folder "
                    "with --out, or remove it"
                )
        durable.write_text(path, json.dumps(mine, indent=1) + "\n")
    except OSError as error:
        raise LookError(f"{out}: cannot write there: {error.strerror or error}; choose another --out") from error
    except (ValueError, AttributeError) as error:
        raise LookError(f"{path}: is damaged; remove {out}, or choose another --out") from error


def write_report(out: Path, subject: Subject, frames: LabelledFrames) -> Path:
    """Writes the page of all parts that a folder holds, whole or not at all.

    Args:
        out: Folder of the look.
        subject: The network.
        frames: What was looked at the last time.

    Returns:
        The page.

    Raises:
        LookError: A part is damaged.
        OSError: It cannot be written.
    """
    order = [*TECHNIQUES, "compare"]
    parts = [read_part(out / name) for name in order if (out / name / PART_FILE).is_file()]
    source = resources.files("training.look").joinpath("report.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    text = page.render(
        title=f"A look inside {subject.name}",
        facts=_facts(subject, frames),
        caveats=_caveats(subject),
        parts=[(part, _pictures(part, out / part.name)) for part in parts],
    )
    path = out / REPORT_FILE
    durable.write_text(path, text + "\n")
    return path


def _facts(subject: Subject, frames: LabelledFrames) -> str:
    of_mode = [f"{int((frames.classes == k).sum())} {code}" for k, code in enumerate(subject.codes)]
    events = len(set(frames.events().tolist()))
    seasons = sorted({label.season for label in frames.labels})
    size = subject.card.input
    return (
        f"Recipe {subject.recipe.name}, architecture {subject.recipe.architecture}, "
        f"{subject.network.model.count_params():,} weights, {size.height} x {size.width} pixels. Looked at "
        f"{len(frames.labels):,} frames ({', '.join(of_mode)}) of {events:,} events of {', '.join(seasons)}."
    )


def _caveats(subject: Subject) -> Sequence[str]:
    general = (
        "No picture here is the reason for a decision. Each shows what one method makes of the weights; where methods"
        " disagree, or the checks fail, believe none of them.",
    )
    return (SYNTHETIC_NOTE, *general) if subject.synthetic else general


def _pictures(part: Part, folder: Path) -> list[dict[str, object]]:
    return [
        {
            "inside": _inside(folder / picture.file, picture.alt or picture.caption) if picture.shown else "",
            "link": f"{part.name}/{picture.file}",
            "caption": picture.caption,
            "shown": picture.shown,
        }
        for picture in part.pictures
    ]


def _inside(path: Path, alt: str) -> Markup:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LookError(f"{path}: a picture of the page is gone ({error.strerror}); look again") from error
    if path.suffix == ".svg":
        text = data.decode("utf-8")
        # Several figures stand in one page, and matplotlib gives the ids of each from the same range.
        text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{path.parent.name}-{path.stem}-", text)
        return Markup(text[text.index("<svg") :])  # our own drawing; matplotlib escapes its texts
    encoded = base64.b64encode(data).decode("ascii")
    return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(encoded, alt)

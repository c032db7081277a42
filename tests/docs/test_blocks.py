"""Every code block of the documents runs, in order, as a reader would type it; the others say why not."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs import commands
from tests.docs.blocks import ROOT, RUN, Page, pages, read
from tests.docs.running import played

PAGES = pages()
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]


def runs(page: Page) -> bool:
    return any(block.language in RUN and not block.not_executed for block in page.blocks)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.name != "README.md" and runs(read(path))], ids=lambda path: path.name
)
def test_the_blocks_of_a_page_do_what_it_says(path: Path, tmp_path: Path) -> None:
    page = read(path)
    with played(page, tmp_path / "stage"):
        sources = [one.source for one in page.pictures if one.source and not one.is_page]
        missing = [source for source in sources if not any((tmp_path / "stage").glob(source))]
        assert missing == [], "pictures that the commands before them did not write"


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_commands_that_cannot_run_here_exist_with_their_options(path: Path) -> None:
    faults = [
        f"{path.name}:{block.line}: {fault}"
        for block in read(path).blocks
        if block.language == "sh"
        for fault in commands.faults(block.text)
    ]
    assert faults == []


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_reason_says_what_is_missing(path: Path) -> None:
    for block in read(path).blocks:
        if block.not_executed:
            assert len(block.not_executed.split()) >= 3, (
                f"{path.name}:{block.line}: {block.not_executed!r} is no reason"
            )


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_block_has_a_language(path: Path) -> None:
    """A block without one is neither run nor checked, and nobody would see it."""
    wrong = [block.line for block in read(path).blocks if block.language not in KNOWN]
    assert wrong == [], f"blocks in {path.name} whose language is none of {', '.join(sorted(KNOWN))}"


KNOWN = {*RUN, "text", "toml", "yaml", "json", "csv", "promql", "sql", "proto", "ini", "mermaid"}


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_variables_are_ones_that_something_reads(path: Path) -> None:
    assert commands.unknown_variables(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path", sorted({*PAGES, *(ROOT / "docs").rglob("*.ja.md"), *ROOT.glob("README*.md")}), ids=lambda path: path.name
)
def test_links_and_pictures_lead_somewhere(path: Path) -> None:
    page = read(path)
    dead = []
    for link in [*page.links, *(picture.path for picture in page.pictures)]:
        target, _, anchor = unquote(link).partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            dead.append(link)
    assert dead == []


def anchors(path: Path) -> set[str]:
    """Gives the anchors a page has on common forges: lower case, no punctuation, hyphens."""
    found = set()
    for _, words in read(path).headings:
        kept = "".join(letter for letter in words.lower() if letter.isalnum() or letter in " -_")
        found.add(kept.replace(" ", "-"))
    return found

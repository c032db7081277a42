"""The code blocks of a page, and what its comments say of them.

A block of `sh` or `python` is run unless a comment right above it says why not. Comments are invisible to readers:

    <!-- not executed: needs a cluster -->
    <!-- stays running: http://localhost:8080/readyz -->      as in a second terminal; `localhost:8500` for a port
    <!-- smaller in tests: --frames 2500 -> --frames 60 -->    another text in tests, so that they end soon
    <!-- picture: statistics/ribbon.png -->                   right below a picture: the file it is a copy of
    <!-- screenshot: http://localhost:8080/ -->               right below a picture: the page it shows

A `text` block right after a block of `sh` or `python` is what that prints; `...` in it stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
RUN = ("sh", "python")
KINDS = ("not executed", "stays running", "smaller in tests", "picture", "screenshot")


class PageError(Exception):
    """A page says something about a block that makes no sense."""


@dataclass
class Block:
    """A code block.

    Attributes:
        language: ``sh``, ``python``, ``text``, ``toml`` ...; empty if none is named.
        text: What stands in it.
        line: Line of the page it begins on.
        not_executed: Why it cannot run where tests run; empty if it can.
        stays_running: Address that answers once what it starts is there; empty if it ends by itself.
        smaller: Pairs of texts: as shown, and as run in tests.
        output: The block that shows what it prints.
    """

    language: str
    text: str
    line: int
    not_executed: str = ""
    stays_running: str = ""
    smaller: list[tuple[str, str]] = field(default_factory=list)
    output: Block | None = None

    def text_in_tests(self) -> str:
        """Gives the block as tests run it."""
        text = self.text
        for shown, smaller in self.smaller:
            text = text.replace(shown, smaller)
        return text


@dataclass
class Picture:
    """A picture of a page.

    Attributes:
        path: As the page links it.
        alt: What it shows, in words.
        line: Line of the page.
        source: File the commands before it wrote, or the address of the page it shows.
        is_page: Whether the source is a page to be photographed.
        after: How many blocks of the page stand before it.
    """

    path: str
    alt: str
    line: int
    source: str = ""
    is_page: bool = False
    after: int = 0


@dataclass
class Page:
    """A page of Markdown: its blocks, pictures, links and headings, in their order."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    headings: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return self.path.name


def read(path: Path) -> Page:
    """Reads a page.

    Raises:
        PageError: If a comment is none of the known ones, or stands where it has no meaning.
    """
    page = Page(path)
    said: list[tuple[str, str, int]] = []  # what comments said since the last block or text
    before: Block | None = None
    lately: Picture | None = None  # the picture a comment may still belong to
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    for index, token in enumerate(tokens):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            for kind, value in _comments(token.content, f"{path.name}:{line}"):
                if kind in ("picture", "screenshot"):
                    if lately is None:
                        raise PageError(f"{path.name}:{line}: expected a picture right above '{kind}: {value}'")
                    lately.source, lately.is_page = value, kind == "screenshot"
                else:
                    said.append((kind, value, line))
            continue
        if token.type == "fence":
            block = Block(token.info.strip(), token.content, line)
            if block.language == "text" and before is not None and not said:
                before.output = block
            elif block.language in RUN:
                _apply(said, block, path)
            elif said:
                raise PageError(f"{path.name}:{line}: '{said[0][0]}' stands above a block that is never run")
            before, lately, said = (block if block.language in RUN else None), None, []
            page.blocks.append(block)
        elif token.type == "inline":
            before = lately = None
            for child in token.children or []:
                if child.type == "image":
                    lately = Picture(str(child.attrs["src"]), child.content, line, after=len(page.blocks))
                    page.pictures.append(lately)
                elif child.type == "link_open":
                    page.links.append(str(child.attrs["href"]))
            if tokens[index - 1].type == "heading_open":
                page.headings.append((tokens[index - 1].tag, token.content))
        if token.type in ("inline", "heading_open") and said:
            raise PageError(
                f"{path.name}:{said[0][2]}: expected a block of {' or '.join(RUN)} right below '{said[0][0]}'"
            )
    if said:
        raise PageError(
            f"{path.name}:{said[0][2]}: expected a block of {' or '.join(RUN)} right below '{said[0][0]}'"
        )
    return page


def pages() -> list[Path]:
    """Lists the pages of the project in English; each other language has the same blocks."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in every if not path.name.endswith(".ja.md")]


def _comments(html: str, where: str) -> Iterator[tuple[str, str]]:
    for comment in re.findall(r"<!--(.*?)-->", html, re.S):
        kind, colon, value = (part.strip() for part in comment.partition(":"))
        if kind not in KINDS:
            if any(
                kind.lower().startswith(word) for word in ("not ", "stay", "smaller", "picture", "screen", "skip")
            ):
                raise PageError(f"{where}: expected one of {', '.join(KINDS)}. Received: {comment.strip()!r}")
            continue
        if not colon or not value:
            raise PageError(f"{where}: '{kind}' wants a reason or value: <!-- {kind}: ... -->")
        yield kind, value


def _apply(said: list[tuple[str, str, int]], block: Block, path: Path) -> None:
    for kind, value, line in said:
        if kind == "not executed":
            block.not_executed = value
        elif kind == "stays running":
            block.stays_running = value
        else:
            for pair in value.splitlines():
                shown, arrow, smaller = (part.strip() for part in pair.partition(" -> "))
                if not arrow or shown not in block.text:
                    wanted = "expected SHOWN -> SMALLER, with SHOWN in the block below"
                    raise PageError(f"{path.name}:{line}: {wanted}. Received: {pair!r}")
                block.smaller.append((shown, smaller))

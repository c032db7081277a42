"""A page in Japanese shows the same commands, pictures and chapters as the English one."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from radar.modes import SNOWFALL_MODES
from tests.docs.blocks import ROOT, Block, read

PAIRS = [
    (path.with_name(path.name.replace(".ja.md", ".md")), path)
    for path in [*ROOT.glob("README.ja.md"), *sorted((ROOT / "docs").rglob("*.ja.md"))]
]
# A comment behind a command is for readers: it may be in their language.
REMARK = re.compile(r"(?:^|\s+)#\s.*$", re.M)
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def commands_of(block: Block) -> list[str]:
    text = REMARK.sub("", block.text) if block.language in ("sh", "toml") else block.text
    return [f"```{block.language}", *text.splitlines()]


def test_the_readme_and_the_guide_are_there_in_japanese() -> None:
    assert {ja.name for _, ja in PAIRS} >= {"README.ja.md", "guide.ja.md"}


@pytest.mark.parametrize(("english", "japanese"), PAIRS, ids=[ja.name for _, ja in PAIRS])
def test_both_languages_have_the_same_blocks(english: Path, japanese: Path) -> None:
    ours, theirs = read(english).blocks, read(japanese).blocks
    for n, (one, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        differs = "\n".join(
            difflib.unified_diff(commands_of(one), commands_of(other), english.name, japanese.name, lineterm="", n=1)
        )
        assert not differs, (
            f"block {n}, {english.name} line {one.line}, {japanese.name} line {other.line}:\n{differs}"
        )
        assert (one.not_executed, one.stays_running, one.smaller) == (
            other.not_executed,
            other.stays_running,
            other.smaller,
        ), f"block {n}: other comments above it, {english.name} line {one.line}, {japanese.name} line {other.line}"
    longer, page = (ours, english) if len(ours) > len(theirs) else (theirs, japanese)
    extra = [f"{page.name} line {block.line}" for block in longer[min(len(ours), len(theirs)) :]]
    assert extra == [], "blocks that the other language lacks"


@pytest.mark.parametrize(("english", "japanese"), PAIRS, ids=[ja.name for _, ja in PAIRS])
def test_both_languages_have_the_same_pictures_and_chapters(english: Path, japanese: Path) -> None:
    ours, theirs = read(english), read(japanese)
    assert [(one.path, one.source) for one in ours.pictures] == [(one.path, one.source) for one in theirs.pictures]
    pairs = [(level, text) for level, text in ours.headings]
    assert [level for level, _ in pairs] == [level for level, _ in theirs.headings], (
        f"chapters of {english.name}: {[text for _, text in pairs]}; of {japanese.name}: "
        f"{[text for _, text in theirs.headings]}"
    )


@pytest.mark.parametrize(("english", "japanese"), PAIRS, ids=[ja.name for _, ja in PAIRS])
def test_both_languages_lead_to_each_other(english: Path, japanese: Path) -> None:
    assert japanese.name in read(english).links
    assert english.name in read(japanese).links


# Words of the pages, and words for the same that would confuse who reads both.
OTHER_WORDS = {
    "モデルサーバー": ("モデルサーバ(?!ー)", "推論サーバ"),
    "ヒートマップ": ("ヒート・マップ", "熱マップ"),
    "事例": ("イベント(?!ごと)",),
    "冬季": ("シーズン",),
    "降雪モード": ("降雪タイプ", "降雪形態"),
    "フォルダー": ("フォルダ(?!ー)", "ディレクトリ"),
    "ブラウザー": ("ブラウザ(?!ー)",),
    "欠測": ("欠落",),
    "画像": ("フレーム",),
    "帯図": ("リボン",),
    "人工データ": ("人工の", "合成データ"),
}


@pytest.mark.parametrize("path", [ja for _, ja in PAIRS], ids=[ja.name for _, ja in PAIRS])
def test_japanese_words_are_those_of_the_pages(path: Path) -> None:
    words = (ROOT / "serving/sidecar/pages/words/ja.toml").read_text(encoding="utf-8")
    tomllib.loads(words)
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
    for word, others in OTHER_WORDS.items():
        assert word in words, f"the pages no longer say {word}: correct this table"
        for other in others:
            assert not re.search(other, prose), f"{path.name}: the pages say {word} where this says {other}"


@pytest.mark.parametrize("path", [ja for _, ja in PAIRS], ids=[ja.name for _, ja in PAIRS])
def test_no_paragraph_was_left_in_english(path: Path) -> None:
    text = re.sub(r"```.*?```|<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.S)
    for paragraph in re.split(r"\n\s*\n", text):
        prose = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|<[^>]*>", "", paragraph)
        if len(re.findall(r"[A-Za-z]{2,}", prose)) > 12 and not prose.lstrip().startswith("|"):
            assert JAPANESE.search(prose), f"{path.name}: {paragraph[:80]!r}"


def test_the_readme_names_the_modes_as_the_code_does() -> None:
    text = (ROOT / "README.ja.md").read_text(encoding="utf-8")
    for mode in SNOWFALL_MODES:
        assert f"| {mode.code} | {mode.name_ja}" in text


@pytest.mark.parametrize("path", [ja for _, ja in PAIRS], ids=[ja.name for _, ja in PAIRS])
def test_no_line_of_japanese_is_broken(path: Path) -> None:
    """A browser shows a line break between two Japanese letters as a gap."""
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        children = token.children or []
        for before, one, after in zip(children, children[1:], children[2:], strict=False):
            if one.type == "softbreak":
                gap = JAPANESE.match(before.content[-1:]) and JAPANESE.match(after.content[:1])
                assert not gap, f"{path.name}: {before.content[-20:]} / {after.content[:20]}"

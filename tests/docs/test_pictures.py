"""The pictures of the documents: small, shown, made by a command that is shown, and honest about what they are of."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import pytest

from tests.docs.blocks import ROOT, read
from tests.docs.pictures import LARGEST

FOLDER = ROOT / "docs" / "pictures"
GUIDES = {"guide.md": "Synthetic winter|synthetic winter", "guide.ja.md": "人工データ"}


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_a_picture_is_small_and_can_be_read(path: Path) -> None:
    assert path.stat().st_size <= LARGEST
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] >= 600, "too small to be read"


def test_every_picture_is_shown() -> None:
    shown = {
        (page.parent / picture.path).resolve()
        for page in ROOT.glob("docs/**/*.md")
        for picture in read(page).pictures
    }
    assert set(FOLDER.iterdir()) - shown == set()


@pytest.mark.parametrize("name", GUIDES)
def test_every_picture_of_the_guide_says_where_it_is_from(name: str) -> None:
    path = ROOT / "docs" / name
    page, lines = read(path), path.read_text(encoding="utf-8").splitlines()
    assert len(page.pictures) >= 8
    for picture in page.pictures:
        assert picture.source, f"{name}:{picture.line}: which command made {picture.path}?"
        caption = " ".join(lines[picture.line : picture.line + 3])
        assert re.search(GUIDES[name], caption), f"{name}:{picture.line}: the caption does not say it is synthetic"
        assert picture.alt, f"{name}:{picture.line}: no words for who cannot see the picture"

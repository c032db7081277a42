"""Languages of the pages. Every text stands in `words/LANGUAGE.toml`; a test holds the files against each other."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any, Final

from fastapi import Request

LANGUAGES: Final = {"en": "English", "ja": "日本語"}
DEFAULT: Final = "en"
QUERY: Final = "lang"
COOKIE: Final = "snowmode-language"


class Words:
    """The texts of one language.

    Example:
        >>> Words("en")("review.left", n=3)
        '3 frames are waiting'
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.texts = read_texts(language)

    def __call__(self, key: str, **values: Any) -> str:
        """Gives a text with its values filled in.

        Raises:
            KeyError: There is no such text.
        """
        return self.texts[key].format(**values)


@cache
def read_texts(language: str) -> dict[str, str]:
    """Reads the texts of a language by their keys, ``section.name``."""
    file = resources.files("serving.sidecar.pages") / "words" / f"{language}.toml"
    sections = tomllib.loads(file.read_text(encoding="utf-8"))
    return {f"{section}.{name}": text for section, texts in sections.items() for name, text in texts.items()}


def language_of(request: Request) -> str:
    """Chooses the language: the one asked for, else the one chosen before, else the browser's."""
    for asked in (request.query_params.get(QUERY), request.cookies.get(COOKIE)):
        if asked in LANGUAGES:
            return asked
    return _preferred(request.headers.get("accept-language", "")) or DEFAULT


def _preferred(header: str) -> str | None:
    """Finds the language with the highest weight in an `Accept-Language` header."""
    ranked = []
    for entry in header.split(",")[:50]:
        name, _, parameter = entry.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            ranked.append((_weight(parameter), language))
    weight, language = max(ranked, key=lambda pair: pair[0], default=(0.0, ""))
    return language if weight > 0 else None


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0

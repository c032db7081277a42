"""Logs: one line an event on standard error, each with the id of the request it belongs to.

As text for a person at a terminal, as JSON for a machine that gathers them.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from serving.sidecar.errors import SettingsError

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is worked on; threads that a request waits for inherit it."""

FIELDS: Final = "snowmode_fields"
"""`extra` of a log call: a dictionary that a JSON line takes in, beside the message."""

_FORMS = ("text", "json")
_LEVELS = ("debug", "info", "warning", "error")
_QUIET = {"alembic": logging.WARNING, "asyncio": logging.WARNING, "uvicorn": logging.WARNING}


def configure(form: str = "", level: str = "info") -> None:
    """Sets up the logs of this process.

    Args:
        form: ``text`` or ``json``; empty is text on a terminal, otherwise JSON.
        level: ``debug``, ``info``, ``warning`` or ``error``.

    Raises:
        SettingsError: Another form or level.
    """
    if form not in ("", *_FORMS):
        raise SettingsError(f"--log: expected one of {', '.join(_FORMS)}, received {form!r}")
    if level not in _LEVELS:
        raise SettingsError(f"--log-level: expected one of {', '.join(_LEVELS)}, received {level!r}")
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (not form and sys.stderr.isatty())
    handler.setFormatter(TextLines() if as_text else JsonLines())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, at_least in _QUIET.items():
        logging.getLogger(name).setLevel(max(at_least, logging.getLevelName(level.upper())))
    logging.captureWarnings(True)


class TextLines(logging.Formatter):
    """``2026-11-21T22:40:00Z WARNING  database: is locked [request 3f2a...]``."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes a record."""
        message = " ".join(record.getMessage().splitlines())
        line = f"{_time(record)[:19]}Z {record.levelname:<8} {message}"
        if one := request_id.get():
            line += f" [request {one}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonLines(logging.Formatter):
    """An object a line: time, level, logger, message, request_id, and what a call adds in `FIELDS`."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes a record."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if one := request_id.get():
            line["request_id"] = one
        line |= getattr(record, FIELDS, {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # ASCII: some characters end a line for some readers, and some cannot be written at all.
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"

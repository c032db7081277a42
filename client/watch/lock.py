"""One `client watch` at a time with the same files."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client.errors import ConfigError, OutputError


@contextmanager
def alone(lock: Path, text: str) -> Iterator[None]:
    """Keeps others away by a lock on a file. It is given back when this process ends, however it ends.

    Args:
        lock: The file; it is made, and stays.
        text: What somebody else is told.

    Raises:
        ConfigError: Somebody else holds the lock, or the file system knows none.
        OutputError: The file cannot be made.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise OutputError(f"{lock.parent}: cannot be written: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(text) from error
        except OSError as error:
            raise ConfigError(
                f"{lock}: this file system knows no locks ({error.strerror}); put --state and --out on another"
            ) from error
        yield

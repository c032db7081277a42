"""Shards: parts of a folder that several runs classify at a time, such as the pods of a Kubernetes Indexed Job.

A frame belongs to the shard that the hash of its name says, and to that one for ever. Ranges of the sorted names
would be cut elsewhere as soon as a frame arrives: pods that start a moment apart would classify frames twice or
never, and an unfinished shard could not be continued.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.errors import ConfigError

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Where Kubernetes tells the pod of an Indexed Job its number, which begins at 0."""

_IN_NAME = re.compile(r"\.shard-([0-9]+)-of-([0-9]+)\.csv$")


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a folder.

    Attributes:
        index: Which, from 0.
        count: How many there are.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> Shard:
        """Reads ``I/N``, or ``/N`` with the index from JOB_COMPLETION_INDEX.

        Raises:
            ConfigError: It is neither.
        """
        match = re.fullmatch("([0-9]*)/([0-9]+)", text.strip())
        if match is None:
            raise ConfigError(
                f"--shard: expected I/N such as 0/8, or /8 with the variable {INDEX_VARIABLE}: {text!r}"
            )
        index = match[1] or environment.get(INDEX_VARIABLE, "")
        if not (index.isascii() and index.isdecimal()):
            raise ConfigError(
                f"--shard {text}: expected the index in the variable {INDEX_VARIABLE}, as Kubernetes sets it for an "
                f"Indexed Job, received {index!r}. Elsewhere give it yourself: --shard 0/{match[2]}"
            )
        shard = cls(int(index), int(match[2]))
        if shard.index >= shard.count:
            raise ConfigError(
                f"--shard: expected an index from 0 to {shard.count - 1} for {shard.count} shards, received {shard}"
            )
        return shard

    def takes(self, name: str) -> bool:
        """Tells whether a frame belongs to this shard."""
        digest = hashlib.blake2b(os.fsencode(name), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index

    def path(self, out: Path) -> Path:
        """Gives the name of this shard's result file: ``NAME.shard-I-of-N.csv``."""
        return out.with_name(f"{out.name.removesuffix('.csv')}.shard-{self.index}-of-{self.count}.csv")


def whole(path: Path) -> Path:
    """Gives the name of the result file that a shard's is a part of."""
    return path.with_name(_IN_NAME.sub(".csv", path.name))

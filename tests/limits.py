"""What a process of a test may not do.

Words to put before its command: other programs limit themselves and become it. subprocess's `preexec_fn` and `user`
would do it after a fork of this process, which is full of gRPC's threads: its child may hang for ever.
"""

from __future__ import annotations

import os


def files_up_to(size: int) -> list[str]:
    """Limits the size of files in bytes: writing fails in the middle of one, as on a full disk."""
    return ["prlimit", f"--fsize={size}"]


def as_user(name: str | None) -> list[str]:
    """Makes a process another user's; None leaves it ours."""
    return [] if name is None else ["setpriv", f"--reuid={name}"]


def no_superpowers() -> list[str]:
    """Makes a process of root obey the modes of files, like any other user's."""
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

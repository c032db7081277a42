"""Gives the memory of an unloaded version back to the system, at no cost in speed.

TensorFlow's own pool for oneDNN (`mkl_cpu_allocator`) never gives anything back. Without it
(`TF_ONEDNN_USE_SYSTEM_ALLOCATOR`) memory comes from malloc, which at its defaults returns the activations of a run to
the system when the run ends, to ask for them again in the next: 340,000 page faults in twelve runs of 512 rows, and
0.7 of the speed. So malloc is told to keep what is freed, which costs neither, and `giving_back` has it returned when
a version goes, which takes some 10 ms. What stays, once, is up to one heap of 64 MB of each thread that TensorFlow
runs on. `make bench BENCH=model_server_memory` holds the three ways side by side.

A single arena for all threads would leave nothing, and costs 3 to 16 % where small requests run at the same time.
"""

import ctypes
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ALLOCATOR = "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"
# From glibc's malloc.h. An allocation of 1 GiB and more still comes from the system and goes straight back.
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2
_NEVER = -1
_THREADS_HEAP = 2**26  # of a thread's arena; one that is empty is kept if the padding is as large
_prepared = threading.Event()


def prepare() -> None:
    """Settles for the whole process where TensorFlow's memory comes from.

    Call it before TensorFlow is imported. Where malloc is not glibc's, or somebody has chosen with
    TF_ONEDNN_USE_SYSTEM_ALLOCATOR, everything stays as it is.
    """
    glibc = _glibc()
    if _ALLOCATOR in os.environ or glibc is None:
        return
    if glibc.mallopt(_MMAP_THRESHOLD, 2**30) and _keep(glibc):
        os.environ[_ALLOCATOR] = "1"
        _prepared.set()


@contextmanager
def giving_back() -> Iterator[None]:
    """Returns to the system what the block frees, and what was free before.

    The threads of malloc's other arenas may have to wait some 10 ms for memory meanwhile.
    """
    glibc = _glibc() if _prepared.is_set() else None
    if glibc is not None:
        # `malloc_trim` leaves the end of a thread's heap alone; only a `free` beside it gives that back.
        glibc.mallopt(_TOP_PAD, 0)
        glibc.mallopt(_TRIM_THRESHOLD, 0)
    try:
        yield
        gc.collect()  # a graph is full of cycles; by itself Python may not come to it for days
    finally:
        if glibc is not None:
            _keep(glibc)
            glibc.malloc_trim(0)


def _keep(glibc: Any) -> bool:
    return bool(glibc.mallopt(_TRIM_THRESHOLD, _NEVER) and glibc.mallopt(_TOP_PAD, _THREADS_HEAP))


def _glibc() -> Any:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None

"""Compiles the modules that packages of ours load, and no others: in an image nothing can be written later.

Compiling everything that lies in site-packages would take three times the room, and most of it is never imported.

    python compile_used.py client uvicorn.lifespan.on -client.results.parquet

Importing them is a test, too: the build ends here if something is missing that a module needs. What wants a package
that the image is meant to be without is named with a minus.
"""

from __future__ import annotations

import importlib
import pkgutil
import py_compile
import sys
from collections.abc import Iterator


def modules_of(name: str) -> Iterator[str]:
    """Lists a module, and all below it where it is a package; not `__main__`, which would run."""
    yield name
    path = getattr(importlib.import_module(name), "__path__", None)
    for found in pkgutil.walk_packages(path or (), f"{name}."):
        if not found.name.endswith("__main__"):
            yield found.name


def compile_loaded() -> int:
    """Compiles what this process has loaded from this environment's files; tells how many."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    sources = sorted(file for file in files if file and file.startswith(sys.prefix) and file.endswith(".py"))
    for source in sources:
        # Not checked against the source at every start: neither of the two ever changes in an image.
        py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    return len(sources)


if __name__ == "__main__":
    left_out = {word[1:] for word in sys.argv[1:] if word.startswith("-")}
    for wanted in (word for word in sys.argv[1:] if not word.startswith("-")):
        for module in modules_of(wanted):
            if module not in left_out:
                importlib.import_module(module)
    sys.stdout.write(f"{compile_loaded()} modules compiled\n")

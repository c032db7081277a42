"""Lists what extras of this project need, one requirement a line, without installing the project.

So that a container image has a layer of other people's packages, which stays while our own code changes:

    python3 docker/steps/list_requirements.py sidecar netcdf > requirements.txt
    python3 docker/steps/list_requirements.py server tensorflow=tensorflow-cpu > requirements.txt

The second one takes another build of TensorFlow, of the same versions.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def list_requirements(project: dict[str, object], extras: list[str], instead: dict[str, str]) -> list[str]:
    """Gives the requirements of a project with some of its extras, which may name each other.

    Args:
        project: The table ``[project]`` of pyproject.toml.
        extras: Names.
        instead: By the name of a package, the one to take in its place.

    Raises:
        KeyError: There is no such extra.
    """
    optional = project["optional-dependencies"]
    found: list[str] = list(project["dependencies"])
    waiting, seen = list(extras), set()
    while waiting:
        extra = waiting.pop(0)
        if extra in seen:
            continue
        seen.add(extra)
        for requirement in optional[extra]:
            ours = re.fullmatch(rf"{project['name']}\[([^\]]+)\]", requirement)
            if ours:
                waiting += [name.strip() for name in ours[1].split(",")]
            else:
                found.append(requirement)
    return [re.sub(r"^[\w.-]+", lambda name: instead.get(name[0], name[0]), requirement) for requirement in found]


if __name__ == "__main__":
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    replaced = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    named = [word for word in sys.argv[1:] if "=" not in word]
    sys.stdout.write("".join(f"{line}\n" for line in list_requirements(pyproject["project"], named, replaced)))

"""The house: what may import what, and what works without TensorFlow."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import write_frames
from training.publishing import releases

ROOT = Path(__file__).parents[2]

# The floors, from the ground up; a module may import its own floor's package and those named.
MAY_IMPORT = {
    "radar": set(),
    "serving.protocol": {"radar"},
    "serving.model_server": {"radar", "serving.protocol"},
    "serving.sidecar": {"radar", "serving.protocol"},
    "client": {"radar", "serving.protocol"},
    "training": {"radar", "serving.protocol"},
}


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package_of(name: str) -> str | None:
    return next((p for p in MAY_IMPORT if name == p or name.startswith(f"{p}.")), None)


MODULES = {
    path: package
    for path in sorted(ROOT.glob("*/**/*.py"))
    if (package := package_of(dotted(path)))  # serving/cli.py stands above both servers
}
LIGHT = [path for path, package in MODULES.items() if package not in {"training", "serving.model_server"}]


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_run_downwards_only(path: Path) -> None:
    here = MODULES[path]
    for name in imports_of(path):
        assert package_of(name) in {None, here} | MAY_IMPORT[here], f"{dotted(path)} imports {name}"


@pytest.mark.parametrize("path", LIGHT, ids=dotted)
def test_tensorflow_is_imported_in_training_and_the_model_server_alone(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.partition(".")[0] in {"tensorflow", "keras"}}


WITHOUT_TENSORFLOW = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "tensorflow_serving", "grpc_health", "sklearn", "PIL"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from client.cli import main
main()
"""


def test_the_client_works_where_tensorflow_is_not_installed(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 10)
    words = ["classify", str(folder), "--server", server, "--out", str(tmp_path / "r.csv")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *words], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.csv").read_text().count("\n") == 11


def test_models_are_promoted_and_taken_back_where_training_could_not_run(models: Path, tmp_path: Path) -> None:
    """As in the image of the sidecar, which does it in a cluster: that of training would have to be fetched first."""
    code = WITHOUT_TENSORFLOW.replace('"PIL"', '"PIL", "matplotlib", "scipy"').replace("client.cli", "training.cli")
    folder = shutil.copytree(models, tmp_path / "models")
    (first,) = releases.versions(folder)
    second = first + 1
    releases.offer(folder, first)
    shutil.copytree(folder / "snowmode" / str(first), folder / "snowmode" / str(second))
    releases.offer(folder, second)

    def training(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--models", str(folder)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    training("promote")
    assert releases.read(folder).production == second
    training("rollback")
    assert releases.read(folder).production == first
    listed = json.loads(training("models", "--json"))
    assert {entry["version"] for entry in listed["versions"]} == {first, second}


def test_an_embedded_server_without_tensorflow_says_what_to_install(models: Path, tmp_path: Path) -> None:
    code = WITHOUT_TENSORFLOW.replace("sys.meta_path", "import importlib.util\nsys.meta_path")
    code = code.replace("from client.cli", "importlib.util.find_spec = lambda name: None\nfrom client.cli")
    folder = write_frames(tmp_path / "season", 1)
    words = ["classify", str(folder), "--server", f"embedded:{models}", "--out", str(tmp_path / "r.csv")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert "pip install 'snowmode[server]'" in done.stderr


def test_help_of_every_command_needs_no_heavy_import() -> None:
    code = "import sys; sys.argv = ['x', '--help']\nfrom {0}.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print(sorted({{'tensorflow', 'numpy', 'cv2', 'grpc', 'pydantic'}} & set(sys.modules)))"
    for package in ("client", "serving", "training"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(package)], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert done.stdout.splitlines()[-1] == "[]", package


def test_every_command_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [
        line.split() for line in lines if line.split()[:1] and line.split()[0] in {"client", "serving", "training"}
    ]
    targets = {m[1] for m in re.finditer(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)}
    assert commands
    for line in lines:
        for target in re.findall(r"\bmake ([a-z-]+)", line):
            assert target in targets, line
    for words in commands:
        sub = [word for word in words[1:3] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        depth = 2 if sub[:1] in (["draw"], ["look"]) else 1
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        help_text = subprocess.run(
            [sys.executable, "-c", f"from {words[0]}.cli import main; main()", *sub[:depth], "--help"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={"COLUMNS": "200", "PATH": ""},
        )
        assert help_text.returncode == 0, f"{words}: {help_text.stderr}"
        for flag in flags - {"--help"}:
            assert flag in help_text.stdout, f"{' '.join(words)}: {flag}"

"""What PostgreSQL is told, in the manifests and in compose.yaml, read by a real one of some version."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.compose import load
from tests.k8s.command_lines import environment_of
from tests.k8s.conftest import Rendered
from tests.k8s.objects import pod_of
from tests.limits import as_user
from tests.serving.sidecar.postgres import NoPostgres, find_programs, other_user

WHERE = ("k8s", "compose")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that belongs to somebody whom PostgreSQL takes: not root."""
    made = Path(tempfile.mkdtemp(prefix="snowmode-pg-"))
    made.chmod(0o755)
    if user := whom_it_takes():
        shutil.chown(made, user)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def whom_it_takes() -> str | None:
    try:
        return other_user() if os.geteuid() == 0 else None
    except NoPostgres as reason:
        pytest.skip(str(reason))


def told(where: str, rendered: Rendered) -> tuple[list[str], list[str]]:
    """Gives the arguments of initdb and those of postgres."""
    if where == "compose":
        service = load()["services"]["postgres"]
        return shlex.split(service["environment"]["POSTGRES_INITDB_ARGS"]), service.get("command", [])
    objects = rendered("overlays/gpu-prod")
    (part,) = pod_of(objects, "StatefulSet", "postgres").containers
    return shlex.split(environment_of(objects, part)["POSTGRES_INITDB_ARGS"]), part.spec["args"]


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    try:
        path = find_programs() / program
    except NoPostgres as reason:
        pytest.skip(str(reason))
    return subprocess.run(
        [*as_user(whom_it_takes()), path, *map(str, words)], capture_output=True, text=True, check=False
    )


def initdb(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """As the image's entrypoint calls it: with a password, for whoever comes by the network."""
    (folder / "password").write_text("not-the-password\n", encoding="utf-8")
    given = ("--username=snowmode", f"--pwfile={folder / 'password'}", "--no-sync", "--auth-local=trust")
    return run("initdb", "-D", folder / "data", *given, *words)


def names_of(words: list[str]) -> list[str]:
    """Gives the names of what follows each -c; postgres is told nothing else."""
    assert words[::2] == ["-c"] * (len(words) // 2), words
    return [word.partition("=")[0] for word in words[1::2]]


@pytest.mark.parametrize("where", WHERE)
def test_initdb_and_postgres_take_what_they_are_told(where: str, rendered: Rendered, folder: Path) -> None:
    of_initdb, of_postgres = told(where, rendered)
    done = initdb(folder, of_initdb)
    assert done.returncode == 0, done.stderr
    for name in names_of(of_postgres):
        # Reads all that it is told, prints one, and starts nothing.
        done = run("postgres", "-C", name, "-D", folder / "data", *of_postgres)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("shared_buffers=", "shared_bufers=", 'unrecognized configuration parameter "shared_bufers"'),
        ("256MB", "256Mi", 'invalid value for parameter "shared_buffers": "256Mi"'),
    ],
)
def test_a_wrong_word_for_postgres_is_named(
    before: str, after: str, said: str, rendered: Rendered, folder: Path
) -> None:
    of_initdb, of_postgres = told("k8s", rendered)
    assert initdb(folder, of_initdb).returncode == 0
    wrong = [word.replace(before, after) for word in of_postgres]
    done = run("postgres", "-C", "shared_buffers", "-D", folder / "data", *wrong)
    assert done.returncode != 0
    assert said in done.stderr


def test_a_wrong_word_for_initdb_is_named(rendered: Rendered, folder: Path) -> None:
    of_initdb, _ = told("k8s", rendered)
    done = initdb(folder, [word.replace("--data-checksums", "--checksums") for word in of_initdb])
    assert done.returncode != 0
    assert "unrecognized option '--checksums'" in done.stderr


def test_passwords_are_not_compared_in_clear_text(rendered: Rendered, folder: Path) -> None:
    of_initdb, _ = told("k8s", rendered)
    assert initdb(folder, of_initdb).returncode == 0
    lines = (folder / "data" / "pg_hba.conf").read_text(encoding="utf-8").splitlines()
    hosts = [line.split() for line in lines if line.startswith("host")]
    assert {words[-1] for words in hosts} == {"scram-sha-256"}

"""Runs the blocks of a page in order, in one folder, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from tests.docs.blocks import Block, Page
from tests.docs.shown import difference

# A block that takes longer hangs: the longest takes a tenth of this on a quiet machine.
LONGEST = 900.0
# Ports that pages name. Others may use them on this machine, so that free ones take their place.
PORTS = (8080, 8500, 8501, 9100)
_PORT = re.compile(rf"((?:localhost|127\.0\.0\.1):|port[= ]|PORT=)({'|'.join(map(str, PORTS))})\b")


class BlockError(Exception):
    """A block did not do what the page says."""


class Stage:
    """A folder in which the blocks of a page run, one after the other.

    Exported variables and the working folder are handed from block to block, as in a terminal. What `stays running`
    is started in the background, as in a second terminal, and ended with the stage.

    Args:
        folder: Where the blocks run; made if it is not there.
        smaller: Whether to run blocks as the page tells tests to, or exactly as they are shown.
    """

    def __init__(self, folder: Path, *, smaller: bool = True) -> None:
        self.folder, self.smaller = folder, smaller
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self._state = folder.parent / f"{folder.name}.state"
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._state.mkdir(exist_ok=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith("SNOWMODE_")}
        self._environment = {
            **own,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "HOME": str(self._state),  # no settings of this machine, and nothing left behind on it
            "XDG_CONFIG_HOME": str(self._state / "config"),
            # Where a command names no port, its default is meant.
            "SNOWMODE_SERVER": f"localhost:{self.ports[8500]}",
            "SNOWMODE_SIDECAR": f"http://localhost:{self.ports[8080]}",
            "SNOWMODE_SIDECAR_PORT": str(self.ports[8080]),
        }

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, _ in reversed(self._running):
            _end(process)

    def run(self, block: Block) -> str:
        """Runs a block.

        Returns:
            What it printed on both streams.

        Raises:
            BlockError: If it fails, does not end, does not answer, or prints something else than the page shows.
        """
        text = self.with_own_ports(block.text_in_tests() if self.smaller else block.text)
        if block.stays_running:
            self._start(text, block)
            return ""
        printed = self._run(text, block)
        if block.output:
            wrong = difference(block.output.text, printed, other_modes=self.smaller)
            if wrong:
                raise BlockError(f"line {block.output.line}: {wrong}\n\nprinted:\n{printed}")
        return printed

    def set(self, **variables: str) -> None:
        """Sets variables for the blocks to come."""
        self._environment.update(variables)

    def with_own_ports(self, text: str) -> str:
        """Puts the stage's ports in the place of those a page names."""
        return _PORT.sub(lambda found: f"{found[1]}{self.ports[int(found[2])]}", text)

    def _run(self, text: str, block: Block) -> str:
        process = subprocess.Popen(
            ["bash", "-c", self._script(text, block.language)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            printed = self._as_shown(process.communicate(timeout=LONGEST)[0].decode("utf-8", "replace"))
        except subprocess.TimeoutExpired:
            raise BlockError(f"line {block.line}: did not end within {LONGEST:g} s:\n{block.text}") from None
        finally:
            _end(process)
        if process.returncode:
            raise BlockError(f"line {block.line}: ended with {process.returncode}:\n{text}\n\nprinted:\n{printed}")
        return printed

    def _start(self, text: str, block: Block) -> None:
        log = self._state / f"line-{block.line}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", self._script(text, block.language)],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._running.append((process, log))
        address = self.with_own_ports(block.stays_running)
        deadline = time.monotonic() + LONGEST
        while not _answers(address):
            told = self._as_shown(log.read_text(errors="replace"))
            if process.poll() is not None:
                raise BlockError(f"line {block.line}: ended with {process.returncode} instead of running on:\n{told}")
            if time.monotonic() > deadline:
                raise BlockError(f"line {block.line}: {block.stays_running} does not answer:\n{told}")
            time.sleep(0.1)

    def _script(self, text: str, language: str) -> str:
        variables, here = (shlex.quote(str(self._state / name)) for name in ("variables", "here"))
        if language == "python":
            file = self._state / "block.py"
            file.write_text(text, encoding="utf-8")
            text = f"python {shlex.quote(str(file))}"
        return "\n".join(
            [
                "set -euo pipefail",
                f'if [ -f {variables} ]; then source {variables}; cd "$(cat {here})"; fi',
                text,
                f"declare -px >{variables}; pwd >{here}",
            ]
        )

    def _as_shown(self, printed: str) -> str:
        """Puts what a reader would see in the place of this run's ports, colours and progress."""
        for shown, own in self.ports.items():
            printed = re.sub(rf"(?<=[: ]){own}\b", str(shown), printed)
        # How often a command tells of its progress depends on how fast the machine is.
        printed = re.sub(r"(?m)^[\d,]+ of [\d,]+ frames, .* s left\n", "", printed)
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", printed).replace("\r\n", "\n")


@contextmanager
def played(page: Page, folder: Path, *, smaller: bool = True) -> Iterator[tuple[Stage, dict[int, str]]]:
    """Runs every block of a page that can run here.

    Returns:
        The stage, whose servers still run, and what each block printed, by the line it begins on.
    """
    with Stage(folder, smaller=smaller) as stage:
        printed = {}
        for block in page.blocks:
            if block.language in ("sh", "python") and not block.not_executed:
                try:
                    printed[block.line] = stage.run(block)
                except BlockError as error:
                    raise BlockError(f"{page.path.name}, {error}") from None
        yield stage, printed


def _free_ports(count: int) -> list[int]:
    """Finds free ports: all are held until the last is found, so that none comes twice."""
    held = [socket.create_server(("localhost", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _answers(address: str) -> bool:
    try:
        if address.startswith("http"):
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            return True
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a block and all it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

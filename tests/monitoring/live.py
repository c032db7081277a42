"""The whole system as processes, under load, and a real Prometheus that watches it: for tests, and to look at.

    python -m tests.monitoring.live SECONDS PICTURES     runs it, and draws every panel of the dashboards

Model server with TLS, sidecar, watcher; frames that drop in, some missing, one damaged; a winter that is classified
again and again; people who look at pages.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import text_format

from serving.protocol import wire
from tests.client.watch.watching import drop, png
from tests.conftest import write_frames
from tests.monitoring.files import PROMETHEUS, RULES
from tests.serving.model_server import certificates
from tests.serving.sidecar.process import Sidecar, make_records

SEASON = "hse20162017"
BATCHING = """
max_batch_size { value: 512 } batch_timeout_micros { value: 1000 } num_batch_threads { value: 2 }
max_enqueued_batches { value: 64 } allowed_batch_sizes: 8 allowed_batch_sizes: 64 allowed_batch_sizes: 512
"""
MONITORING = 'prometheus_config { enable: true, path: "/monitoring/prometheus/metrics" }'

LOGS: dict[int, Path] = {}
"""Of processes, by number."""


class Prometheus:
    """Asks a Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **words: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(words)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluates an expression now."""
        found: list[dict[str, Any]] = self.ask("/api/v1/query", query=expression)["result"]
        return found

    def query_range(self, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """Evaluates an expression over the last while."""
        end = time.time()
        words = {"query": expression, "start": str(end - seconds), "end": str(end), "step": str(step)}
        found: list[dict[str, Any]] = self.ask("/api/v1/query_range", **words)["result"]
        return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until(condition: Callable[[], Any], what: str, *processes: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Waits for something that must happen while processes live."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        for process in processes:
            if process.poll() is not None:
                raise AssertionError(
                    f"{what}: ended with {process.returncode}:\n{LOGS[process.pid].read_text()[-2000:]}"
                )
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def running(log: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process for a while."""
    with log.open("ab") as file:
        process = subprocess.Popen([*map(str, words)], stdout=file, stderr=file)
    LOGS[process.pid] = log
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def system(folder: Path, models: Path, *, interval: float = 1.0) -> Iterator[Prometheus]:
    """Everything at work, until the end of the block.

    Args:
        folder: For all that is written.
        models: Of published models.
        interval: Seconds between two scrapes.
    """
    rest, metrics, prometheus = free_port(), free_port(), free_port()
    archive, incoming = folder / "archive", folder / "incoming"
    write_frames(archive / SEASON, 200)
    incoming.mkdir()
    with contextlib.ExitStack() as stack:
        server, authority = stack.enter_context(_model_server(folder, models, rest))
        tls = {"SNOWMODE_TLS_CA": str(authority)}
        sidecar = Sidecar(folder, f"--archive={archive}", "--requests-per-minute=0", server=server, env=tls)
        stack.callback(sidecar.stop)
        record_two_winters(sidecar)
        words = [
            *(sys.executable, "-m", "client", "watch", incoming, "--server", server, "--tls-ca", authority),
            *("--out", folder / "results", "--pattern", "%Y%m%d%H%M.png", "--cadence", 1, "--give-up", 2),
            *("--season", "now", "--sidecar", sidecar.url, "--metrics-port", metrics),
        ]
        watcher = stack.enter_context(running(folder / "watcher.log", *words))
        ports = {"model-server": rest, "sidecar": sidecar.port, "watcher": metrics}
        stack.enter_context(_prometheus(folder, prometheus, ports, interval))
        one = Prometheus(prometheus)
        until(lambda: len(one.query("up == 1")) == len(ports), "everything is scraped", watcher)
        for work in (
            lambda stopped: _feed(incoming, stopped),
            lambda stopped: _classify(folder, archive / SEASON, server, authority, stopped),
            lambda stopped: _look(sidecar, stopped),
        ):
            stack.enter_context(_meanwhile(work))
        yield one


@contextlib.contextmanager
def _model_server(folder: Path, models: Path, rest: int) -> Iterator[tuple[str, Path]]:
    keys = folder / "keys"
    keys.mkdir()
    certificates.authority(keys)
    pair = certificates.signed_by(keys, "authority", "server")
    config = wire.SSLConfig(server_key=pair.key, server_cert=pair.certificate)
    for name, text in (
        ("batching.txt", BATCHING),
        ("monitoring.txt", MONITORING),
        ("ssl.txt", text_format.MessageToString(config)),
    ):
        (folder / name).write_text(text)
    words = [
        *(sys.executable, "-m", "serving.model_server", f"--model_base_path={models / 'snowmode'}"),
        *("--model_name=snowmode", "--port=0", f"--port_file={folder / 'port'}", f"--rest_api_port={rest}"),
        *("--enable_batching=true", f"--batching_parameters_file={folder / 'batching.txt'}"),
        *(f"--monitoring_config_file={folder / 'monitoring.txt'}", f"--ssl_config_file={folder / 'ssl.txt'}"),
    ]
    with running(folder / "model-server.log", *words) as process:
        until((folder / "port").exists, "the model server answers", process)
        yield f"localhost:{(folder / 'port').read_text().strip()}", keys / "authority.crt"


@contextlib.contextmanager
def _prometheus(folder: Path, port: int, ports: dict[str, int], interval: float) -> Iterator[None]:
    """Prometheus with the configuration of compose, except for addresses and pace."""
    config = yaml.safe_load(PROMETHEUS.read_text())
    config["global"] = dict.fromkeys(config["global"], f"{round(1000 * interval)}ms")
    config["rule_files"] = [str(RULES)]
    jobs = [job for job in config["scrape_configs"] if job["job_name"] in ports]
    for job in jobs:
        job["static_configs"][0]["targets"] = [f"127.0.0.1:{ports[job['job_name']]}"]
    config["scrape_configs"] = jobs
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    words = [
        *("prometheus", f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}"),
        f"--storage.tsdb.path={folder / 'tsdb'}",
    ]
    with running(folder / "prometheus.log", *words) as process:
        ready = f"http://127.0.0.1:{port}/-/ready"
        until(lambda: urllib.request.urlopen(ready, timeout=5).close() is None, "Prometheus answers", process)
        yield


@contextlib.contextmanager
def _meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stopped = threading.Event()
    thread = threading.Thread(target=work, args=(stopped,))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def record_two_winters(sidecar: Sidecar) -> None:
    """The winter that goes on, in which other modes have come up, and the one before."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for season, seed, start, days in (
        ("hse20252026", 1, now - timedelta(days=410), 90),
        ("now", 2, now - timedelta(days=40), 40),
    ):
        records = make_records(days * 24, season=season, start=start, cadence=timedelta(hours=1), seed=seed)
        if season == "now":
            for one in records[240:]:
                one["probabilities"] = {"SY": 0.7, "VX": 0.1, "LT": 0.1, "DM": 0.05, "NO": 0.05}
        answer = sidecar.record(records)
        assert answer.status == 200, answer


def _feed(incoming: Path, stopped: threading.Event) -> None:
    """A frame of every minute of the last hours, one a second; every ninth is missing, one is damaged."""
    moment = datetime.now(UTC) - timedelta(hours=5)
    for n in range(300):
        name = (moment + timedelta(minutes=n)).strftime("%Y%m%d%H%M.png")
        if n == 4:
            (incoming / name).write_bytes(b"no picture")
        elif n % 9:
            drop(incoming / name, png(n))
        if stopped.wait(0.7):
            return


def _classify(folder: Path, season: Path, server: str, authority: Path, stopped: threading.Event) -> None:
    """A winter again and again, with heat maps every other time."""
    turn = 0
    while not stopped.is_set():
        turn += 1
        out = folder / f"{turn}.csv"
        words = ["classify", season, "--server", server, "--tls-ca", authority, "--out", out]
        if turn % 2:
            words += ["--explain", "gradcam"]
        with running(folder / "classify.log", sys.executable, "-m", "client", *words) as process:
            while process.poll() is None and not stopped.wait(0.2):
                pass


def _look(sidecar: Sidecar, stopped: threading.Event) -> None:
    """People at pages, and a job."""
    body = json.dumps({"kind": "heat_maps", "season": "now"}).encode()
    answer = sidecar.ask("/v1/jobs", body=body, Content_Type="application/json")
    assert answer.status == 202, answer
    while not stopped.wait(0.5):
        for path in ("/", "/v1/seasons", "/v1/seasons/now/statistics", "/nothing"):
            sidecar.ask(path)


def main() -> None:
    """Runs it, and draws what the dashboards show."""
    import tempfile

    from tests.benchmarks.material import publish_fresh
    from tests.monitoring.picture import draw

    seconds, pictures = float(sys.argv[1]), Path(sys.argv[2])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        publish_fresh(folder / "models", "nakai2022", 32)
        with system(folder, folder / "models", interval=2) as prometheus:
            time.sleep(seconds)
            draw(prometheus, seconds, pictures)


if __name__ == "__main__":
    main()

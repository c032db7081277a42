"""`serving sidecar` as a process: settings, start, stop."""

from __future__ import annotations

import http.client
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serving.cli import app
from tests.serving.sidecar.process import Sidecar, make_records, wait_until

TOKEN = "a-token-of-the-tests"


@dataclass
class Done:
    code: int
    text: str


@pytest.fixture
def serving(monkeypatch) -> Iterator[Callable[..., Done]]:
    """Runs the command in this process: what is tested with it ends before anything is started."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Done:
        result = CliRunner().invoke(app, ["sidecar", *map(str, words)], catch_exceptions=False)
        return Done(result.exit_code, " ".join((result.output + result.stderr).split()))

    yield run
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


def test_help_teaches_and_every_option_has_its_variable(serving):
    text = serving("--help").text
    assert "serving sidecar --server embedded:models --archive frames/" in text
    assert "Exit codes:" in text
    options = set(re.findall(r"--[a-z][a-z-]+", text.partition("What it stands beside")[2]))
    assert len(options) > 20
    variables = set(re.findall(r"SNOWMODE_SIDECAR_[A-Z_]+", text))
    assert len(variables) >= len(options)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token=short"], "expected at least 16 letters, digits or ._~+/=-, received 5 characters"),
        (["--token=a token with spaces in it"], "Token 1 of 1"),
        (["--token-file=absent"], "--token-file absent: cannot be read"),
        (["--archive=absent"], "--archive: expected a folder with a folder a season, received 'absent'"),
        (["--server=nowhere"], "--server: expected HOST:PORT or embedded:FOLDER, received 'nowhere'"),
        (["--server=gpu-1:8500,gpu-2:8500"], "--server: several servers: expected addresses such as 10.0.0.1:8500"),
        (["--window=here"], "--window: "),
        (["--zone=Tokio"], "--zone: Time zone: expected UTC, JST or a name such as Asia/Tokyo"),
        (["--database=winter.sqlite"], "--database: expected sqlite:///FILE or postgresql://"),
        (["--database=mysql://a/b"], "--database: expected sqlite:///FILE or postgresql://"),
        (["--database=sqlite:////absent/winter.sqlite"], "the folder /absent is not there"),
        (["--database=sqlite:////dev/null"], "--database"),
        (["--tls-ca=absent"], "--tls-ca absent: expected certificates in PEM form"),
        (["--tls-cert=absent"], "expected --tls-ca too"),
        (["--log=xml"], "--log: expected one of text, json, received 'xml'"),
        (["--log-level=loud"], "--log-level: expected one of"),
        (["--host=host.invalid"], "--host: expected an address of this machine, received 'host.invalid'"),
        (["--host=192.0.2.1"], "this machine does not have that address"),
        (["--requests-per-minute=-1"], "requests-per-minute"),
    ],
)
def test_wrong_settings_stop_before_anything_starts(words, said, tmp_path, serving):
    database = [] if any("--database" in word for word in words) else [f"--database=sqlite:///{tmp_path}/w"]
    done = serving("--port=0", *words, *database)
    assert done.code == 2, done.text
    assert said in done.text
    assert "Traceback" not in done.text


def test_a_port_that_is_taken_is_said_so(tmp_path, serving):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = serving(f"--port={port}", f"--database=sqlite:///{tmp_path}/w.sqlite")
    assert done.code == 2
    assert "something else listens there; name another one with --port" in done.text


def test_a_file_that_is_no_database_is_said_so_and_left_alone(tmp_path, serving):
    file = tmp_path / "w.sqlite"
    file.write_bytes(b"these are the notes of a winter" * 100)
    done = serving("--port=0", f"--database=sqlite:///{file}")
    assert done.code == 2
    assert "not a database" in done.text
    assert file.read_bytes() == b"these are the notes of a winter" * 100


def test_an_embedded_server_without_models_is_said_so(tmp_path, serving):
    done = serving("--port=0", f"--database=sqlite:///{tmp_path}/w.sqlite", f"--server=embedded:{tmp_path}")
    assert done.code == 3
    assert "No published model" in done.text


def test_variables_set_what_options_do_not(start_sidecar, tmp_path):
    env = {
        "SNOWMODE_SIDECAR_TOKENS": f"{TOKEN} another-token-of-the-tests",
        "SNOWMODE_SIDECAR_DATABASE": f"sqlite:///{tmp_path}/named.sqlite",
    }
    sidecar = start_sidecar(f"--database=sqlite:///{tmp_path}/option.sqlite", env=env)
    assert sidecar.record(make_records(2)).status == 401
    for token in (TOKEN, "another-token-of-the-tests"):
        assert sidecar.record(make_records(2), Authorization=f"Bearer {token}").status == 200
    assert (tmp_path / "option.sqlite").exists()
    assert not (tmp_path / "named.sqlite").exists()


def test_tokens_come_from_a_file(start_sidecar, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"# of the tests\n\n{TOKEN}  # the first\n")
    sidecar = start_sidecar(f"--token-file={file}")
    assert sidecar.record(make_records(2), Authorization=f"Bearer {TOKEN}").status == 200
    assert sidecar.record(make_records(2), Authorization="Bearer # of the tests").status == 401
    assert TOKEN not in sidecar.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(start_sidecar, number):
    sidecar = start_sidecar()
    assert sidecar.ask("/healthz").status == 200
    assert sidecar.stop(number) == 0
    assert sidecar.lines()[-1]["message"] == "stopped"


def test_a_request_that_is_on_its_way_is_finished_at_the_end(start_sidecar):
    sidecar = start_sidecar()
    body = "".join(json.dumps(one) + "\n" for one in make_records(50)).encode()
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=30)
    connection.putrequest("POST", "/v1/predictions")
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:1000])
    wait_until(lambda: b"requests_running 2.0" in sidecar.ask("/metrics").body, "the request is being read")
    sidecar.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not _listens(sidecar.port), "it takes no more requests")
    connection.send(body[1000:])
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["new"]) == (200, 50)
    connection.close()
    assert sidecar.stop() == 0


def test_a_request_that_does_not_end_is_not_waited_for_for_ever(start_sidecar):
    sidecar = start_sidecar("--stop-within=1")
    with socket.create_connection(("127.0.0.1", sidecar.port)) as connection:
        connection.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        wait_until(lambda: b"requests_running 2.0" in sidecar.ask("/metrics").body, "the request is being read")
        assert sidecar.stop() == 0


def test_two_can_start_at_once_on_an_empty_database(start_sidecar, database_url, tmp_path):
    folders = [tmp_path / str(n) for n in range(3)]
    for folder in folders:
        folder.mkdir()
    started = [start_sidecar(f"--database={database_url}", folder=folder, wait=False) for folder in folders]
    for one in started:
        one.wait()
        assert one.record(make_records(5)).status == 200
    assert started[0].ask("/v1/frames?season=hse20152016").json["frames"]


def test_it_says_who_may_write_when_everybody_may(start_sidecar, tmp_path):
    sidecar = start_sidecar("--host=0.0.0.0")
    assert any("everybody who reaches 0.0.0.0 may write" in line["message"] for line in sidecar.lines())
    (tmp_path / "b").mkdir()
    sidecar = start_sidecar("--host=0.0.0.0", "--read-only", folder=tmp_path / "b")
    assert not any("may write" in line["message"] for line in sidecar.lines())


def test_no_secret_is_logged_or_answered(start_sidecar, tmp_path):
    password, token, guess = "not-the-password", "a-token-of-some-length", "a-guess-of-some-length"
    sidecar = start_sidecar(
        f"--database=postgresql://winter:{password}@127.0.0.1:1/winter",
        "--log-level=debug",
        env={"SNOWMODE_SIDECAR_TOKENS": token},
    )
    answers = [
        sidecar.ask("/readyz"),
        sidecar.ask("/v1/seasons"),
        sidecar.ask("/metrics"),
        sidecar.ask("/v1/predictions", body=b"", Authorization=f"Bearer {guess}"),
        sidecar.ask("/v1/predictions", body=b"", Authorization=f"Bearer {token}"),
        sidecar.ask("/sign-in", body=f"token={guess}".encode(), Content_Type="application/x-www-form-urlencoded"),
    ]
    assert [answer.status for answer in answers[:2]] == [503, 503]
    sidecar.stop()
    told = sidecar.log.read_text()
    assert "127.0.0.1" in told
    for secret in (password, token, guess):
        assert secret not in told
        assert not [answer for answer in answers if secret in answer.text]


def test_addresses_are_those_a_trusted_proxy_names(start_sidecar, tmp_path):
    addresses = {}
    for words in ((), ("--proxy=127.0.0.1",)):
        folder = tmp_path / str(len(words))
        folder.mkdir()
        sidecar = start_sidecar(*words, folder=folder)
        sidecar.ask("/v1/seasons", X_Forwarded_For="203.0.113.7")
        sidecar.stop()
        addresses[words] = next(line["address"] for line in sidecar.lines() if line.get("path") == "/v1/seasons")
    assert list(addresses.values()) == ["127.0.0.1", "203.0.113.7"]


WITHOUT_TENSORFLOW = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "tensorflow_serving", "grpc_health", "sklearn", "PIL",
                                      "matplotlib", "netCDF4", "pyarrow", "eccodes", "scipy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from serving.cli import main
main()
"""


def test_it_works_where_neither_tensorflow_nor_extras_are_installed(tmp_path):
    port_file = tmp_path / "sidecar.port"
    words = [
        f"--database=sqlite:///{tmp_path}/w.sqlite",
        "--port=0",
        f"--port-file={port_file}",
        "--server=127.0.0.1:1",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", WITHOUT_TENSORFLOW, "sidecar", *words], stderr=log)
    try:
        wait_until(lambda: port_file.exists() or process.poll() is not None, "it listens")
        assert port_file.exists(), (tmp_path / "log").read_text()
        one = Sidecar.attach(port_file)
        assert one.record(make_records(100)).status == 200
        for path in ("/", "/docs", "/v1/seasons", "/v1/seasons/hse20152016/statistics", "/seasons/hse20152016"):
            assert one.ask(path).status == 200, one.ask(path)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_concurrent_requests_have_their_own_ids(start_sidecar):
    sidecar = start_sidecar()
    given = [f"one-{n}" for n in range(20)]
    answers: dict[str, str] = {}

    def ask(one: str) -> None:
        answers[one] = sidecar.ask("/v1/seasons", X_Request_ID=one).headers["X-Request-ID"]

    threads = [threading.Thread(target=ask, args=[one]) for one in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {one: one for one in given}

    def logged() -> set[str]:
        return {line["request_id"] for line in sidecar.lines() if line.get("route") == "/v1/seasons"}

    # A line is written after its answer.
    wait_until(lambda: logged() == set(given), "every request is in the log")


def test_the_log_file_of_a_start_is_json_throughout(start_sidecar, tmp_path: Path):
    sidecar = start_sidecar()
    sidecar.ask("/v1/frames/1")
    sidecar.stop()
    lines = sidecar.log.read_text().splitlines()
    assert len(lines) == len(sidecar.lines()) >= 4
    assert all({"time", "level", "logger", "message"} <= set(json.loads(line)) for line in lines)

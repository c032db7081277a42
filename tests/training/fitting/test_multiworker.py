"""Several machines by the command line: one publishes, all end well; one that is stopped ends all, and all go on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.training.fitting.test_devices import free_ports
from training.publishing import releases

pytestmark = pytest.mark.slow

PATIENCE = 240
EPOCHS = 12


class Job:
    """The processes of an Indexed Job: the same words for all, a number for each."""

    def __init__(self, folder, winter, count=2):
        self._folder, self._winter, self._count = folder, winter, count
        self._hosts = ",".join(f"localhost:{port}" for port in free_ports(count))
        self.processes = []

    def start(self, numbers=None, *, limit=120):
        words = [f"fit.epochs={EPOCHS}", "fit.patience=0", "fit.batch_size=32", "input.height=16", "input.width=16"]
        command = [
            *(sys.executable, "-c", "from training.cli import main; main()", "run", "--strategy", "multiworker"),
            *("--frames", self._winter, "--runs", self._folder / "runs", "--models", self._folder / "models"),
            *("--name", "together", "--wait-for-workers", str(limit)),
            *(word for setting in words for word in ("--set", setting)),
        ]
        for number in range(self._count) if numbers is None else numbers:
            environment = {
                **os.environ,
                "SNOWMODE_WORKERS": self._hosts,
                "JOB_COMPLETION_INDEX": str(number),
                "CUDA_VISIBLE_DEVICES": "-1",
            }
            with self.log(number).open("ab") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            self.processes.append(process)
        return self.processes[-(self._count if numbers is None else len(numbers)) :]

    def log(self, number):
        return self._folder / f"worker-{number}.log"

    def epochs(self):
        try:
            lines = (self._folder / "runs" / "together" / "metrics.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line)["epoch"] for line in lines]

    def until_it_learns(self):
        deadline = time.monotonic() + PATIENCE
        while not self.epochs():
            assert all(process.poll() is None for process in self.processes), self.log(0).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def job(tmp_path, winter):
    one = Job(tmp_path, winter)
    yield one
    for process in one.processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_worker_that_is_stopped_ends_all_and_all_go_on_to_one_published_model(job, tmp_path):
    first, second = job.start()
    job.until_it_learns()
    second.send_signal(signal.SIGTERM)  # as when a node is drained
    assert second.wait(PATIENCE) == 75, job.log(1).read_text()
    assert first.wait(PATIENCE) == 74, job.log(0).read_text()
    assert "Error: Lost a peer (worker 1 of 2, 2 CPUs in all); start all workers again" in job.log(0).read_text()
    assert "Told to stop in epoch" in job.log(1).read_text()
    done = len(job.epochs())
    assert 1 <= done < EPOCHS
    assert [process.wait(PATIENCE) for process in job.start()] == [0, 0], job.log(0).read_text()
    assert job.epochs() == list(range(1, EPOCHS + 1))
    lines = [
        [line for line in job.log(number).read_text().splitlines() if line.startswith("epoch")] for number in (0, 1)
    ]
    assert len(lines[0]) >= EPOCHS - 1
    assert lines[0][-(EPOCHS - done) :] == lines[1][-(EPOCHS - done) :], "both hold the same weights"
    (version,) = releases.versions(tmp_path / "models")
    assert releases.read(tmp_path / "models").production == version
    # Started again, alone: nobody waits for those that have ended well.
    (again,) = job.start([1])
    assert again.wait(PATIENCE) == 0
    assert "what is left is the work of the first worker" in job.log(1).read_text()


def test_a_worker_without_the_others_gives_up(job):
    (alone,) = job.start([1], limit=1)
    assert alone.wait(PATIENCE) == 74
    assert "Error: 1 of 2 workers were not there within 1 s (localhost:" in job.log(1).read_text()

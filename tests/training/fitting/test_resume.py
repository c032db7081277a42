"""A run that is killed, told to stop, or short of disk: what it finished holds, and it goes on as if nothing was."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.limits import files_up_to

pytestmark = pytest.mark.slow

# Everything that has a state: moving averages, early stopping, a schedule, dropout, statistics of batches.
STATEFUL = ["fit.ema=0.9", "augment.mixup=0.2", "fit.patience=3", "fit.warmup_epochs=1", "fit.weight_decay=0.001"]


def start(folder, *overrides, strategy="none", environment=None, limits=()):
    folder.mkdir(exist_ok=True)
    command = [*limits, sys.executable, "-m", "tests.training.fitting.fit_child", str(folder), strategy, *overrides]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    return out.splitlines()[-1]


def until(process, epoch, step):
    """Reads what a process says until it has done a step."""
    for line in process.stdout:
        if line.split() == ["step", str(epoch), str(step)]:
            return
    pytest.fail(f"it ended before: {process.stderr.read()[-2000:]}")


def weights(folder, worker=0):
    with np.load(folder / f"weights-{worker}.npz") as file:
        return [file[name] for name in file.files]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert finish(start(folder, *STATEFUL)) == "done 4 0"
    return folder


def test_a_run_killed_at_random_moments_ends_with_the_weights_of_one_that_was_not(undisturbed, tmp_path):
    seed = random.randrange(1000)
    print(f"moments drawn with seed {seed}")
    draw = random.Random(seed)
    moments = sorted({(draw.randint(1, 2), draw.randint(1, 4)), (draw.randint(3, 4), draw.randint(1, 4))})
    for epoch, step in moments:
        process = start(tmp_path, *STATEFUL)
        until(process, epoch, step)
        process.kill()
        process.communicate()
    last = finish(start(tmp_path, *STATEFUL))
    assert last.startswith("done 4 ")
    # The epoch it was killed in was run again, those before it were not.
    assert int(last.split()[2]) in (moments[-1][0] - 1, moments[-1][0])
    assert_same(weights(tmp_path), weights(undisturbed))
    lines, expected = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (tmp_path, undisturbed)
    )
    for line in [*lines, *expected]:
        line.pop("seconds")
    assert lines == expected


def test_sigterm_stops_after_the_step_and_the_run_goes_on(undisturbed, tmp_path):
    process = start(tmp_path, *STATEFUL)
    until(process, 2, 2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err[-2000:]
    assert "the same command with the same --name goes on after epoch" in out
    assert finish(start(tmp_path, *STATEFUL)).startswith("done 4 ")
    assert_same(weights(tmp_path), weights(undisturbed))


def test_a_finished_run_only_takes_its_weights_back(undisturbed):
    before = weights(undisturbed)
    assert finish(start(undisturbed, *STATEFUL)) == "done 4 4"
    assert_same(weights(undisturbed), before)


def test_a_full_disk_leaves_the_checkpoint_before_and_says_so(tmp_path):
    assert finish(start(tmp_path, "fit.epochs=1")) == "done 1 0"
    last = tmp_path / "checkpoints" / "last.npz"
    size, content = last.stat().st_size, last.read_bytes()

    process = start(tmp_path, "fit.epochs=2", limits=files_up_to(size // 2))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "MachineError" in err
    assert "the checkpoint of epoch 2 cannot be written" in err
    assert "That of epoch 1 is intact; make room and start the same command again" in err
    assert last.read_bytes() == content
    assert sorted(path.name for path in Path(last.parent).iterdir()) == ["kept-0001.npz", "last.npz"]
    assert finish(start(tmp_path, "fit.epochs=2")) == "done 2 1"

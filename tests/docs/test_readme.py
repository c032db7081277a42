"""The commands of the README run, each on small things of the names it uses."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_png
from tests.docs.blocks import ROOT, Block, read
from tests.docs.running import BlockError, Stage
from tests.radar.jma.messages import write_message

# Commands that do not run here, by how they begin, and why. What they name is checked by test_blocks.py.
MINUTES = "takes minutes"
RUNS_ON = "runs until it is stopped; the guides start it and ask it"
NOT_RUN = {
    "make": "runs all that is here, and this test",
    "docker compose": "wants docker; tests/docker/test_compose.py reads the file",
    "kubectl": "wants a cluster; tests/k8s renders what is applied",
    "source": "the environment of the tests is active",
    "client --install-completion": "changes the shell of this machine",
    "client watch incoming/ --pattern": RUNS_ON,
    "client watch jma/": RUNS_ON,
    "client watch incoming/ --sidecar": RUNS_ON,
    "client bench": MINUTES,
    "serving": RUNS_ON,
    "training run": "the guide runs it",
    "training crossval": MINUTES,
    "training learning-curve": MINUTES,
    "training study": MINUTES,
    "training look": MINUTES,
    "training compare": "wants two runs; tests/training/test_cli.py has them",
    "training publish": "wants a run; tests/training/publishing/test_publish.py has one",
    "training promote": "wants a candidate; tests/training/publishing/test_release.py has one",
    "training rollback": "wants an earlier version; tests/training/publishing/test_release.py has one",
}
STARTED = datetime(2016, 1, 10, tzinfo=UTC)


def lines() -> list[Block]:
    """Cuts the shell blocks of the README into their commands."""
    return [
        Block("sh", line, block.line + 1 + n)
        for block in read(ROOT / "README.md").blocks
        if block.language == "sh" and not block.not_executed
        for n, line in enumerate(block.text.splitlines())
        if line.strip()
    ]


def why_not(line: str) -> str:
    """Tells why a command is not run; empty if it is."""
    return next((reason for begin, reason in NOT_RUN.items() if line.startswith(begin)), "")


@pytest.fixture
def stage(tmp_path: Path, models: Path):
    """A folder with all that the README names."""
    from training.synth import make_winter

    folder = tmp_path / "stage"
    winter = folder / "hse20152016"
    folder.mkdir()
    make_winter(winter, frames=40, seed=1, year=2015, size=(64, 64), workers=1)
    shutil.copyfile(winter / "labels.csv", folder / "labels.csv")
    (folder / "periods.csv").write_text("start,end,mode\n2015-11-01T00:00,2016-01-15T00:00,LT\n")
    shutil.copytree(models, folder / "build/demo/models")
    shutil.copytree(models, folder / "models")
    (folder / "incoming").mkdir()
    for n in range(3):
        write_png(folder / "incoming" / f"{STARTED + timedelta(minutes=5 * n):%Y%m%d%H%M}.png", n)
    for mode in ("LT", "NO"):
        (folder / "labelled" / mode).mkdir(parents=True)
        for n in range(4):
            write_png(folder / "labelled" / mode / f"{mode}{n}.png", n + 10 * (mode == "LT"))
    (folder / "jma/2016/01").mkdir(parents=True)
    for place in ("jma", "jma/2016/01"):
        write_message(folder / place, np.ones((3360, 2560), np.uint8), STARTED)
    with Stage(folder) as one:
        yield one


@pytest.mark.slow
def test_the_commands_of_the_readme_run(stage: Stage, server: str, models: Path, tmp_path: Path) -> None:
    from tests.serving.sidecar.process import Sidecar

    sidecar = Sidecar(tmp_path, f"--archive={stage.folder}", server=server)
    stage.set(SNOWMODE_SERVER=server, SNOWMODE_SIDECAR=sidecar.url)
    try:
        failed = []
        for line in lines():
            if why_not(line.text):
                continue
            # One server for all: each start of an embedded one takes as long as all the rest.
            line.text = line.text.replace("embedded:build/demo/models", server).replace("gpu:8500", server)
            line.text = line.text.replace("http://localhost:8080", sidecar.url)
            # The winter of that name is there already, and is not one that the command made.
            line.text = line.text.replace("--recursive --out hse20152016", "--recursive --out drawn")
            try:
                stage.run(line)
            except BlockError as error:
                failed.append(f"README.md, {error}")
        assert not failed, "\n".join(failed)
    finally:
        sidecar.stop()


def test_every_command_that_is_not_run_is_still_in_the_readme() -> None:
    """A reason that fits nothing would let the next command of that name slip through."""
    unused = [begin for begin in NOT_RUN if not any(line.text.startswith(begin) for line in lines())]
    assert unused == []

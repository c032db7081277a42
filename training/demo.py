"""`make demo`: the whole path once, with the very commands a user would type."""

from __future__ import annotations

import contextlib
import csv
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from serving.protocol.embedded import server_at

FRAMES = 2500
TRAIN, TEST = "hse20142015", "hse20152016"


def main() -> None:
    """Runs the demo in the folder named on the command line."""
    started = time.monotonic()
    base = Path(sys.argv[1])
    winters, models = base / "winters", base / "models"

    _title("1. Two synthetic winters, in the look of JMA's composites")
    for seed, (season, year) in enumerate({TRAIN: 2014, TEST: 2015}.items(), start=1):
        _run(
            "training",
            "synth",
            winters / season,
            f"--frames={FRAMES}",
            f"--seed={seed}",
            f"--year={year}",
            "--overwrite",
        )

    _title("2. A model, trained on the first, published through the release gate")
    _run(
        "training",
        "run",
        "--recipe=radar",
        f"--frames={winters / TRAIN}",
        f"--models={models}",
        f"--runs={base / 'runs'}",
    )

    _title("3. The other winter, classified by a model server of this machine")
    print(
        "The synthetic winter is drawn in stretches of one to three days, on purpose: "
        "the frames between them are reported as missing.\n",
        flush=True,
    )
    with server_at(f"embedded:{models}") as target:
        os.environ["SNOWMODE_SERVER"] = target
        results = base / f"{TEST}.csv"
        _run("client", "classify", f"{winters / TEST}/", f"--out={results}", "--format=nakai", "--overwrite")

        _title("4. Pictures")
        _run(
            "training",
            "draw",
            "contact-sheet",
            results,
            f"--frames={winters / TEST}",
            f"--out={base / 'contact_sheet.png'}",
        )
        frame = winters / TEST / _telling_frame(results)
        _run("training", "draw", "heat-maps", frame, f"--out={base / 'heat_maps.png'}")

        _title("5. The winter in the sidecar, for its pages")
        database = base / "winter.sqlite"
        with _sidecar(database, winters) as url:
            _run("client", "record", results, f"--sidecar={url}")

    _title("6. The winter in numbers, and as one picture")
    _run("client", "stats", results, "--zone=JST", f"--out={base / 'statistics'}")

    _title("7. How good is that? Held against the labels of the synthetic winter")
    verification = base / "verification"
    labels = winters / TEST / "labels.csv"
    _run("client", "evaluate", results, labels, "--split=season", f"--out={verification}")
    curve = max((base / "runs").glob("*/learning_curve.png"))

    _title(f"Done in {(time.monotonic() - started) / 60:.1f} minutes. Look at")
    print(f"""  {base / "contact_sheet.png"}    what was taken for what
  {base / "statistics" / f"ribbon_{TEST}.png"}    the winter: a row a day, a pixel a frame
  {verification / "verification.html"}    the scores above with their figures
  {base / "heat_maps.png"}        where the evidence for each mode lies in one frame
  {curve}
  {results}      one row a frame, for any spreadsheet

Next
  source .venv/bin/activate
  serving sidecar --server embedded:{models} --archive {winters} --database sqlite:///{database}
                                                            the winter in your browser, http://localhost:8080
  client classify MY_WINTER/ --server embedded:{models}     your own frames
  client describe --server embedded:{models}                what the model says of itself
  client --help; training --help; serving --help

The scores are of synthetic frames: they show that the machinery works, never how good it is on real snow.""")


def _telling_frame(results: Path) -> str:
    """Picks the frame whose bands are surest, or the surest of all if there are no bands."""
    with results.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"]]
    surest = max(rows, key=lambda row: (row["label"] == "LT", float(row[f"p_{row['label']}"])))
    return surest["file"]


@contextlib.contextmanager
def _sidecar(database: Path, archive: Path) -> Iterator[str]:
    """Runs a sidecar on a free port of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder, "port")
        words = [f"--database=sqlite:///{database}", f"--archive={archive}", "--port=0", f"--port-file={port_file}"]
        quiet = "--log-level=warning"
        command = ["serving", "sidecar", "--server", os.environ["SNOWMODE_SERVER"], *words, quiet]
        process = subprocess.Popen([str(Path(sys.executable).with_name(command[0])), *command[1:]])
        try:
            while not port_file.exists():
                if process.poll() is not None:
                    sys.exit(process.returncode)
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.terminate()
            process.wait()


def _title(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def _run(*words: object) -> None:
    """Shows a command and runs it; the demo ends where it fails."""
    command = [str(word) for word in words]
    print(f"$ {shlex.join(command)}", flush=True)
    done = subprocess.run([str(Path(sys.executable).with_name(command[0])), *command[1:]], check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()

"""Pictures: that they are drawn from the right numbers, and say what goes with them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest
from matplotlib.figure import Figure

from radar.errors import FrameError, LabelsError
from serving.protocol.connection import Connection
from tests.conftest import write_frames
from tests.serving.stand_in import CARD
from training import pictures

SYNTHETIC = CARD.model_copy(update={"synthetic": True})


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, as well as their files."""
    saved: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (saved.append(self), save(self, *a, **k))[1])
    return saved


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def write_results(path: Path, labels: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "time_utc", "label", "p_A", "p_B"))
        for name, label in labels.items():
            writer.writerow((name, "2015-11-01T00:10:00Z", label, 0.75, 0.25))
    return path


def test_results_of_other_modes_or_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("file,label\n1,A\n")
    with pytest.raises(LabelsError, match="p_A, p_B, time_utc are missing"):
        pictures.read_predictions(tmp_path / "l.csv", ("A", "B"))
    with pytest.raises(LabelsError, match="the modes A, C; the columns p_C are missing"):
        pictures.read_predictions(write_results(tmp_path / "r.csv", {"1": "A"}), ("A", "C"))
    with pytest.raises(LabelsError, match=r"none\.csv: cannot be read: No such file"):
        pictures.read_predictions(tmp_path / "none.csv", ("A", "B"))
    (tmp_path / "long.csv").write_text("file,time_utc,label,p_A,p_B\n" + "x" * 200_000)
    with pytest.raises(LabelsError, match=r"long\.csv: cannot be read as CSV: "):
        pictures.read_predictions(tmp_path / "long.csv", ("A", "B"))


def test_frames_that_could_not_be_classified_are_no_predictions(tmp_path: Path) -> None:
    rows = pictures.read_predictions(write_results(tmp_path / "r.csv", {"1": "A", "2": "", "3": "B"}), ("A", "B"))
    assert [row["file"] for row in rows] == ["1", "3"]


def test_a_learning_curve_marks_the_best_epoch(tmp_path: Path, figures: list[Figure]) -> None:
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    values = [(2, 0.5, 1.5, 0.4), (1, 0.6, 0.5, 0.7), (0.5, 0.9, 0.75, 0.6)]
    lines = [{"epoch": n, **dict(zip(names, row, strict=True))} for n, row in enumerate(values, start=1)]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pictures.learning_curve(tmp_path / "m.jsonl", tmp_path / "c.png", title="radar $1")
    assert {"Learning curve, radar $1", "lowest validation loss, epoch 2"} <= set(texts(figures[0]).splitlines())
    assert cv2.imread(str(tmp_path / "c.png")) is not None


def test_a_contact_sheet_shows_frames_of_every_mode(tmp_path: Path, figures: list[Figure]) -> None:
    folder = write_frames(tmp_path / "hse20152016", 12)
    results = write_results(tmp_path / "r.csv", {f"pr2hse{n:05d}.png": "A" for n in range(12)})
    pictures.contact_sheet(results, folder, CARD, tmp_path / "s.png", columns=4)
    shown = texts(figures[0])
    assert "hse20152016: 12 frames" in shown
    assert shown.count("11-01 00:10  0.75") == 4
    assert "A\n12" in shown
    assert "B\n0" in shown
    assert "Times in UTC; the number is the probability of the mode." in shown
    assert "Synthetic" not in shown
    pictures.contact_sheet(results, folder, SYNTHETIC, tmp_path / "s.png", columns=4)
    assert "the mode. Synthetic frames: no statement about real snow." in texts(figures[1])
    (folder / "pr2hse00000.png").unlink()
    with pytest.raises(FrameError, match=r"pr2hse00000\.png cannot be read: no such file"):
        pictures.contact_sheet(results, folder, CARD, tmp_path / "s.png", columns=4)


def test_heat_maps_of_all_modes_share_one_scale(server: str, tmp_path: Path, figures: list[Figure]) -> None:
    folder = write_frames(tmp_path / "frames", 1)
    with Connection(server) as connection:
        served = connection.describe()
        pictures.heat_maps(folder / "pr2hse00000.png", served, connection, tmp_path / "h.png")
        with pytest.raises(FrameError, match=r"nope\.png cannot be read: no such file"):
            pictures.heat_maps(folder / "nope.png", served, connection, tmp_path / "h.png")
    shown = texts(figures[0])
    assert all(f"{code}  p = " in shown for code in served.card.codes)
    assert "largest value" in shown
    overlays = [image for axes in figures[0].axes[1:6] for image in axes.images[1:]]
    assert len(overlays) == len(served.card.codes)
    assert {image.get_clim() for image in overlays} == {(0, 1)}
    assert 0.9 < max(float(image.get_array().max()) for image in overlays) <= 1  # enlarging lowers the peak a little

"""Pictures: that they are drawn from the right numbers, and say what goes with them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from radar.errors import FrameError
from serving.protocol.connection import Connection
from tests.conftest import write_frames
from tests.serving.stand_in import CARD
from training import pictures
from training.errors import LabelsError

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


def write_labels(path: Path, labels: dict[str, str]) -> Path:
    path.write_text("file,label\n" + "".join(f"{name},{label}\n" for name, label in labels.items()))
    return path


def test_pairs_are_joined_by_name_with_observed_rows(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", {"1": "A", "2": "B", "3": "B", "4": "", "5": "A"})
    labels = write_labels(tmp_path / "l.csv", {"1": "A", "2": "A", "3": "B", "4": "A", "6": "A"})
    assert pictures.count_pairs(results, labels, ("A", "B")).tolist() == [[1, 1], [0, 1]]


def test_files_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", {"1": "A"})
    with pytest.raises(LabelsError, match="no frame in common"):
        pictures.count_pairs(results, write_labels(tmp_path / "l.csv", {"2": "A"}), ("A", "B"))
    for content in (b"\x89PNG\r\n\x1a\n\xff", b"file,label\n" + b"x" * 200_000, b"file\n1\n"):
        (tmp_path / "binary").write_bytes(content)
        with pytest.raises(LabelsError, match="binary: expected a CSV in UTF-8 with the columns file and label: "):
            pictures.count_pairs(results, tmp_path / "binary", ("A", "B"))
    with pytest.raises(LabelsError, match="p_A, p_B, time_utc are missing"):
        pictures.read_predictions(tmp_path / "l.csv", ("A", "B"))
    with pytest.raises(LabelsError, match="cannot be read"):
        pictures.read_predictions(tmp_path / "none.csv", ("A", "B"))


def test_a_confusion_matrix_shows_counts_and_shares_and_the_caveat(tmp_path: Path, figures: list[Figure]) -> None:
    pictures.confusion(np.array([[3, 1], [0, 0]]), SYNTHETIC, tmp_path / "c.png", title="test")
    shown = texts(figures[0])
    assert "3\n75%" in shown
    assert "1\n25%" in shown
    assert "4 frames, accuracy 0.750" in shown
    assert "no statement about real snow" in shown
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

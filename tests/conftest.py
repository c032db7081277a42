"""What several test folders share: small labelled winters, published models, real server processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# No deadlines: machines are noisy. In CI the same examples each time; developers' machines look for new ones.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in [name for name in os.environ if name.startswith("SNOWMODE_") and name != "SNOWMODE_TEST_SERVER"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real radar data beside the project's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real radar data: {SHARED_DATA} is not there (it lies beside the checkout, not in it)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of published models: the original's network with fresh weights, of one version."""
    from tests.benchmarks.material import publish_fresh

    folder = tmp_path_factory.mktemp("models")
    publish_fresh(folder, "nakai2022", 32)
    return folder


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[str]:
    """The address of a real embedded model server process."""
    from serving.protocol.embedded import server_at

    with server_at(f"embedded:{models}") as target:
        yield target


def picture(seed: int, height: int = 80, width: int = 90) -> np.ndarray:
    """An RGB picture with structure: smooth noise in the JMA palette."""
    from radar.palette import COLORS

    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 5)
    return COLORS[np.clip(noise / max(noise.std(), 1e-6) * 2.5, 0, 8).astype(int)]


def write_png(path: Path, seed: int, height: int = 80, width: int = 90) -> None:
    """Writes `picture(seed)` as an RGB PNG."""
    ok, data = cv2.imencode(".png", picture(seed, height, width)[..., ::-1])
    if not ok:
        raise RuntimeError("cv2 cannot write PNGs")
    path.write_bytes(data.tobytes())


def write_frames(folder: Path, count: int) -> Path:
    """Writes `count` different frames named like the original's."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        write_png(folder / f"pr2hse{n:05d}.png", n)
    return folder

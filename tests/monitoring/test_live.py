"""What rules and dashboards speak of is really told: every panel shows something, every name and label is there.

Real processes under load, and a real Prometheus. TensorFlow Serving's names are told by the embedded server, which
has them from its source.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.files import DASHBOARDS, alerts, expressions
from tests.monitoring.live import Prometheus, system

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus: Debian's package brings it"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with"),
]

OTHERS = re.compile("kube_|kubelet_|container_|certmanager_|DCGM_")
"""Numbers of other people's programs: the kubelet, kube-state-metrics, cert-manager, NVIDIA's exporter."""

WORDS = {
    *("sum", "by", "min", "max", "count", "avg", "rate", "increase", "time", "vector", "and", "or", "on", "unless"),
    *("histogram_quantile", "label_replace", "absent", "predict_linear", "le", "without", "clamp_min"),
}


@pytest.fixture(scope="module")
def prometheus(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("live")
    with system(folder, models) as one:
        deadline = time.monotonic() + 120
        while silent(one):
            assert time.monotonic() < deadline, "\n".join(silent(one))
            time.sleep(1)
        yield one


def ours() -> list[tuple[str, str]]:
    """Panels and their expressions, without those of other people's numbers."""
    found = [
        (f"{board.stem}: {title}", text.replace("$__rate_interval", "20s"))
        for board in DASHBOARDS
        for title, text in expressions(board)
    ]
    return [one for one in found if not OTHERS.search(one[1])]


def silent(prometheus: Prometheus) -> list[str]:
    """The panels that show nothing yet."""
    found = []
    for title, text in ours():
        values = [float(one["value"][1]) for one in prometheus.query(text)]
        if not values or all(value != value for value in values):
            found.append(f"{title}: {text}")
    return found


def test_every_panel_shows_something(prometheus: Prometheus) -> None:
    assert len(ours()) > 60
    assert silent(prometheus) == []


def selectors(text: str) -> Iterator[tuple[str, list[str]]]:
    """Gives the metrics of an expression, each with the labels it is chosen by."""
    for match in re.finditer(r'(?<![\w:"$])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?', re.sub(r'"[^"]*"', '""', text)):
        name = match[1]
        if name in WORDS or not re.match("snowmode_|:|up$|process_", name):
            continue
        yield name, re.findall(r"(\w+)\s*[=!]", match[2] or "")


def test_every_name_and_label_of_rules_and_panels_is_told(prometheus: Prometheus) -> None:
    texts = [rule["expr"] for rule in alerts()] + [text for _, text in ours()]
    told: dict[str, set[str]] = {}
    names = set()
    for text in texts:
        for name, labels in selectors(text):
            names.add(name)
            if name not in told:
                series = prometheus.query(f"last_over_time({name}[10m])")
                told[name] = set().union(*(one["metric"] for one in series)) if series else set()
                assert series, f"{name} is told by nobody"
            # The operator adds `namespace`; the expressions must do without it, too, and every panel here shows that.
            missing = set(labels) - told[name] - {"namespace"}
            assert not missing, f"{name} has no label {missing}"
    assert len(names) > 40


def test_labels_that_are_grouped_by_are_there(prometheus: Prometheus) -> None:
    known = set(prometheus.ask("/api/v1/labels")) | {
        "persistentvolumeclaim",
        "cronjob",
        "name",
        "pod",
        "gpu",
        "Hostname",
    }
    for text in [rule["expr"] for rule in alerts()] + [text for _, text in ours()]:
        for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", text):
            labels = {label.strip() for label in group.split(",") if label.strip()}
            assert labels <= known, text


def test_the_certificate_of_the_server_is_seen(prometheus: Prometheus) -> None:
    (left,) = prometheus.query('snowmode_watch_certificate_expiry_timestamp_seconds{part="model server"} - time()')
    assert 86400 < float(left["value"][1]) <= 2 * 86400


def test_a_winter_with_other_modes_is_seen(prometheus: Prometheus) -> None:
    (one,) = prometheus.query("snowmode_sidecar_mode_mix_psi > snowmode_sidecar_mode_mix_psi_by_chance")
    assert one["metric"]["reference"] in ("winters", "before")
    (alert,) = prometheus.query('ALERTS{alertname="SnowmodeModeMixDrift"}')
    assert alert["metric"]["alertstate"] == "pending"  # it must last for hours

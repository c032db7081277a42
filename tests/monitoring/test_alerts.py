"""Every alert fires when it should, is silent when it should be, and ends; by Prometheus' own tool for that."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.files import RULES, alerts
from tests.monitoring.promtool import needs_promtool, promtool

pytestmark = needs_promtool

PAGE, TICKET = "page", "ticket"
RUNNING = {f'up{{job="{job}"}}': "1x2000" for job in ("model-server", "sidecar", "watcher")}
WATCH = 'instance="w:9100",job="watcher"'
SIDECAR = 'instance="s:8080",job="sidecar"'
COUNT = ":tensorflow:serving:request_count"
VOLUME = 'namespace="snowmode",persistentvolumeclaim="postgres"'
BACKUP = 'namespace="snowmode",cronjob="database-backup"'
OLD_POD = 'namespace="snowmode",pod="model-server-77d4b5c9f8-abcde"'
NEW_POD = 'namespace="snowmode",pod="model-server-5b6cc7d8b4-fghij"'
LATE_POD = 'namespace="snowmode",pod="model-server-5b6cc7d8b4-klmno"'
CERTIFICATE = "certmanager_certificate_expiration_timestamp_seconds"
ASKED = "snowmode_sidecar_requests_total"


@dataclass(frozen=True)
class Fires:
    """An alert as it is sent."""

    summary: str
    labels: dict[str, str] = field(default_factory=dict)
    severity: str = TICKET
    description: str = ""


@dataclass(frozen=True)
class Case:
    """What happens, and what is expected at which minute; samples come every minute, see also `STEP`."""

    name: str
    alert: str
    series: dict[str, str]
    expected: dict[int, list[Fires]]


def histogram(name: str, labels: str, fast: str, slow: str, *, le: str, more: str) -> dict[str, str]:
    """A histogram of two buckets: `fast` requests end within `le`, `slow` ones within `more`."""
    labels = f"{labels}," if labels else ""
    return {f'{name}_bucket{{{labels}le="{bound}"}}': fast if bound == le else slow for bound in (le, more, "+Inf")}


def no_frame(age: str, severity: str = PAGE) -> Fires:
    return Fires(
        "No new radar frame",
        {"instance": "w:9100", "job": "watcher"},
        severity,
        f"For {age} nothing newer has been classified. Forecasters see the last frames that came.",
    )


def labels_of(pod: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', pod))


def none_of(job: str) -> Fires:
    labels = {"job": job, "replicas": "none"}
    return Fires(f"No {job} has answered for 15 minutes", labels, PAGE)


def psi(psi: str, chance: str, age: str) -> dict[str, str]:
    labels = f'{SIDECAR},season="hse",version="7"'
    return {
        f'snowmode_sidecar_mode_mix_psi{{{labels},reference="winters"}}': psi,
        f'snowmode_sidecar_mode_mix_psi_by_chance{{{labels},reference="winters"}}': chance,
        f'snowmode_sidecar_newest_frame_age_seconds{{{SIDECAR},season="hse"}}': age,
    }


STEP = {"SnowmodeModeMixDrift": 10, "SnowmodeBackupMissed": 10}
"""Minutes between two samples where little happens for hours."""

CASES = [
    Case(
        "a feed that stops and comes again",
        "SnowmodeNoNewFrame",
        {f"snowmode_watch_last_frame_timestamp_seconds{{{WATCH}}}": "0+60x9 600x20 1860+60x10"},
        {15: [], 24: [], 28: [no_frame("18m 0s")], 33: []},
    ),
    Case(
        "old frames are delivered",
        "SnowmodeNoNewFrame",
        {
            f"snowmode_watch_last_frame_timestamp_seconds{{{WATCH}}}": "0+60x60",
            f"snowmode_watch_newest_frame_age_seconds{{{WATCH}}}": "300x5 7200x20 240x20",
        },
        {5: [], 10: [no_frame("2h 0m 0s")], 40: []},
    ),
    Case(
        "frames without times tell no age",
        "SnowmodeNoNewFrame",
        {
            f"snowmode_watch_last_frame_timestamp_seconds{{{WATCH}}}": "0+60x60",
            f"snowmode_watch_newest_frame_age_seconds{{{WATCH}}}": " ".join(["NaN"] * 60),
        },
        {30: []},
    ),
    Case(
        "frames fail for an hour",
        "SnowmodeErrorRatio",
        {
            'snowmode_watch_frames_total{outcome="classified"}': "0+2x60 120+0x60 120+2x120",
            'snowmode_watch_frames_total{outcome="failed"}': "0x60 0+1x60 60x120",
            'snowmode_watch_frames_total{outcome="corrected"}': "0+9x240",
        },
        {50: [], 110: [Fires("100% errors: frames", {"part": "frames"}, PAGE)], 220: []},
    ),
    Case(
        "one damaged frame of a feed of six an hour gets nobody up",
        "SnowmodeErrorRatio",
        {
            'snowmode_watch_frames_total{outcome="classified"}': "0x9 1x9 2x9 3x29 4x9 5x9 6x120",
            'snowmode_watch_frames_total{outcome="failed"}': "0x39 1x160",
        },
        {minute: [] for minute in (45, 55, 65, 75)},
    ),
    Case(
        "two of three do",
        "SnowmodeErrorRatio",
        {
            'snowmode_watch_frames_total{outcome="classified"}': "0x9 1x9 2x9 3x29 4x9 5x9 6x120",
            'snowmode_watch_frames_total{outcome="failed"}': "0x29 1x9 2x160",
        },
        {35: [], 55: [Fires("66.67% errors: frames", {"part": "frames"}, PAGE)], 90: []},
    ),
    Case(
        "somebody else's TensorFlow Serving in the same cluster",
        "SnowmodeErrorRatio",
        {f'{COUNT}{{status="UNAVAILABLE",namespace="elsewhere"}}': "0+20x120"},
        {60: []},
    ),
    Case(
        "a server that refuses one in five",
        "SnowmodeErrorRatio",
        {f'{COUNT}{{status="OK"}}': "0+80x120", f'{COUNT}{{status="UNAVAILABLE"}}': "0x20 0+20x40 800x60"},
        {15: [], 50: [Fires("20% errors: model server", {"part": "model server"}, PAGE)], 100: []},
    ),
    Case(
        "a sidecar whose database is away; probes do not count",
        "SnowmodeErrorRatio",
        {
            f'{ASKED}{{route="/v1/seasons",status="200"}}': "0+9x120",
            f'{ASKED}{{route="/v1/seasons",status="503"}}': "0x20 0+1x40 40x60",
            f'{ASKED}{{route="/readyz",status="503"}}': "0+60x120",
        },
        {15: [], 50: [Fires("10% errors: sidecar", {"part": "sidecar"}, PAGE)], 100: []},
    ),
    Case(
        "callers at fault, and nothing to do at all",
        "SnowmodeErrorRatio",
        {
            f'{ASKED}{{route="/v1/seasons",status="404"}}': "0+9x120",
            'snowmode_watch_frames_total{outcome="classified"}': "5x120",
            'snowmode_watch_frames_total{outcome="failed"}': "5x120",
            f'{COUNT}{{status="OK"}}': "5x120",
        },
        {60: []},
    ),
    Case(
        "frames that take long",
        "SnowmodeSlow",
        histogram(
            "snowmode_watch_frame_seconds",
            "",
            "0+9x30 270x60 270+9x90",
            "0+9x30 270+9x60 810+9x90",
            le="60",
            more="120",
        ),
        {25: [], 80: [Fires("p95 of 1m 57s: frames", {"part": "frames"})], 170: []},
    ),
    Case(
        "a model server that slows down",
        "SnowmodeSlow",
        histogram(
            ":tensorflow:serving:request_latency", "", "0+9x30 270x60", "0+9x30 270+9x60", le="2e6", more="4e6"
        ),
        {25: [], 80: [Fires("p95 of 3.9s: model server", {"part": "model server"})]},
    ),
    Case(
        "pages that take long, and probes that do",
        "SnowmodeSlow",
        histogram(
            "snowmode_sidecar_request_seconds", 'route="/"', "0+9x30 270x60", "0+9x30 270+9x60", le="2", more="5"
        )
        | histogram("snowmode_sidecar_request_seconds", 'route="/readyz"', "0x90", "0+99x90", le="2", more="5"),
        {25: [], 80: [Fires("p95 of 4.85s: sidecar", {"part": "sidecar"})]},
    ),
    Case(
        "a backlog that stays, and one that is done in ten minutes",
        "SnowmodeQueue",
        {"snowmode_watch_waiting_files": "0x5 400-40x10 0x10 13x30 0x10"},
        {14: [], 50: [Fires("A queue that does not get shorter: 13 frames", {"part": "frames"})], 65: []},
    ),
    Case(
        "records that the sidecar does not take",
        "SnowmodeQueue",
        {"snowmode_watch_spooled_records": "0+12x40 0x10"},
        {
            35: [],
            40: [
                Fires(
                    "A queue that does not get shorter: 480 records for the sidecar",
                    {"part": "records for the sidecar"},
                )
            ],
            45: [],
        },
    ),
    Case(
        "requests wait for a batch",
        "SnowmodeQueue",
        histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            "",
            "0+9x30 270x60",
            "0+9x30 270+9x60",
            le="1e6",
            more="2e6",
        ),
        {
            25: [],
            80: [
                Fires(
                    "A queue that does not get shorter: 1.95 seconds in the model server's queue",
                    {"part": "seconds in the model server's queue"},
                )
            ],
        },
    ),
    Case(
        "the modes have moved",
        "SnowmodeModeMixDrift",
        psi("0.8x90 0.1x10", "0.3x100", "300x100"),
        {
            300: [],
            500: [
                Fires(
                    "Modes of hse do not come as often as they used to",
                    {"season": "hse", "version": "7", "reference": "winters"},
                    description="The modes of the last 30 days differ from those of the same weeks of other winters "
                    "(PSI 0.80), more than weather explains. Either the pictures have changed, or the model, or the "
                    "winter is a strange one. Read shares with care until somebody has looked.",
                )
            ],
            950: [],
        },
    ),
    Case("within what weather does", "SnowmodeModeMixDrift", psi("0.8x50", "0.9x50", "300x50"), {450: []}),
    Case("little, though sure", "SnowmodeModeMixDrift", psi("0.2x50", "0.1x50", "300x50"), {450: []}),
    Case("a winter that is over", "SnowmodeModeMixDrift", psi("0.8x50", "0.3x50", "900000x50"), {450: []}),
    Case(
        "a process that is gone and comes again",
        "SnowmodePartDown",
        RUNNING | {'up{job="watcher"}': "1x5 0x20 1x20"},
        {8: [], 15: [Fires("watcher is down", {"job": "watcher"}, PAGE)], 30: []},
    ),
    Case(
        "one that was never there",
        "SnowmodePartDown",
        {name: value for name, value in RUNNING.items() if "watcher" not in name},
        {3: [], 15: [Fires("watcher is down", {"job": "watcher"}, PAGE)]},
    ),
    Case(
        "a database that is away",
        "SnowmodePartDown",
        RUNNING | {f'snowmode_sidecar_up{{{SIDECAR},part="database"}}': "1x5 0x20 1x20"},
        {
            8: [],
            15: [
                Fires(
                    "database is down, says the sidecar",
                    {"instance": "s:8080", "job": "sidecar", "part": "database"},
                    PAGE,
                )
            ],
            30: [],
        },
    ),
    Case(
        "a folder that is away",
        "SnowmodePartDown",
        RUNNING | {f'snowmode_watch_up{{{WATCH},part="folder"}}': "0x20"},
        {
            15: [
                Fires(
                    "folder is down, says the watcher",
                    {"instance": "w:9100", "job": "watcher", "part": "folder"},
                    PAGE,
                )
            ]
        },
    ),
    Case(
        "a new model server that compiles for ten minutes while the old one answers",
        "SnowmodePartDown",
        RUNNING
        | {
            f"kube_pod_created{{{OLD_POD}}}": "-9999x60",
            f"kube_pod_created{{{NEW_POD}}}": "_x5 300x60",
            f'up{{job="model-server",{OLD_POD}}}': "1x15 _x60",
            f'up{{job="model-server",{NEW_POD}}}': "_x5 0x10 1x60",
            f'snowmode_sidecar_up{{part="model server",{NEW_POD}}}': "_x5 0x10 1x60",
        },
        {minute: [] for minute in range(5, 40)},
    ),
    Case(
        "the only model server starts anew, and takes ten minutes",
        "SnowmodePartDown",
        {
            'up{job="watcher"}': "1x90",
            f'up{{job="model-server",{OLD_POD}}}': "1x4 stale",
            f'up{{job="sidecar",{OLD_POD}}}': "1x4 stale",
            f"kube_pod_created{{{OLD_POD}}}": "-9999x4 stale",
            f"kube_pod_created{{{NEW_POD}}}": "_x5 300x60",
            f'up{{job="model-server",{NEW_POD}}}': "_x5 0x10 1x60",
            f'up{{job="sidecar",{NEW_POD}}}': "_x5 0x7 1x60",
            f'snowmode_watch_up{{{WATCH},part="server"}}': "1x5 0x10 1x60",
            f'snowmode_watch_up{{{WATCH},part="sidecar"}}': "1x5 0x10 1x60",
            f'snowmode_sidecar_up{{part="model server",{NEW_POD}}}': "_x5 0x10 1x60",
        },
        {minute: [] for minute in range(5, 40)},
    ),
    Case(
        "the first model server there is, and it takes ten minutes",
        "SnowmodePartDown",
        {
            'up{job="watcher"}': "1x90",
            f"kube_pod_created{{{NEW_POD}}}": "0x60",
            f'up{{job="model-server",{NEW_POD}}}': "_ 0x10 1x60",
            f'up{{job="sidecar",{NEW_POD}}}': "_ 0x2 1x60",
            f'snowmode_watch_up{{{WATCH},part="server"}}': "0x11 1x60",
            f'snowmode_watch_up{{{WATCH},part="sidecar"}}': "0x11 1x60",
            f'snowmode_sidecar_up{{part="model server",{NEW_POD}}}': "_x4 0x8 1x60",
        },
        {minute: [] for minute in range(40)},
    ),
    Case(
        "an old model server that is gone while another is added, and one that is added after it",
        "SnowmodePartDown",
        {name: value for name, value in RUNNING.items() if "model-server" not in name}
        | {
            f"kube_pod_created{{{OLD_POD}}}": "-9999x60",
            f"kube_pod_created{{{NEW_POD}}}": "_x5 300x60",
            f"kube_pod_created{{{LATE_POD}}}": "_x9 540x60",
            f'up{{job="model-server",{OLD_POD}}}': "1x5 0x20 1x60",
            f'up{{job="model-server",{NEW_POD}}}': "_x5 0x3 1x60",
            f'up{{job="model-server",{LATE_POD}}}': "_x9 0x3 1x60",
        },
        {9: [], 12: [Fires("model-server is down", {"job": "model-server", **labels_of(OLD_POD)}, PAGE)], 28: []},
    ),
    Case(
        "pods that are made anew every five minutes, until one gets ready",
        "SnowmodePartDown",
        {
            'up{job="watcher"}': "1x90",
            f'up{{job="sidecar",{OLD_POD}}}': "1x90",
            f"kube_pod_created{{{OLD_POD}}}": "-9999x4 stale",
            f'up{{job="model-server",{OLD_POD}}}': "1x4 stale",
            f'snowmode_watch_up{{{WATCH},part="server"}}': "1x4 0x30 1x60",
        }
        | {
            name: value
            for made in range(5, 35, 5)
            for pod in [f'namespace="snowmode",pod="model-server-{made}"']
            for name, value in {
                f"kube_pod_created{{{pod}}}": f"_x{made} {60 * made}x4 stale",
                f'up{{job="model-server",{pod}}}': f"_x{made + 1} 0x3 stale",
            }.items()
        }
        | {f'up{{job="model-server",{NEW_POD}}}': "_x35 1x60"},
        {
            19: [],
            21: [none_of("model-server")],
            34: [none_of("model-server")],
            36: [],
        },
    ),
    Case(
        "one that never comes",
        "SnowmodePartDown",
        {
            'up{job="watcher"}': "1x90",
            f'up{{job="model-server",{OLD_POD}}}': "1x4 stale",
            f"kube_pod_created{{{OLD_POD}}}": "-9999x4 stale",
            f"kube_pod_created{{{NEW_POD}}}": "_x5 300x60",
            f'up{{job="model-server",{NEW_POD}}}': "_x5 0x60",
            f'up{{job="sidecar",{NEW_POD}}}': "_x5 1x60",
            f'snowmode_watch_up{{{WATCH},part="server"}}': "1x5 0x60",
        },
        {
            19: [],
            22: [
                Fires("model-server is down", {"job": "model-server", **labels_of(NEW_POD)}, PAGE),
                none_of("model-server"),
            ],
        },
    ),
    Case(
        "none that could come: no place for a pod",
        "SnowmodePartDown",
        {name: "1x5 stale" if "watcher" not in name else value for name, value in RUNNING.items()},
        {19: [], 22: [none_of("model-server"), none_of("sidecar")]},
    ),
    Case(
        "a server that runs and that the watcher does not reach, while another is added",
        "SnowmodePartDown",
        RUNNING
        | {
            f"kube_pod_created{{{NEW_POD}}}": "_x5 300x60",
            f'snowmode_watch_up{{{WATCH},part="server"}}': "1x5 0x20 1x60",
        },
        {
            9: [],
            12: [
                Fires(
                    "server is down, says the watcher",
                    {"instance": "w:9100", "job": "watcher", "part": "server"},
                    PAGE,
                )
            ],
            28: [],
        },
    ),
    Case(
        "one that has been there for long goes away",
        "SnowmodePartDown",
        {name: value for name, value in RUNNING.items() if "model-server" not in name}
        | {f"kube_pod_created{{{OLD_POD}}}": "-9999x60", f'up{{job="model-server",{OLD_POD}}}': "1x5 0x60"},
        {9: [], 12: [Fires("model-server is down", {"job": "model-server", **labels_of(OLD_POD)}, PAGE)]},
    ),
    Case(
        "a database that is away while a model server starts",
        "SnowmodePartDown",
        RUNNING
        | {
            f"kube_pod_created{{{NEW_POD}}}": "0x60",
            f'snowmode_sidecar_up{{{SIDECAR},part="database"}}': "0x60",
        },
        {
            7: [
                Fires(
                    "database is down, says the sidecar",
                    {"instance": "s:8080", "job": "sidecar", "part": "database"},
                    PAGE,
                )
            ]
        },
    ),
    Case("all is well", "SnowmodePartDown", RUNNING, {30: []}),
    Case(
        "requests for a model that is not there",
        "SnowmodeNoModel",
        {f'{COUNT}{{status="OK"}}': "0+9x40", f'{COUNT}{{status="NOT_FOUND"}}': "0x5 0+3x20 60x20"},
        {5: [], 20: [Fires("The model server runs, but a model is missing", {"part": "requests"}, PAGE)], 35: []},
    ),
    Case(
        "a version whose warm-up fails",
        "SnowmodeNoModel",
        {':tensorflow:serving:model_warmup_latency_count{status="INTERNAL"}': "0x5 1x60"},
        {4: [], 20: [Fires("The model server runs, but a model is missing", {"part": "warm-up"}, PAGE)], 60: []},
    ),
    Case(
        "no version to answer with",
        "SnowmodeNoModel",
        RUNNING | {f'snowmode_sidecar_up{{{SIDECAR},part="model server"}}': "1x5 0x20 1x10"},
        {
            8: [],
            15: [Fires("The model server runs, but a model is missing", {"part": "model server"}, PAGE)],
            30: [],
        },
    ),
    Case(
        "a new pod loads its models while the old one answers",
        "SnowmodeNoModel",
        {
            f'up{{job="model-server",{OLD_POD}}}': "1x40",
            f'up{{job="model-server",{NEW_POD}}}': "0x12 1x30",
            f'snowmode_sidecar_up{{part="model server",{OLD_POD}}}': "1x40",
            f'snowmode_sidecar_up{{part="model server",{NEW_POD}}}': "0x12 1x30",
        },
        {minute: [] for minute in range(40)},
    ),
    Case(
        "a server that is down is another alert",
        "SnowmodeNoModel",
        {'up{job="model-server"}': "0x30", f'snowmode_sidecar_up{{{SIDECAR},part="model server"}}': "0x30"},
        {20: []},
    ),
    Case(
        "little space",
        "SnowmodeDiskFilling",
        {
            f'snowmode_watch_disk_free_bytes{{{WATCH},place="results"}}': "50x10 9x40 50x20",
            f'snowmode_watch_disk_size_bytes{{{WATCH},place="results"}}': "100x70",
            f'snowmode_sidecar_disk_free_bytes{{{SIDECAR},place="database"}}': "90x70",
            f'snowmode_sidecar_disk_size_bytes{{{SIDECAR},place="database"}}': "100x70",
        },
        {
            9: [],
            40: [Fires("A disk fills up: results", {"job": "watcher", "place": "results"}, PAGE)],
            60: [],
        },
    ),
    Case(
        "full within a day, as is seen after an hour",
        "SnowmodeDiskFilling",
        {
            f'snowmode_sidecar_disk_free_bytes{{{SIDECAR},place="database"}}': "28-0.05x250",
            f'snowmode_sidecar_disk_size_bytes{{{SIDECAR},place="database"}}': "100x250",
        },
        {50: [], 200: [Fires("A disk fills up: database", {"job": "sidecar", "place": "database"}, PAGE)]},
    ),
    Case(
        "a volume that only the kubelet knows",
        "SnowmodeDiskFilling",
        {
            f"kubelet_volume_stats_available_bytes{{{VOLUME}}}": "50x10 9x40",
            f"kubelet_volume_stats_capacity_bytes{{{VOLUME}}}": "100x50",
            'kubelet_volume_stats_available_bytes{namespace="other",persistentvolumeclaim="x"}': "1x50",
            'kubelet_volume_stats_capacity_bytes{namespace="other",persistentvolumeclaim="x"}': "100x50",
        },
        {9: [], 40: [Fires("A disk fills up: postgres", {"persistentvolumeclaim": "postgres"}, PAGE)]},
    ),
    Case(
        "two weeks left, and renewed",
        "SnowmodeCertificateExpiring",
        {'snowmode_watch_certificate_expiry_timestamp_seconds{part="model server"}': "1213200x200 9999999x100"},
        {
            30: [],
            180: [
                Fires(
                    "The certificate of model server ends in 13.9 days",
                    {"part": "model server"},
                )
            ],
            250: [],
        },
    ),
    Case(
        "that of the ingress, by cert-manager",
        "SnowmodeCertificateExpiring",
        {
            f'{CERTIFICATE}{{namespace="snowmode",name="snowmode-tls"}}': "-60x90",
            f'{CERTIFICATE}{{namespace="cert-manager",exported_namespace="snowmode",name="other-tls"}}': "60x90",
            f'{CERTIFICATE}{{namespace="other",name="x"}}': "0x90",
        },
        {
            80: [
                Fires("The certificate of snowmode-tls ends in -0.1 days", {"name": "snowmode-tls"}),
                Fires("The certificate of other-tls ends in -0.1 days", {"name": "other-tls"}),
            ]
        },
    ),
    Case(
        "a night without a backup",
        "SnowmodeBackupMissed",
        {
            f"kube_cronjob_status_last_successful_time{{{BACKUP}}}": "0x162 97200x10",
            f"kube_cronjob_created{{{BACKUP}}}": "-999999x170",
        },
        {
            1500: [],
            1600: [
                Fires(
                    "The database has not been backed up for 1d 2h 40m 0s",
                    {"cronjob": "database-backup"},
                )
            ],
            1650: [],
        },
    ),
    Case(
        "never one at all",
        "SnowmodeBackupMissed",
        {f"kube_cronjob_created{{{BACKUP}}}": "0x170"},
        {
            600: [],
            1600: [
                Fires(
                    "The database has not been backed up for 1d 2h 40m 0s",
                    {"cronjob": "database-backup"},
                )
            ],
        },
    ),
]


def write(folder: Path, cases: list[Case]) -> str:
    """Writes a file of tests. Of the annotations only those that say something of the case are compared."""
    step = f"{STEP.get(cases[0].alert, 1)}m"
    rules = yaml.safe_load(RULES.read_text())
    (group,) = rules["groups"]
    group["rules"] = [rule for rule in group["rules"] if rule["alert"] == cases[0].alert]
    for rule in group["rules"]:
        rule["annotations"] = {k: v for k, v in rule["annotations"].items() if k == "summary" or "{{" in v}
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": step,
        "tests": [as_test(case, step) for case in cases],
    }
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests, allow_unicode=True))
    return "tests.yaml"


def as_test(case: Case, step: str) -> dict[str, Any]:
    """Writes a case as promtool wants it."""
    return {
        "interval": step,
        "input_series": [{"series": name, "values": value} for name, value in case.series.items()],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": [as_alert(one) for one in fires]}
            for minute, fires in case.expected.items()
        ],
    }


def as_alert(one: Fires) -> dict[str, Any]:
    """Writes an expected alert."""
    description = {"description": one.description} if one.description else {}
    return {
        "exp_labels": {"severity": one.severity, **one.labels},
        "exp_annotations": {"summary": one.summary, **description},
    }


ALERTS = [rule["alert"] for rule in alerts()]


@pytest.mark.parametrize("alert", ALERTS)
def test_alert(alert: str, tmp_path: Path) -> None:
    promtool("test", "rules", write(tmp_path, [case for case in CASES if case.alert == alert]), cwd=tmp_path)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_firing_silent_and_over(alert: str) -> None:
    courses = [[bool(fires) for fires in case.expected.values()] for case in CASES if case.alert == alert]
    assert any(course == [False, True, False] for course in courses)


def test_an_expectation_that_is_not_met_fails(tmp_path: Path) -> None:
    wrong = Case("", "SnowmodePartDown", RUNNING, {30: [Fires("watcher is down", {"job": "watcher"}, PAGE)]})
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", write(tmp_path, [wrong]), cwd=tmp_path)

"""What must reach what, and why. Whatever is not in this table must not be possible."""

from __future__ import annotations

from dataclasses import dataclass

MODEL_SERVER = "model-server"
"""The pod of TensorFlow Serving and the sidecar: between those two traffic stays on localhost."""

FOREIGN: dict[str, tuple[str, dict[str, str], str]] = {
    "dns": ("kube-system", {"k8s-app": "kube-dns"}, ""),
    "other pods of kube-system": ("kube-system", {"k8s-app": "other"}, ""),
    "prometheus": ("monitoring", {"app.kubernetes.io/name": "prometheus"}, ""),
    "ingress controller": ("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"}, ""),
    "a stranger's pod": ("elsewhere", {"app.kubernetes.io/name": "stranger"}, ""),
    # cert-manager starts it in the namespace of the Ingress, to answer Let's Encrypt (HTTP-01).
    "certificate solver": ("snowmode", {"acme.cert-manager.io/http01-solver": "true"}, ""),
    "the internet": ("", {}, "203.0.113.7"),
}
"""Ends that are not ours: namespace, labels, address."""


@dataclass(frozen=True)
class Flow:
    """A connection that is needed, named by workloads.

    Attributes:
        only_with: Kind of object, or workload, without which it is not needed.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    port: int
    reason: str
    protocol: str = "TCP"
    only_with: str | None = None


TALKERS = ("watcher", "bulk", "bulk-merge", "training-multinode")
DATABASE_USERS = (MODEL_SERVER, "database-backup")

NEEDED = (
    Flow(("watcher",), (MODEL_SERVER,), 8500, "a new frame is classified"),
    Flow(("watcher",), (MODEL_SERVER,), 8080, "and recorded by the sidecar"),
    Flow(("bulk",), (MODEL_SERVER,), 8500, "winters are classified again"),
    Flow(("bulk-merge",), (MODEL_SERVER,), 8080, "and recorded"),
    Flow(DATABASE_USERS, ("postgres",), 5432, "records, and their backup", only_with="postgres"),
    Flow(("training-multinode",), ("training-multinode",), 2222, "workers exchange gradients"),
    # NCCL takes any port of the kernel's range; the component gpu is told by its quota.
    *(
        Flow(("training-multinode",), ("training-multinode",), port, "their GPUs do", only_with="ResourceQuota")
        for port in (32768, 60999)
    ),
    Flow(("ingress controller",), (MODEL_SERVER,), 8080, "people look at the sidecar's pages", only_with="Ingress"),
    Flow(("ingress controller",), ("certificate solver",), 8089, "a certificate is issued", only_with="Ingress"),
    *(
        Flow(("prometheus",), (target,), port, "numbers", only_with="PrometheusRule")
        for target, port in ((MODEL_SERVER, 8501), (MODEL_SERVER, 8080), ("watcher", 9100))
    ),
    *(
        flow
        for protocol in ("UDP", "TCP")
        for flow in (
            Flow(TALKERS, ("dns",), 53, "names of Services", protocol),
            # SQLite has no name to be looked up, and the sidecar asks its model server on localhost.
            Flow(DATABASE_USERS, ("dns",), 53, "the name of the database", protocol, only_with="postgres"),
        )
    ),
)

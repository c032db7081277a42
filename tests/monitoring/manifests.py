"""Writes the Kubernetes form of docker/prometheus/rules.yaml: `python -m tests.monitoring.manifests`.

Prometheus in compose and the operator in Kubernetes want the same rules in two wrappings, and kustomize cannot wrap.
"""

from __future__ import annotations

from pathlib import Path

from tests.monitoring.files import MANIFEST, RULES

HEAD = """\
# Written by `python -m tests.monitoring.manifests` from docker/prometheus/rules.yaml: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: snowmode
  labels:
    app.kubernetes.io/component: monitoring
spec:
"""


def render(rules: Path = RULES) -> str:
    """Gives the manifest, with the comments of the rules."""
    text = rules.read_text(encoding="utf-8")
    body = text[text.index("groups:") :]
    return HEAD + "".join(f"  {line}" if line.strip() else line for line in body.splitlines(keepends=True))


if __name__ == "__main__":
    MANIFEST.write_text(render(), encoding="utf-8")
    print(f"wrote {MANIFEST}")

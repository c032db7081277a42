"""Manifests broken on purpose, one fault each, and the rule that must report it in words that help."""

from __future__ import annotations

from tests.k8s.mutants.commands import COMMANDS
from tests.k8s.mutants.custom_resources import CUSTOM
from tests.k8s.mutants.ingress import INGRESS
from tests.k8s.mutants.jobs import JOBS
from tests.k8s.mutants.model_server import MODEL_SERVER
from tests.k8s.mutants.network import NETWORK
from tests.k8s.mutants.peers import PEERS
from tests.k8s.mutants.probes import PROBES
from tests.k8s.mutants.references import REFERENCES
from tests.k8s.mutants.resources import RESOURCES
from tests.k8s.mutants.security import SECURITY
from tests.k8s.mutants.selectors import SELECTORS
from tests.k8s.mutants.ways import Mutant

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = [
    *SELECTORS,
    *INGRESS,
    *SECURITY,
    *RESOURCES,
    *JOBS,
    *PROBES,
    *REFERENCES,
    *NETWORK,
    *COMMANDS,
    *CUSTOM,
    *MODEL_SERVER,
    *PEERS,
]

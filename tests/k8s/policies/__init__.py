"""Rules for the manifests. A policy is a function that takes rendered objects and gives what is wrong, in words.

`POLICIES` holds every one of them by name; `tests/k8s/mutants.py` breaks objects to show that each reports it.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.k8s.rendering import Objects

Policy = Callable[[Objects], list[str]]

POLICIES: dict[str, Policy] = {}


def policy(function: Policy) -> Policy:
    """Enters a rule under its name."""
    if function.__name__ in POLICIES:
        raise ValueError(f"two policies are named {function.__name__}")
    POLICIES[function.__name__] = function
    return function

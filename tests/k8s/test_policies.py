"""Every rule holds for everything that can be applied, and reports what breaks it."""

from __future__ import annotations

import copy
import importlib
import pkgutil

import pytest

from tests.k8s import policies
from tests.k8s.conftest import NAMES, Rendered
from tests.k8s.mutants import MUTANTS, Mutant
from tests.k8s.objects import where
from tests.k8s.policies import POLICIES

for module in pkgutil.iter_modules(policies.__path__):
    importlib.import_module(f"{policies.__name__}.{module.name}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", sorted(POLICIES))
def test_manifests_keep_the_rule(rule: str, name: str, rendered: Rendered) -> None:
    found = POLICIES[rule](rendered(name))
    assert not found, "\n".join([f"k8s/{name}:", *found])


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_rule_reports(mutant: Mutant, rendered: Rendered) -> None:
    objects = copy.deepcopy(rendered(mutant.of))
    before = set(POLICIES[mutant.rule](objects))
    mutant.break_it(objects)
    found = set(POLICIES[mutant.rule](objects)) - before
    assert found, "nothing was reported"
    assert any(mutant.says in text for text in found), "\n".join(sorted(found))


@pytest.mark.parametrize("rule", sorted(POLICIES))
def test_every_rule_has_something_that_breaks_it(rule: str) -> None:
    assert rule in {mutant.rule for mutant in MUTANTS}


def test_nothing_can_be_left_out_unnoticed(rendered: Rendered) -> None:
    """Every object of a whole system is missed by some rule."""
    objects = rendered("overlays/gpu-prod")
    for entry in objects:
        rest = [other for other in objects if other is not entry]
        assert any(rule(rest) for rule in POLICIES.values()), f"nobody misses {where(entry)}"

"""What is rendered is what Kubernetes reads, in the last three versions."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator

import pytest

from tests.k8s.conftest import NAMES, Rendered
from tests.k8s.objects import find
from tests.k8s.policies.custom_resources import is_custom
from tests.k8s.rendering import Objects

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")

from kubernetes_validate import utils  # noqa: E402

VERSIONS = list(dict.fromkeys(utils.major_minor(version) for version in utils.all_versions()))[-3:]


@pytest.fixture(scope="module", autouse=True)
def _read_schemas_once() -> Iterator[None]:
    """It reads megabytes of definitions again for every object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


@functools.cache
def faults(text: str, version: str) -> tuple[str, ...]:
    entry = json.loads(text)
    name = f"{entry['kind']}/{entry['metadata']['name']}"
    try:
        kubernetes_validate.validate(entry, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return (f"{name}: {'.'.join(map(str, error.path))}: {error.message}",)
    except kubernetes_validate.SchemaNotFoundError as error:
        return (f"{name}: {error.message}",)
    return ()


def faults_of(objects: Objects, version: str) -> list[str]:
    return [
        fault
        for entry in objects
        if not is_custom(entry)
        for fault in faults(json.dumps(entry, sort_keys=True), version)
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_of_kubernetes(version: str, name: str, rendered: Rendered) -> None:
    if name == "base+image-volume" and version < "1.31":
        pytest.skip("Kubernetes has had image volumes since 1.31")
    found = faults_of(rendered(name), version)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_misspelt_field_and_an_unknown_kind_are_found(version: str, rendered: Rendered) -> None:
    objects = copy.deepcopy(rendered("base"))
    find(objects, "Deployment", "watcher")["spec"]["template"]["spec"]["restartPolciy"] = "Always"
    find(objects, "CronJob", "training")["apiVersion"] = "batch/v1beta9"
    find(objects, "Service", "sidecar")["spec"]["ports"][0]["port"] = "eighty"
    found = faults_of(objects, version)
    assert len(found) == 3
    for text in ("restartPolciy", "batch/v1beta9", "eighty"):
        assert any(text in fault for fault in found), found


def test_objects_without_a_schema_have_one_of_ours(rendered: Rendered) -> None:
    core = {"v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", "scheduling.k8s.io/v1"}
    for name in NAMES:
        for entry in rendered(name):
            assert entry["apiVersion"] in core or is_custom(entry), f"{name}: {entry['apiVersion']} {entry['kind']}"

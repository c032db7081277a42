"""Images, users and rights, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import (
    Mutant,
    server,
    set_in,
    set_variable,
    sidecar,
    tfserving,
    watch,
    watcher,
)
from tests.k8s.objects import find

SECURITY = [
    Mutant(
        "every_image_is_pinned",
        "latest",
        lambda o: watch(o).update(image="images.example/snowmode-client:latest"),
        "Deployment/watcher container",
    ),
    Mutant(
        "every_image_is_pinned",
        "no tag at all, and a port in the registry",
        lambda o: watch(o).update(image="images.example:5000/snowmode-client"),
        "images.example:5000/snowmode-client",
    ),
    Mutant(
        "every_image_is_pinned",
        "a major version alone",
        lambda o: watch(o).update(image="postgres:17"),
        "expected a version",
    ),
    Mutant(
        "every_image_is_a_known_one",
        "somebody else's image",
        lambda o: watch(o).update(image="images.example/busybox:1.36.1"),
        "none of ours",
    ),
    Mutant(
        "every_image_is_a_known_one",
        "another TensorFlow Serving",
        lambda o: tfserving(o).update(image="tensorflow/serving:2.13.1-gpu"),
        "expected tensorflow/serving:2.20.0",
    ),
    Mutant(
        "the_namespace_demands_restricted_pods",
        "baseline",
        lambda o: find(o, "Namespace", "snowmode")["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
        "expected restricted, got baseline",
    ),
    *(
        Mutant("every_pod_satisfies_restricted", name, break_it, says)
        for name, break_it, says in (
            ("root", lambda o: set_in("securityContext.runAsUser", 0)(watch(o)), "runAsUser: expected 10001, got 0"),
            (
                "a root file system that can be written",
                lambda o: set_in("securityContext.readOnlyRootFilesystem", False)(tfserving(o)),
                "Deployment/model-server container tfserving: readOnlyRootFilesystem",
            ),
            (
                "a capability",
                lambda o: set_in("securityContext.capabilities.add", ["NET_ADMIN"])(sidecar(o)),
                "capabilities: expected drop: [ALL]",
            ),
            (
                "escalation",
                lambda o: set_in("securityContext.allowPrivilegeEscalation", None)(sidecar(o)),
                "allowPrivilegeEscalation",
            ),
            (
                "no seccomp",
                lambda o: set_in("securityContext.seccompProfile", None)(server(o).spec),
                "seccompProfile: expected RuntimeDefault",
            ),
            (
                "a folder of the node",
                lambda o: server(o).spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
                "volume host: hostPath is not allowed",
            ),
            ("the node's network", lambda o: server(o).spec.update(hostNetwork=True), "hostNetwork"),
            (
                "a shared process namespace",
                lambda o: server(o).spec.update(shareProcessNamespace=True),
                "shareProcessNamespace",
            ),
            (
                "claims of another group",
                lambda o: set_in("securityContext.fsGroup", None)(watcher(o).spec),
                "expected fsGroup: 10001",
            ),
        )
    ),
    Mutant(
        "no_pod_talks_to_the_api_server",
        "a token in the pod",
        lambda o: watcher(o).spec.pop("automountServiceAccountToken"),
        "Deployment/watcher: expected automountServiceAccountToken: false",
    ),
    Mutant(
        "no_pod_talks_to_the_api_server",
        "the default account",
        lambda o: watcher(o).spec.pop("serviceAccountName"),
        "Deployment/watcher: expected a ServiceAccount of its own",
    ),
    Mutant(
        "no_variables_of_services_leak_in",
        "the default",
        lambda o: watcher(o).spec.pop("enableServiceLinks"),
        "Deployment/watcher: expected enableServiceLinks: false",
    ),
    Mutant(
        "no_secret_is_committed",
        "a Secret with data",
        lambda o: o.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "snowmode-token", "namespace": "snowmode"},
                "stringData": {"token": "0123456789abcdef"},
            }
        ),
        "Secret/snowmode-token: it has data",
    ),
    Mutant(
        "no_secret_is_committed",
        "a token in a variable",
        lambda o: set_variable(watch(o), "SNOWMODE_TOKEN", "0123456789abcdef"),
        "SNOWMODE_TOKEN has its value in the manifest",
    ),
    Mutant(
        "no_secret_is_committed",
        "a password in an address",
        lambda o: set_variable(
            sidecar(o), "SNOWMODE_SIDECAR_DATABASE", "postgresql://snowmode:geheim@postgres/snowmode"
        ),
        "holds a password in an address",
    ),
]

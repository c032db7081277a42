"""Annotations of Ingresses, broken."""

from __future__ import annotations

from collections.abc import Callable

from tests.k8s.mutants.ways import GPU_PROD, Mutant, set_variable, sidecar
from tests.k8s.objects import of_kind
from tests.k8s.policies.ingress import NGINX
from tests.k8s.rendering import Objects


def put(name: str, value: str) -> Callable[[Objects], None]:
    return lambda objects: of_kind(objects, "Ingress")[0]["metadata"]["annotations"].update({name: value})


INGRESS = [
    Mutant(
        "annotations_of_ingresses_are_known",
        "a misspelt size",
        put(f"{NGINX}proxy-bodysize", "17m"),
        "nobody reads the annotation nginx.ingress.kubernetes.io/proxy-bodysize",
    ),
    Mutant(
        "annotations_of_ingresses_are_known",
        "an issuer that cert-manager does not see",
        put("certmanager.io/cluster-issuer", "letsencrypt"),
        "nobody reads the annotation certmanager.io/cluster-issuer",
    ),
    Mutant(
        "annotations_of_ingresses_are_known",
        "a piece of nginx.conf",
        put(f"{NGINX}configuration-snippet", "deny all;"),
        "nobody reads the annotation nginx.ingress.kubernetes.io/configuration-snippet",
    ),
    *(
        Mutant(
            "what_the_sidecar_takes_gets_through_the_ingress",
            f"a body of {size}",
            put(f"{NGINX}proxy-body-size", size),
            f"proxy-body-size {size}: expected more than the 16m",
        )
        for size in ("16m", "17", "17Mi")
    ),
    Mutant(
        "what_the_sidecar_takes_gets_through_the_ingress",
        "a time with a unit",
        put(f"{NGINX}proxy-read-timeout", "120s"),
        "expected seconds, without a unit",
    ),
    Mutant(
        "what_the_sidecar_takes_gets_through_the_ingress",
        "a redirect that is none",
        put(f"{NGINX}ssl-redirect", "yes"),
        "expected true or false",
    ),
    *(
        Mutant(
            "the_word_of_proxies_is_taken_where_there_are_some",
            f"proxies: {value}",
            lambda o, value=value: set_variable(sidecar(o), "SNOWMODE_SIDECAR_PROXIES", value),
            says,
            of=of,
        )
        for value, says, of in (
            ("", "expected the network of the ingress controller", GPU_PROD),
            ("*", "does not appear to be an IPv4 or IPv6 network", GPU_PROD),
            ("0.0.0.0/0", "0.0.0.0/0 is open to the world", GPU_PROD),
            ("10.0.0.1/8", "has host bits set", GPU_PROD),
            ("10.0.0.0/8", "expected none without an Ingress", "base"),
        )
    ),
]

"""Annotations of Ingresses: controllers pass over those they do not know, without a word."""

from __future__ import annotations

import re
from ipaddress import ip_network

from tests.k8s.objects import of_kind, quantity, where
from tests.k8s.policies import policy
from tests.k8s.policies.commands import our_lines
from tests.k8s.rendering import Objects

NGINX = "nginx.ingress.kubernetes.io/"

# Of docs/user-guide/nginx-configuration/annotations-risk.md in kubernetes/ingress-nginx, commit 03c5ce57add5; the
# project ended in March 2026. Of its groups those for a site with pages; none by which text gets into nginx.conf.
OF_NGINX = frozenset(
    """
    allowlist-source-range denylist-source-range backend-protocol client-body-buffer-size
    proxy-body-size proxy-buffer-size proxy-buffering proxy-buffers-number proxy-connect-timeout proxy-cookie-domain
    proxy-cookie-path proxy-http-version proxy-max-temp-file-size proxy-next-upstream proxy-next-upstream-timeout
    proxy-next-upstream-tries proxy-read-timeout proxy-redirect-from proxy-redirect-to proxy-request-buffering
    proxy-send-timeout limit-allowlist limit-burst-multiplier limit-connections limit-rate limit-rate-after limit-rpm
    limit-rps app-root force-ssl-redirect preserve-trailing-slash ssl-redirect ssl-ciphers ssl-prefer-server-ciphers
    """.split()
)
# Of https://cert-manager.io/docs/usage/ingress/, version 1.18: those that ask for a certificate.
OF_CERT_MANAGER = frozenset({"cert-manager.io/cluster-issuer", "cert-manager.io/issuer"})


@policy
def annotations_of_ingresses_are_known(objects: Objects) -> list[str]:
    known = OF_CERT_MANAGER | {f"{NGINX}{name}" for name in OF_NGINX}
    return [
        f"{where(entry)}: nobody reads the annotation {name}"
        for entry in of_kind(objects, "Ingress")
        for name in entry["metadata"].get("annotations", {})
        if name not in known
    ]


@policy
def what_the_sidecar_takes_gets_through_the_ingress(objects: Objects) -> list[str]:
    """nginx takes 1 MiB where it is told nothing, and answers 413."""
    largest = 0
    for _, done in our_lines(objects):
        if done.command == "sidecar" and not done.fault:
            largest = max(largest, done.parameters["max_body"], done.parameters["max_upload"])
    found = []
    for entry in of_kind(objects, "Ingress"):
        given = entry["metadata"].get("annotations", {})
        size = given.get(f"{NGINX}proxy-body-size", "1m")
        # nginx knows k, m and g, which are powers of 1024.
        if not re.fullmatch("[0-9]+[kmg]?", size) or quantity(re.sub("[kmg]", _binary, size)) <= largest * 2**20:
            found.append(f"{where(entry)}: proxy-body-size {size}: expected more than the {largest}m of the sidecar")
        for name, value in given.items():
            if name.endswith("-timeout") and not re.fullmatch("[1-9][0-9]*", value):
                found.append(f"{where(entry)}: {name} {value}: expected seconds, without a unit")
            if name.endswith("ssl-redirect") and value not in ("true", "false"):
                found.append(f"{where(entry)}: {name} {value}: expected true or false")
    return found


@policy
def the_word_of_proxies_is_taken_where_there_are_some(objects: Objects) -> list[str]:
    """Without it everybody counts as one address; of the whole world, everybody says to be anybody."""
    found = []
    behind = bool(of_kind(objects, "Ingress"))
    for line, done in our_lines(objects):
        if done.command != "sidecar" or done.fault:
            continue
        given = done.parameters["proxy"] or ()
        if behind != bool(given):
            wanted = "the network of the ingress controller" if behind else "none without an Ingress"
            found.append(f"{line.container.name}: SNOWMODE_SIDECAR_PROXIES: expected {wanted}")
        for text in given:
            try:
                private = ip_network(text).is_private
            except ValueError as error:
                found.append(f"{line.container.name}: SNOWMODE_SIDECAR_PROXIES: {error}")
                continue
            if not private:
                found.append(f"{line.container.name}: SNOWMODE_SIDECAR_PROXIES: {text} is open to the world")
    return found


def _binary(unit: re.Match[str]) -> str:
    return {"k": "Ki", "m": "Mi", "g": "Gi"}[unit[0]]

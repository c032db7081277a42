"""Where model servers are: what may be given for one, or for several that share the work."""

from __future__ import annotations

import ipaddress
import re

_ONE = re.compile(r"embedded:.+|(unix|unix-abstract|dns):.+|[^/:,]+:[0-9]+|\[[0-9A-Fa-f:.]+\]:[0-9]+")
_OTHER_KINDS = ("embedded:", "unix:", "unix-abstract:", "dns:")
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>[0-9]+)")


class TargetError(ValueError):
    """What was given names no server; the text says what was expected."""


def read_target(text: str) -> str:
    """Makes a gRPC target of what somebody gave for a server, or for several.

    Args:
        text: ``host:port``, ``embedded:MODELS``, several addresses with commas between, or any gRPC target.

    Returns:
        The same, but of several addresses an ``ipv4:`` or ``ipv6:`` target: gRPC connects to each of them and spreads
        its calls.

    Raises:
        TargetError: It is none of them.
    """
    if text.startswith(("ipv4:", "ipv6:")) or ("," in text and not text.startswith(_OTHER_KINDS)):
        return _several(text)
    if not _ONE.fullmatch(text):
        raise TargetError(
            f"expected HOST:PORT or embedded:FOLDER, received {text!r}; of several servers the addresses, "
            "IP:PORT,IP:PORT, or dns:///NAME:PORT"
        )
    return text


def check_tls_target(target: str) -> None:
    """Checks that the certificates of a target's servers can be told apart from those of others.

    Raises:
        TargetError: They are several addresses: gRPC would hold each certificate against the whole list.
    """
    if target.startswith(("ipv4:", "ipv6:")) and "," in target:
        raise TargetError(
            f"--tls-ca: expected servers by name, dns:///NAME:PORT, received addresses: {target}. Certificates of "
            "several servers can be checked against one name only"
        )


def _several(text: str) -> str:
    given, addresses = (text[:4], text[5:]) if text.startswith(("ipv4:", "ipv6:")) else ("", text)
    families, found = {given} if given else set(), []
    for part in map(str.strip, addresses.split(",")):
        match = _ADDRESS.fullmatch(part)
        try:
            address = ipaddress.ip_address("" if match is None else match["v6"] or match["v4"])
        except ValueError as error:
            # gRPC looks up one name only, and a list of names would be taken for a strange one.
            raise TargetError(
                f"several servers: expected addresses such as 10.0.0.1:8500,10.0.0.2:8500, received {part!r} among "
                "them. Names go into DNS: dns:///NAME:PORT takes every address that NAME has"
            ) from error
        families.add(f"ipv{address.version}")
        found.append(part)
    if len(families) > 1:
        raise TargetError(
            f"several servers: expected addresses of one kind, received IPv4 and IPv6 in {text!r}; a name in DNS, "
            "dns:///NAME:PORT, may have both"
        )
    return f"{families.pop()}:{','.join(found)}"

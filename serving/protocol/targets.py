"""Where model servers are: what may be given for one, or for several that share the work."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import Counter

_PORTS = range(1, 65_536)
_SOCKET_BYTES = 107
"""What Linux has room for in the path of a socket."""

_SOCKETS = ("unix:", "unix-abstract:")
_OTHER_KINDS = ("embedded:", *_SOCKETS, "dns:")
_ONE = re.compile(
    r"(?:dns:(?://(?P<asked>[^/]*)/)?|(?!dns:))(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\s/:,\[\]]+)):(?P<port>[0-9]+)"
)
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>[0-9]+)")


class TargetError(ValueError):
    """What was given names no server; the text says what was expected."""


def read_target(text: str) -> str:
    """Makes a gRPC target of what somebody gave for a server, or for several.

    gRPC itself takes anything: of a port that is too large it makes another one, and of an address it cannot read it
    says so when the first call fails, in words that blame the model.

    Args:
        text: ``host:port``, ``embedded:MODELS``, several addresses with commas between, or a gRPC target of the kinds
            ``dns:``, ``ipv4:``, ``ipv6:``, ``unix:`` and ``unix-abstract:``.

    Returns:
        The same, but of several addresses an ``ipv4:`` or ``ipv6:`` target: gRPC connects to each of them and spreads
        its calls.

    Raises:
        TargetError: It is none of them.
    """
    if text.startswith("embedded:") and text != "embedded:":
        return text
    if text.startswith(_SOCKETS):
        return _socket(text)
    if text.startswith(("ipv4:", "ipv6:")) or ("," in text and not text.startswith(_OTHER_KINDS)):
        return _several(text)
    match = _ONE.fullmatch(text)
    # A byte of another encoding on the command line, or a control character, is in no name.
    if match is None or not text.isprintable():
        raise TargetError(
            f"expected HOST:PORT or embedded:FOLDER, received {text!r}; of several servers the addresses, "
            "IP:PORT,IP:PORT, or dns:///NAME:PORT"
        )
    _check_port(match["port"], text)
    if match["v6"] is not None and _family(match["v6"], None) is None:
        raise TargetError(f"expected an IPv6 address in brackets, such as [fd00::1]:8500, received {text!r}")
    if match["asked"]:
        _check_name_server(match["asked"], text)
    return text


def count_servers(target: str) -> int:
    """Tells how many servers share the calls, as far as a target or the name server says.

    Args:
        target: As `read_target` gives it.

    Returns:
        At least 1. Whatever stands behind a proxy counts as one, and so does what another name server than that of
        this machine would have to be asked for.
    """
    if target.startswith(("ipv4:", "ipv6:")):
        return len(set(target.partition(":")[2].split(",")))
    match = _ONE.fullmatch(target)
    if match is None or match["asked"]:
        return 1
    host = match["v6"] or match["host"]
    try:
        found = socket.getaddrinfo(host, int(match["port"]), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter for what can be no name
        return 1
    # A server may have an address of either kind.
    families = Counter(family for family, address in {(family, address) for family, *_, address in found})
    return max(families.values(), default=1)


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
        family = None if match is None else _family(match["v6"], match["v4"])
        if match is None or family is None:
            # gRPC looks up one name only, and a list of names would be taken for a strange one.
            raise TargetError(
                f"several servers: expected addresses such as 10.0.0.1:8500,10.0.0.2:8500, received {part!r} among "
                "them. Names go into DNS: dns:///NAME:PORT takes every address that NAME has"
            )
        _check_port(match["port"], text)
        families.add(family)
        found.append(part)
    if len(families) > 1:
        raise TargetError(
            f"several servers: expected addresses of one kind, received IPv4 and IPv6 in {text!r}; a name in DNS, "
            "dns:///NAME:PORT, may have both"
        )
    return f"{families.pop()}:{','.join(found)}"


def _socket(text: str) -> str:
    kind, _, path = text.partition(":")
    # unix:///run/x.sock is the same as unix:/run/x.sock; a host between is refused by gRPC.
    if not path or (path.startswith("//") and not path.startswith("///")):
        expected = "without a host"
    elif not text.isprintable():
        expected = "of printable characters"
    elif len(path.removeprefix("//").encode()) > _SOCKET_BYTES:
        expected = f"of at most {_SOCKET_BYTES} bytes"
    else:
        return text
    raise TargetError(
        f"expected {kind}:PATH of a socket, PATH {expected}, received {text!r}; for example unix:/run/serving.sock"
    )


def _check_port(port: str, text: str) -> None:
    # Of thousands of digits Python makes no number.
    if len(port) > len(str(_PORTS[-1])) or int(port) not in _PORTS:
        raise TargetError(
            f"expected a port from {_PORTS[0]} to {_PORTS[-1]}, received {port} in {text!r}; model servers mostly "
            "listen on 8500"
        )


def _check_name_server(given: str, text: str) -> None:
    match = _ADDRESS.fullmatch(given)
    if match is None or _family(match["v6"], match["v4"]) is None:
        raise TargetError(
            f"expected the name server as IP:PORT, dns://10.96.0.10:53/NAME:PORT, received {given!r} in {text!r}; "
            "dns:///NAME:PORT asks those of this machine"
        )
    _check_port(match["port"], text)


def _family(v6: str | None, v4: str | None) -> str | None:
    """Tells which kind of address it is; None if it is none."""
    try:
        if v6 is not None:
            ipaddress.IPv6Address(v6)
            return "ipv6"
        ipaddress.IPv4Address(v4 or "")
    except ValueError:
        return None
    return "ipv4"

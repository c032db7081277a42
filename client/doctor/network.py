"""The way to a server: its name, its addresses, their ports, TLS."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from client.doctor.finding import Finding, State, failure, ok, skipped, warning
from serving.protocol.tls import Tls

CONNECT_SECONDS = 3.0
_DAYS_LEFT = 14
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # with an empty SETTINGS frame
_WANTS_CERTIFICATE = (
    "It may want a certificate of the client that its custom_ca vouches for: --tls-cert and --tls-key."
)

_KIND = re.compile(r"dns:(?://[^/]*/)?|ipv4:|ipv6:|")
_PLACE = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:/\[\]]+)):(?P<port>[0-9]+)")

# OpenSSL's X509_V_ERR numbers; their texts differ between releases.
_EXPIRED, _NOT_YET, _OTHER_NAME, _NO_ISSUER = {10}, {9}, {62, 64}, {2, 18, 19, 20, 21}


@dataclass(frozen=True, slots=True)
class Place:
    """Host and port of a server."""

    host: str
    port: int

    @property
    def target(self) -> str:
        """The gRPC target of this one place."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def places_of(address: str) -> list[Place]:
    """Takes a gRPC target apart; nothing for one that has no host and port, such as a UNIX socket."""
    kind = _KIND.match(address)
    matches = [_PLACE.fullmatch(part) for part in address[kind.end() if kind else 0 :].split(",")]
    return [Place(match["v6"] or match["host"], int(match["port"])) for match in matches if match is not None]


def asks_elsewhere(address: str) -> bool:
    """Tells whether a target names the name server that is to be asked: ``dns://10.96.0.10:53/model-server:8500``."""
    return re.match("dns://[^/]", address) is not None


def place_of(address: str) -> Place | None:
    """Gives the first place of a gRPC target, None if it has none."""
    return next(iter(places_of(address)), None)


def check_name(place: Place) -> tuple[Finding, list[str]]:
    """Resolves the name of a server.

    Returns:
        The finding, and the addresses, each once.
    """
    began = time.perf_counter()
    try:
        answers = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        return failure(
            "name",
            f"{place.host} does not resolve ({reason})",
            "Is it spelt right? Inside Kubernetes: SERVICE.NAMESPACE.svc.cluster.local; from outside an ingress or "
            "kubectl port-forward.",
        ), []
    milliseconds = 1000 * (time.perf_counter() - began)
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    text = (
        f"{place.host} is {', '.join(addresses[:8])}{', ...' if len(addresses) > 8 else ''} ({milliseconds:.0f} ms)"
    )
    by_family = {family: sum(a[0] == family for a in answers) for family in {answer[0] for answer in answers}}
    if max(by_family.values()) > 1:
        return ok(
            "name",
            f"{len(addresses)} addresses: {text}",
            f"Calls are spread over them; dns:///{place.host}:{place.port} says so outright. New pods are seen when "
            "a connection ends: give the server --grpc_channel_arguments=grpc.max_connection_age_ms=300000.",
        ), addresses
    if ".svc" in f"{place.host}.":
        return ok(
            "name",
            text,
            "One address: a connection stays with one pod. A headless service (clusterIP: None) gives every pod's.",
        ), addresses
    return ok("name", text), addresses


def check_ports(
    places: Sequence[Place], *, one_machine: bool = True, timeout: float = CONNECT_SECONDS
) -> tuple[Finding, list[Place]]:
    """Opens a TCP connection to every address.

    Args:
        places: Addresses and ports.
        one_machine: Whether addresses of the other kind (IPv4, IPv6) may be those of the same machine.
        timeout: Seconds a connection may take.

    Returns:
        The finding, and the places that answered.
    """
    reached, times, refused, silent = [], [], [], []
    for place in places:
        began = time.perf_counter()
        try:
            socket.create_connection((place.host, place.port), timeout=timeout).close()
        except TimeoutError:
            silent.append(place)
        except OSError as error:
            refused.append((place, error.strerror or str(error)))
        else:
            reached.append(place)
            times.append(f"{place.host} in {1000 * (time.perf_counter() - began):.1f} ms")
    ports = sorted({place.port for place in places})
    numbers = f"port {ports[0]}" if len(ports) == 1 else f"ports {', '.join(map(str, ports))}"
    troubles = [f"{place.host}: {reason}" for place, reason in refused]
    troubles += [f"{place.host}: no answer within {timeout:g} s" for place in silent]
    advice = (
        f"No answer at all is the way of a firewall or a network policy: is {numbers} open from here?"
        if silent
        else f"The machine is there, but nothing listens on {numbers}: is the server running, is it its gRPC port?"
    )
    if not reached:
        return failure("port", "; ".join(troubles), advice), []
    away = [place for place, _ in refused] + silent
    kinds = {":" in place.host for place in reached}
    if away and not (one_machine and kinds.isdisjoint(":" in place.host for place in away)):
        return warning("port", f"{', '.join(times)}; but {'; '.join(troubles)}", advice), reached
    # localhost has an IPv6 address on machines where servers listen on IPv4 only: no trouble, gRPC takes the other.
    return ok("port", f"{numbers} answers at {', '.join(times)}"), reached


def check_tls(place: Place, address: str, tls: Tls | None, *, timeout: float = CONNECT_SECONDS) -> Finding:
    """Looks whether server and client mean the same by that port, and how long the certificate is good for.

    Args:
        place: The name the certificate must be for.
        address: One that answers.
        tls: What the client trusts and shows; None: it speaks plain text.
        timeout: Seconds a handshake may take.
    """
    if tls is None or tls.context is None:
        if _speaks_tls(place, address, timeout):
            return failure(
                "TLS",
                "the port speaks TLS, this client plain text",
                "Name the certificate of the authority that vouches for the server: --tls-ca or SNOWMODE_TLS_CA.",
            )
        return ok("TLS", "plain text on both sides")
    tls.context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((address, place.port), timeout=timeout) as plain,
            tls.context.wrap_socket(plain, server_hostname=place.host) as secure,
        ):
            finding = _certificate(secure)
            if finding.state is State.FAIL or _is_greeted(secure):
                return finding
            return failure("TLS", "the server closes the connection after the handshake", _WANTS_CERTIFICATE)
    except ssl.SSLCertVerificationError as error:
        return failure("TLS", f"the certificate is not good: {error.verify_message}", _advice(error, place))
    except (ssl.SSLError, OSError) as error:
        if _speaks_tls(place, address, timeout):
            reason = getattr(error, "reason", None) or error
            return failure("TLS", f"the server ended the handshake ({reason})", _WANTS_CERTIFICATE)
        return failure("TLS", "the port speaks plain text, this client TLS", "Leave --tls-ca away for this server.")


def _is_greeted(secure: ssl.SSLSocket) -> bool:
    """Waits for the server's first word: by TLS 1.3 it refuses a client only when the client thinks all is well."""
    secure.sendall(_HTTP2_GREETING)
    with contextlib.suppress(TimeoutError):  # slow is not refused
        return bool(secure.recv(1))
    return True


def _speaks_tls(place: Place, address: str, timeout: float) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((address, place.port), timeout=timeout) as plain,
            context.wrap_socket(plain, server_hostname=place.host),
        ):
            return True
    except (ssl.SSLError, OSError):
        return False


def _certificate(secure: ssl.SSLSocket) -> Finding:
    certificate = secure.getpeercert() or {}
    until = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = (until - time.time()) / 86400
    text = f"{secure.version()}, certificate good until {time.strftime('%Y-%m-%d', time.gmtime(until))}"
    if secure.selected_alpn_protocol() != "h2":
        return failure("TLS", f"{text}, but it does not offer HTTP/2", "Is it the gRPC port?")
    if days < _DAYS_LEFT:
        return warning("TLS", f"{text}: {days:.0f} days left", "Renew the server's certificate.")
    return ok("TLS", f"{text} ({days:.0f} days)")


def _advice(error: ssl.SSLCertVerificationError, place: Place) -> str:
    code = {error.verify_code}
    if code <= _EXPIRED:
        return "Renew the server's certificate; if it is new, look at the clock of this machine."
    if code <= _NOT_YET:
        return "Look at the clock of this machine."
    if code <= _OTHER_NAME:
        return f"The certificate is for another name than {place.host}: use that name, or add this one to it."
    if code <= _NO_ISSUER:
        return "--tls-ca must hold the certificate of the authority that signed the server's, with all between."
    return "Look at the server's certificate: openssl s_client -connect HOST:PORT"


def check_socket(address: str) -> Finding:
    """Looks at a target without host and port, as far as it can be."""
    if not address.startswith("unix:"):
        return skipped("name", f"{address} names no host")
    path = "/" + address.removeprefix("unix:").lstrip("/") if address.startswith("unix:/") else address[5:]
    try:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(CONNECT_SECONDS)
            plain.connect(path)
    except OSError as error:
        return failure(
            "socket", f"{path}: {error.strerror or error}", "Is the server running, with --grpc_socket_path?"
        )
    return ok("socket", f"{path} answers")

"""A name server of this machine's own: it answers as the cluster's does for a headless service.

gRPC asks it where a target says so (`dns://127.0.0.1:PORT/model-server.drill:8500`); nothing else here does.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Sequence

_A, _IN, _SECONDS_TO_LIVE = 1, 1, 5
_HEADER = struct.Struct("!HHHHHH")
_ANSWER_FLAGS = 0x8580  # an answer, authoritative, recursion asked for and had


class NameServer:
    """Answers over UDP with whatever addresses it has at the time.

    Attributes:
        addresses: IPv4 addresses of each name.
        questions: How often it was asked.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, Sequence[str]] = {}
        self.questions = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def target(self, name: str, port: int) -> str:
        """Gives the gRPC target that asks here."""
        return f"dns://127.0.0.1:{self._socket.getsockname()[1]}/{name}:{port}"

    def close(self) -> None:
        """Answers no more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closing alone does not
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                question, sender = self._socket.recvfrom(4096)
                if not question:
                    return
                self._socket.sendto(self._answer(question), sender)
            except OSError:
                return

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], _HEADER.size
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        (kind,) = struct.unpack_from("!H", question, at + 1)
        self.questions += 1
        found = self.addresses.get(".".join(labels), ()) if kind == _A else ()
        head = _HEADER.pack(int.from_bytes(question[:2]), _ANSWER_FLAGS, 1, len(found), 0, 0)
        records = [
            b"\xc0\x0c" + struct.pack("!HHIH", _A, _IN, _SECONDS_TO_LIVE, 4) + socket.inet_aton(address)
            for address in found
        ]
        return head + question[_HEADER.size : at + 5] + b"".join(records)


@contextlib.contextmanager
def name_server() -> Iterator[NameServer]:
    """Runs one."""
    server = NameServer()
    try:
        yield server
    finally:
        server.close()

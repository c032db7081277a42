"""Two servers, one of which vanishes from the network without a word; run in a network of its own (`unshare --net`).

Prints who answered each of the calls that were made around that moment.
"""

from __future__ import annotations

import subprocess

from serving.protocol import wire
from serving.protocol.channel import open_channel
from tests.serving.protocol.test_several_servers import Servers


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    servers = Servers()
    servers.start("127.0.0.2")
    servers.start("127.0.0.3")
    with open_channel(f"ipv4:127.0.0.2:{servers.port},127.0.0.3:{servers.port}") as channel:
        call = channel.unary_unary(wire.PREDICT)
        answered: set[str] = set()
        while len(answered) < 2:
            answered.add(call(b"", timeout=60).decode())
        for words in (("INPUT", "-d"), ("OUTPUT", "-s")):
            subprocess.run(["iptables", "-A", *words, "127.0.0.3", "-j", "DROP"], check=True)
        futures = [call.future(b"", timeout=60) for _ in range(10)]
        print(*(future.result().decode() for future in futures))
    servers.end()


if __name__ == "__main__":
    main()

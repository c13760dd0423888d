"""A network with a delay and with losses, in a network namespace of its own: this kernel's own TCP, without `tc netem`,
which many kernels lack.

    unshare --net python long_road.py '{"delay": 0.05, "lose": [["up", 3]], ...}'

There is one device (tun) and one address, 10.9.0.1, and all that is sent to 10.9.0.2 comes to this program, which sends
it back after a while with source and target exchanged (checksums are sums: they stay right). So whoever connects to
10.9.0.2 reaches a server at 10.9.0.1 of the same kernel, over a road as long and as bad as we like. The program prints
what tls13.explain.network says of the connection, and what went over the road as a pcap file, in hex.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import tls13
from tls13.explain.network import observe, open_tcp
from tls13.io.opening import wrap_socket
from tls13.lab.authority import Authority

HERE, THERE, PORT = bytes((10, 9, 0, 1)), bytes((10, 9, 0, 2)), 443
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
SYN = 2


class Road(threading.Thread):
    """`delay`: seconds each way. `lose`: ("up" or "down", n): the n-th packet that way is lost (SYN is number 1)."""

    def __init__(self, delay: float, lose: list[list]) -> None:
        super().__init__(daemon=True)
        self.delay, self.lose = delay, {(way, number) for way, number in lose}
        self.count = {"up": 0, "down": 0}
        self.seen: list[tuple[int, bytes]] = []
        self.device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.device, TUNSETIFF, struct.pack("16sH22x", b"road", IFF_TUN | IFF_NO_PI))
        for command in ("link set lo up", "addr add 10.9.0.1/24 dev road", "link set road up"):
            subprocess.run(["ip", *command.split()], check=True)

    def run(self) -> None:
        under_way: list[tuple[float, int, str, bytes]] = []
        number = 0
        while True:
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            if select.select([self.device], [], [], wait)[0]:
                packet = os.read(self.device, 2**16)
                if packet[0] >> 4 == 4 and packet[9] == 6:
                    way = "up" if int.from_bytes(packet[22:24], "big") == PORT else "down"
                    self.count[way] += 1
                    if way == "up":
                        self.seen.append((time.time_ns(), packet))
                    if (way, self.count[way]) not in self.lose:
                        number += 1
                        turned = packet[:12] + THERE + HERE + packet[20:]
                        heapq.heappush(under_way, (time.monotonic() + self.delay, number, way, turned))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, way, packet = heapq.heappop(under_way)
                if way == "down":
                    self.seen.append((time.time_ns(), packet))
                os.write(self.device, packet)

    def pcap(self) -> bytes:
        """As the client's end of the road has seen it, in microseconds."""
        file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 2**16, 101)
        for when, packet in self.seen:
            seconds, rest = divmod(when, 10**9)
            file += struct.pack("<IIII", seconds, rest // 1000, len(packet), len(packet)) + packet
        return file


def talk(up: int, down: int) -> tuple[dict, list[str]]:
    """`up` and `down`: bytes of application data. What the network says, and the key log."""
    import socket

    authority = Authority.create(now=datetime.now(UTC))
    log: list[str] = []
    config = tls13.ClientConfig(trust=tls13.TrustStore.from_certificates([authority.certificate]), key_log=log.append)
    listener = socket.create_server((".".join(map(str, HERE)), PORT))

    def serve() -> None:
        sock, _ = listener.accept()
        with wrap_socket(sock, tls13.ServerConfig(authority.issue(["road.example"]).identity)) as tls:
            left = up
            while left:
                left -= len(tls.recv())
            tls.sendall(bytes(down))
            while tls.recv():
                pass

    server = threading.Thread(target=serve)
    server.start()
    sock, times = open_tcp(".".join(map(str, THERE)), PORT, 20.0)
    sock.settimeout(20.0)
    began = time.perf_counter()
    with wrap_socket(sock, config, server_hostname="road.example") as tls:
        took = (time.perf_counter() - began) * 1000
        flights = tls.bytes_sent, tls.bytes_received
        tls.sendall(bytes(up))
        left = down
        while left:
            left -= len(tls.recv())
        network = observe(sock, times._replace(tls=took), flights, retried=False)
    server.join()
    return network.to_json(), log


def main() -> None:
    wanted = json.loads(sys.argv[1])
    road = Road(wanted.get("delay", 0.0), wanted.get("lose", []))
    road.start()
    network, log = talk(wanted.get("up", 100), wanted.get("down", 100))
    print(json.dumps({"network": network, "key_log": log, "pcap": road.pcap().hex()}))


if __name__ == "__main__":
    main()

"""What the rows in memory do, over and over: from a stack to a Work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tls13 import CipherSuite, NamedGroup, SignatureScheme

from .measure import NotTheSame
from .stacks import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from .measure import Work
    from .stacks import Stack

    Make = Callable[[Stack], Work]

ECDSA = Setting()
RSA = Setting(scheme=SignatureScheme.rsa_pss_rsae_sha256)
RESUMPTION = Setting(resume=True)
HYBRID = Setting(group=NamedGroup.X25519MLKEM768)
AES_128 = CipherSuite.TLS_AES_128_GCM_SHA256
AES_256 = CipherSuite.TLS_AES_256_GCM_SHA384
CHACHA20 = CipherSuite.TLS_CHACHA20_POLY1305_SHA256


def handshakes(setting: Setting) -> Make:
    def make(stack: Stack) -> Work:
        stack.remember(setting, stack.connected(setting))

        def work(count: int) -> None:
            for _ in range(count):
                pair = stack.pair(setting)
                pair.handshake()
                if setting.resume:
                    if not (pair.client.resumed() and pair.server.resumed()):
                        raise NotTheSame(f"{stack.name} did not resume")
                    stack.remember(setting, pair)

        return work

    return make


def bulk(suite: CipherSuite, size: int) -> Make:
    data = os.urandom(size)

    def make(stack: Stack) -> Work:
        transfer = stack.connected(Setting(suite=suite)).transfer

        def work(count: int) -> None:
            for _ in range(count):
                if transfer(data) != size:
                    raise NotTheSame(f"{stack.name} lost data")

        return work

    return make


def echo(size: int) -> Make:
    data = os.urandom(size)

    def make(stack: Stack) -> Work:
        back = stack.connected(ECDSA).echo

        def work(count: int) -> None:
            for _ in range(count):
                if back(data) != size:
                    raise NotTheSame(f"{stack.name} lost data")

        return work

    return make

"""Every public name of ssl.SSLContext, SSLSocket and SSLObject stands in tls13/stdlib/SURFACE.md, and is tried.

The tables are read; each row is tried by the function of its name in *_trials.py. A name that a new Python brings has
no row and fails, and so does a row without a trial.
"""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path
from types import ModuleType

import pytest

import tls13
from tests.stdlib.context_trials import CONTEXT
from tests.stdlib.ends_trials import OBJECT, SOCKET
from tests.stdlib.room import Room
from tls13.stdlib.sockets import SSLObject, SSLSocket

TEXT = (Path(tls13.__file__).parent / "stdlib" / "SURFACE.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.M)
TABLES = {part.split("\n", 1)[0]: dict(ROW.findall(part)) for part in TEXT.split("\n## ")[1:]}
CLASSES = {
    "SSLContext": (ssl.SSLContext, tls13.SSLContext),
    "SSLSocket": (ssl.SSLSocket, SSLSocket),
    "SSLObject": (ssl.SSLObject, SSLObject),
}


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", CLASSES)
def test_each_name_of_ssl_has_a_row_and_each_row_a_name(name) -> None:
    standard, ours = CLASSES[name]
    rows = set(TABLES[name])
    assert public(dir(standard)) <= rows
    assert rows <= public(dir(standard)) | public(dir(ours)) | LATER


LATER = {"get_verified_chain", "get_unverified_chain"}
"""Names that `ssl` itself has only from Python 3.13 on."""


@pytest.mark.parametrize(
    ("table", "members", "prefix"),
    [("Options", ssl.Options, "OP_"), ("Verification flags", ssl.VerifyFlags, "VERIFY_")],
)
def test_each_option_and_flag_has_a_row(table, members, prefix) -> None:
    assert {name for name in members.__members__ if name.startswith(prefix)} <= set(TABLES[table])


NOT_OF_TLS = {"SOCK_STREAM", "SOL_SOCKET", "SO_TYPE", "create_connection", "namedtuple", "socket"}
"""What the module imports for itself."""
GONE = {"RAND_pseudo_bytes", "match_hostname"}
"""From Python 3.12 on `ssl` itself has them no more."""


def test_each_name_of_the_module_is_ours_too() -> None:
    names = {name for name in public(dir(ssl)) if not isinstance(getattr(ssl, name), ModuleType)}
    assert names - NOT_OF_TLS - GONE <= set(dir(tls13))
    assert all(hasattr(tls13, name) for name in names - NOT_OF_TLS - GONE)
    assert all(f"`{name}`" in TEXT for name in GONE)


def test_a_star_brings_the_names_of_both() -> None:
    there: dict[str, object] = {}
    exec("from tls13 import *", there)  # noqa: S102  # it is a statement for modules
    assert there["SSLContext"] is tls13.SSLContext
    assert there["CertificateError"] is tls13.CertificateError
    assert there["CERT_REQUIRED"] is ssl.CERT_REQUIRED
    assert there["SSLError"] is ssl.SSLError


def test_alerts_answer_to_ssls_names() -> None:
    """But for four that TLS 1.3 does not have, and those that `ssl` does not."""
    older = {"DECOMPRESSION_FAILURE", "NO_RENEGOTIATION", "CERTIFICATE_UNOBTAINABLE", "BAD_CERTIFICATE_HASH_VALUE"}
    for name, value in ssl.AlertDescription.__members__.items():
        assert getattr(tls13, name) == value
        if name.removeprefix("ALERT_DESCRIPTION_") not in older:
            assert getattr(tls13.AlertDescription, name) is tls13.AlertDescription(value)
    assert tls13.AlertDescription(40).name == "handshake_failure"


def test_a_verdict_is_one_of_three() -> None:
    assert {verdict for table in TABLES.values() for verdict in table.values()} == {"works", "harmless", "refused"}


@pytest.fixture
def room(authority, issued, tmp_path):
    made = Room(authority, issued, tmp_path)
    yield made
    made.close()


def option(name):
    def trial(room) -> bool:
        client, server = room.client(), room.server()
        client.options |= getattr(ssl, name)
        server.options |= getattr(ssl, name)
        tls, peer = room.objects(client, server)
        peer.write(b"x")
        assert tls.read(1) == b"x"
        return (tls.session is None) == (name == "OP_NO_TICKET")

    return trial


def an_end_without_close_notify(room) -> bool:
    client = room.client()
    client.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    tls, server = room.sockets(client)
    tls.suppress_ragged_eofs = False
    socket.socket.shutdown(server, socket.SHUT_WR)
    with pytest.raises(ssl.SSLEOFError):
        tls.recv(1)
    return True


def flag(name):
    """The chain is a good one, so it is believed, unless lists are asked for and none is there."""

    def trial(room) -> bool:
        client = room.client()
        client.verify_flags |= getattr(ssl, name)
        if "CRL" not in name:
            return bool(room.objects(client)[0].getpeercert())
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            room.objects(client)
        return caught.value.verify_code == 3

    return trial


TRIALS = {
    "SSLContext": CONTEXT,
    "SSLSocket": SOCKET,
    "SSLObject": OBJECT,
    "Options": {name: option(name) for name in TABLES["Options"]}
    | {"OP_IGNORE_UNEXPECTED_EOF": an_end_without_close_notify},
    "Verification flags": {name: flag(name) for name in TABLES["Verification flags"]},
}


def rows():
    for table, names in TABLES.items():
        for name, verdict in names.items():
            if table in CLASSES or hasattr(ssl, name):
                yield pytest.param(table, name, verdict, id=f"{table}-{name}")


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")
@pytest.mark.parametrize(("table", "name", "verdict"), list(rows()))
def test_a_name_does_what_its_row_says(table, name, verdict, room) -> None:
    trial = TRIALS[table][name]
    if verdict == "refused":
        with pytest.raises((ValueError, NotImplementedError, OSError, TypeError)) as refusal:
            trial(room)
        assert " " in str(refusal.value)
    else:
        assert trial(room)

"""tls13 ... --trace with -v and -vv: every field, every byte, what each side knows, and never a secret."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from functools import cache

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

import tls13
from certs.der import SUBJECT, Surgery
from tests.trust.chains import UNREADABLE_NAMES
from tests.vectors_reader import RFC8448, unhex
from tls13.cli import main
from tls13.explain.demos import VARIANTS, demo
from tls13.explain.dissect import dissect
from tls13.explain.lanes import TIME_WIDTH, WIDTH, Lanes
from tls13.explain.spans import Field, message_fields
from tls13.explain.trace import BYTES, FIELDS, Narrator
from tls13.explain.voices import Voices
from tls13.flow import Epoch
from tls13.lab.scripted import with_extension
from tls13.wire.extensions import CR, CertificateAuthoritiesExtension, Extensions, SignatureSchemeList
from tls13.wire.messages import MESSAGES, Certificate, CertificateEntry, CertificateRequest
from tls13.wire.registry import HandshakeType, SignatureScheme

HOST = "server.example"
EPOCHS = list(Epoch)


def account(client_config, server_config, *, detail: int = 0, talk=None) -> str:
    """What the client's narrator writes."""
    page = io.StringIO()
    client = tls13.ClientConnection(client_config, server_hostname=HOST, tracer=Narrator(page, detail=detail))
    server = tls13.ServerConnection(server_config)
    tls13.pump(client, server)
    if talk is not None:
        talk(client, server)
        tls13.pump(client, server)
    return page.getvalue()


def told(raw: bytes, *, detail: int, sent: bool = True, epoch: Epoch = Epoch.INITIAL) -> str:
    page = io.StringIO()
    Narrator(page, detail=detail).message(sent, raw, epoch)
    return page.getvalue()


def inside(page: str) -> list[str]:
    """What is between the lanes."""
    return [line[TIME_WIDTH + 1 : -1] for line in page.splitlines() if line.endswith("|")]


@cache
def every_message() -> list[bytes]:
    found = [unhex(one["bytes"]) for trace in RFC8448.values() for one in trace["messages"]]
    for variant in VARIANTS:
        found += [one.raw for one in dissect(demo(variant)).seen if one.kind == "message"]
    return found


# --- round trips ------------------------------------------------------------------------------------------------------


def round_trips(page: str) -> list[list[str]]:
    """The names of the messages in each."""
    found: list[list[str]] = []
    for line in inside(page):
        if divider := re.fullmatch(r"\.+ round trip (\d+) \.+", line):
            found.append([])
            assert int(divider[1]) == len(found)
        elif arrow := re.match(r"<?[-=]{3,4} (\w+)", line):
            found[-1].append(arrow[1])
    return found


def test_a_full_handshake_is_one_round_trip(client_config, server_config) -> None:
    """RFC 9846, section 2, figure 1: application data of the client's goes with the second flight."""
    first, second = round_trips(account(client_config, server_config, talk=lambda client, _: client.send_data(b"hi")))
    assert first == [
        "ClientHello",
        "ServerHello",
        "EncryptedExtensions",
        "Certificate",
        "CertificateVerify",
        "Finished",
    ]
    assert second == ["change_cipher_spec", "Finished", "application_data"]


def test_a_hello_retry_request_costs_a_round_trip(client_config, server_config) -> None:
    """Section 2.1, figure 2."""
    first, second, third = round_trips(account(client_config, server_config.replace(always_retry=True)))
    assert first == ["ClientHello", "HelloRetryRequest"]
    assert second[:3] == ["change_cipher_spec", "ClientHello", "ServerHello"]
    assert third == ["Finished"]


# --- what each side knows ---------------------------------------------------------------------------------------------


def sides(page: str) -> tuple[str, str]:
    """What stands on the client's side, and on the server's."""
    rows = [line for line in inside(page) if line.startswith(" ") and not line.startswith("     ")]
    rows += [line for line in inside(page) if line.startswith("     ") and "  + " in line[40:50]]
    return " ".join(row[:43].strip() for row in rows), " ".join(row[43:].strip() for row in rows)


def test_both_sides_learn_the_secret_each_in_its_way(client_config, server_config) -> None:
    page = account(client_config.replace(groups=["x25519"]), server_config)
    client, server = sides(page)
    assert "the private halves of its key shares (x25519)" in client
    assert "+ the server's share (x25519), and with it the shared secret" in client
    assert "+ the shared secret, from the client's share and its own private half" in server
    assert client.count("+ the handshake traffic secrets of both directions") == 1
    assert "that it talks to whom it wanted" in client
    assert "that it talks to whom it wanted" not in server


def test_the_wire_has_its_say_in_detail_only(client_config, server_config) -> None:
    assert "the wire sees" not in account(client_config, server_config).replace("the wire sees which host", "")
    assert "not the secret: from here on every handshake message is encrypted" in " ".join(
        line[31:].strip() for line in inside(account(client_config, server_config, detail=FIELDS))
    )


# --- every field ------------------------------------------------------------------------------------------------------


def test_every_field_of_every_message_is_named() -> None:
    for raw in every_message():
        names = {line.split()[0] for line in inside(told(raw, detail=FIELDS)) if line.strip()}
        kind = MESSAGES.get(raw[0])
        if kind is not None:
            assert {name for name, _ in kind.fields if name != "legacy_session_id_echo"} <= names, kind


def test_a_field_comes_with_what_it_is_for() -> None:
    raw = unhex(RFC8448["simple_1rtt"]["messages"][0]["bytes"])
    page = " ".join(line.strip() for line in inside(told(raw, detail=FIELDS)))
    for one in message_fields(raw).fields:
        if one.name != "length":
            assert one.meaning in re.sub(" +", " ", page)


def test_without_detail_no_field_is_opened() -> None:
    raw = unhex(RFC8448["simple_1rtt"]["messages"][0]["bytes"])
    assert "legacy_compression_methods" not in told(raw, detail=0)
    assert "legacy_compression_methods" in told(raw, detail=FIELDS)


# --- every byte -------------------------------------------------------------------------------------------------------

OCTETS = re.compile(r" ([0-9a-f]{1,6})  ((?:[0-9a-f]{2} )*[0-9a-f]{2}) *$")


def test_every_byte_of_every_message_stands_there_once_and_in_order() -> None:
    for raw in every_message():
        found = b""
        for line in inside(told(raw, detail=BYTES)):
            if row := OCTETS.search(line[40:]):
                assert int(row[1], 16) == len(found)
                found += bytes.fromhex(row[2])
        assert found == raw


def test_the_pages_stay_within_their_width() -> None:
    for raw in every_message():
        for detail in (FIELDS, BYTES):
            assert {len(line) for line in told(raw, detail=detail).splitlines()[1:]} == {WIDTH}


# --- what it must never do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", [0, FIELDS, BYTES])
def test_no_secret_at_any_detail(detail, client_config, server_config) -> None:
    """Not those of the key log, and not the keys that the tickets stand for."""
    lines: list[str] = []
    sessions = tls13.SessionCache()
    configs = client_config.replace(key_log=lines.append, sessions=sessions), server_config
    pages = [account(*configs, detail=detail, talk=lambda client, _: client.send_data(b"a password")) for _ in range(2)]
    assert len(lines) == 10
    for page in pages:
        flat = re.sub(r"[^0-9a-f]", "", "".join(line[50:] for line in inside(page)))
        for line in lines:
            assert line.split()[2][:16] not in flat
            assert line.split()[2][:16] not in page
        assert "a password" not in page


def test_the_peers_text_cannot_steer_a_terminal_in_detail(authority, client_config) -> None:
    identity = authority.issue([HOST], common_name="\x1b]0;owned\x07\x1b[2J\u202e").identity
    for detail in (FIELDS, BYTES):
        page = account(client_config, tls13.ServerConfig(identity), detail=detail)
        assert all(one.isprintable() or one == "\n" for one in page)


def test_no_field_can_either() -> None:
    evil = "a\x1b[2J\u202e"
    field = Field("message", 0, 1, "struct", "", "", "", (Field(evil, 0, 1, "opaque", evil, evil, ""),))
    page = io.StringIO()
    Lanes(page).fields(field)
    Lanes(page).octets(field, b"a")
    assert page.getvalue().count("\\x1b") == 6
    assert all(one.isprintable() or one == "\n" for one in page.getvalue())


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_whatever_comes_the_narrator_does_not_break_the_connection(data) -> None:
    """An exception of a tracer's would end the connection that it only watches."""
    raw = bytearray(data.draw(st.sampled_from(every_message())))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for detail in (0, FIELDS, BYTES):
        page = told(bytes(raw), detail=detail, epoch=data.draw(st.sampled_from(EPOCHS)))
        assert all(one.isprintable() or one == "\n" for one in page)


def test_a_certificate_whose_name_cannot_be_read_is_told_by_its_number(authority) -> None:
    """`cryptography` parses names late, and raises a ValueError then."""
    surgery = Surgery(authority.issue([HOST]).certificate)
    surgery.fields[SUBJECT] = surgery.fields[SUBJECT][:-4] + b"\xff\xff\xff\xff"
    der = surgery.sign(authority.private_key)
    number = x509.load_der_x509_certificate(der).serial_number
    message = Certificate(certificate_list=(CertificateEntry(cert_data=der),))
    page = told(message.to_handshake(), detail=0, sent=False)
    assert f"{number:x}" in page


@UNREADABLE_NAMES
def test_an_authority_whose_name_cannot_be_read_is_told_by_its_size(authority, spoil) -> None:
    name = spoil(authority.certificate.subject.public_bytes())
    request = CertificateRequest(certificate_request_context=b"", extensions=Extensions((), CR))
    request = with_extension(request, SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.ed25519,)))
    message = with_extension(request, CertificateAuthoritiesExtension(authorities=(name,)))
    assert f"{len(name)} bytes that cannot be read" in told(message.to_handshake(), detail=0, sent=False)


def test_a_message_that_is_refused_is_opened_as_far_as_it_goes() -> None:
    raw = unhex(RFC8448["simple_1rtt"]["messages"][1]["bytes"])
    page = told(raw[:3] + bytes([raw[3] - 1]) + raw[4:-1], detail=BYTES, sent=False)
    assert "a message of 89 bytes" in page
    assert "legacy_session_id_echo" in page
    assert "Does not decode" in page


def test_a_compressed_certificate_is_told_with_what_is_in_it() -> None:
    """RFC 8879: the message is another, the certificates are the same."""
    raw = next(one for one in every_message() if one[0] == HandshakeType.compressed_certificate)
    page = told(raw, detail=0, sent=False)
    assert re.search(r"algorithm +zlib: \d+ bytes in place of \d+", page)
    assert re.search(r"certificate 0 +CN=", page)
    broken = told(raw[:-2] + b"??", detail=0, sent=False)
    assert "cannot be unpacked here" in broken


# --- many at once -----------------------------------------------------------------------------------------------------


def test_of_many_connections_each_is_called_by_its_number() -> None:
    page = io.StringIO()
    voices = Voices(page)
    first, second = voices(), voices()
    first.alert(False, 0)
    first.alert(True, 0)
    second.alert(False, 40)
    first.alert(False, 10)
    lines = page.getvalue().splitlines()
    assert [line for line in lines if line.startswith("connection")] == ["connection 1", "connection 2", "connection 1"]
    assert "handshake_failure" in "".join(lines[lines.index("connection 2") :])
    assert "<=" not in "".join(lines)


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """A `tls13 serve -vv` that says what it has to say into a file: its port, the file of its CA, and its end."""
    said = tmp_path / "said"
    command = [*(sys.executable, "-m", "tls13", "serve", "-vv", "--port", "0"), "--ca-out", str(tmp_path / "ca.pem")]
    with said.open("wb") as out, subprocess.Popen(command, stderr=out) as process:

        def end() -> str:
            process.terminate()
            process.wait(20)
            return said.read_text()

        try:
            deadline = time.monotonic() + 20
            while not (found := re.search(r"listening on .*:(\d+);", said.read_text())):
                assert time.monotonic() < deadline
                assert process.poll() is None
            yield int(found[1]), tmp_path / "ca.pem", end
        finally:
            process.kill()


def test_connect_and_serve_tell_the_same_connection(served, capsys) -> None:
    port, ca, end = served
    assert main(["connect", f"localhost:{port}", "--cafile", str(ca), "-v", "--json", "--timeout", "20"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("{")
    assert "legacy_compression_methods" in captured.err
    assert not OCTETS.search("\n".join(line[40:] for line in inside(captured.err)))
    said = end()
    assert "connection 1" in said
    assert round_trips(said)[0][:2] == ["ClientHello", "ServerHello"]
    client_hello = re.search(r"random +([0-9a-f]{16})\.\.\.", captured.err)
    assert client_hello is not None
    assert client_hello[1] in said
    assert "\x1b[" not in said
    assert "\x1b[" not in captured.err


@pytest.mark.parametrize(("options", "lines"), [(["--trace"], 60), (["-v"], 300), (["-vv"], 800)])
def test_the_demo_in_three_lengths(options, lines, capsys) -> None:
    assert main(["demo", *options]) == 0
    assert lines <= len(capsys.readouterr().out.splitlines()) < 3 * lines

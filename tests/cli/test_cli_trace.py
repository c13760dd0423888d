"""The account of a connection: true, within the page, and without influence on what it watches."""

from __future__ import annotations

import io
import re

import pytest

import tls13
from tls13.errors import ProtocolVersionError
from tls13.explain.lanes import WIDTH
from tls13.explain.terminal import printable
from tls13.explain.trace import Narrator
from tls13.flow import Epoch
from tls13.lab.authority import Authority
from tls13.lab.scripted import ask_for_key_update

HOST = "server.example"


def account(client_config, server_config, *, talk=None) -> tuple[str, str]:
    """What the client's and the server's narrators write of one connection."""
    pages = io.StringIO(), io.StringIO()
    client = tls13.ClientConnection(client_config, server_hostname=HOST, tracer=Narrator(pages[0]))
    server = tls13.ServerConnection(server_config, tracer=Narrator(pages[1], is_client=False))
    tls13.pump(client, server)
    if talk is not None:
        talk(client, server)
        tls13.pump(client, server)
    return pages[0].getvalue(), pages[1].getvalue()


ARROW = re.compile(r"\|(<)?[-=]{3,4} (.+?) [-=]+ (?:section|appendix) ")


def arrows(page: str) -> list[tuple[str, str]]:
    """Direction (">" is to the server) and name of each message, in order."""
    found = [ARROW.search(line) for line in page.splitlines()]
    return [(one[1] or ">", one[2]) for one in found if one]


def flat(page: str) -> str:
    """The words without the layout."""
    return " ".join(word for line in page.splitlines() for word in line[11:].strip("| ").split())


def test_the_order_of_figure_1(client_config, server_config) -> None:
    """RFC 9846, section 2, figure 1, and the change_cipher_spec of appendix E.4, as a client sees them."""
    client, _ = account(client_config, server_config)
    assert arrows(client) == [
        (">", "ClientHello"),
        ("<", "ServerHello"),
        ("<", "EncryptedExtensions"),
        ("<", "Certificate"),
        ("<", "CertificateVerify"),
        ("<", "Finished"),
        (">", "change_cipher_spec"),
        (">", "Finished"),
    ]


def test_keys_change_where_the_rfc_changes_them(client_config, server_config) -> None:
    """Section 7.1: the server's handshake keys from after ServerHello, application keys from after its Finished."""
    client, _ = account(client_config, server_config)
    told = [line[11:] for line in client.splitlines() if "|***" in line or ARROW.search(line)]
    for index, text in enumerate(told):
        if "server's records" in text:
            before = next(ARROW.search(line)[2] for line in reversed(told[:index]) if ARROW.search(line))
            assert (before, "handshake keys" in text) in [("ServerHello", True), ("Finished", False)]
    assert sum("records are encrypted" in text for text in told) == 4


def test_both_sides_tell_the_same_messages_in_the_same_direction(client_config, server_config) -> None:
    client, server = account(client_config, server_config)
    handshake = [one for one in arrows(client) if "change_cipher_spec" not in one[1]]
    assert handshake
    assert sorted(handshake) == sorted(one for one in arrows(server) if "change_cipher_spec" not in one[1])


def test_clear_and_encrypted_look_different(client_config, server_config) -> None:
    page, _ = account(client_config, server_config)
    for line in page.splitlines():
        if "in the clear" in line:
            assert "--" in line
            assert "==" not in line
        if "handshake keys ===" in line or "application keys ===" in line:
            assert "--" not in line


def test_a_hello_retry_request_is_told_with_what_it_wants(client_config, server_config) -> None:
    page, _ = account(client_config, server_config.replace(always_retry=True))
    names = [name for _, name in arrows(page) if "change_cipher_spec" not in name]
    assert names[:4] == ["ClientHello", "HelloRetryRequest", "ClientHello", "ServerHello"]
    assert "lets the server forget the client" in flat(page)
    assert "what the HelloRetryRequest asked to be returned" in flat(page)


def test_a_key_update_changes_to_new_keys(client_config, server_config) -> None:
    def talk(client, server) -> None:
        ask_for_key_update(client)

    page, _ = account(client_config, server_config, talk=talk)
    assert arrows(page)[-2:] == [(">", "KeyUpdate"), ("<", "KeyUpdate")]
    for side in ("client", "server"):
        assert f"the {side}'s records are encrypted with AES_128_GCM, new application keys" in flat(page)


def test_the_page_is_100_columns(client_config, server_config) -> None:
    def talk(client, server) -> None:
        client.send_data(b"x" * 100_000)
        client.close()
        server.close()

    configs = client_config.replace(cipher_suites=["TLS_CHACHA20_POLY1305_SHA256"]), server_config
    for page in account(*configs, talk=talk):
        assert {len(line) for line in page.splitlines()[1:]} == {WIDTH}


def test_every_alert_fits() -> None:
    page = io.StringIO()
    narrator = Narrator(page)
    for code in range(256):
        narrator.alert(False, code)
    assert max(len(line) for line in page.getvalue().splitlines()) == WIDTH


def test_no_secret_is_told(client_config, server_config) -> None:
    lines: list[str] = []
    page, _ = account(client_config.replace(key_log=lines.append), server_config)
    assert len(lines) >= 4
    for line in lines:
        assert line.split()[2][:16] not in page


def test_a_watcher_changes_nothing(client_config) -> None:
    """A ServerHello of TLS 1.2 ends the connection for the same reason, watched or not."""
    legacy = b"\x02\x00\x00\x26\x03\x03" + b"r" * 32 + b"\0" + b"\x13\x01" + b"\0"
    record = b"\x16\x03\x03" + len(legacy).to_bytes(2, "big") + legacy
    reasons = []
    for tracer in (None, Narrator(io.StringIO())):
        client = tls13.ClientConnection(client_config, server_hostname=HOST, tracer=tracer)
        client.receive_data(record)
        with pytest.raises(ProtocolVersionError) as caught:
            list(client.events())
        reasons.append(str(caught.value))
    assert reasons[0] == reasons[1]


def test_bytes_that_are_no_message_are_told_as_such() -> None:
    page = io.StringIO()
    Narrator(page).message(False, b"\x02\0\0\x01\0", Epoch.INITIAL)
    assert "a message of 5 bytes" in page.getvalue()


def test_the_peers_text_cannot_steer_a_terminal(authority: Authority, client_config) -> None:
    """A certificate may hold escape sequences; a page in front of a person must not."""
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    identity = authority.issue([HOST], common_name=evil).identity
    page, _ = account(client_config, tls13.ServerConfig(identity))
    assert "owned" in page
    assert all(one.isprintable() or one == "\n" for one in page)
    assert printable("a\x1bb\n\u202e") == "a\\x1bb\\n\\u202e"


# --- what comes with PSKs, tickets and later authentication ----------------------------------------------------------


@pytest.fixture
def resumed(client_config, server_config) -> tuple[str, str]:
    """The account of a resumed connection with early data; the page of the connection before it comes first."""
    pages = []
    server_config = server_config.replace(max_early_data=1000, replay_guard=tls13.ReplayGuard())
    client_config = client_config.replace(sessions=tls13.SessionCache())
    for early_data in (None, b"GET /"):
        page = io.StringIO()
        client = tls13.ClientConnection(
            client_config, server_hostname=HOST, early_data=early_data, tracer=Narrator(page)
        )
        tls13.pump(client, tls13.ServerConnection(server_config))
        pages.append(page.getvalue())
    return pages[0], pages[1]


def test_the_order_of_figure_4(resumed) -> None:
    """RFC 9846, section 2.3: early data after ClientHello, no certificates, EndOfEarlyData before Finished."""
    assert [one for one in arrows(resumed[1]) if one[1] != "change_cipher_spec"] == [
        (">", "ClientHello"),
        (">", "application_data"),
        ("<", "ServerHello"),
        ("<", "EncryptedExtensions"),
        ("<", "Finished"),
        (">", "EndOfEarlyData"),
        (">", "Finished"),
        ("<", "NewSessionTicket"),
    ]


def test_resumption_is_told_in_words(resumed) -> None:
    first, second = map(flat, resumed)
    assert "1000 bytes may come early with it" in first
    assert "which only the server can read" in first
    assert "from a ticket" in second
    assert "no Certificate and no CertificateVerify, the PSK says who is who" in second
    assert "early data keys" in second
    assert "whoever records it can send it again (section 8)" in second
    assert "accepted: what the client has sent early is read" in second


def test_a_request_after_the_handshake_is_told(authority, client_config, server_config) -> None:
    trust = tls13.TrustStore.from_certificates([authority.certificate])
    server_config = server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER)

    def talk(client, server) -> None:
        server.request_client_certificate()

    page, _ = account(client_config.replace(post_handshake_auth=True), server_config, talk=talk)
    assert "the server may ask for a certificate later" in flat(page)
    assert [name for _, name in arrows(page)][-3:] == ["CertificateRequest", "Certificate", "Finished"]
    assert authority.certificate.subject.rfc4514_string() in flat(page)
    assert flat(page).count("which request this is") == 2
    assert "empty: no certificate to show" in flat(page)
    assert {len(line) for line in page.splitlines()[1:]} == {WIDTH}


def test_a_psk_alone_is_told_as_that(client_config, server_config) -> None:
    psks = [tls13.ExternalPsk(b"a pump", bytes(16))]
    page, _ = account(
        client_config.replace(psks=psks, psk_key_exchange_modes=["psk_ke"]),
        server_config.replace(psks=psks, psk_key_exchange_modes=["psk_ke"]),
    )
    assert "the keys come from the PSK alone, without forward secrecy" in flat(page)
    assert {len(line) for line in page.splitlines()[1:]} == {WIDTH}

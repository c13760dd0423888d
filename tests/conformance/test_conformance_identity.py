"""Client certificates, external PSKs and early data against `tls13 serve`: sections 4.5, 4.7.2, 4.3.11, 4.3.10, 8."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.conformance.judge_client import Client, Ticket, offer
from tests.conformance.judge_server import Credential, Issuer, sign
from tests.conformance.wire import (
    ALERT,
    BAD_CERTIFICATE,
    BAD_MAC,
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    DATA,
    DECODE,
    DECRYPT,
    EARLY,
    END_OF_EARLY_DATA,
    FINISHED,
    HANDSHAKE,
    ILLEGAL,
    PSK,
    PSK_MODES,
    SCHEMES,
    UNEXPECTED,
    Hello,
    Keys,
    Schedule,
    expand,
    message,
    parse_extensions,
    u16s,
    vec,
    with_binder,
)

# Its servers are looked at when they end, and a rare traceback is still to be found there (a future of a connection
# that was cut off, "never retrieved"): not for the suite that everybody waits for.
pytestmark = pytest.mark.slow

UNSUPPORTED_CERTIFICATE, UNKNOWN_CA, CERTIFICATE_REQUIRED = 43, 48, 116


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def ours(issuer) -> Credential:
    return issuer.issue(ec.generate_private_key(ec.SECP256R1()), 0x0403)


@pytest.fixture(scope="module")
def rsa_ours(issuer) -> Credential:
    return issuer.issue(rsa.generate_private_key(65537, 2048), 0x0804)


@pytest.fixture(scope="module")
def asking(start, issuer, tmp_path_factory):
    """Ports of servers that require, would like, or ask later for a certificate."""
    ca = tmp_path_factory.mktemp("judge") / "ca.pem"
    ca.write_bytes(issuer.pem)
    found: dict[str, int] = {}

    def port(auth: str) -> int:
        if auth not in found:
            found[auth] = start("--client-ca", str(ca), "--client-auth", auth).port
        return found[auth]

    return port


def certificate(credential: Credential | None, context: bytes = b"") -> bytes:
    return message(CERTIFICATE, vec(1, context) + (credential.chain if credential else vec(3, b"")))


def verify(client: Client, credential: Credential, scheme: int = 0, side: bytes = b"client", spoil: int = 0) -> bytes:
    signed = b" " * 64 + b"TLS 1.3, " + side + b" CertificateVerify\0" + client.schedule.digest(client.transcript)
    scheme = scheme or credential.scheme
    signature = sign(credential.key, scheme, signed)
    signature = signature[:-1] + bytes([signature[-1] ^ spoil])
    return message(CERTIFICATE_VERIFY, u16s([scheme]) + vec(2, signature))


def authenticate(client: Client, credential: Credential, **how: object) -> None:
    client.say(certificate(credential))
    client.say(verify(client, credential, **how))


def test_a_certificate_that_is_asked_for(asking, ours, rsa_ours) -> None:
    for credential in (ours, rsa_ours):
        with Client(asking("required")) as client:
            client.start()
            client.meet()
            assert client.requested[0] == 0, "section 4.4.2: the context is empty in a handshake"
            assert SCHEMES in parse_extensions(client.requested[3:])
            authenticate(client, credential)
            client.finish()
            client.echo()


def test_who_may_decline_does(asking) -> None:
    with Client(asking("optional")) as client:
        client.start()
        client.meet()
        client.say(certificate(None))
        client.finish()
        client.echo()


def decline(c: Client, _: Credential) -> None:
    c.say(certificate(None))
    c.say(c.finished())


def verify_nothing(c: Client, own: Credential) -> None:
    c.say(certificate(None))
    c.say(verify(c, own))


def no_verify(c: Client, own: Credential) -> None:
    c.say(certificate(own))
    c.say(c.finished())


REFUSED = {
    "none, though required (4.5.1.3)": (decline, {CERTIFICATE_REQUIRED}),
    "Finished at once (4)": (lambda c, own: c.say(c.finished()), {UNEXPECTED}),
    "no CertificateVerify (4.5.2)": (no_verify, {UNEXPECTED}),
    "CertificateVerify of nothing (4.5.2)": (verify_nothing, {UNEXPECTED, CERTIFICATE_REQUIRED}),
    "CertificateVerify first (4)": (lambda c, own: c.say(verify(c, own)), {UNEXPECTED}),
    "a spoilt signature (4.5.2)": (lambda c, own: authenticate(c, own, spoil=1), {DECRYPT}),
    "the server's context string (4.5.2)": (lambda c, own: authenticate(c, own, side=b"server"), {DECRYPT}),
    "SHA-1 (4.5.2)": (lambda c, own: authenticate(c, own, scheme=0x0203), {ILLEGAL}),
    "a scheme of another curve (4.5.2)": (lambda c, own: authenticate(c, own, scheme=0x0503), {ILLEGAL}),
    "a scheme of nobody (4.5.2)": (lambda c, own: authenticate(c, own, scheme=0x0A0A), {ILLEGAL}),
    "a context that was not asked with (4.5.1)": (
        lambda c, own: c.say(certificate(own, b"x")),
        {ILLEGAL, DECODE},
    ),
    "a certificate of no bytes (4.5.1)": (
        lambda c, own: c.say(message(CERTIFICATE, b"\0" + vec(3, vec(3, b"") + b"\0\0"))),
        {DECODE},
    ),
    "a certificate that is none (6.2)": (
        lambda c, own: c.say(message(CERTIFICATE, b"\0" + vec(3, vec(3, b"hi") + b"\0\0"))),
        {BAD_CERTIFICATE, DECODE, UNSUPPORTED_CERTIFICATE},
    ),
    "a certificate of an unknown CA (6.2)": (
        lambda c, own: authenticate(c, Issuer().issue(ec.generate_private_key(ec.SECP256R1()), 0x0403)),
        {UNKNOWN_CA, BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE},
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(asking, ours, what) -> None:
    act, alerts = REFUSED[what]
    with Client(asking("required")) as client:
        client.start()
        client.meet()
        act(client, ours)
        assert client.refusal() in alerts


@pytest.mark.parametrize("scheme", [0x0401, 0x0501, 0x0201, 0x0809])
def test_schemes_that_an_rsa_key_must_not_sign_with(asking, rsa_ours, scheme) -> None:
    with Client(asking("required")) as client:
        client.start()
        client.meet()
        authenticate(client, rsa_ours, scheme=scheme)
        assert client.refusal() == ILLEGAL


# --- after the handshake ----------------------------------------------------------------------------------------------


def asked(client: Client) -> bytes:
    """The handshake is over and the server has asked; the context of its request."""
    client.start(Hello().set(49, b""))
    client.meet()
    client.finish()
    while (found := client.next_message())[0] != CERTIFICATE_REQUEST:
        assert found[0] == 4
    client.transcript += found
    assert SCHEMES in parse_extensions(found[4 + 1 + found[4] + 2 :])
    return found[5 : 5 + found[4]]


def answer(client: Client, credential: Credential | None, context: bytes) -> bytes:
    """What section 4.7.2 wants: Certificate, CertificateVerify, Finished."""
    said = certificate(credential, context)
    client.transcript += said
    if credential is not None:
        proof = verify(client, credential)
        client.transcript += proof
        said += proof
    key = Keys(client.write.suite, client.write.secret)
    return said + message(FINISHED, key.finished(client.schedule.digest(client.transcript)))


@pytest.mark.parametrize("shown", [True, False])
def test_a_certificate_after_the_handshake(asking, ours, shown) -> None:
    with Client(asking("later")) as client:
        context = asked(client)
        client.send(DATA, b"before")
        client.send(HANDSHAKE, answer(client, ours if shown else None, context))
        client.send(DATA, b"after")
        got = b""
        while len(got) < 11:
            got += client.next_data()
        assert got == b"beforeafter"


LATER = {
    "another context (4.5.1)": (
        lambda said, context: said[:5] + b"x" * said[4] + said[5 + said[4] :],
        {ILLEGAL, UNEXPECTED},
    ),
    "a spoilt Finished (4.5.3)": (lambda said, context: said[:-1] + bytes([said[-1] ^ 1]), {DECRYPT}),
}


@pytest.mark.parametrize("what", LATER)
def test_refused_later(asking, ours, what) -> None:
    change, alerts = LATER[what]
    with Client(asking("later")) as client:
        context = asked(client)
        client.send(HANDSHAKE, change(answer(client, ours, context), context))
        assert client.refusal() in alerts


def test_data_within_the_answer(asking, ours) -> None:
    """Section 4.7.2: its messages come one after the other, with nothing between."""
    with Client(asking("later")) as client:
        said = answer(client, ours, asked(client))
        size = 4 + int.from_bytes(said[1:4], "big")
        client.send(HANDSHAKE, said[:size])
        client.send(DATA, b"x")
        assert client.refusal() == UNEXPECTED


def test_who_did_not_offer_it_is_not_asked(asking) -> None:
    """Section 4.3.6."""
    with Client(asking("later")) as client:
        client.complete()
        client.echo()
        client.goodbye()


# --- external PSKs ----------------------------------------------------------------------------------------------------

SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def keyed(start) -> int:
    return start("--psk", SECRET.hex(), "--psk-identity", "judge").port


def test_an_external_psk(keyed) -> None:
    with Client(keyed) as client:
        client.start(with_binder(Hello().set(PSK_MODES, b"\1\1"), b"judge", SECRET, age=12345))
        assert client.meet(SECRET).extensions[PSK] == b"\0\0"
        client.finish()
        client.echo()


def test_an_external_psk_with_a_wrong_binder(keyed) -> None:
    with Client(keyed) as client:
        client.start(with_binder(Hello().set(PSK_MODES, b"\1\1"), b"judge", bytes(32)))
        assert client.refusal() == DECRYPT


def test_a_ticket_s_label_does_not_open_an_external_psk(keyed) -> None:
    """Section 4.3.11.2: "ext binder" and "res binder" keep the two apart."""
    with Client(keyed) as client:
        client.start(with_binder(Hello().set(PSK_MODES, b"\1\1"), b"judge", SECRET, label="res binder"))
        assert client.refusal() == DECRYPT


def test_an_unknown_identity(keyed) -> None:
    """Section 4.3.11: ignored, or (F.6) refused as a wrong binder is, so that nobody learns which identities exist."""
    with Client(keyed) as client:
        client.start(with_binder(Hello().set(PSK_MODES, b"\1\1"), b"nobody", SECRET))
        kind, data = client.next_record()
        assert (kind, data) == (ALERT, bytes([2, DECRYPT])) or (kind == HANDSHAKE and data[0] == 2)


# --- early data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def early(start) -> int:
    return start("--early-data", "1000").port


@pytest.fixture
def ticket(early) -> Ticket:
    with Client(early) as client:
        found = Ticket(client.complete(Hello().set(PSK_MODES, b"\1\1").change(suites=[0x1301])))
        client.goodbye()
        return found


def early_keys(client: Client, ticket: Ticket) -> Keys:
    return Schedule(0x1301, ticket.psk).keys("c e traffic", client.transcript)


def offered(client: Client, ticket: Ticket, hello: Hello | None = None) -> Keys:
    hello = hello or offer(ticket, hello=Hello().set(PSK_MODES, b"\1\1").set(EARLY, b"").change(suites=[0x1301]))
    client.start(hello)
    assert hello.bytes()[0] == CLIENT_HELLO
    return early_keys(client, ticket)


def finish(client: Client, keys: Keys) -> None:
    """EndOfEarlyData under the early keys, then Finished. The server's Finished came before both (4.3.11.3)."""
    client.transcript += message(END_OF_EARLY_DATA, b"")
    client.raw(keys.seal(message(END_OF_EARLY_DATA, b"") + b"\x16"))
    client.finish()


def test_early_data(early, ticket) -> None:
    with Client(early) as client:
        keys = offered(client, ticket)
        client.raw(keys.seal(b"early \x17"))
        client.meet(ticket.psk)
        assert client.encrypted_extensions[EARLY] == b""
        client.raw(keys.seal(b"birds\x17\0\0"))
        finish(client, keys)
        got = b""
        while len(got) < 11:
            got += client.next_data()
        assert got == b"early birds"


def test_a_replay_is_not_taken(early, ticket) -> None:
    """Section 8: the same ClientHello again; its early data is rejected, or the whole of it refused."""
    hello = offer(ticket, hello=Hello().set(PSK_MODES, b"\1\1").set(EARLY, b"").change(suites=[0x1301]))
    accepted = 0
    for _ in range(3):
        with Client(early) as client:
            client.raw(b"")
            keys = offered(client, ticket, hello)
            client.raw(keys.seal(b"pay 100\x17"))
            client.meet(ticket.psk)
            accepted += EARLY in client.encrypted_extensions
    assert accepted == 1


def spoilt(record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])


EARLY_FAULTS = {
    "a spoilt record (4.3.10)": (lambda c, k: c.raw(spoilt(k.seal(b"x\x17"))), {BAD_MAC}),
    "more than the ticket allows (4.7.1)": (lambda c, k: c.raw(k.seal(bytes(1001) + b"\x17")), {UNEXPECTED}),
    "Finished with the early keys (4.6)": (lambda c, k: c.raw(k.seal(c.finished() + b"\x16")), {UNEXPECTED}),
    "Finished without EndOfEarlyData (4.6)": (lambda c, k: c.send(HANDSHAKE, c.finished()), {BAD_MAC, UNEXPECTED}),
    "EndOfEarlyData with a body (4)": (
        lambda c, k: c.raw(k.seal(message(END_OF_EARLY_DATA, b"x") + b"\x16")),
        {DECODE},
    ),
    "EndOfEarlyData and more in its record (5.1)": (
        lambda c, k: c.raw(k.seal(message(END_OF_EARLY_DATA, b"") + c.finished() + b"\x16")),
        {UNEXPECTED},
    ),
    "half an EndOfEarlyData, then data (5.1)": (
        lambda c, k: c.raw(k.seal(b"\5\0\x16") + k.seal(b"x\x17")),
        {UNEXPECTED},
    ),
    "early data behind EndOfEarlyData (4.6)": (
        lambda c, k: c.raw(k.seal(message(END_OF_EARLY_DATA, b"") + b"\x16") + k.seal(b"x\x17")),
        {BAD_MAC},
    ),
}


@pytest.mark.parametrize("what", EARLY_FAULTS)
def test_early_data_gone_wrong(early, ticket, what) -> None:
    act, alerts = EARLY_FAULTS[what]
    with Client(early) as client:
        keys = offered(client, ticket)
        client.meet(ticket.psk)
        act(client, keys)
        assert client.refusal() in alerts


def test_the_judge_knows_hkdf() -> None:
    """RFC 8448, section 3: the early secret's "derived"."""
    secret = Schedule(0x1301).derive("derived", b"")
    assert secret.hex() == "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"
    assert len(expand("sha256", secret, "key", b"", 40)) == 40

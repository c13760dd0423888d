"""What is said of the rarer handshakes is true of them: each sentence stands where its fact is, and nowhere else."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import tls13
from tls13.config import ClientAuth
from tls13.explain.capture import Capture
from tls13.explain.demos import EARLY_DATA, HOST, QUESTION, VARIANTS, Demo, Stage, demo
from tls13.explain.dissect import dissect
from tls13.explain.dissect_secrets import CERTIFICATE_PRIVATE
from tls13.explain.story import Step, Story
from tls13.explain.telling import tell
from tls13.explain.trace import FIELDS, Narrator
from tls13.flow import Epoch
from tls13.lab.scripted import ScriptedServer
from tls13.resumption.early_data import ReplayGuard
from tls13.trust.raw_keys import RawPublicKey
from tls13.wire.messages import CertificateVerify, Finished, HelloRetryRequest
from tls13.wire.registry import PskKeyExchangeMode

PSK = tls13.ExternalPsk(b"pump 7", bytes(range(32)))
ALONE = [PskKeyExchangeMode.psk_ke]


def psk_early(stage: Stage) -> Capture:
    """Early data, and then no key exchange."""
    client = stage.client.replace(psk_key_exchange_modes=ALONE)
    server = stage.server.replace(max_early_data=EARLY_DATA, replay_guard=ReplayGuard(), psk_key_exchange_modes=ALONE)
    first = Demo(stage, client, server)
    first.pump()
    return Demo(stage, client, server, session=first.tickets[0], early_data=QUESTION).whole()


def psk_and_exchange(stage: Stage) -> Capture:
    return Demo(stage, stage.client.replace(psks=[PSK]), stage.server.replace(psks=[PSK])).whole()


def psk_and_certificate(stage: Stage) -> Capture:
    """RFC 8773."""
    both = {"psks": [PSK], "certificate_with_psk": True}
    return Demo(stage, stage.client.replace(**both), stage.server.replace(**both)).whole()


def psk_only(stage: Stage) -> Capture:
    """Nobody has a certificate; a key exchange goes in."""
    both = {"psks": [PSK], "psk_key_exchange_modes": [PskKeyExchangeMode.psk_dhe_ke]}
    client, server = tls13.ClientConfig(require_psk=True, **both), tls13.ServerConfig(None, **both)
    made = Demo(stage, client, server).whole()
    del made.secrets[CERTIFICATE_PRIVATE]  # the stage's, which this server does not use
    return made


def unknown_psk(stage: Stage) -> Capture:
    return Demo(stage, stage.client.replace(psks=[PSK]), stage.server).whole()


def bare_key(stage: Stage) -> Capture:
    raw = RawPublicKey(ed25519.Ed25519PrivateKey.generate())
    return Demo(stage, tls13.ClientConfig(server_raw_keys=[raw.spki]), tls13.ServerConfig(raw)).whole()


def no_share(stage: Stage) -> Capture:
    return Demo(stage, stage.client.replace(key_shares=[]), stage.server).whole()


def cookie_only(stage: Stage) -> Capture:
    return Demo(stage, stage.client, stage.server.replace(always_retry=True)).whole()


def declined(stage: Stage) -> Capture:
    server = stage.server.replace(client_trust=stage.trust, client_auth=ClientAuth.OPTIONAL)
    return Demo(stage, stage.client, server).whole()


def declined_later(stage: Stage) -> Capture:
    server = stage.server.replace(client_trust=stage.trust, client_auth=ClientAuth.LATER)
    one = Demo(stage, stage.client.replace(post_handshake_auth=True), server)
    one.pump()
    one.server.request_client_certificate()
    one.pump()
    one.talk()
    return one.close()


RARE = {
    make.__name__: make
    for make in (
        psk_early,
        psk_and_exchange,
        psk_and_certificate,
        psk_only,
        unknown_psk,
        bare_key,
        no_share,
        cookie_only,
        declined,
        declined_later,
    )
}
ALL = [*VARIANTS, *RARE]


@cache
def capture(name: str) -> Capture:
    return RARE[name](Stage()) if name in RARE else demo(name)


@cache
def story(name: str) -> Story:
    return tell(capture(name))


@cache
def narrated(name: str) -> str:
    """What the client's narrator says, in one line."""
    page = io.StringIO()
    narrator = Narrator(page, detail=FIELDS)
    for seen in dissect(capture(name)).seen:
        if seen.kind == "message":
            narrator.message(seen.to_server, seen.raw, seen.epoch)
    narrator.finish()
    return re.sub(r"[|\s]+", " ", page.getvalue())


def steps(name: str, what: str, *, to_server: bool = False) -> list[Step]:
    return [one for one in story(name).steps if one.name == what and one.to_server is to_server]


def lesson(name: str, id: str):
    return next(one for one in story(name).lessons if one.id == id)


def facts(name: str) -> tuple[bool, bool, bool]:
    """Whether there is a key exchange, a PSK, a certificate of the server's."""
    hellos = dissect(capture(name)).hellos
    return hellos.group_code is not None, hellos.selected_psk is not None, bool(steps(name, "Certificate"))


# --- no key exchange, a PSK, a certificate: each alone and together ---------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_halves_of_a_key_exchange_are_where_there_is_one(name) -> None:
    """RFC 9846, section 4.3.9: with psk_ke the ServerHello has no key_share."""
    exchange = facts(name)[0]
    for told in steps(name, "ServerHello"):
        assert ("its half of the key exchange" in told.purpose) == exchange
    for keys in [one for one in story(name).steps if one.name == "handshake keys"]:
        assert ("key exchange's secret" in keys.purpose) == exchange
        assert ("the two public shares" in keys.wire_sees[0]) == exchange
        assert ("without the PSK" in keys.wire_sees[0]) != exchange


@pytest.mark.parametrize("name", ALL)
def test_a_certificate_is_spoken_of_where_one_is_shown(name) -> None:
    _, psk, certificate = facts(name)
    for told in steps(name, "ServerHello"):
        summary = dict(told.summary).get("pre_shared_key", "")
        assert ("no Certificate" in summary) == (psk and not certificate)
        assert ("without certificates" in " ".join(told.wire_sees)) == (psk and not certificate)
    if psk and certificate:
        assert "tls_cert_with_extern_psk" in narrated(name)
        assert "no Certificate" not in narrated(name)
    for keys in [one for one in story(name).steps if one.name == "application keys"]:
        assert "certificate" not in keys.purpose
        assert "up to the server's Finished" in keys.purpose


@pytest.mark.parametrize("name", ["0-rtt", "0-rtt-rejected", "psk_early"])
def test_what_comes_after_early_data_is_as_safe_as_it_is(name) -> None:
    exchange = facts(name)[0]
    text = " ".join(lesson(name, "zero-rtt").text)
    assert ("a fresh key exchange again" in text) == exchange
    assert ("psk_ke" in text) != exchange
    count = dict(lesson(name, "zero-rtt").shown)["with the PSK alone, all in all"].split()
    assert (count[0] == count[2]) != exchange


def test_what_a_quantum_computer_would_need() -> None:
    """RFC 8773, section 1: an external PSK protects what a broken key exchange does not. A ticket's PSK comes from an
    earlier key exchange (RFC 9846, section 4.7.1), which a recording of that connection gives away."""

    def verdict(name: str) -> str:
        return lesson(name, "post-quantum").text[1]

    assert verdict("1-rtt").startswith("Here the secret rests on x25519 alone")
    for name in ("psk_and_exchange", "psk_and_certificate"):
        assert "alone" not in verdict(name)
        assert "on x25519 and on the PSK" in verdict(name)
        assert "earlier connection" not in verdict(name)
    assert "alone" not in verdict("resumption")
    assert "can open that one too" in verdict("resumption")
    assert "the lattice and the curve" in verdict("x25519mlkem768")


def test_the_lesson_on_psks_knows_of_the_certificate_beside_it() -> None:
    assert lesson("psk_and_certificate", "resumption").title == "What stands beside the certificate"
    assert lesson("resumption", "resumption").title == "What stands in the place of the certificate"


# --- HelloRetryRequest ------------------------------------------------------------------------------------------------


def test_a_retry_says_what_it_was_for() -> None:
    """RFC 9846, sections 4.2.4 and 4.3.2: another group, a cookie, or both."""
    for name, group in (("hello-retry", True), ("cookie_only", False)):
        (retry,) = steps(name, HelloRetryRequest.__name__)
        wanted = " ".join((*retry.client_knows, *retry.wire_sees))
        assert ("secp256r1" in wanted) == group
        assert ("did not fit" in wanted) == group
        assert ("did not fit" in narrated(name)) == group
        assert "a cookie" in retry.client_knows[0]
        text = lesson(name, "hello-retry-request")
        assert ("A wrong guess" in text.title) == group
        assert ("could not use" in text.text[0]) == group


# --- a client that shows nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["declined", "declined_later", "alert-certificate-required"])
def test_a_client_that_shows_nothing_has_not_said_who_it_is(name) -> None:
    """RFC 9846, section 4.5.1: its Certificate is empty, and no CertificateVerify follows."""
    (empty,) = steps(name, "Certificate", to_server=True)
    assert empty.purpose == "empty: the sender has no certificate to show"
    assert empty.server_knows == ("that the client does not say who it is",)
    told = " ".join(" ".join(one.server_knows) for one in story(name).steps)
    for sentence in ("who the client says it is", "who the client is: its proof"):
        assert sentence not in told
        assert sentence not in narrated(name)


@pytest.mark.parametrize("name", ["mutual-tls", "post-handshake-auth"])
def test_a_client_that_shows_a_certificate_has(name) -> None:
    (shows,) = steps(name, "Certificate", to_server=True)
    assert shows.purpose == "who the sender says it is"
    assert "who the client says it is" in shows.server_knows[0]
    last = steps(name, "Finished", to_server=True)[-1]
    assert (last.epoch == Epoch.APPLICATION.name.lower()) == (name == "post-handshake-auth")
    assert ("who the client is: its proof is whole" in last.server_knows) == (name == "post-handshake-auth")
    assert ("who the client is: its proof is whole" in narrated(name)) == (name == "post-handshake-auth")


# --- a handshake that the client breaks off ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alert-unknown-ca", "alert-forged-finished"])
def test_who_refuses_the_server_is_not_said_to_believe_it(name) -> None:
    """RFC 9846, section 6.2: the client has ended the connection; it has no keys for data, and sends none."""
    (finished,), (keys,) = steps(name, "Finished"), steps(name, "application keys")
    assert finished.client_knows == ("nothing of that: it refuses this handshake",)
    assert keys.client_knows == ()
    assert "application traffic secrets" in keys.server_knows[0]
    (believed,) = steps("1-rtt", "Finished")
    assert "it talks to whom it wanted" in believed.client_knows[1]


# --- the values of the key schedule -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_the_key_schedule_speaks_of_what_went_into_it(name) -> None:
    """A name ends with the last message that the hash is over (RFC 9846, section 4.1); a star stands for "if sent"."""
    read = dissect(capture(name))
    nodes = {node.id: node for node in story(name).schedule}
    for who in ("server", "client"):
        if (node := nodes.get(f"hash_{who}_certificate_verify")) is not None:
            assert node.name == f"Hash(ClientHello...{who} CertificateVerify*)"
            assert "if there is one" in node.meaning
    if "handshake_secret" in nodes:
        assert "or zeros" in nodes["handshake_secret"].meaning
    if "hash_server_finished" in nodes:
        assert "if one was shown" in nodes["hash_server_finished"].meaning
    for node in nodes.values():
        assert "instead of a certificate" not in node.meaning
    assert read.suite is None or nodes


# --- lessons without certificates -------------------------------------------------------------------------------------


def test_who_has_no_certificate_has_none_to_steal_and_none_to_forge() -> None:
    without = [label for label, _ in lesson("psk_only", "forward-secrecy").shown]
    assert not any("certificate" in label for label in without)
    for name in ("1-rtt", "psk_and_certificate"):
        assert "CertificateVerify is a signature" in lesson(name, "man-in-the-middle").text[1]
    for name in ("external-psk", "resumption"):
        text = " ".join(lesson(name, "man-in-the-middle").text)
        assert "CertificateVerify" not in text
        assert "he needs the PSK" in text


def test_a_binder_proves_something_to_who_has_the_psk() -> None:
    """RFC 9846, section 4.3.11: a server that does not know the identity cannot check the binder, and ignores it."""
    (hello,) = steps("unknown_psk", "ClientHello", to_server=True)
    assert any("if it has the PSK too" in one for one in hello.server_knows)
    assert "external PSK" not in story("unknown_psk").variant


def test_what_is_in_the_clear_after_the_server_hello_is_no_message() -> None:
    """Appendix E.4: change_cipher_spec still is."""
    (hello,) = steps("1-rtt", "ServerHello")
    after = [one for one in story("1-rtt").steps[hello.id + 1 :] if one.records]
    assert {one.name for one in after if one.epoch == "initial"} == {"change_cipher_spec"}
    assert any("every handshake message is encrypted" in one for one in hello.wire_sees)


# --- keys that no certificate holds -----------------------------------------------------------------------------------


def test_a_bare_key_is_not_called_a_certificate_that_cannot_be_read() -> None:
    """RFC 7250: the entry is a SubjectPublicKeyInfo."""
    (shows,), (proof,) = steps("bare_key", "Certificate"), steps("bare_key", "CertificateVerify")
    assert dict(shows.summary)["certificate 0"] == "a bare public key (RFC 7250), 44 bytes"
    for told in (*shows.client_knows, *proof.client_knows, proof.purpose):
        assert "certificate" not in told
    assert "has the private key of what it shows" in proof.client_knows[0]


def test_what_is_not_seen_is_not_counted() -> None:
    """Without secrets nobody can say how many certificates came beside a PSK; and there was one to steal the key of."""
    told = tell(capture("psk_and_certificate"), redact=True)
    shows = {one.id: dict(one.shown) for one in told.lessons}
    assert "certificates in this handshake" not in shows["resumption"]
    assert "with the certificate's private key" in shows["forward-secrecy"]


def test_a_client_that_sends_no_share_guesses_nothing() -> None:
    """RFC 9846, section 4.3.8: an empty client_shares asks the server which group it wants."""
    first, second = steps("no_share", "ClientHello", to_server=True)
    assert first.purpose == "what the client can do"
    assert "its half of the key exchange" in second.purpose
    text = lesson("no_share", "hello-retry-request")
    assert "wrong guess" not in text.title.lower()
    assert "sent no key share" in text.text[0]


def test_of_what_did_not_come_nothing_is_promised() -> None:
    """Early data, and no ServerHello in the capture."""
    whole = capture("0-rtt")
    first = replace(whole, segments=[one for one in whole.segments[:1] if one.to_server])
    text = " ".join(next(one for one in tell(first).lessons if one.id == "zero-rtt").text)
    assert "ServerHello" not in text


# --- live, where nobody knows what comes next -------------------------------------------------------------------------


def refused_live(forge) -> str:
    """What the client's narrator says of a server whose messages `forge` has had in hand."""
    stage, page = Stage(), io.StringIO()
    narrator = Narrator(page)
    client = tls13.ClientConnection(stage.client, server_hostname=HOST, tracer=narrator)
    server = ScriptedServer(stage.server, forge)
    with pytest.raises(tls13.TLSError):
        tls13.pump(client, server)
    client.data_to_send()
    narrator.finish()
    return re.sub(r"[|\s]+", " ", page.getvalue())


def test_a_forged_message_teaches_nobody_anything() -> None:
    """RFC 9846, sections 4.5.2 and 4.5.3: the client answers with decrypt_error."""

    def finished(message):
        return Finished(verify_data=bytes(len(message.verify_data))) if isinstance(message, Finished) else message

    def signature(message):
        if not isinstance(message, CertificateVerify):
            return message
        return CertificateVerify(algorithm=message.algorithm, signature=message.signature[:-1] + b"?")

    told = refused_live(finished)
    assert "alert decrypt_error" in told
    assert "+ that the server has the private key of what it shows" in told
    assert "+ that nobody has changed a bit" not in told
    assert "+ that it talks to whom it wanted" not in told
    told = refused_live(signature)
    assert "alert decrypt_error" in told
    assert "+ who the server says it is" in told
    assert "+ that the server has the private key of what it shows" not in told

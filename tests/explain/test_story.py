"""The Story: what a learner is shown of every variant, and what it costs to make."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from certs.der import ISSUER, SUBJECT
from tests.trust.chains import UNREADABLE_NAMES, with_name
from tests.vectors_reader import RFC8448
from tls13 import ClientConfig, Identity, ServerConfig
from tls13.explain.demos import HOST, QUESTION, VARIANTS, Demo, Stage, demo
from tls13.explain.story import NEGOTIATED, Story
from tls13.explain.telling import tell
from tls13.explain.vectors import read_vectors
from tls13.trust.delegated import DELEGATION_USAGE, SERVER_CONTEXT, issue
from tls13.trust.raw_keys import RawPublicKey

VECTORS = Path(__file__).parents[1] / "vectors" / "rfc8448.json"


@cache
def story(variant: str) -> Story:
    return tell(demo(variant))


@cache
def traced(name: str) -> Story:
    return tell(read_vectors(VECTORS.read_bytes(), name))


def messages(told: Story) -> list[str]:
    return [f"{'>' if step.to_server else '<'}{step.name}" for step in told.steps if step.kind == "message"]


def step(told: Story, name: str):
    return next(one for one in told.steps if one.name == name)


def lesson(told: Story, id: str) -> dict[str, str]:
    return dict(next(one for one in told.lessons if one.id == id).shown)


# --- what kind of handshake it is -------------------------------------------------------------------------------------

KINDS = {
    "1-rtt": {"1-RTT"},
    "hello-retry": {"HelloRetryRequest"},
    "resumption": {"resumption"},
    "0-rtt": {"resumption", "0-RTT accepted"},
    "0-rtt-rejected": {"resumption", "0-RTT rejected"},
    "external-psk": {"external PSK"},
    "mutual-tls": {"1-RTT", "mutual TLS"},
    "post-handshake-auth": {"1-RTT", "post-handshake authentication"},
    "key-update": {"1-RTT", "KeyUpdate"},
    "ocsp-and-compression": {"1-RTT", "OCSP stapling", "certificate compression"},
    "x25519mlkem768": {"1-RTT", "post-quantum key exchange"},
    "alert-unknown-ca": {"1-RTT", "alert unknown_ca"},
    "alert-no-common-group": {"alert handshake_failure"},
    "alert-forged-finished": {"1-RTT", "alert decrypt_error"},
    "alert-certificate-required": {"1-RTT", "alert certificate_required"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_demo_is_the_variant_that_it_is_called(variant) -> None:
    assert set(story(variant).variant) - {"middlebox compatibility"} == KINDS[variant]


@pytest.mark.parametrize("variant", VARIANTS)
def test_how_it_ended(variant) -> None:
    outcome = story(variant).outcome
    assert outcome["kind"] == ("alert" if variant.startswith("alert") else "completed")


def test_the_traces_of_rfc_8448_are_told_as_what_they_are() -> None:
    kinds = {name: set(traced(name).variant) for name in RFC8448}
    assert kinds == {
        "simple_1rtt": {"1-RTT"},
        "resumed_0rtt": {"resumption", "0-RTT accepted"},
        "hello_retry_request": {"HelloRetryRequest"},
        "client_authentication": {"1-RTT", "mutual TLS"},
        "compatibility_mode": {"1-RTT", "middlebox compatibility"},
    }
    for name, trace in RFC8448.items():
        assert traced(name).negotiated["cipher_suite"] == trace["cipher_suite"]
        assert traced(name).negotiated["server_name"] == trace["server_name"]


def test_what_was_negotiated() -> None:
    assert tuple(story("1-rtt").negotiated) == NEGOTIATED
    assert story("0-rtt").negotiated == {
        "cipher_suite": "TLS_AES_128_GCM_SHA256",
        "group": "x25519",
        "signature_scheme": None,
        "alpn": "http/1.1",
        "server_name": HOST,
        "psk": "resumption, psk_dhe_ke",
        "early_data": "accepted",
    }
    assert story("1-rtt").negotiated["signature_scheme"] == "ecdsa_secp256r1_sha256"


# --- steps ------------------------------------------------------------------------------------------------------------


def test_the_steps_of_a_full_handshake() -> None:
    told = story("1-rtt")
    kinds = [one.name for one in told.steps if one.kind in ("message", "keys")]
    assert kinds[:10] == [
        "ClientHello",
        "ServerHello",
        "handshake keys",
        "EncryptedExtensions",
        "Certificate",
        "CertificateVerify",
        "Finished",
        "application keys",
        "Finished",
        "resumption secret",
    ]
    assert [one.id for one in told.steps] == list(range(len(told.steps)))


@pytest.mark.parametrize(("variant", "trips"), [("1-rtt", 2), ("hello-retry", 3), ("0-rtt", 2)])
def test_the_client_may_speak_in_this_round_trip(variant, trips) -> None:
    """RFC 9846, section 2: a full handshake needs one, a retry one more; early data none."""
    told = story(variant)
    finished = [one for one in told.steps if one.name == "Finished" and one.to_server]
    assert finished[0].round_trip == trips
    for before, after in pairwise(told.steps):
        assert before.round_trip <= after.round_trip
        assert before.time_ms <= after.time_ms
    if variant == "0-rtt":
        assert step(told, "early data").round_trip == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_step_says_what_it_is_for_and_what_is_new_to_whom(variant) -> None:
    for one in story(variant).steps:
        assert one.name
        assert one.section.startswith("RFC ")
        assert one.purpose
        assert one.wire_sees
        if one.kind == "message":
            assert one.fields is not None
            assert (one.fields.start, one.fields.end) == (0, one.length)
        for record in one.records:
            assert story(variant).records[record].to_server is one.to_server


def test_the_wire_never_sees_a_secret_and_the_two_ends_do() -> None:
    told = step(story("1-rtt"), "handshake keys")
    assert "handshake traffic secrets" in told.client_knows[0]
    assert told.client_knows == told.server_knows
    assert "not one" in told.wire_sees[0]


def test_the_name_that_the_wire_sees_is_harmless_on_a_terminal() -> None:
    capture = demo("1-rtt")
    hello = capture.segments[0]
    hostile = hello.data.replace(b"server.example", b"a\x1b[31m\x07.<b>--")
    told = tell(replace(capture, segments=[replace(hello, data=hostile)]))
    shown = json.dumps(told.to_json(), ensure_ascii=False)
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_early_data_that_was_thrown_away_says_so() -> None:
    assert "thrown away" in step(story("0-rtt-rejected"), "early data").purpose
    assert "again" in step(story("0-rtt"), "early data").purpose
    assert step(story("0-rtt"), "early data").bytes == QUESTION


# --- records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_records_are_the_bytes_of_the_wire(variant) -> None:
    capture = demo(variant)
    told = tell(capture)
    for way in (True, False):
        stream = b"".join(one.data for one in capture.segments if one.to_server is way)
        assert b"".join(one.bytes for one in told.records if one.to_server is way) == stream


@pytest.mark.parametrize("variant", ["1-rtt", "0-rtt", "key-update"])
def test_what_protects_a_record_is_a_node_of_the_schedule(variant) -> None:
    told = story(variant)
    nodes = {node.id: node.value for node in told.schedule}
    protected = [one.protection for one in told.records if one.protection is not None]
    assert protected
    for one in protected:
        assert (nodes[one.key_node], nodes[one.iv_node]) == (one.key, one.iv)
    for record in told.records:
        if record.protection is not None:
            one = record.protection
            assert one.additional_data + one.ciphertext + one.tag == record.bytes
            assert len(one.inner) == len(one.ciphertext)


# --- certificates -----------------------------------------------------------------------------------------------------


def test_who_signed_whom_and_why_it_is_believed() -> None:
    told = story("1-rtt").chain
    assert [one.role for one in told] == ["end-entity", "intermediate", "trust anchor"]
    assert [one.signed_by for one in told] == [1, 2, 2]
    assert told[0].names == (HOST,)
    checks = dict(told[0].checks)
    assert checks["host name"] == f"{HOST} is among its names"
    assert checks["CertificateVerify"].startswith("right")
    assert checks["believed by the other side"] == "up to a trust anchor of its own"
    assert dict(told[1].checks)["signature"].startswith("verified here with the key of ")
    assert "demo root" in dict(told[1].checks)["signature"]


def test_who_is_not_believed_is_not_said_to_be() -> None:
    told = story("alert-unknown-ca").chain
    assert dict(told[0].checks)["believed by the other side"] == "not told by this capture"
    assert told[-1].role != "trust anchor"


def test_a_name_that_is_not_in_the_certificate() -> None:
    capture = demo("1-rtt")
    hello = capture.segments[0]
    other = replace(hello, data=hello.data.replace(b"server.example", b"client.example"))
    secrets = {key: one for key, one in capture.secrets.items() if key.startswith(("SERVER_", "CLIENT_"))}
    told = tell(replace(capture, segments=[other, *capture.segments[1:]], secrets=secrets))
    assert dict(told.chain[0].checks)["host name"] == "client.example is not among its names"
    assert dict(told.chain[0].checks)["CertificateVerify"] == "wrong"  # the client said something else


def test_both_sides_certificates() -> None:
    assert {one.shown_by for one in story("mutual-tls").chain} == {"server", "client"}
    client = next(one for one in story("mutual-tls").chain if one.shown_by == "client")
    assert client.signed_by is not None
    assert story("mutual-tls").chain[client.signed_by].shown_by == "client"


def test_the_shell_line_shows_the_certificate() -> None:
    for one in story("1-rtt").chain:
        done = subprocess.run(["sh", "-e"], input=one.shell, capture_output=True, text=True, check=True)
        print_of = x509.load_der_x509_certificate(one.bytes).fingerprint(hashes.SHA256()).hex(":").upper()
        assert print_of in done.stdout


@UNREADABLE_NAMES
def test_a_certificate_whose_names_cannot_be_read_is_told_by_its_number(spoil) -> None:
    """And its signature is checked: that needs no reading of the names."""
    stage = Stage()
    identity = stage.issued.identity
    spoilt = with_name(identity.chain[0], stage.signer, spoil, SUBJECT)
    identity.der_chain = (spoilt, *identity.der_chain[1:])
    first, second = tell(Demo(stage, stage.client, stage.server.replace(identity=identity)).fail()).chain
    assert (first.subject, first.issuer) == (f"serial number {identity.chain[0].serial_number:x}", second.subject)
    assert first.signed_by == 1
    assert first.names == (HOST,)
    identity.der_chain = (with_name(identity.chain[0], stage.signer, spoil, ISSUER), *identity.der_chain[1:])
    first = tell(Demo(stage, stage.client, stage.server.replace(identity=identity)).fail()).chain[0]
    assert (first.subject, first.issuer) == (f"CN={HOST}", "(unreadable)")
    assert first.signed_by is None


def test_a_bare_key_is_told_as_one_and_its_signature_checked() -> None:
    """RFC 7250: no certificate, only the key; its bytes are not taken for a certificate's."""
    stage = Stage()
    raw = RawPublicKey(stage.issued.private_key)
    client = ClientConfig(server_raw_keys=[raw.der_chain[0]])
    told = tell(Demo(stage, client, ServerConfig(raw)).whole())
    (only,) = told.chain
    assert (only.subject, only.key) == ("(a bare public key, RFC 7250)", "ECDSA, secp256r1")
    assert dict(only.checks)["CertificateVerify"].startswith("right")
    assert only.fields.name == "subjectPublicKeyInfo"


def test_a_delegated_credential_signs_in_the_certificates_place() -> None:
    """RFC 9345."""
    stage, key, short = Stage(), *(ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    usage = x509.UnrecognizedExtension(DELEGATION_USAGE, b"\x05\x00")
    certificate = stage.signer.sign(stage.signer.draft([HOST], key.public_key()).with_extension(usage))
    owner = Identity((certificate, *stage.signer.chain), key)
    credential = issue(owner, short.public_key(), until=datetime.now(UTC) + timedelta(days=1), context=SERVER_CONTEXT)
    identity = Identity(owner.chain, short, delegated_credential=credential)
    client = stage.client.replace(delegated_credentials=True)
    told = tell(Demo(stage, client, stage.server.replace(identity=identity)).fail())
    assert "delegated credential" in told.variant
    assert dict(told.chain[0].checks)["CertificateVerify"].startswith("right")


def test_a_compressed_certificate_is_opened() -> None:
    assert story("ocsp-and-compression").chain[0].names == (HOST,)


# --- lessons ----------------------------------------------------------------------------------------------------------


def test_forward_secrecy_is_tried() -> None:
    shown = lesson(story("1-rtt"), "forward-secrecy")
    total = sum(1 for one in story("1-rtt").records if one.protection is not None)
    assert shown == {
        "with nothing": f"0 of {total} encrypted records open",
        "with the certificate's private key": f"0 of {total} encrypted records open",
        "with the client's ephemeral private key": f"{total} of {total} encrypted records open",
    }


def test_the_ephemeral_key_of_another_connection_opens_nothing() -> None:
    """The count is of what opens, not of what there is."""
    capture = demo("1-rtt")
    stranger = demo("1-rtt").secrets["client private key"]
    told = tell(replace(capture, secrets={**capture.secrets, "client private key": stranger}))
    assert lesson(told, "forward-secrecy")["with the client's ephemeral private key"].startswith("0 of ")


def test_early_data_is_opened_by_the_psk_alone_and_the_rest_is_not() -> None:
    shown = lesson(story("0-rtt"), "zero-rtt")
    assert shown["with the PSK alone"] == "2 of them open, without any private key"  # and EndOfEarlyData
    assert shown["with the PSK alone, all in all"].startswith("2 of ")
    assert lesson(story("resumption"), "resumption")["with the PSK alone"].startswith("0 of ")


def test_the_lesson_on_the_early_share_does_the_exchange_again() -> None:
    told = story("hello-retry")
    program = next(one.python for one in told.lessons if one.id == "early-key-share")
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=True)
    assert bytes.fromhex(done.stdout) == next(one.value for one in told.schedule if one.id == "ecdhe")


def test_without_a_key_exchange_the_psk_alone_opens_everything() -> None:
    told = story("external-psk")
    total = sum(1 for one in told.records if one.protection is not None)
    assert lesson(told, "resumption")["with the PSK alone"] == f"{total} of {total} encrypted records open"
    assert "forward-secrecy" not in {one.id for one in told.lessons}
    assert told.negotiated["psk"] == "external, psk_ke"


def test_a_forged_signature_is_tried() -> None:
    shown = lesson(story("1-rtt"), "man-in-the-middle")
    assert shown["the server's signature over this handshake"] == "verifies"
    assert shown["the same signature, one bit of the transcript hash changed"] == "does not verify"
    assert (
        lesson(story("alert-forged-finished"), "man-in-the-middle")["the server's Finished over this handshake"]
        == "is wrong"
    )


def test_where_post_quantum_protection_starts() -> None:
    assert lesson(story("1-rtt"), "post-quantum")["post-quantum half"] == "none"
    assert "1184 bytes of ML-KEM" in lesson(story("x25519mlkem768"), "post-quantum")["the client's share"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_lessons_that_belong_to_this_connection(variant) -> None:
    ids = {one.id for one in story(variant).lessons}
    assert ("zero-rtt" in ids) == variant.startswith("0-rtt")
    assert ("key-update" in ids) == (variant == "key-update")
    assert ("hello-retry-request" in ids) == (variant == "hello-retry")
    assert ("resumption" in ids) == (variant in ("resumption", "0-rtt", "0-rtt-rejected", "external-psk"))


# --- redaction --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_redacted_story_holds_no_secret_and_nothing_that_only_secrets_reveal(variant) -> None:
    capture = demo(variant)
    told = tell(capture, redact=True)
    assert told.redacted
    shown = json.dumps(told.to_json())
    whole = tell(capture)
    public = {"hash_client_hello", "hash_binder", "hash_server_hello"} | {"early_secret", "early_derived"}
    zeros = {bytes(32), bytes(48)}
    wire = b"".join(one.data for one in capture.segments)
    for node in whole.schedule:
        if node.value not in (None, *zeros) and node.id not in public and node.value not in wire:
            assert node.value.hex() not in shown, node.id
    for values in capture.secrets.values():
        for value in values:
            assert value.hex() not in shown
    assert QUESTION.hex() not in shown
    assert told.chain == []
    for one in whole.steps:
        if one.bytes and one.bytes not in wire and len(one.bytes) > 4:
            assert one.bytes.hex() not in shown, one.name


def test_a_redacted_story_says_that_it_is() -> None:
    told = tell(demo("1-rtt"), redact=True)
    reasons = {node.why_unknown for node in told.schedule if node.value is None}
    assert reasons == {"left out, so that this can be shared"}


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_the_json_of_a_handshake_is_small_and_made_at_once() -> None:
    capture = demo("x25519mlkem768")
    began = time.process_time()
    text = json.dumps(tell(capture).to_json())
    assert time.process_time() - began < 1
    assert len(text) < 1_000_000
    assert json.loads(text)["version"] == 1


def test_secrets_are_not_in_reprs() -> None:
    capture = demo("1-rtt")
    told = tell(capture)
    shown = repr(capture) + repr(told.schedule) + repr([one.protection for one in told.records])
    for node in told.schedule:
        if node.kind in ("derive", "extract") and node.value is not None:
            assert repr(node.value)[2:-1] not in shown

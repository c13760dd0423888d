"""CertificateVerify and Finished, broken by either role: RFC 9846, sections 4.5.2 and 4.5.3."""

from __future__ import annotations

import pytest

import certs
import tls13
from tests.mutual import Both, edit
from tests.requirements.cases import cases
from tls13 import errors
from tls13.crypto.signatures import sign, signed_content
from tls13.errors import AlertDescription
from tls13.lab.authority import KeyType
from tls13.lab.scripted import with_extension
from tls13.wire.extensions import SignatureSchemeList
from tls13.wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    Finished,
    KeyUpdate,
)
from tls13.wire.registry import KeyUpdateRequest, SignatureScheme

A = AlertDescription
ROLES = pytest.mark.parametrize("signer", ["server", "client"])
CONTEXTS = {"server": b"TLS 1.3, server CertificateVerify", "client": b"TLS 1.3, client CertificateVerify"}
TELLS = KeyUpdate(request_update=KeyUpdateRequest.update_not_requested)


@pytest.fixture
def both(quick_pair, authority, trust) -> Both:
    return Both.of(quick_pair, authority, trust)


# --- CertificateVerify: section 4.5.2 ---------------------------------------------------------------------------------

MISPLACED = {
    "no CertificateVerify": (edit(CertificateVerify, lambda m: []), "R182 R183 R184"),
    "CertificateVerify before Certificate": (
        edit(Certificate, lambda m: [CertificateVerify(algorithm=SignatureScheme.ed25519, signature=b""), m]),
        "R184",
    ),
    "something between Certificate and CertificateVerify": (edit(CertificateVerify, lambda m: [TELLS, m]), "R184"),
    "Certificate twice": (edit(Certificate, lambda m: [m, m]), "R184"),
    "CertificateVerify twice": (edit(CertificateVerify, lambda m: [m, m]), "R184"),
    "something between CertificateVerify and Finished": (edit(Finished, lambda m: [TELLS, m]), "R184 R210"),
    "Finished before CertificateVerify": (
        edit(CertificateVerify, lambda m: [Finished(verify_data=bytes(32)), m]),
        "R184",
    ),
}


@ROLES
@pytest.mark.parametrize("name", cases(MISPLACED, {name: ids for name, (_, ids) in MISPLACED.items()}))
def test_the_three_messages_come_in_their_order(name, signer, both) -> None:
    both.refused(signer, errors.MessageOutOfOrder, MISPLACED[name][0])


@pytest.mark.requirement("R183")
def test_a_certificate_verify_behind_an_empty_certificate_is_refused(both) -> None:
    """Who shows nothing signs nothing."""
    optional = both._replace(server=both.server.replace(client_auth=tls13.ClientAuth.OPTIONAL))
    script = edit(Certificate, lambda m: m.replace(certificate_list=()))
    optional.refused("client", errors.MessageOutOfOrder, script)


NOT_LISTED = (
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha1,
    SignatureScheme.ecdsa_sha1,
    SignatureScheme(0x0202),
    SignatureScheme(0xFE00),
)


@ROLES
@pytest.mark.parametrize("scheme", NOT_LISTED, ids=lambda scheme: f"{int(scheme):04x}")
@pytest.mark.requirement("R185", "R186", "R188")
def test_a_scheme_that_was_not_listed_is_refused(scheme, signer, both) -> None:
    """SHA-1 and PKCS #1 are never listed for CertificateVerify."""
    script = edit(CertificateVerify, lambda m: m.replace(algorithm=scheme))
    error = both.refused(signer, errors.SignatureSchemeNotOffered, script)
    assert error.alert == A.illegal_parameter


@ROLES
@pytest.mark.requirement("R185", "R186")
def test_a_scheme_that_we_know_and_did_not_list_is_refused(signer, both) -> None:
    """The one that the certificate's key is for, and whose signature is right: but it was not asked for."""
    schemes = (SignatureScheme.ecdsa_secp384r1_sha384, SignatureScheme.ecdsa_secp256r1_sha256)
    listed = SignatureSchemeList(supported_signature_algorithms=schemes)
    asks = edit(ClientHello if signer == "server" else CertificateRequest, lambda m: with_extension(m, listed))
    side = {"server": "client", "client": "server"}[signer]
    if side == "client":
        only = both._replace(client=both.client.replace(signature_schemes=schemes[:1], identities=()))
        only = only._replace(server=only.server.replace(client_trust=None))
    else:
        shop_key = certs.workshop().good(KeyType.ECDSA_P384)
        own = tls13.TrustStore.from_certificates([certs.workshop().root.certificate])
        only = both._replace(
            server=both.server.replace(signature_schemes=schemes[:1], identity=shop_key.identity),
            client=both.client.replace(trust=own),
        )
    only.refused(signer, errors.SignatureSchemeNotOffered, None, asks)


@pytest.mark.requirement("R188")
def test_nobody_here_signs_with_sha1(both) -> None:
    only_sha1 = SignatureSchemeList(
        supported_signature_algorithms=(SignatureScheme.ecdsa_sha1, SignatureScheme.rsa_pkcs1_sha1)
    )
    made = both.pair("server", None, edit(ClientHello, lambda m: with_extension(m, only_sha1)))
    made.expect_refusal_by_server(errors.NoCommonSignatureScheme)
    optional = both._replace(server=both.server.replace(client_auth=tls13.ClientAuth.OPTIONAL))
    made = optional.pair("client", None, edit(CertificateRequest, lambda m: with_extension(m, only_sha1)))
    made.run()
    assert made.server.session.peer_certificates == ()


def flip(data: bytes, where: int = -1) -> bytes:
    changed = bytearray(data)
    changed[where] ^= 1
    return bytes(changed)


SIGNATURES = {
    "a bit flipped": lambda m, resign: m.replace(signature=flip(m.signature)),
    "empty": lambda m, resign: m.replace(signature=b""),
    "a byte more": lambda m, resign: m.replace(signature=m.signature + b"\0"),
    "the other role's context": lambda m, resign: resign(other=True),
    "another transcript": lambda m, resign: resign(digest=bytes(32)),
    "another key": lambda m, resign: resign(key=KeyType.ECDSA_P256.generate()),
    "without the 64 spaces": lambda m, resign: resign(cut=64),
}


@ROLES
@pytest.mark.parametrize("name", cases(SIGNATURES, dict.fromkeys(SIGNATURES, "R189 R190")))
def test_a_signature_that_does_not_verify_is_refused(name, signer, both, issued) -> None:
    box = []

    def resign(*, other=False, digest=None, key=None, cut=0):
        """A signature that is as good as the real one but for one thing."""
        flow = box[0]._handshake
        role = signer if not other else {"server": "client", "client": "server"}[signer]
        content = signed_content(CONTEXTS[role], digest or flow.transcript.digest())[cut:]
        own = issued if signer == "server" else both.client_issued
        scheme = SignatureScheme.ecdsa_secp256r1_sha256
        return CertificateVerify(algorithm=scheme, signature=sign(key or own.private_key, scheme, content))

    for change, good in ((lambda m: resign(), True), (lambda m: SIGNATURES[name](m, resign), False)):
        made = both.pair(signer, edit(CertificateVerify, change))
        box[:] = [made.server if signer == "server" else made.client]
        if good:
            made.run()
        elif signer == "server":
            made.expect_refusal_by_client(errors.BadSignature)
        else:
            made.expect_refusal_by_server(errors.BadSignature)


# --- Finished: section 4.5.3 ------------------------------------------------------------------------------------------

FINISHED = {
    "the first bit": (lambda data: flip(data, 0), errors.BadFinished),
    "the last bit": (lambda data: flip(data), errors.BadFinished),
    "zeros": (lambda data: bytes(len(data)), errors.BadFinished),
    "a byte less": (lambda data: data[:-1], errors.DecodeError),
    "a byte more": (lambda data: data + b"\0", errors.DecodeError),
    "empty": (lambda data: b"", errors.DecodeError),
    "another hash's length": (lambda data: data + data[:16], errors.DecodeError),
}


@ROLES
@pytest.mark.parametrize("authenticated", [False, True], ids=["server only", "both"])
@pytest.mark.parametrize("name", cases(FINISHED, dict.fromkeys(FINISHED, "R191")))
def test_a_wrong_finished_is_refused(name, authenticated, signer, both) -> None:
    change, offence = FINISHED[name]
    if not authenticated:
        both = both._replace(server=both.server.replace(client_trust=None))
    both.refused(signer, offence, edit(Finished, lambda m: m.replace(verify_data=change(m.verify_data))))


@pytest.mark.requirement("R191")
def test_finished_covers_every_message(both) -> None:
    """Whatever an attacker changes on the way, the two transcripts differ. Here: a byte of ClientHello's random."""
    made = both.pair()
    hello = bytearray(made.client.data_to_send())
    hello[5 + 4 + 2 + 5] ^= 1
    made.server.receive_data(hello)
    list(made.server.events())
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(errors.BadRecordMac):  # the keys differ too: the transcript goes into them (7.1)
        list(made.client.events())


@ROLES
@pytest.mark.requirement("R192")
def test_what_follows_finished_under_the_handshake_keys_is_refused(signer, both) -> None:
    broken = both.pair(signer, edit(Finished, lambda m: [m, TELLS]))
    if signer == "server":
        broken.expect_refusal_by_client(errors.BadRecordMac, told=False)
    else:
        broken.expect_refusal_by_server(errors.BadRecordMac)

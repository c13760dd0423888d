"""RFC 9846, section 4: every handshake message in every state in which it must not come.

A recipient of an unexpected message MUST abort with unexpected_message, whatever the message says.
"""

from __future__ import annotations

import pytest

from tls13 import errors
from tls13.errors import AlertDescription
from tls13.wire.extensions import CH, CR, EE, HRR, SH, Extensions, SignatureSchemeList
from tls13.wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    HelloRetryRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
)
from tls13.wire.registry import CipherSuite, KeyUpdateRequest, SignatureScheme

SCHEMES = SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.ecdsa_secp256r1_sha256,))
AES = CipherSuite.TLS_AES_128_GCM_SHA256
EXAMPLES = [
    ClientHello(random=bytes(32), legacy_session_id=b"", cipher_suites=(AES,), extensions=Extensions((), CH)),
    ServerHello(random=bytes(32), legacy_session_id_echo=b"", cipher_suite=AES, extensions=Extensions((), SH)),
    HelloRetryRequest(legacy_session_id_echo=b"", cipher_suite=AES, extensions=Extensions((), HRR)),
    NewSessionTicket(ticket_lifetime=1, ticket_age_add=1, ticket_nonce=b"", ticket=b"t"),
    EndOfEarlyData(),
    EncryptedExtensions(extensions=Extensions((), EE)),
    Certificate(certificate_list=()),
    CertificateRequest(certificate_request_context=b"", extensions=Extensions.of(CR, SCHEMES)),
    CertificateVerify(algorithm=SignatureScheme.ed25519, signature=b""),
    Finished(verify_data=bytes(32)),
    KeyUpdate(request_update=KeyUpdateRequest.update_not_requested),
]
UNKNOWN = [bytes((number, 0, 0, 0)) for number in (0, 3, 6, 12, 14, 16, 22, 23, 25, 99, 254, 255)]

WANTED = {
    ServerHello: (ServerHello, HelloRetryRequest),
    EncryptedExtensions: (EncryptedExtensions,),
    Certificate: (Certificate, CertificateRequest),
    CertificateVerify: (CertificateVerify,),
    Finished: (Finished,),
}
"""What a client waits for when the message on the left is due."""

UNEXPECTED = AlertDescription.unexpected_message


def name_of(message) -> str:
    if isinstance(message, type):
        return message.__name__
    return f"type {message[0]}" if isinstance(message, bytes) else type(message).__name__


def cases(due, wanted):
    return [(due, message) for message in (*EXAMPLES, *UNKNOWN) if type(message) not in wanted]


def in_place_of(due, message):
    """A script that sends another message where one is due."""
    return lambda sent: message if type(sent) is due else sent


CLIENT = [case for due, wanted in WANTED.items() for case in cases(due, wanted)]
SERVER = cases(ClientHello, (ClientHello,)) + cases(Finished, (Finished,))


@pytest.mark.requirement("R005", "R006")
@pytest.mark.parametrize(
    ("due", "message"), CLIENT, ids=lambda value: getattr(value, "__name__", None) or name_of(value)
)
def test_a_client_in_each_state(due, message, quick_pair) -> None:
    made = quick_pair(server_script=in_place_of(due, message))
    with pytest.raises(errors.UnexpectedMessage) as caught:
        made.run()
    assert caught.value.alert == UNEXPECTED
    assert made.client.closed


@pytest.mark.requirement("R005", "R006")
@pytest.mark.parametrize(
    ("due", "message"), SERVER, ids=lambda value: getattr(value, "__name__", None) or name_of(value)
)
def test_a_server_in_each_state(due, message, quick_pair) -> None:
    made = quick_pair(client_script=in_place_of(due, message))
    with pytest.raises(errors.UnexpectedMessage) as caught:
        made.run()
    assert caught.value.alert == UNEXPECTED
    assert made.server.closed


@pytest.mark.requirement("R006")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("message", [*EXAMPLES, *UNKNOWN], ids=name_of)
def test_after_the_handshake(role, message, quick_pair) -> None:
    """Section 4.7: a client takes NewSessionTicket and KeyUpdate, a server KeyUpdate; nobody anything else."""
    made = quick_pair(client_script=lambda sent: sent, server_script=lambda sent: sent)
    made.run()
    sender, receiver = (made.server, made.client) if role == "client" else (made.client, made.server)
    raw = message if isinstance(message, bytes) else message.to_handshake()
    sender.send_record(22, raw)
    allowed = (NewSessionTicket, KeyUpdate) if role == "client" else (KeyUpdate,)
    if isinstance(message, allowed):
        made.run()
        assert not receiver.closed
        return
    with pytest.raises(errors.UnexpectedMessage) as caught:
        made.run()
    assert caught.value.alert == UNEXPECTED
    assert receiver.closed

"""Certificates and requests for them: RFC 9846, sections 4.3.5, 4.3.6, 4.4.1, 4.4.2, 4.5.1 and 4.7.2."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

import tls13
from tls13 import errors
from tls13.lab.authority import CLIENT_AUTH, key_usage
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.wire.extensions import CR, CT, Extensions, OIDFilter, OIDFilterExtension, SignatureSchemeList
from tls13.wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
)
from tls13.wire.registry import ExtensionType, SignatureScheme

from .scripts import HOST, KEY, MODES, Recorder, before, edit, session_of

E = ExtensionType
PSK = tls13.ExternalPsk(b"one", KEY)
SCHEMES = SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.ecdsa_secp256r1_sha256,))
REQUEST = CertificateRequest(certificate_request_context=b"", extensions=Extensions.of(CR, SCHEMES))


# --- oid_filters: section 4.3.5 ---------------------------------------------------------------------------------------


def oid_filter(dotted: x509.ObjectIdentifier, values: bytes = b"") -> OIDFilter:
    return OIDFilter(certificate_extension_oid=asn1.encode_der(dotted), certificate_extension_values=values)


def purposes(*oids: x509.ObjectIdentifier) -> bytes:
    return x509.ExtendedKeyUsage(oids).public_bytes()


EKU, KEY_USAGE = ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.KEY_USAGE
POLICIES = ExtensionOID.CERTIFICATE_POLICIES
NOBODYS = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")


def with_filters(*filters):
    return edit(CertificateRequest, lambda m: with_extension(m, OIDFilterExtension(filters=filters)))


@pytest.mark.requirement("R091")
def test_oid_filters_in_encrypted_extensions(quick_pair) -> None:
    script = edit(EncryptedExtensions, lambda m: with_raw_extension(m, E.oid_filters, b"\0\0"))
    quick_pair(server_script=script).expect_refusal_by_client(errors.MisplacedExtension)


@pytest.mark.requirement("R091")
def test_oid_filters_in_a_certificate(quick_pair) -> None:
    def script(message):
        entry = message.certificate_list[0].replace(extensions=Extensions(((E.oid_filters, b"\0\0"),), CT))
        return message.replace(certificate_list=(entry, *message.certificate_list[1:]))

    quick_pair(server_script=edit(Certificate, script)).expect_refusal_by_client(errors.MisplacedExtension)


@pytest.mark.requirement("R092", "R093")
@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ([(EKU, purposes(ExtendedKeyUsageOID.CLIENT_AUTH))], True),
        ([(EKU, purposes(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.CODE_SIGNING))], False),
        ([(EKU, purposes(ExtendedKeyUsageOID.SERVER_AUTH))], False),
        ([(KEY_USAGE, key_usage(digital_signature=True).public_bytes())], True),
        ([(KEY_USAGE, key_usage(digital_signature=True, key_cert_sign=True).public_bytes())], False),
        (
            [
                (KEY_USAGE, key_usage(digital_signature=True).public_bytes()),
                (EKU, purposes(ExtendedKeyUsageOID.SERVER_AUTH)),
            ],
            False,
        ),
    ],
)
def test_a_certificate_has_what_the_filters_ask_for(filters, shown, authenticating, asking, quick_pair) -> None:
    """Whoever has none that fits says so with an empty list."""
    record = Recorder()
    made = quick_pair(
        client=authenticating,
        server=asking.replace(client_auth=tls13.ClientAuth.OPTIONAL, oid_filters=[oid_filter(*one) for one in filters]),
        client_script=record,
    )
    made.run()
    assert bool(record.of(Certificate)[0].certificate_list) is shown
    assert bool(made.server.session.peer_certificates) is shown


@pytest.mark.requirement("R092")
def test_the_first_certificate_that_fits_is_shown(
    authority, client_identity, client_config, asking, quick_pair
) -> None:
    usages = (CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION)
    mail = authority.issue(["mail.example"], usages=usages).identity
    wanted = oid_filter(EKU, purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION))
    made = quick_pair(
        client=client_config.replace(identities=[client_identity, mail]), server=asking.replace(oid_filters=[wanted])
    )
    made.run()
    assert made.server.session.peer_certificates == mail.chain


@pytest.mark.requirement("R094")
@pytest.mark.parametrize("oid", [NOBODYS, POLICIES])
@pytest.mark.parametrize("values", [b"", b"\x30\0", b"not DER"])
def test_filters_without_a_matching_rule_are_passed_over(oid, values, authenticating, asking, quick_pair) -> None:
    made = quick_pair(client=authenticating, server=asking, server_script=with_filters(oid_filter(oid, values)))
    made.run()
    assert made.server.session.peer_certificates


@pytest.mark.requirement("R095")
@pytest.mark.parametrize("oid", [EKU, NOBODYS])
def test_the_same_oid_twice(oid, authenticating, asking, quick_pair) -> None:
    one = oid_filter(oid, purposes(ExtendedKeyUsageOID.CLIENT_AUTH))
    made = quick_pair(
        client=authenticating, server=asking, server_script=with_filters(one, oid_filter(KEY_USAGE, b"\3\1\0"), one)
    )
    made.expect_refusal_by_client(errors.BadOidFilter)
    with pytest.raises(errors.BadOidFilter):
        asking.replace(oid_filters=[one, one])


@pytest.mark.requirement("R096")
@pytest.mark.parametrize("others", [(), (ExtendedKeyUsageOID.CLIENT_AUTH,)])
def test_any_extended_key_usage(others, authenticating, asking, quick_pair) -> None:
    one = oid_filter(EKU, purposes(*others, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))
    made = quick_pair(client=authenticating, server=asking, server_script=with_filters(one))
    made.expect_refusal_by_client(errors.BadOidFilter)
    with pytest.raises(errors.BadOidFilter):
        asking.replace(oid_filters=[one])


@pytest.mark.parametrize(
    "one",
    [
        OIDFilter(certificate_extension_oid=b"2.5.29.37", certificate_extension_values=b""),
        oid_filter(EKU, b"not DER"),
        oid_filter(KEY_USAGE, b"not DER"),
    ],
    ids=["OID", "extendedKeyUsage", "keyUsage"],
)
def test_a_filter_that_we_know_and_cannot_read(one, authenticating, asking, quick_pair) -> None:
    made = quick_pair(client=authenticating, server=asking, server_script=with_filters(one))
    made.expect_refusal_by_client(errors.DecodeError)


@pytest.mark.requirement("R095", "R096")
def test_a_client_without_a_certificate_judges_the_filters_too(client_config, asking, quick_pair) -> None:
    one = oid_filter(EKU, purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))
    made = quick_pair(client=client_config, server=asking, server_script=with_filters(one))
    made.expect_refusal_by_client(errors.BadOidFilter)


# --- EncryptedExtensions: section 4.4.1 -------------------------------------------------------------------------------

FORBIDDEN = {
    E.key_share: b"\0\x1d\0\1a",
    E.supported_versions: b"\3\4",
    E.pre_shared_key: b"\0\0",
    E.cookie: b"\0\1c",
    E.signature_algorithms: b"\0\2\4\3",
    E.signature_algorithms_cert: b"\0\2\4\3",
    E.certificate_authorities: b"\0\3\0\1x",
    E.psk_key_exchange_modes: b"\1\1",
    E.post_handshake_auth: b"",
    E.padding: b"",
    E.status_request: b"",
    E.signed_certificate_timestamp: b"",
    E.oid_filters: b"\0\0",
    E.renegotiation_info: b"\0",
    E.ec_point_formats: b"\1\0",
    E.session_ticket: b"",
}


@pytest.mark.requirement("R058", "R149")
@pytest.mark.parametrize("number", FORBIDDEN, ids=lambda number: number.name)
def test_an_extension_that_has_no_place_in_encrypted_extensions(number, client_config, quick_pair) -> None:
    script = edit(EncryptedExtensions, lambda m: with_raw_extension(m, number, FORBIDDEN[number]))
    client = client_config.replace(post_handshake_auth=True, psk_key_exchange_modes=MODES)
    quick_pair(client=client, server_script=script).expect_refusal_by_client(errors.MisplacedExtension)


@pytest.mark.requirement("R098")
def test_post_handshake_auth_is_no_answer(client_config, quick_pair) -> None:
    """Also to a client that offered it."""
    script = edit(EncryptedExtensions, lambda m: with_raw_extension(m, E.post_handshake_auth))
    made = quick_pair(client=client_config.replace(post_handshake_auth=True), server_script=script)
    made.expect_refusal_by_client(errors.MisplacedExtension)


# --- CertificateRequest: sections 4.4.2 and 4.7.2 ---------------------------------------------------------------------


@pytest.mark.requirement("R150")
@pytest.mark.parametrize("place", [Certificate, CertificateVerify, Finished])
def test_a_certificate_request_too_late(place, quick_pair) -> None:
    """Before the server's Certificate is right; behind it, it is too late."""
    made = quick_pair(server_script=before(place, REQUEST))
    if place is Certificate:
        made.expect_refusal_by_server(errors.MessageOutOfOrder)  # that server did not mean to ask
        assert made.client.handshake_complete
    else:
        made.expect_refusal_by_client(errors.MessageOutOfOrder)


@pytest.mark.requirement("R151", "R152")
def test_no_context_comes_twice(authenticating, asking_later, quick_pair) -> None:
    record = Recorder()
    made = quick_pair(client=authenticating, server=asking_later, server_script=record)
    made.run()
    contexts = []
    for _ in range(4):
        contexts.append(made.server.request_client_certificate())
        made.run()
    sent = [request.certificate_request_context for request in record.of(CertificateRequest)]
    assert sent == contexts
    assert len(set(contexts)) == 4
    assert all(len(context) >= 8 for context in contexts)


@pytest.mark.requirement("R152", "R153")
def test_our_request_in_the_handshake(authenticating, asking, quick_pair) -> None:
    record = Recorder()
    made = quick_pair(client=authenticating, server=asking, server_script=record)
    made.run()
    (request,) = record.of(CertificateRequest)
    assert request.certificate_request_context == b""
    assert request.extensions.get(SignatureSchemeList) is not None
    assert made.server.session.peer_certificates


@pytest.mark.requirement("R153")
def test_a_later_request_without_signature_algorithms(authenticating, asking_later, quick_pair) -> None:
    script = edit(CertificateRequest, lambda m: without(m, E.signature_algorithms))
    made = quick_pair(client=authenticating, server=asking_later, server_script=script)
    made.run()
    made.server.request_client_certificate()
    made.expect_refusal_by_client(errors.MissingExtension)


@pytest.mark.requirement("R154")
@pytest.mark.parametrize("number", [0x0A0A, 0x1234, 0xFE0F])
def test_unknown_extensions_of_a_request_are_passed_over(number, authenticating, asking, quick_pair) -> None:
    script = edit(CertificateRequest, lambda m: with_raw_extension(m, number, b"anything", first=True))
    made = quick_pair(client=authenticating, server=asking, server_script=script)
    made.run()
    assert made.server.session.peer_certificates


@pytest.mark.requirement("R097")
def test_who_did_not_offer_it_is_not_asked_later(client_config, asking_later, quick_pair) -> None:
    made = quick_pair(client=client_config, server=asking_later)
    made.run()
    with pytest.raises(tls13.UsageError, match="post_handshake_auth"):
        made.server.request_client_certificate()


@pytest.mark.requirement("R155")
def test_a_request_in_a_resumed_handshake(authenticating, server_config, quick_pair) -> None:
    server = server_config.replace(tickets=tls13.SealedTickets())
    client = authenticating.replace(psk_key_exchange_modes=MODES)
    session = session_of(client, server)
    made = quick_pair(server=server, server_script=before(Finished, REQUEST))
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session)
    made.expect_refusal_by_client(errors.MessageOutOfOrder)


@pytest.mark.requirement("R155")
def test_our_server_asks_only_where_it_does_not_resume(authenticating, asking, quick_pair) -> None:
    server = asking.replace(tickets=tls13.SealedTickets())
    client = authenticating.replace(psk_key_exchange_modes=MODES)
    session = session_of(client, server)
    record = Recorder()
    made = quick_pair(server=server, server_script=record)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session)
    made.run()
    assert made.server.session.resumed
    assert made.server.session.peer_certificates  # as the ticket says
    assert not record.of(CertificateRequest)


@pytest.mark.requirement("R156")
def test_a_request_in_a_handshake_with_an_external_psk(authenticating, server_config, quick_pair) -> None:
    client = authenticating.replace(psks=[PSK])
    made = quick_pair(client=client, server=server_config.replace(psks=[PSK]), server_script=before(Finished, REQUEST))
    made.expect_refusal_by_client(errors.MessageOutOfOrder)


@pytest.mark.requirement("R156")
def test_a_request_after_a_handshake_with_an_external_psk(authenticating, asking_later, quick_pair) -> None:
    made = quick_pair(
        client=authenticating.replace(psks=[PSK]), server=asking_later.replace(psks=[PSK]), server_script=Recorder()
    )
    made.run()
    with pytest.raises(tls13.UsageError, match="external PSK"):
        made.server.request_client_certificate()
    made.server.send_record(22, REQUEST.replace(certificate_request_context=b"context").to_handshake())
    made.expect_refusal_by_client(errors.CertificateRequestWithPsk)


@pytest.mark.requirement("R156")
def test_our_server_does_not_ask_with_an_external_psk(authenticating, asking, quick_pair) -> None:
    record = Recorder()
    made = quick_pair(
        client=authenticating.replace(psks=[PSK]), server=asking.replace(psks=[PSK]), server_script=record
    )
    made.run()
    assert made.server.session.psk_identity == b"one"
    assert not record.of(CertificateRequest)

"""Extensions of other documents, between a client and a server: who asks, who answers, and what is then done."""

from __future__ import annotations

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

import tls13
from tests.requirements.scripts import MODES, sessions_of
from tls13 import errors
from tls13.lab.scripted import with_extension
from tls13.wire.companions import (
    CertificateCompressionAlgorithms,
    CertWithExternPsk,
    RecordSizeLimit,
    ServerTicketRequestHint,
)
from tls13.wire.extensions import OfferedPsks
from tls13.wire.messages import (
    Certificate,
    CertificateRequest,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    ServerHello,
)
from tls13.wire.registry import CertificateCompressionAlgorithm, PskKeyExchangeMode

from .conftest import records

ZLIB, BROTLI, ZSTD = CertificateCompressionAlgorithm
EVERY = list(CertificateCompressionAlgorithm)
KEY = bytes(range(32))
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH


def watching(seen: list):
    def script(message):
        seen.append(message)
        return message

    return script


# --- RFC 8449: record_size_limit --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [64, 100, 1000, 2**14 + 1])
def test_no_record_is_larger_than_the_client_accepts(pair, client_config, limit) -> None:
    """Section 4: it counts the TLSInnerPlaintext, content type and padding included; AES-GCM adds a tag of 16."""
    made = pair(client=client_config.replace(record_size_limit=limit))
    made.run()
    made.server.send_data(bytes(5000))
    stream = made.server.data_to_send()
    lengths = [len(record) - 5 - 16 for record in records(stream)]
    assert max(lengths) == min(limit, 5001)
    made.client.receive_data(stream)
    assert b"".join(event.data for event in made.client.events()) == bytes(5000)


def test_no_record_is_larger_than_the_server_accepts(pair, client_config, server_config) -> None:
    made = pair(
        client=client_config.replace(record_size_limit=2**14), server=server_config.replace(record_size_limit=80)
    )
    made.run()
    made.client.send_data(bytes(1000))
    assert max(len(record) - 5 - 16 for record in records(made.client.data_to_send())) == 80


def test_a_server_that_does_not_answer_sets_no_limit(quick_pair, client_config) -> None:
    """Section 4: the limit holds only where the extension is negotiated."""

    def script(message):
        if isinstance(message, EncryptedExtensions):
            raw = tuple(item for item in message.extensions.raw if item[0] != RecordSizeLimit.extension_type)
            return message.replace(extensions=type(message.extensions)(raw, message.extensions.place))
        return message

    made = quick_pair(client=client_config.replace(record_size_limit=100), server_script=script)
    made.run()
    made.client.send_data(bytes(1000))
    assert len(records(made.client.data_to_send())) == 1


def test_a_larger_record_is_refused(quick_pair, client_config, server_config) -> None:
    """Section 4: "record_overflow"."""
    for one, other in (("client", "server"), ("server", "client")):
        made = quick_pair(
            client=client_config.replace(record_size_limit=200), server=server_config.replace(record_size_limit=200)
        )
        made.run()
        sender, receiver = getattr(made, one), getattr(made, other)
        sender._layer.writer.max_inner_plaintext = 201
        sender.send_data(bytes(200))
        receiver.receive_data(sender.data_to_send())
        with pytest.raises(errors.RecordOverflow):
            list(receiver.events())


@pytest.mark.parametrize("limit", [0, 63])
def test_a_limit_below_64_is_refused(quick_pair, client_config, limit) -> None:
    body = RecordSizeLimit(record_size_limit=limit)
    config = client_config.replace(record_size_limit=100)
    made = quick_pair(
        client=config, client_script=lambda m: with_extension(m, body) if isinstance(m, ClientHello) else m
    )
    made.expect_refusal_by_server(errors.BadRecordSizeLimit)
    made = quick_pair(
        client=config, server_script=lambda m: with_extension(m, body) if isinstance(m, EncryptedExtensions) else m
    )
    made.expect_refusal_by_client(errors.BadRecordSizeLimit)


def test_a_limit_above_tls_13s_is_accepted_and_changes_nothing(quick_pair, client_config) -> None:
    """Section 4: "A server MUST NOT enforce this restriction"; nobody sends more than 2^14 + 1 for it."""
    body = RecordSizeLimit(record_size_limit=2**16 - 1)
    made = quick_pair(
        client=client_config.replace(record_size_limit=2**14 + 1),
        client_script=lambda m: with_extension(m, body) if isinstance(m, ClientHello) else m,
    )
    made.run()
    made.server.send_data(bytes(2**14 + 1))
    assert [len(record) for record in records(made.server.data_to_send())] == [5 + 2**14 + 17, 5 + 1 + 17]


@pytest.mark.parametrize("limit", [63, 2**14 + 2])
def test_a_limit_that_rfc_8449_does_not_have_is_found_when_the_config_is_made(client_config, server_config, limit):
    for config in (client_config, server_config):
        with pytest.raises(tls13.ConfigurationError, match="record_size_limit"):
            config.replace(record_size_limit=limit)


# --- RFC 8879: compress_certificate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_compressed_certificate_is_as_good_as_any(pair, client_config, server_config, algorithm) -> None:
    seen: list = []
    made = pair(
        client=client_config.replace(certificate_compression=EVERY),
        server=server_config.replace(certificate_compression=[algorithm]),
        server_script=watching(seen),
    )
    made.run()
    assert made.client.session.verified_chain
    sent = [message for message in seen if isinstance(message, CompressedCertificate)]
    assert [message.algorithm for message in sent] == [algorithm]


def test_nothing_is_compressed_for_a_client_that_does_not_ask(quick_pair, server_config) -> None:
    seen: list = []
    quick_pair(server=server_config.replace(certificate_compression=EVERY), server_script=watching(seen)).run()
    assert not [message for message in seen if isinstance(message, CompressedCertificate)]


def test_a_clients_certificate_is_compressed_for_a_server_that_asks(
    pair, client_config, server_config, trust, authority
) -> None:
    identity = authority.issue(["client.example"], usages=[CLIENT_AUTH]).identity
    seen: list = []
    made = pair(
        client=client_config.replace(identities=identity, certificate_compression=[ZLIB]),
        server=server_config.replace(client_trust=trust, certificate_compression=[ZLIB]),
        client_script=watching(seen),
    )
    made.run()
    assert made.server.session.verified_chain
    assert [message for message in seen if isinstance(message, CompressedCertificate)]


def compressed_as(change):
    def script(message):
        return change(message) if isinstance(message, CompressedCertificate) else message

    return script


@pytest.mark.parametrize(
    ("change", "offence"),
    [
        (lambda m: m.replace(algorithm=BROTLI), errors.CompressionNotOffered),
        (lambda m: m.replace(uncompressed_length=m.uncompressed_length + 1), errors.BadCompressedCertificate),
        (lambda m: m.replace(uncompressed_length=2**24 - 1), errors.BadCompressedCertificate),
        (
            lambda m: m.replace(compressed_certificate_message=m.compressed_certificate_message + b"!"),
            errors.BadCompressedCertificate,
        ),
        (lambda m: m.replace(compressed_certificate_message=b"!"), errors.BadCompressedCertificate),
    ],
)
def test_a_compressed_certificate_that_is_not_what_it_says(
    quick_pair, client_config, server_config, change, offence
) -> None:
    """Section 4: another algorithm is illegal_parameter, what does not decompress is bad_certificate."""
    made = quick_pair(
        client=client_config.replace(certificate_compression=[ZLIB]),
        server=server_config.replace(certificate_compression=[ZLIB]),
        server_script=compressed_as(change),
    )
    made.expect_refusal_by_client(offence)


def test_an_unasked_compressed_certificate_is_out_of_order(quick_pair, client_config, server_config) -> None:
    from tls13.wire.compression import compress

    def script(message):
        if not isinstance(message, Certificate):
            return message
        body = message.encode()
        return CompressedCertificate(
            algorithm=ZLIB, uncompressed_length=len(body), compressed_certificate_message=compress(ZLIB, body)
        )

    quick_pair(server_script=script).expect_refusal_by_client(errors.MessageOutOfOrder)


# --- RFC 9149: ticket_request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "given"), [(0, 0), (1, 1), (5, 5), (255, 8)])
def test_a_client_gets_the_tickets_that_it_asks_for(pair, client_config, server_config, wanted, given) -> None:
    """Section 3, up to the server's limit; the hint says the same."""
    seen: list = []
    cache = tls13.SessionCache(per_server=100)
    config = client_config.replace(sessions=cache, ticket_request=(wanted, 1))
    pair(client=config, server=server_config, server_script=watching(seen)).run()
    assert len(cache) == given
    hints = [m.extensions.get(ServerTicketRequestHint) for m in seen if isinstance(m, EncryptedExtensions)]
    assert [hint.expected_count for hint in hints] == [given]
    if given:
        made = pair(client=config, server=server_config)
        made.run()
        assert made.client.session.resumed
        assert len(cache) == given - 1 + 1


@pytest.mark.parametrize("why", ["no tickets", "an external PSK", "no mode in common"])
def test_a_server_that_gives_no_tickets_promises_none(quick_pair, client_config, server_config, why) -> None:
    """Section 3: the number that it expects to send."""
    seen: list = []
    psk = tls13.ExternalPsk(b"shared", KEY)
    client, server = {
        "no tickets": (client_config.replace(psk_key_exchange_modes=MODES), server_config.replace(tickets=None)),
        "an external PSK": (client_config.replace(psks=[psk]), server_config.replace(psks=[psk])),
        "no mode in common": (
            client_config.replace(psk_key_exchange_modes=["psk_ke"]),
            server_config.replace(psk_key_exchange_modes=["psk_dhe_ke"]),
        ),
    }[why]
    made = quick_pair(client=client.replace(ticket_request=(3, 2)), server=server, server_script=watching(seen))
    client_events, _ = made.run()
    assert not [event for event in client_events if isinstance(event, tls13.TicketReceived)]
    hints = [m.extensions.get(ServerTicketRequestHint) for m in seen if isinstance(m, EncryptedExtensions)]
    assert [hint.expected_count for hint in hints] == [0]


def test_a_client_that_does_not_ask_gets_no_hint(quick_pair, client_config) -> None:
    seen: list = []
    quick_pair(client=client_config.replace(sessions=tls13.SessionCache()), server_script=watching(seen)).run()
    assert not any(m.extensions.get(ServerTicketRequestHint) for m in seen if isinstance(m, EncryptedExtensions))


# --- RFC 8773: a certificate and an external PSK ----------------------------------------------------------------------


@pytest.fixture
def both(client_config, server_config):
    psk = tls13.ExternalPsk(b"shared", KEY)
    return (
        client_config.replace(psks=[psk], certificate_with_psk=True),
        server_config.replace(psks=[psk], certificate_with_psk=True),
    )


def test_a_certificate_and_a_psk_together(pair, both) -> None:
    client, server = both
    made = pair(client=client, server=server)
    made.run()
    assert made.client.session.psk_identity == b"shared"
    assert made.client.session.verified_chain
    assert made.server.session.psk_identity == b"shared"


def test_a_wrong_psk_ends_it_although_the_certificate_is_good(quick_pair, both) -> None:
    """RFC 8773, section 5.1: illegal_parameter, where a PSK alone is decrypt_error."""
    client, server = both
    made = quick_pair(client=client, server=server.replace(psks=[tls13.ExternalPsk(b"shared", bytes(32))]))
    made.expect_refusal_by_server(errors.BadCertificateWithPsk)


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_the_psk_of_a_ticket_does_not_go_with_a_certificate(quick_pair, both, client_config, first, supported) -> None:
    """RFC 8773, section 5.1: all of them must be external, also those that are not selected."""
    client, server = both
    server = server.replace(certificate_with_psk=supported)
    ticket = sessions_of(client_config.replace(psk_key_exchange_modes=MODES), server)[0].ticket

    def script(message):
        if not isinstance(message, ClientHello):
            return message
        psks = message.extensions.get(OfferedPsks)
        resumption = psks.identities[0].replace(identity=ticket)
        identities = (resumption, *psks.identities) if first else (*psks.identities, resumption)
        offered = psks.replace(identities=identities, binders=psks.binders * 2)
        return message.replace(extensions=message.extensions.replacing(offered, offered.encode()))

    made = quick_pair(client=client, server=server, client_script=script)
    made.expect_refusal_by_server(errors.BadCertificateWithPsk)


def test_a_client_that_wants_both_does_not_take_the_psk_alone(quick_pair, both) -> None:
    client, server = both
    made = quick_pair(client=client, server=server.replace(certificate_with_psk=False))
    made.expect_refusal_by_client(errors.NoCertificateWithPsk, told=False)


def test_a_client_that_wants_both_does_not_take_the_certificate_alone(quick_pair, both) -> None:
    client, server = both
    made = quick_pair(client=client, server=server.replace(psks=[], certificate_with_psk=False))
    made.expect_refusal_by_client(errors.NoPskSelected, told=False)


def test_the_server_may_ask_for_a_certificate_too(quick_pair, both, trust) -> None:
    """Section 4: with the extension, a CertificateRequest beside a PSK is allowed (RFC 9846, section 4.4.2)."""
    client, server = both
    seen: list = []
    made = quick_pair(
        client=client,
        server=server.replace(client_trust=trust, client_auth=tls13.ClientAuth.OPTIONAL),
        server_script=watching(seen),
    )
    made.run()
    assert made.server.handshake_complete
    assert [m for m in seen if isinstance(m, CertificateRequest)]


def test_the_extension_without_its_companions_is_refused(quick_pair) -> None:
    made = quick_pair(
        client_script=lambda m: with_extension(m, CertWithExternPsk()) if isinstance(m, ClientHello) else m
    )
    made.expect_refusal_by_server(errors.BadCertificateWithPsk)


def test_a_server_that_answers_it_without_a_psk_is_refused(quick_pair, both) -> None:
    client, server = both
    made = quick_pair(
        client=client,
        server=server.replace(psks=[], certificate_with_psk=False),
        server_script=lambda m: with_extension(m, CertWithExternPsk()) if isinstance(m, ServerHello) else m,
    )
    made.expect_refusal_by_client(errors.BadCertificateWithPsk, told=False)


def test_a_config_for_both_needs_a_psk_and_a_group(client_config) -> None:
    with pytest.raises(tls13.ConfigurationError, match="certificate_with_psk needs psks"):
        client_config.replace(certificate_with_psk=True)
    with pytest.raises(tls13.ConfigurationError, match="psk_dhe_ke"):
        client_config.replace(
            psks=[tls13.ExternalPsk(b"shared", KEY)],
            certificate_with_psk=True,
            psk_key_exchange_modes=[PskKeyExchangeMode.psk_ke],
        )


def test_compression_is_asked_for_only_where_it_is_wanted(quick_pair, client_config) -> None:
    seen: list = []
    quick_pair(client=client_config, client_script=watching(seen)).run()
    assert seen[0].extensions.get(CertificateCompressionAlgorithms) is None

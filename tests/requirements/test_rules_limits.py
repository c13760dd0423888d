"""What a peer can make us hold or do is limited: DESIGN.md, section 5a."""

from __future__ import annotations

import pytest
from cryptography import x509

import certs
import tls13
from tls13 import errors
from tls13.lab.scripted import ask_for_key_update
from tls13.wire.extensions import CR, Extensions, SignatureSchemeList
from tls13.wire.messages import Certificate, CertificateEntry, CertificateRequest
from tls13.wire.registry import SignatureScheme

from .scripts import (
    HOST,
    Clock,
    edit,
    events_of,
)

SCHEMES = SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.ecdsa_secp256r1_sha256,))


@pytest.mark.requirement("D16")
def test_bytes_that_nobody_reads_are_not_kept_without_end(client_config, server_config) -> None:
    """While the handshake waits for somebody else's answer, the peer may send a little, and not more."""

    class Never:
        def __await__(self):
            yield

    server = tls13.ServerConnection(server_config.replace(select=lambda hello: Never()))
    client = tls13.ClientConnection(client_config, server_hostname=HOST)
    server.receive_data(client.data_to_send())
    assert events_of(list(server.events()), tls13.AnswerAwaited)
    for _ in range(16):
        server.receive_data(bytes(16_000))
    with pytest.raises(errors.TooMuchBuffered):
        server.receive_data(bytes(16_000))
    assert server.data_to_send()


@pytest.mark.requirement("D17")
def test_answers_that_we_owe_do_not_pile_up(quick_pair) -> None:
    """Requests for a KeyUpdate, and nobody who sends: after some they are too many."""
    made = quick_pair(client_script=lambda m: m)
    made.run()
    for _ in range(made.server.config.max_key_updates + 1):
        ask_for_key_update(made.client)
    made.server.receive_data(made.client.data_to_send())
    with pytest.raises(errors.TooManyKeyUpdates):
        list(made.server.events())


@pytest.mark.requirement("D17")
def test_many_requests_are_answered_once(quick_pair) -> None:
    made = quick_pair(client_script=lambda m: m)
    made.run()
    for _ in range(20):
        ask_for_key_update(made.client)
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    assert made.server.key_updates == (0, 20)
    made.server.data_to_send()
    assert made.server.key_updates == (1, 20)


@pytest.mark.requirement("D18")
def test_certificate_requests_do_not_pile_up(client_config, quick_pair) -> None:
    limit = client_config.max_certificate_requests
    made = quick_pair(client=client_config.replace(post_handshake_auth=True), server_script=lambda m: m)
    made.run()
    for number in range(limit + 1):
        request = CertificateRequest(certificate_request_context=bytes([number]), extensions=Extensions.of(CR, SCHEMES))
        made.server.send_record(22, request.to_handshake())
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(errors.TooManyRequests):
        list(made.client.events())


@pytest.mark.requirement("D19")
@pytest.mark.parametrize("limit", ["max_certificate_chain", "max_certificate_chain_bytes"])
def test_a_chain_has_a_largest_size(limit, client_config, quick_pair) -> None:
    script = edit(Certificate, lambda m: m.replace(certificate_list=m.certificate_list * 4))
    quick_pair(server_script=script).run()
    bound = {"max_certificate_chain": 3, "max_certificate_chain_bytes": 1000}[limit]
    made = quick_pair(client=client_config.replace(**{limit: bound}), server_script=script)
    made.expect_refusal_by_client(errors.CertificateError)


@pytest.mark.requirement("D20")
def test_an_rsa_key_has_a_largest_size(client_config, server_config, quick_pair) -> None:
    """16384 bits: refused before anything is computed with it."""
    workshop = certs.bench.workshop()
    exhibit = certs.catalogue()["rsa-16384-leaf"].exhibit(workshop)

    def show(message):
        entries = tuple(CertificateEntry(cert_data=one) for one in exhibit.chain)
        return message.replace(certificate_list=entries)

    trust = tls13.TrustStore.from_certificates([x509.load_der_x509_certificate(root) for root in exhibit.roots])
    made = quick_pair(client=client_config.replace(trust=trust), server_script=edit(Certificate, show))
    made.client = tls13.ClientConnection(made.client.config, server_hostname="rsa-16384-leaf.workshop.localhost")
    made.expect_refusal_by_client(errors.WeakKey)


@pytest.mark.requirement("D22")
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_handshake_has_a_longest_time(role, client_config, server_config) -> None:
    clock = Clock(server_config.clock())
    limits = {"clock": clock, "handshake_timeout": 10.0}
    if role == "client":
        connection = tls13.ClientConnection(client_config.replace(**limits), server_hostname=HOST)
    else:
        connection = tls13.ServerConnection(server_config.replace(**limits))
    connection.receive_data(b"\x16\3\3")
    clock.now += 9
    assert list(connection.events()) == []
    clock.now += 2
    connection.receive_data(b"\0")
    with pytest.raises(errors.HandshakeTooSlow):
        list(connection.events())
    assert connection.closed

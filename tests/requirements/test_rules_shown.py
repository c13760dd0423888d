"""What a Certificate shows: RFC 9846, section 4.5.1, each rule broken by a scripted peer."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import tls13
from tls13 import errors
from tls13.wire.companions import SignedCertificateTimestampList
from tls13.wire.extensions import CT, Extensions
from tls13.wire.messages import (
    Certificate,
    CertificateEntry,
    CertificateVerify,
    Finished,
)
from tls13.wire.registry import ExtensionType

from .scripts import HOST, Recorder, before, edit, events_of, instead

E = ExtensionType


@pytest.mark.requirement("R157", "R164")
def test_our_chains_begin_with_the_senders_own(authority, authenticating, client_identity, asking, quick_pair) -> None:
    between = authority.intermediate()
    server_side, client_side = Recorder(), Recorder()
    served = between.issue([HOST]).identity
    made = quick_pair(
        client=authenticating,
        server=asking.replace(identity=served),
        client_script=client_side,
        server_script=server_side,
    )
    made.run()
    (one,), (other,) = server_side.of(Certificate), client_side.of(Certificate)
    assert [entry.cert_data for entry in one.certificate_list] == list(served.der_chain)
    assert len(served.chain) == 2
    assert [entry.cert_data for entry in other.certificate_list] == list(client_identity.der_chain)
    assert served.chain[0].subject != between.certificate.subject


@pytest.mark.requirement("R164")
def test_what_comes_first_is_taken_for_the_senders_own(authority, server_config, quick_pair) -> None:
    """A chain the other way round is the CA's certificate, shown by somebody who does not have its key."""
    served = authority.intermediate().issue([HOST]).identity
    script = edit(Certificate, lambda m: m.replace(certificate_list=m.certificate_list[::-1]))
    made = quick_pair(server=server_config.replace(identity=served), server_script=script)
    with pytest.raises(errors.CertificateError):
        made.run()
    assert made.client.closed


@pytest.mark.requirement("R165")
@pytest.mark.parametrize("order", ["reversed behind the first", "twice", "with strangers", "with the root"])
def test_what_comes_behind_it_may_be_anything(order, authority, server_config, quick_pair) -> None:
    above = authority.intermediate(path_length=None)
    served = above.intermediate(common_name="lower", path_length=0).issue([HOST]).identity
    stranger = type(authority).create(now=authority.now).certificate

    def script(message):
        first, *rest = message.certificate_list
        extra = {
            "reversed behind the first": rest[::-1],
            "twice": [*rest, first, *rest],
            "with strangers": [CertificateEntry(cert_data=der(stranger)), *rest],
            "with the root": [CertificateEntry(cert_data=der(authority.certificate)), *rest],
        }[order]
        return message.replace(certificate_list=(first, *extra))

    made = quick_pair(server=server_config.replace(identity=served), server_script=edit(Certificate, script))
    made.run()
    assert made.client.handshake_complete
    assert made.client.session.verified_chain[0] == served.chain[0]


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.mark.requirement("R158")
def test_a_client_certificate_that_nobody_asked_for(authenticating, client_identity, quick_pair) -> None:
    entries = tuple(CertificateEntry(cert_data=one) for one in client_identity.der_chain)
    made = quick_pair(client=authenticating, client_script=before(Finished, Certificate(certificate_list=entries)))
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R158")
def test_a_client_that_was_asked_and_says_nothing(client_config, authenticating, asking, quick_pair) -> None:
    for client in (client_config, authenticating):
        script = lambda m: [] if type(m) in (Certificate, CertificateVerify) else m  # noqa: E731
        made = quick_pair(client=client, server=asking, client_script=script)
        made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R158")
def test_our_client_shows_a_certificate_exactly_if_asked(authenticating, asking, server_config, quick_pair) -> None:
    for server, count in ((server_config, 0), (asking, 1)):
        record = Recorder()
        quick_pair(client=authenticating, server=server, client_script=record).run()
        assert len(record.of(Certificate)) == count


@pytest.mark.requirement("R159", "R160")
def test_a_client_without_a_certificate_says_so_and_finishes(client_config, asking, quick_pair) -> None:
    record = Recorder()
    optional = asking.replace(client_auth=tls13.ClientAuth.OPTIONAL)
    made = quick_pair(client=client_config, server=optional, client_script=record)
    made.run()
    assert [type(message) for message in record.sent[1:]] == [Certificate, Finished]
    assert record.of(Certificate)[0].certificate_list == ()
    assert made.server.handshake_complete
    assert made.server.session.peer_certificates == ()


@pytest.mark.requirement("R160")
@pytest.mark.parametrize("empty", [True, False])
def test_a_certificate_without_a_finished_behind_it(empty, client_config, authenticating, asking, quick_pair) -> None:
    """Something else in its place, under the keys that it would have had."""
    optional = asking.replace(client_auth=tls13.ClientAuth.OPTIONAL)
    script = instead(Finished, b"\x18\0\0\1\0")
    made = quick_pair(client=client_config if empty else authenticating, server=optional, client_script=script)
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R161")
@pytest.mark.parametrize("context", [b"c", bytes(255)])
def test_a_servers_certificate_with_a_context(context, quick_pair) -> None:
    script = edit(Certificate, lambda m: m.replace(certificate_request_context=context))
    quick_pair(server_script=script).expect_refusal_by_client(errors.BadRequestContext)


def extended(entry: int, number: int, data: bytes):
    def change(message):
        entries = list(message.certificate_list)
        entries[entry] = entries[entry].replace(extensions=Extensions(((number, data),), CT))
        return message.replace(certificate_list=tuple(entries))

    return edit(Certificate, change)


UNASKED = {E.status_request: b"\1\0\0\1x", E.signed_certificate_timestamp: b"\0\3\0\1x", 0x1234: b""}


@pytest.mark.requirement("R162")
@pytest.mark.parametrize("number", UNASKED)
@pytest.mark.parametrize("entry", [0, 1])
def test_a_servers_certificate_answers_what_was_not_asked(
    number, entry, authority, client_config, server_config, quick_pair
) -> None:
    """In any entry of the list."""
    server = server_config.replace(identity=authority.intermediate().issue([HOST]).identity)
    client = client_config.replace(ocsp_stapling=False)
    made = quick_pair(client=client, server=server, server_script=extended(entry, number, UNASKED[number]))
    made.expect_refusal_by_client(errors.UnsupportedExtension)


@pytest.mark.requirement("R163")
@pytest.mark.parametrize("number", UNASKED)
@pytest.mark.parametrize("later", [False, True], ids=["in the handshake", "later"])
def test_a_clients_certificate_answers_what_was_not_asked(
    number, later, authenticating, asking, asking_later, quick_pair
) -> None:
    script = extended(0, number, UNASKED[number])
    made = quick_pair(client=authenticating, server=asking_later if later else asking, client_script=script)
    if later:
        made.run()
        made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.UnsupportedExtension)


def test_a_later_certificate_without_any_script(authenticating, asking_later, client_identity, quick_pair) -> None:
    """What the cases above change is good without the change."""
    made = quick_pair(client=authenticating, server=asking_later, client_script=Recorder())
    made.run()
    made.server.request_client_certificate()
    _, received = made.run()
    (event,) = events_of(received, tls13.ClientAuthenticated)
    assert event.peer_certificates == client_identity.chain


@pytest.mark.requirement("R056", "R162")
@pytest.mark.parametrize("asked", [True, False])
def test_our_server_answers_what_was_asked(asked, client_config, server_config, issued, quick_pair) -> None:
    timestamps = SignedCertificateTimestampList(sct_list=(b"a timestamp",))
    identity = tls13.Identity(issued.chain, issued.private_key, leaf_extensions=(timestamps,))
    record = Recorder()
    made = quick_pair(
        client=client_config.replace(signed_certificate_timestamps=asked),
        server=server_config.replace(identity=identity),
        server_script=record,
    )
    made.run()
    first = record.of(Certificate)[0].certificate_list[0]
    assert (E.signed_certificate_timestamp in first.extensions) is asked

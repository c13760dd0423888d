"""Client certificates in the handshake: RFC 9846, sections 4.3.4, 4.4.2 and 4.5. Which one a client shows, what a
server believes, and what both know afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509

import tls13
from certs.der import ISSUER, SUBJECT
from tests.conftest import HOST
from tests.requirements.scripts import MODES, Recorder, edit, first_hello, session_of
from tests.trust.chains import UNREADABLE_NAMES, with_name
from tls13 import errors
from tls13.authentication import SERVER_CONTEXT
from tls13.crypto.signatures import sign, signed_content
from tls13.lab.authority import CLIENT_AUTH, SERVER_AUTH, Authority, KeyType
from tls13.lab.scripted import with_extension
from tls13.wire.extensions import CertificateAuthoritiesExtension, SignatureSchemeList, SignatureSchemeListCert
from tls13.wire.messages import Certificate, CertificateRequest, CertificateVerify, Finished
from tls13.wire.registry import ExtensionType, SignatureScheme

S = SignatureScheme


@pytest.fixture(scope="module")
def somebody(authority):
    return authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])


@pytest.fixture(scope="module")
def strangers():
    return Authority.create(now=datetime.now(UTC), common_name="strangers", organization="elsewhere")


@pytest.fixture
def client(client_config, somebody):
    return client_config.replace(identities=somebody.identity)


@pytest.fixture
def server(server_config, trust):
    return server_config.replace(client_trust=trust)


# --- asked and shown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048, KeyType.ED25519])
def test_a_client_shows_its_certificate_to_who_asks(key_type, pair, client_config, server, authority) -> None:
    shown = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH], key_type=key_type)
    made = pair(client=client_config.replace(identities=shown.identity), server=server)
    made.run()
    session = made.server.session
    assert session.peer_certificates == (shown.certificate,)
    assert session.verified_chain == (shown.certificate, authority.certificate)
    assert session.client_scheme == made.client.session.client_scheme in shown.identity.signature_schemes
    made.client.send_data(b"as somebody")
    assert made.run()[1] == [tls13.ApplicationData(b"as somebody")]


def test_a_client_that_is_not_asked_shows_nothing(pair, client, server_config) -> None:
    made = pair(client=client, server=server_config)
    made.run()
    assert made.server.session.peer_certificates == ()
    assert made.client.session.client_scheme is None


def test_nobody_learns_who_the_client_is_before_it_knows_the_server(quick_pair, client, server, strangers) -> None:
    """The client's Certificate comes after everything of the server's was verified; one that nobody knows gets none."""
    record = Recorder()
    foreign = server.replace(identity=strangers.issue([HOST]).identity)
    made = quick_pair(client=client, server=foreign, client_script=record)
    made.expect_refusal_by_client(errors.UnknownIssuer)
    assert not record.of(Certificate)


def test_a_chain_with_an_intermediate(quick_pair, client_config, server, authority) -> None:
    between = authority.intermediate()
    shown = between.issue([], common_name="somebody", usages=[CLIENT_AUTH])
    made = quick_pair(client=client_config.replace(identities=shown.identity), server=server)
    made.run()
    assert made.server.session.peer_certificates == (shown.certificate, between.certificate)
    assert made.server.session.verified_chain[-1] == authority.certificate


@pytest.mark.requirement("R159", "R160")
@pytest.mark.parametrize("auth", list(tls13.ClientAuth))
def test_a_client_without_a_certificate(auth, pair, client_config, server) -> None:
    """Section 4.5.1.3: an empty list and no CertificateVerify. Whether that will do, the server's config says."""
    record = Recorder()
    made = pair(client=client_config, server=server.replace(client_auth=auth), client_script=record)
    if auth is tls13.ClientAuth.REQUIRED:
        made.expect_refusal_by_server(errors.CertificateRequired)
    else:
        made.run()
        assert made.server.session.peer_certificates == ()
        assert made.server.session.client_scheme is made.client.session.client_scheme is None
    if auth is not tls13.ClientAuth.LATER:
        assert record.of(Certificate)[0].certificate_list == ()
    assert not record.of(CertificateVerify)


# --- which one --------------------------------------------------------------------------------------------------------


def shown_of(record: Recorder) -> bytes | None:
    entries = record.of(Certificate)[0].certificate_list
    return entries[0].cert_data if entries else None


def test_the_first_that_the_schemes_allow(quick_pair, client_config, server, authority) -> None:
    """signature_algorithms of the CertificateRequest (4.3.3)."""
    issue = [
        authority.issue([], common_name=str(kind), usages=[CLIENT_AUTH], key_type=kind)
        for kind in (KeyType.ED25519, KeyType.RSA_2048, KeyType.ECDSA_P256)
    ]
    client = client_config.replace(identities=[one.identity for one in issue])
    for schemes, expected in (
        ([S.ed25519, S.rsa_pss_rsae_sha256, S.ecdsa_secp256r1_sha256], 0),
        ([S.ecdsa_secp256r1_sha256, S.rsa_pss_rsae_sha256], 1),
        ([S.ecdsa_secp256r1_sha256, S.rsa_pss_pss_sha256], 2),
        ([S.ecdsa_secp521r1_sha512], None),
    ):
        record = Recorder()
        wanted = SignatureSchemeList(supported_signature_algorithms=tuple(schemes))
        made = quick_pair(
            client=client,
            server=server.replace(client_auth=tls13.ClientAuth.OPTIONAL),
            server_script=edit(CertificateRequest, lambda m, wanted=wanted: with_extension(m, wanted)),
            client_script=record,
        )
        made.run()
        assert shown_of(record) == (issue[expected].identity.der_chain[0] if expected is not None else None)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_from_an_authority_that_the_server_names(
    order, quick_pair, client_config, server, somebody, strangers
) -> None:
    """Section 4.3.4. By default a server of few anchors names them, so a client of several certificates can choose."""
    other = strangers.issue([], common_name="for others", usages=[CLIENT_AUTH])
    both = [somebody.identity, other.identity]
    record = Recorder()
    asked = Recorder()
    made = quick_pair(
        client=client_config.replace(identities=[both[n] for n in order]),
        server=server,
        client_script=record,
        server_script=asked,
    )
    made.run()
    assert shown_of(record) == somebody.identity.der_chain[0]
    names = asked.of(CertificateRequest)[0].extensions.get(CertificateAuthoritiesExtension).authorities
    assert names == (server.client_verifier.trust.certificates[0].subject.public_bytes(),)


def test_a_server_that_names_nobody_is_shown_the_first(quick_pair, client_config, server, somebody, strangers) -> None:
    other = strangers.issue([], common_name="for others", usages=[CLIENT_AUTH])
    made = quick_pair(
        client=client_config.replace(identities=[other.identity, somebody.identity]),
        server=server.replace(certificate_authorities=[]),
    )
    made.expect_refusal_by_server(errors.UnknownIssuer)


@UNREADABLE_NAMES
def test_a_store_with_a_name_that_cannot_be_read_is_not_listed(
    quick_pair, client, server, authority, trust, spoil
) -> None:
    """A list without that CA would turn away the clients that it has certified (4.3.4)."""
    odd = x509.load_der_x509_certificate(with_name(authority.certificate, authority, spoil, SUBJECT, ISSUER))
    both = tls13.TrustStore.from_certificates([*trust.certificates, odd])
    made = quick_pair(client=client, server=server.replace(client_trust=both))
    made.run()
    assert made.server.config.certificate_authorities == ()


@pytest.mark.parametrize("given", [["CN=x"], b"0\0", [b"0\0", None]])
def test_authorities_that_are_not_der_are_refused_when_the_config_is_made(server, given) -> None:
    with pytest.raises(errors.ConfigurationError, match="certificate_authorities is a list of names in DER"):
        server.replace(certificate_authorities=given)


def test_the_application_may_choose(quick_pair, client_config, server, somebody, strangers) -> None:
    """choose_identity has the CertificateRequest; what it returns is still only shown where it fits."""
    asked: list[CertificateRequest] = []

    def choose(request):
        asked.append(request)
        return somebody.identity

    made = quick_pair(client=client_config.replace(choose_identity=choose), server=server)
    made.run()
    assert made.server.session.peer_certificates == (somebody.certificate,)
    assert ExtensionType.signature_algorithms in asked[0].extensions
    nothing = quick_pair(client=client_config.replace(choose_identity=lambda request: None), server=server)
    nothing.expect_refusal_by_server(errors.CertificateRequired)
    foreign = strangers.issue([], common_name="for others", usages=[CLIENT_AUTH]).identity
    unfit = quick_pair(client=client_config.replace(choose_identity=lambda request: foreign), server=server)
    unfit.expect_refusal_by_server(errors.CertificateRequired)


@pytest.mark.requirement("D03")
def test_a_server_says_what_chains_may_be_signed_with(quick_pair, client, server) -> None:
    """signature_algorithms_cert: exactly what its verifier accepts, and that is not what a client may sign with."""
    record = Recorder()
    quick_pair(client=client, server=server, server_script=record).run()
    extensions = record.of(CertificateRequest)[0].extensions
    chains = extensions.get(SignatureSchemeListCert).supported_signature_algorithms
    assert chains == server.client_verifier.signature_schemes
    assert S.rsa_pkcs1_sha256 in chains
    assert S.rsa_pkcs1_sha256 not in extensions.get(SignatureSchemeList).supported_signature_algorithms


# --- believed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [tls13.ClientAuth.REQUIRED, tls13.ClientAuth.OPTIONAL])
def test_a_certificate_that_is_not_believed_is_not_the_same_as_none(
    auth, quick_pair, client_config, server, strangers
) -> None:
    """Also where a client may decline: who shows something shows something good."""
    foreign = strangers.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity
    made = quick_pair(
        client=client_config.replace(identities=foreign),
        server=server.replace(certificate_authorities=[], client_auth=auth),
    )
    made.expect_refusal_by_server(errors.UnknownIssuer)


def test_a_servers_certificate_does_not_make_a_client(quick_pair, client_config, server, authority) -> None:
    """extendedKeyUsage says what it is for (RFC 5280, section 4.2.1.12)."""
    shown = authority.issue([HOST], usages=[SERVER_AUTH]).identity
    made = quick_pair(client=client_config.replace(identities=shown), server=server)
    made.expect_refusal_by_server(errors.WrongUsage)
    both = authority.issue([HOST], usages=[SERVER_AUTH, CLIENT_AUTH]).identity
    quick_pair(client=client_config.replace(identities=both), server=server).run()


@pytest.mark.parametrize(("when", "offence"), [(31, errors.CertificateExpired), (-1, errors.CertificateNotYetValid)])
def test_a_clients_certificate_has_its_time(when, offence, quick_pair, client, server, authority) -> None:
    now = authority.now.timestamp() + when * 86400
    made = quick_pair(client=client, server=server.replace(clock=lambda: now))
    made.expect_refusal_by_server(offence)


def test_one_certificate_and_another_key(quick_pair, client, server, authority) -> None:
    """Section 4.5.2: a certificate is public; only its key makes it somebody's."""
    other = authority.issue([], common_name="somebody else", usages=[CLIENT_AUTH]).identity

    def script(message):
        (entry,) = message.certificate_list
        return message.replace(certificate_list=(entry.replace(cert_data=other.der_chain[0]),))

    made = quick_pair(client=client, server=server, client_script=edit(Certificate, script))
    made.expect_refusal_by_server(errors.BadSignature)


def test_a_signature_for_the_other_role(quick_pair, client, server, somebody) -> None:
    """Section 4.5.2: the context string, so that a server's signature is none of a client's."""
    made = quick_pair(client=client, server=server, client_script=lambda m: m)

    def script(message):
        if not isinstance(message, CertificateVerify):
            return message
        content = signed_content(SERVER_CONTEXT, made.client._handshake.transcript.digest())
        return message.replace(signature=sign(somebody.private_key, message.algorithm, content))

    made.client._handshake.script = script
    made.expect_refusal_by_server(errors.BadSignature)


def test_finished_without_certificate_verify(quick_pair, client, server) -> None:
    made = quick_pair(client=client, server=server, client_script=lambda m: None if type(m) is CertificateVerify else m)
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


def test_certificate_verify_without_a_certificate(quick_pair, client, server) -> None:
    """An empty list is not followed by a signature (4.5.2)."""
    script = edit(Certificate, lambda m: m.replace(certificate_list=()))
    made = quick_pair(client=client, server=server.replace(client_auth=tls13.ClientAuth.OPTIONAL), client_script=script)
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


def test_a_demand_without_somebody_to_believe_is_not_possible(server_config) -> None:
    """Without client_trust nobody is asked, whatever client_auth says."""
    config = server_config.replace(client_auth=tls13.ClientAuth.REQUIRED)
    assert not config.asks_in_handshake


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_resumed_as_the_same_client(quick_pair, client, server, somebody, authority) -> None:
    """Section 2.2: nothing is asked again, and the server still knows who it is."""
    server = server.replace(tickets=tls13.SealedTickets())
    client = client.replace(psk_key_exchange_modes=MODES)
    record = Recorder()
    made = quick_pair(server=server, server_script=record)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session_of(client, server))
    made.run()
    assert made.server.session.resumed
    assert not record.of(CertificateRequest)
    assert made.server.session.peer_certificates == (somebody.certificate,)
    assert made.server.session.verified_chain == (somebody.certificate, authority.certificate)
    assert made.server.session.client_scheme == made.client.session.client_scheme == S.ecdsa_secp256r1_sha256


def test_a_client_that_declined_resumes_as_nobody(quick_pair, client_config, server) -> None:
    server = server.replace(tickets=tls13.SealedTickets(), client_auth=tls13.ClientAuth.OPTIONAL)
    client = client_config.replace(psk_key_exchange_modes=MODES)
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session_of(client, server))
    made.run()
    assert made.server.session.resumed
    assert made.server.session.peer_certificates == ()


def test_the_tickets_come_after_the_clients_certificate_was_verified(quick_pair, client_config, server, strangers):
    record = Recorder()
    foreign = strangers.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity
    made = quick_pair(
        client=client_config.replace(identities=foreign, psk_key_exchange_modes=MODES),
        server=server.replace(certificate_authorities=[]),
        server_script=record,
    )
    made.expect_refusal_by_server(errors.UnknownIssuer)
    assert type(record.sent[-1]) is Finished


def test_the_client_may_think_that_it_is_through(quick_pair, client_config, server, strangers) -> None:
    """Its handshake is complete with its Finished: a refusal comes as an alert, as the first thing it reads."""
    foreign = strangers.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity
    made = quick_pair(
        client=client_config.replace(identities=foreign), server=server.replace(certificate_authorities=[])
    )
    with pytest.raises(errors.UnknownIssuer):
        made.run()
    assert made.client.handshake_complete
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(tls13.AlertReceived, match="unknown_ca"):
        list(made.client.events())


def test_several_virtual_servers_ask_differently(quick_pair, client, server, server_config, somebody) -> None:
    """select picks the config by name: one asks, the other does not."""
    open_to_all = server_config.replace(
        select=lambda hello: server if b"localhost" in dict(hello.extensions.raw)[0] else None
    )
    asked = quick_pair(client=client, server=open_to_all, host="localhost")
    asked.run()
    assert asked.server.session.peer_certificates == (somebody.certificate,)
    made = quick_pair(client=client, server=open_to_all)
    made.run()
    assert made.server.session.peer_certificates == ()


def test_a_client_without_certificates_offers_nothing_special(client_config, client) -> None:
    """What a client has shows up only when it is asked."""
    for config in (client_config, client):
        hello = first_hello(tls13.ClientConnection(config, server_hostname=HOST))
        assert ExtensionType.post_handshake_auth not in hello.extensions

"""Post-handshake client authentication, broken by the client: RFC 9846, section 4.7.2."""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import A_RECORD
from tests.mutual import edit
from tests.requirements.cases import cases
from tls13 import errors
from tls13.lab.authority import CLIENT_AUTH
from tls13.wire.extensions import CR, Extensions, SignatureSchemeList
from tls13.wire.messages import Certificate, CertificateRequest, CertificateVerify, Finished, KeyUpdate
from tls13.wire.registry import KeyUpdateRequest, SignatureScheme

HANDSHAKE = 22
TELLS = KeyUpdate(request_update=KeyUpdateRequest.update_not_requested)
SCHEMES = SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.ecdsa_secp256r1_sha256,))


def same(message):
    return message


@pytest.fixture
def asked(quick_pair, client_config, server_config, authority, trust):
    """Makes a connected pair whose server may ask later; the client's script sees every message of its answers."""
    identity = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity

    def make(script=same, **changes):
        client = client_config.replace(**{"identities": identity, "post_handshake_auth": True, **changes})
        server = server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER)
        connected, sent = [], []

        def recorded(message):
            if not connected:
                return message
            sent.append(type(message))
            return script(message)

        made = quick_pair(client=client, server=server, client_script=recorded)
        made.run()
        connected.append(True)
        made.answered = sent
        return made

    return make


def authenticated(events) -> list[tls13.ClientAuthenticated]:
    return [event for event in events if isinstance(event, tls13.ClientAuthenticated)]


@pytest.mark.requirement("R204", "R205")
def test_a_client_that_offered_it_answers_with_all_three_messages(asked) -> None:
    made = asked()
    context = made.server.request_client_certificate()
    (event,) = authenticated(made.run()[1])
    assert made.answered == [Certificate, CertificateVerify, Finished]
    assert event.context == context
    assert event.peer_certificates == made.client.config.identities[0].chain
    assert made.server.session.peer_certificates == event.peer_certificates


@pytest.mark.requirement("R204", "R206")
def test_a_client_that_declines_says_so(asked) -> None:
    """The answer is an empty Certificate and Finished; the connection goes on."""
    made = asked(identities=())
    made.server.request_client_certificate()
    (event,) = authenticated(made.run()[1])
    assert made.answered == [Certificate, Finished]
    assert event.peer_certificates == ()
    made.client.send_data(b"data")
    assert made.run()[1] == [tls13.ApplicationData(b"data")]


WRONG = {
    "no Certificate": edit(Certificate, lambda m: []),
    "no CertificateVerify": edit(CertificateVerify, lambda m: []),
    "CertificateVerify first": edit(
        Certificate, lambda m: [CertificateVerify(algorithm=SignatureScheme.ed25519, signature=b""), m]
    ),
    "KeyUpdate behind Certificate": edit(CertificateVerify, lambda m: [TELLS, m]),
    "KeyUpdate before Finished": edit(Finished, lambda m: [TELLS, m]),
    "Certificate twice": edit(Certificate, lambda m: [m, m]),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.requirement("R204", "R205", "R207")
def test_an_answer_with_something_missing_or_in_between_is_refused(name, asked) -> None:
    made = asked(WRONG[name])
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


FORGED = {
    "a signature": (
        edit(CertificateVerify, lambda m: m.replace(signature=flip(m.signature))),
        errors.BadSignature,
        "R189 R190",
    ),
    "another scheme": (
        edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme.rsa_pkcs1_sha256)),
        errors.SignatureSchemeNotOffered,
        "R186 R188",
    ),
    "a scheme of another key": (
        edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme.ed25519)),
        errors.SignatureSchemeUnsuitable,
        "R187",
    ),
    "Finished": (
        edit(Finished, lambda m: m.replace(verify_data=flip(m.verify_data))),
        errors.BadFinished,
        "R191",
    ),
    "a short Finished": (
        edit(Finished, lambda m: m.replace(verify_data=m.verify_data[:-1])),
        errors.DecodeError,
        "R191",
    ),
    "another context": (
        edit(Certificate, lambda m: m.replace(certificate_request_context=b"another")),
        errors.UnknownRequestContext,
        "R207",
    ),
}


@pytest.mark.parametrize("name", cases(FORGED, {name: ids for name, (_, _, ids) in FORGED.items()}))
def test_a_forged_answer_is_refused(name, asked) -> None:
    """Sections 4.5.2 and 4.5.3 hold after the handshake as well."""
    script, offence, _ = FORGED[name]
    made = asked(script)
    made.server.request_client_certificate()
    made.expect_refusal_by_server(offence)


@pytest.mark.requirement("R206")
def test_a_client_that_declines_sends_no_certificate_verify(asked) -> None:
    made = asked(edit(Certificate, lambda m: m.replace(certificate_list=())))
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


def test_a_client_that_declines_must_send_finished(asked) -> None:
    made = asked(edit(Finished, lambda m: TELLS), identities=())
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R207")
def test_data_in_the_middle_of_an_answer_is_refused(asked) -> None:
    """The client's messages in records of their own, and data behind the first."""
    made = asked()
    made.server.request_client_certificate()
    made.client.receive_data(made.server.data_to_send())
    list(made.client.events())
    write = made.client._layer.writer.write

    def interrupted(content_type, data, out):
        write(content_type, data, out)
        if content_type == HANDSHAKE and data[0] == Certificate.msg_type:
            write(23, b"data", out)

    made.client._layer.writer.write = interrupted
    made.expect_refusal_by_server(errors.InterleavedAnswer)


@pytest.mark.requirement("R207")
def test_two_answers_that_are_mixed_are_refused(asked) -> None:
    """The beginning of the one, and then the whole of the other."""
    finished = []

    def script(message):
        if isinstance(message, Finished):
            finished.append(message)
            return [] if len(finished) == 1 else message
        return [] if isinstance(message, CertificateVerify) and len(made.answered) == 2 else message

    made = asked(script)
    made.server.request_client_certificate()
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R207")
def test_our_answers_are_sent_in_one_piece(asked) -> None:
    """Whatever else the client does meanwhile: here data and KeyUpdates around two answers."""
    made = asked()
    for _ in range(2):
        made.server.request_client_certificate()
    made.server.update_keys(request_peer=True)
    made.server.send_data(b"from the server")
    made.client.receive_data(made.server.data_to_send())
    assert tls13.ApplicationData(b"from the server") in list(made.client.events())
    made.client.send_data(b"from the client")
    made.client.update_keys()
    seen = made.run()[1]
    assert len(authenticated(seen)) == 2
    assert (
        sorted(kind.__name__ for kind in made.answered)
        == ["Certificate"] * 2 + ["CertificateVerify"] * 2 + ["Finished"] * 2
    )
    assert [type(event) for event in seen].count(tls13.KeysUpdated) == 2


@pytest.mark.requirement("R208")
def test_a_client_that_did_not_offer_it_refuses(quick_pair) -> None:
    made = quick_pair(server_script=same)
    made.run()
    request = CertificateRequest(certificate_request_context=b"c", extensions=Extensions.of(CR, SCHEMES))
    made.server.send_record(HANDSHAKE, request.to_handshake())
    made.expect_refusal_by_client(errors.UnrequestedCertificateRequest)


@pytest.mark.requirement("R209")
def test_a_server_reads_on_while_the_client_thinks(asked, authority) -> None:
    """A person may be asked: data and key updates go on, and other requests are answered before."""
    waiting: list[Later] = []
    identity = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity

    def choose(request):
        return identity if waiting else waiting.append(Later()) or waiting[0]

    made = asked(choose_identity=choose)
    first = made.server.request_client_certificate()
    made.chunk = A_RECORD
    (question,) = made.run()[0]
    assert isinstance(question, tls13.AnswerAwaited)
    for _ in range(3):
        made.client.send_data(b"data")
        made.client.update_keys()
        assert made.run()[1] == [tls13.ApplicationData(b"data"), tls13.KeysUpdated(answer_requested=False)]
    second = made.server.request_client_certificate()
    assert [event.context for event in authenticated(made.run()[1])] == [second]
    made.client.answer(question, identity)
    assert [event.context for event in authenticated(made.run()[1])] == [first]


class Later:
    """A promise that somebody keeps by hand."""

    def __await__(self):
        raise AssertionError("nobody awaits it here")
        yield

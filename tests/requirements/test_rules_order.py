"""RFC 9846, section 4: every message in every state that early data, PSKs, retries and client certificates add.

tests/test_order.py has the states of figure 1. Under some of these states the peer's next message comes under other
keys than the one that was due; what matters is that it is refused with unexpected_message before anything is done.
"""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.lab.scripted import ScriptedServer
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
from tls13.wire.registry import NamedGroup

from ..test_order import EXAMPLES, UNKNOWN, name_of
from .scripts import HOST, MODES, WilfulClient, accepting_early_data, edit, session_of

EARLY = b"early"


def others(*wanted: type) -> list:
    return [message for message in (*EXAMPLES, *UNKNOWN) if type(message) not in wanted]


def wrong(due: type, message):
    """A script that sends another message where one is due."""
    return lambda sent: message if type(sent) is due else sent


def refused(connection: tls13.Connection, run) -> None:
    with pytest.raises(errors.UnexpectedMessage) as caught:
        run()
    assert caught.value.alert == errors.AlertDescription.unexpected_message
    assert connection.closed


@pytest.mark.requirement("R005", "R006", "R158")
@pytest.mark.parametrize("message", others(Certificate), ids=name_of)
def test_a_server_that_asked_for_a_certificate(message, client_config, client_identity, asking, quick_pair) -> None:
    client = client_config.replace(identities=[client_identity])
    made = quick_pair(client=client, server=asking, client_script=wrong(Certificate, message))
    refused(made.server, made.run)


@pytest.mark.requirement("R005", "R006")
@pytest.mark.parametrize("message", others(CertificateVerify), ids=name_of)
def test_a_server_that_has_seen_a_certificate(message, client_config, client_identity, asking, quick_pair) -> None:
    client = client_config.replace(identities=[client_identity])
    made = quick_pair(client=client, server=asking, client_script=wrong(CertificateVerify, message))
    refused(made.server, made.run)


@pytest.mark.requirement("R005", "R006", "R160")
@pytest.mark.parametrize("message", others(Finished), ids=name_of)
@pytest.mark.parametrize("empty", [True, False])
def test_a_server_that_waits_for_finished_only(
    empty, message, client_config, client_identity, asking, quick_pair
) -> None:
    """After a CertificateVerify, and after an empty Certificate."""
    client = client_config.replace(identities=[] if empty else [client_identity])
    server = asking.replace(client_auth=tls13.ClientAuth.OPTIONAL)
    made = quick_pair(client=client, server=server, client_script=wrong(Finished, message))
    refused(made.server, made.run)


@pytest.mark.requirement("R005", "R006")
@pytest.mark.parametrize("message", others(Certificate), ids=name_of)
def test_a_client_that_was_asked_for_a_certificate(message, asking, quick_pair) -> None:
    made = quick_pair(server=asking, server_script=wrong(Certificate, message))
    refused(made.client, made.run)


@pytest.mark.requirement("R005", "R006", "R155")
@pytest.mark.parametrize("message", others(Finished), ids=name_of)
def test_a_client_that_resumes_waits_for_finished(message, client_config, server_config, quick_pair) -> None:
    """No CertificateRequest, no Certificate, no CertificateVerify: the PSK is what authenticates."""
    client, server = (
        client_config.replace(psk_key_exchange_modes=MODES),
        server_config.replace(tickets=tls13.SealedTickets()),
    )
    made = quick_pair(server=server, server_script=wrong(Finished, message))
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session_of(client, server))
    refused(made.client, made.run)


@pytest.mark.requirement("R005", "R006")
@pytest.mark.parametrize("message", others(EndOfEarlyData), ids=name_of)
def test_a_server_that_reads_early_data(message, client_config, server_config) -> None:
    server = accepting_early_data(server_config, tickets=tls13.SealedTickets())
    client = client_config.replace(psk_key_exchange_modes=MODES)
    one = WilfulClient(client, session=session_of(client, server), early_data=EARLY)
    one.send_record(22, message if isinstance(message, bytes) else message.to_handshake())
    other = tls13.ServerConnection(server)
    refused(other, lambda: tls13.pump(one, other))


@pytest.mark.requirement("R005", "R006")
@pytest.mark.parametrize("message", others(ClientHello), ids=name_of)
def test_a_server_that_waits_for_the_second_client_hello(message, client_config, server_config) -> None:
    one = WilfulClient(client_config, lambda hello, handshake: message, number=2)
    other = tls13.ServerConnection(server_config.replace(groups=[NamedGroup.secp384r1]))
    refused(other, lambda: tls13.pump(one, other))


@pytest.mark.requirement("R005", "R006", "R048")
@pytest.mark.parametrize("message", others(ServerHello), ids=name_of)
def test_a_client_that_waits_for_the_second_server_hello(message, client_config, server_config) -> None:
    one = tls13.ClientConnection(client_config, server_hostname=HOST)
    other = ScriptedServer(server_config.replace(groups=[NamedGroup.secp384r1]), wrong(ServerHello, message))
    refused(one, lambda: tls13.pump(one, other))


@pytest.mark.requirement("R006")
@pytest.mark.parametrize("message", others(Certificate, KeyUpdate), ids=name_of)
def test_a_server_that_asked_later(message, client_config, client_identity, asking, quick_pair) -> None:
    """Section 4.7.2: what answers a request begins with Certificate."""
    client = client_config.replace(identities=[client_identity], post_handshake_auth=True)
    server = asking.replace(client_auth=tls13.ClientAuth.LATER)
    made = quick_pair(client=client, server=server, client_script=lambda sent: sent)
    made.run()
    made.server.request_client_certificate()
    made.client.send_record(22, message if isinstance(message, bytes) else message.to_handshake())
    made.server.receive_data(made.client.data_to_send())
    refused(made.server, lambda: list(made.server.events()))


@pytest.mark.requirement("R006")
@pytest.mark.parametrize("due", [CertificateVerify, Finished])
@pytest.mark.parametrize("message", [*EXAMPLES, *UNKNOWN], ids=name_of)
def test_an_answer_to_a_later_request_comes_in_one_piece(
    message, due, client_config, client_identity, asking, quick_pair
) -> None:
    if type(message) is due:
        return
    asked = []
    client = client_config.replace(identities=[client_identity], post_handshake_auth=True)
    server = asking.replace(client_auth=tls13.ClientAuth.LATER)
    script = wrong(due, message)
    made = quick_pair(client=client, server=server, client_script=lambda sent: script(sent) if asked else sent)
    made.run()
    asked.append(made.server.request_client_certificate())
    refused(made.server, made.run)


@pytest.mark.requirement("R006")
@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("message", others(NewSessionTicket, KeyUpdate, CertificateRequest), ids=name_of)
def test_a_client_after_its_handshake(message, offered, client_config, quick_pair) -> None:
    client = client_config.replace(post_handshake_auth=offered, psk_key_exchange_modes=MODES)
    made = quick_pair(client=client, server_script=lambda sent: sent)
    made.run()
    made.server.send_record(22, message if isinstance(message, bytes) else message.to_handshake())
    made.client.receive_data(made.server.data_to_send())
    refused(made.client, lambda: list(made.client.events()))


def test_a_second_hello_retry_request_is_not_any_message(client_config, server_config) -> None:
    """It has a name of its own."""
    one = tls13.ClientConnection(client_config, server_hostname=HOST)
    (retry,) = [message for message in EXAMPLES if isinstance(message, HelloRetryRequest)]
    script = edit(ServerHello, lambda m: retry)
    other = ScriptedServer(server_config.replace(groups=[NamedGroup.secp384r1]), script)
    with pytest.raises(errors.SecondHelloRetryRequest):
        tls13.pump(one, other)


# --- application data: section 2 --------------------------------------------------------------------------------------


def data_before(kind: type, sender: list):
    """A script that sends application data, under the keys of the moment, before the message of this type."""

    def script(message):
        if type(message) is kind:
            sender[0].send_record(23, b"too early")
        return message

    return script


@pytest.mark.requirement("R002")
@pytest.mark.parametrize("kind", [EncryptedExtensions, Certificate, CertificateVerify, Finished])
def test_a_servers_data_before_its_finished(kind, quick_pair) -> None:
    sender = []
    made = quick_pair(server_script=data_before(kind, sender))
    sender.append(made.server)
    made.expect_refusal_by_client(errors.UnexpectedApplicationData)


@pytest.mark.requirement("R002")
@pytest.mark.parametrize("kind", [Certificate, CertificateVerify, Finished])
def test_a_clients_data_before_its_finished(kind, client_config, client_identity, asking, quick_pair) -> None:
    sender = []
    client = client_config.replace(identities=[client_identity])
    made = quick_pair(client=client, server=asking, client_script=data_before(kind, sender))
    sender.append(made.client)
    made.expect_refusal_by_server(errors.UnexpectedApplicationData)


@pytest.mark.requirement("R002")
def test_a_clients_data_behind_the_end_of_its_early_data(client_config, server_config) -> None:
    """Early data may be sent; what comes between EndOfEarlyData and Finished is neither."""
    server = accepting_early_data(server_config, tickets=tls13.SealedTickets())
    client = client_config.replace(psk_key_exchange_modes=MODES)
    one = WilfulClient(client, session=session_of(client, server), early_data=EARLY)
    hold = data_before(Finished, [one])
    one._handshake.script = hold
    other = tls13.ServerConnection(server)
    refused(other, lambda: tls13.pump(one, other))

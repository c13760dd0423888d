"""What tls13.SSLContext gives that `ssl` does not, in the same style; `ssl` is the peer wherever it can be."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import ssl
import subprocess
import sys
import textwrap

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

import tls13
from tests.stdlib.face import (
    HOST,
    PATIENCE,
    BioEnd,
    authority,
    bio_pair,
    client_context,
    connected,
    demand_certificates,
    echo,
    exchange,
    issued,
    serve,
    server_context,
    shifted,
    somebody,
    stranger,
    tcp_pair,
)
from tests.test_stapling import respond
from tls13.lab.authority import CLIENT_AUTH
from tls13.stdlib.forks import ForkedTicketKeys
from tls13.stdlib.judge import RefusedByCallback, Verification
from tls13.trust.verify import ChainVerifier
from tls13.wire.companions import CertificateStatus


def ways_to_load():
    shown = issued()
    pfx = pkcs12.serialize_key_and_certificates(
        b"server", shown.private_key, shown.certificate, None, BestAvailableEncryption(b"secret")
    )
    sealed = shown.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    return {
        "PEM bytes": (shown.pem_chain, shown.pem_key),
        "PEM bytes in one": (shown.pem_chain + shown.pem_key,),
        "a sealed key": (shown.pem_chain, sealed, "secret"),
        "a sealed key, asked for": (shown.pem_chain, sealed, lambda: b"secret"),
        "objects": (shown.chain, shown.private_key),
        "one object": (shown.certificate, shown.private_key),
        "PKCS#12": (pfx, None, "secret"),
    }


@pytest.mark.parametrize("way", ways_to_load())
def test_load_cert_chain_without_files(way) -> None:
    context = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ways_to_load()[way])
    with connected(client_context("ssl"), context) as tls:
        assert tls.getpeercert(True) == issued().certificate.public_bytes(Encoding.DER)
        tls.unwrap()


@pytest.mark.parametrize(
    "wrong",
    [(b"0\x82" + bytes(300),), (ways_to_load()["PKCS#12"][0], None, "guess"), (issued().chain, somebody().private_key)],
)
def test_what_cannot_be_loaded_is_an_ssl_error(wrong) -> None:
    with pytest.raises(ssl.SSLError):
        tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*wrong)


def test_groups_and_schemes_are_chosen_and_told(tmp_path) -> None:
    one, other = client_context("tls13"), server_context("ssl", tmp_path)
    one.set_groups("X448:P-256")
    one.set_signature_schemes(["ecdsa_secp256r1_sha256"])
    assert one.get_groups() == ["x448", "secp256r1"]
    with connected(one, other) as tls:
        assert tls.group() == "x448"
        assert tls.server_sigalg() == "ecdsa_secp256r1_sha256"
        assert tls.client_sigalg() is None
        assert tls.negotiated.group is tls13.NamedGroup.x448
        tls.unwrap()
    with pytest.raises(ValueError, match="unknown group 'brainpool'; there are: "):
        one.set_groups("brainpool")


def test_keying_material_is_the_same_at_both_ends(tmp_path) -> None:
    one, other = bio_pair(client_context("tls13"), server_context("tls13", tmp_path))
    for end in (one, other):
        assert len(end.tls.export_keying_material("EXPERIMENTAL x", 40, b"context")) == 40
    assert one.tls.export_keying_material("EXPERIMENTAL x", 32) == other.tls.export_keying_material(
        b"EXPERIMENTAL x", 32
    )
    binding = one.tls.get_channel_binding("tls-exporter")
    assert binding == other.tls.get_channel_binding("tls-exporter")
    assert len(binding) == 32
    assert one.tls.get_channel_binding() is None  # tls-unique is not defined for TLS 1.3 (RFC 9266)
    with pytest.raises(ValueError, match="not implemented"):
        one.tls.get_channel_binding("tls-server-end-point")


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_is_stored_as_bytes_and_used_by_another_context(tmp_path) -> None:
    server = server_context("ssl", tmp_path)
    one = client_context("tls13")
    given = []
    one.on_session = given.append
    with connected(one, server) as tls:
        exchange(tls)
        assert tls.session == given[-1]
        stored = tls.session.to_bytes()
        tls.unwrap()
    again = tls13.SSLSession.from_bytes(stored)
    assert again == given[-1]
    assert again.id == given[-1].id
    with connected(client_context("tls13"), server, session=again) as tls:
        assert tls.session_reused
        tls.unwrap()


def test_a_session_can_be_set_until_the_handshake_begins(tmp_path) -> None:
    server = server_context("ssl", tmp_path)
    with connected(client_context("tls13"), server) as tls:
        exchange(tls)
        session = tls.session
        with pytest.raises(ValueError, match="after handshake"):
            tls.session = session
        tls.unwrap()
    with connected(client_context("tls13"), server, do_handshake_on_connect=False) as tls:
        with pytest.raises(TypeError, match="not a SSLSession"):
            tls.session = b"bytes"
        tls.session = session
        tls.do_handshake()
        assert tls.session_reused
        tls.unwrap()


def test_contexts_share_a_cache_and_resume_by_themselves(tmp_path) -> None:
    server, cache = server_context("ssl", tmp_path), tls13.SessionCache()
    reused = []
    for _ in range(2):
        below, other = tcp_pair()
        ended = serve(server, other)
        context = client_context("tls13")
        context.sessions = cache
        with context.wrap_socket(below, server_hostname=HOST) as tls:
            exchange(tls)
            reused.append(tls.session_reused)
            tls.unwrap()
        ended.result(PATIENCE)
    assert reused == [False, False]  # another port is another server
    assert len(cache) > 0


def test_sessions_under_asyncio(tmp_path) -> None:
    context = client_context("tls13")
    context.sessions = tls13.SessionCache()

    async def answer(reader, writer) -> None:
        writer.write(await reader.readexactly(4))
        writer.close()

    async def run() -> list[bool]:
        reused = []
        served = server_context("ssl", tmp_path)
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served) as server:
            port = server.sockets[0].getsockname()[1]
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST)
                writer.write(b"ping")
                assert await reader.read() == b"ping"
                reused.append(writer.get_extra_info("ssl_object").session_reused)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        return reused

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) == [False, True, True]


def test_a_servers_tickets_outlive_a_change_of_settings(tmp_path) -> None:
    one, other = client_context("tls13"), server_context("tls13", tmp_path)
    with connected(one, other) as tls:
        exchange(tls)
        session = tls.session
        tls.unwrap()
    other.set_alpn_protocols(["h2"])
    with connected(one, other, session=session) as tls:
        assert tls.session_reused
        session = tls.session
        tls.unwrap()
    demand_certificates(other)  # but not a change of what is demanded of clients (CVE-2025-23419)
    with pytest.raises(ssl.SSLError), connected(one, other, session=session) as tls:
        tls.recv(1)


# --- early data -------------------------------------------------------------------------------------------------------


def with_early_data(tmp_path):
    """Contexts, and a session that allows it."""
    one, other = client_context("tls13"), server_context("tls13", tmp_path)
    other.max_early_data = 2**14
    other.set_config(replay_guard=tls13.ReplayGuard(started_at=0))  # its start-up window is over
    with connected(one, other) as tls:
        exchange(tls)
        assert tls.early_data is None
        session = tls.session
        tls.unwrap()
    return one, other, session


def answer_early(tls) -> None:
    tls.do_handshake()
    tls.sendall(tls.read_early_data() + b" was early")
    echo(tls)


def test_early_data_of_one_connection(tmp_path) -> None:
    one, other, session = with_early_data(tmp_path)
    with connected(one, other, answer_early, session=session, do_handshake_on_connect=False) as tls:
        tls.send_early_data(b"GET /")
        tls.do_handshake()
        assert tls.early_data == "accepted"
        assert tls.recv(100) == b"GET / was early"
        tls.unwrap()


def test_early_data_of_a_context(tmp_path) -> None:
    one, other, session = with_early_data(tmp_path)
    one.early_data = b"GET /"
    with connected(one, other, answer_early, session=session) as tls:
        assert tls.early_data == "accepted"
        assert tls.recv(100) == b"GET / was early"
        tls.unwrap()


def test_early_data_that_is_rejected_is_never_sent_again(tmp_path) -> None:
    one, other, session = with_early_data(tmp_path)
    other.max_early_data = 0
    with connected(one, other, answer_early, session=session, do_handshake_on_connect=False) as tls:
        tls.send_early_data(b"pay")
        tls.do_handshake()
        assert tls.early_data == "rejected"
        assert tls.recv(100) == b" was early"
        tls.unwrap()


def test_a_replayed_first_flight_brings_no_early_data(tmp_path) -> None:
    one, other, session = with_early_data(tmp_path)
    client = BioEnd(one, server_hostname=HOST, session=session)
    client.tls.send_early_data(b"pay")
    client.attempt("do_handshake")
    flight, taken = client.outgoing.read(), []
    for _ in range(2):
        server = BioEnd(other, server_side=True)
        server.incoming.write(flight)
        server.attempt("do_handshake")
        taken.append(server.tls.read_early_data())
    assert taken == [b"pay", b""]


# --- processes that are forked ----------------------------------------------------------------------------------------

FORKS = """
import os, socket, ssl, sys, tls13
server, client = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
server.load_cert_chain(sys.argv[1])
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

def in_fork(work):
    ours, theirs = socket.socketpair()
    if not os.fork():
        ours.close()
        work(theirs)
        os._exit(0)
    theirs.close()
    return ours

def serve(sock):
    tls = server.wrap_socket(sock, server_side=True)
    tls.sendall(b"x")
    tls.recv(1)

def meet(session=None):
    with client.wrap_socket(in_fork(serve), session=session) as tls:
        tls.recv(1)
        return tls.session_reused, tls.session
"""
RESUME = """
session = None
for _ in range(3):
    reused, session = meet(session)
    print(reused)
"""
REPLAY = """
server.max_early_data = 1000
server.set_config(replay_guard=tls13.ReplayGuard(started_at=0))  # its start-up window is over
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
again = client.wrap_bio(incoming, outgoing, session=meet()[1])
again.send_early_data(b"pay")
try:
    again.do_handshake()
except ssl.SSLWantReadError:
    flight = outgoing.read()

def take(sock):
    incoming = ssl.MemoryBIO()
    incoming.write(flight)
    tls = server.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        sock.sendall(repr(tls.read_early_data()).encode())
for _ in range(2):
    print(in_fork(take).recv(100).decode())
"""


def run_forks(code: str, folder) -> list[str]:
    server_context("tls13", folder)
    (chain,) = folder.glob("*.pem")
    ran = subprocess.run([sys.executable, "-c", FORKS + code, chain], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.stderr == ""
    return ran.stdout.split()


def test_a_ticket_of_one_forked_worker_is_taken_by_the_next(tmp_path) -> None:
    """As with `ssl`: the context was made before the fork, and its ticket keys with it."""
    assert run_forks(RESUME, tmp_path) == ["False", "True", "True"]


def test_forked_workers_do_not_take_the_same_early_data_once_each(tmp_path) -> None:
    """What one remembers the others do not know: so none of them takes any."""
    assert run_forks(REPLAY, tmp_path) == ["b''", "b''"]


def test_forked_workers_have_the_same_ticket_keys_every_day() -> None:
    """Whoever of them comes first; and whoever finds the keys of today does not have those of last month."""
    day = 86400
    made = ForkedTicketKeys(now=1000 * day)
    one, other = copy.deepcopy(made), copy.deepcopy(made)
    for sealer, opener, days in [(one, other, 0), (other, one, 1), (one, other, 5), (one, other, 40), (other, one, 46)]:
        now = (1000 + days) * day + 5
        name = answer(sealer.sealing(now)).name
        assert answer(opener.opening(name, now + 5 * day if opener is other else now)).name == name
    first = answer(copy.deepcopy(made).sealing(1000 * day)).name
    assert answer(one.sealing(1000 * day)).name != first
    assert answer(one.sealing(999 * day)).name != answer(other.sealing(999 * day)).name  # nobody knew this day's key


def answer(flow):
    """Of a flow that waits for nobody."""
    try:
        next(flow)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


# --- who is believed --------------------------------------------------------------------------------------------------


def test_a_verification_callback_has_the_last_word(tmp_path) -> None:
    seen: list[Verification] = []

    def judge(verification: Verification) -> bool:
        seen.append(verification)
        return allowed

    context = client_context("tls13")
    context.set_verify_callback(judge)
    allowed = True
    with connected(context, server_context("ssl", tmp_path)) as tls:
        tls.unwrap()
    assert seen[-1].error is None
    assert seen[-1].server_name == HOST
    assert seen[-1].peer_certificates == issued().chain
    assert seen[-1].verified_chain[-1] == authority().certificate

    allowed = False
    with pytest.raises(ssl.SSLCertVerificationError, match="callback refuses") as caught:
        refused(context, server_context("ssl", tmp_path))
    assert isinstance(caught.value.__cause__, RefusedByCallback)
    assert caught.value.peer_certificates == issued().chain

    with pytest.raises(ssl.SSLCertVerificationError, match="has expired"):
        refused(context, server_context("ssl", tmp_path, shifted(-60)))
    assert isinstance(seen[-1].error, tls13.CertificateError)


def refused(context, server) -> None:
    below, other = tcp_pair()
    ended = serve(server, other)
    try:
        context.wrap_socket(below, server_hostname=HOST)
    finally:
        with contextlib.suppress(OSError):
            ended.result(PATIENCE)


def test_a_session_rests_on_the_callback_that_believed_it(tmp_path) -> None:
    server = server_context("ssl", tmp_path, stranger())
    context = client_context("tls13")
    context.set_verify_callback(lambda verification: True)
    with connected(context, server) as tls:
        exchange(tls)
        session = tls.session
        tls.unwrap()
    context.set_verify_callback(lambda verification: False)  # another callback has not believed it
    for other in (context, client_context("tls13")):
        with pytest.raises(ssl.SSLCertVerificationError), connected(other, server, session=session):
            pass


def test_a_callback_that_would_never_be_asked_is_refused() -> None:
    context = client_context("tls13")
    context.set_verify_callback(lambda verification: False)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match="would never be asked"):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())


def test_what_a_callback_raises_is_raised_as_it_was(tmp_path) -> None:
    class Mine(Exception):
        pass

    def judge(verification: Verification) -> bool:
        raise Mine

    context = client_context("tls13")
    context.set_verify_callback(judge)
    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other)
    with context.wrap_socket(below, server_hostname=HOST, do_handshake_on_connect=False) as tls:
        with pytest.raises(Mine):
            tls.do_handshake()
        with pytest.raises(ssl.SSLError, match="TLSV1_ALERT_INTERNAL_ERROR"):  # the peer is told
            ended.result(PATIENCE)


def test_a_verifier_of_ones_own(tmp_path) -> None:
    context = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_verifier(ChainVerifier(tls13.TrustStore.from_certificates([authority().certificate])))
    with connected(context, server_context("ssl", tmp_path)) as tls:
        tls.unwrap()


def test_a_client_certificate_is_chosen_per_request(tmp_path) -> None:
    other_one = authority().issue([], common_name="somebody else", usages=[CLIENT_AUTH])
    asked, seen = [], []

    def choose(request):
        asked.append(request)
        return (somebody(), other_one)[len(asked) - 1].identity

    context, server = client_context("tls13"), server_context("ssl", tmp_path)
    context.set_identity_chooser(choose)
    demand_certificates(server)
    for _ in range(2):
        with connected(context, server, lambda tls: (seen.append(tls.getpeercert()["subject"]), echo(tls))) as tls:
            assert tls.client_sigalg() == "ecdsa_secp256r1_sha256"
            tls.unwrap()
    assert [subject[0][0][1] for subject in seen] == ["somebody", "somebody else"]


# --- what lies beneath ------------------------------------------------------------------------------------------------


def test_a_stapled_ocsp_response_is_told(tmp_path) -> None:
    shown = issued()
    response = respond(authority(), shown.certificate)
    context = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    staple = CertificateStatus(response=response)
    context.add_identity(tls13.Identity(shown.chain, shown.private_key, leaf_extensions=[staple]))
    with connected(client_context("tls13"), context) as tls:
        assert tls.ocsp_response == response
        tls.unwrap()


def test_the_key_log_is_the_owners_alone_and_opens_the_connection(tmp_path) -> None:
    for name, pair in (("client", ("tls13", "ssl")), ("server", ("ssl", "tls13"))):
        path = tmp_path / f"{name}.log"
        one, other = client_context(pair[0]), server_context(pair[1], tmp_path)
        (one if name == "client" else other).keylog_filename = path
        with connected(one, other) as tls:
            tls.unwrap()
        assert path.stat().st_mode & 0o777 == 0o600
        labels = {line.split()[0] for line in path.read_text().splitlines() if not line.startswith("#")}
        assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"} <= labels


def test_keys_are_updated_on_request(tmp_path) -> None:
    with connected(client_context("tls13"), server_context("ssl", tmp_path)) as tls:
        tls.update_keys(request_peer=True)
        assert exchange(tls) == b"ping"
        assert tls._sslobj.connection.key_updates == (1, 1)
        tls.unwrap()


def test_the_frozen_configs_are_within_reach(tmp_path) -> None:
    one, other = client_context("tls13"), server_context("tls13", tmp_path)
    one.set_config(grease=True, max_key_updates=5)
    assert isinstance(one.client_config, tls13.ClientConfig)
    assert one.client_config is one.client_config
    assert one.client_config.grease
    assert other.server_config.identities[0].chain == issued().chain
    with connected(one, other) as tls:
        tls.unwrap()
    for wrong in ("trust", "verify", "identities"):
        with pytest.raises(TypeError, match=f"{wrong} is not set here: use "):
            one.set_config(**{wrong: None})
    with pytest.raises(TypeError, match="has an argument 'greese'"):
        one.set_config(greese=True)


def test_what_reads_files_can_be_done_off_the_event_loop() -> None:
    """After create_default_context in a thread, nothing on the loop opens a file: no connection waits for a disk."""
    code = textwrap.dedent(
        """
        import asyncio, ssl, sys, threading
        import tls13, tls13.lab.authority
        opened = []

        async def main():
            context = await asyncio.to_thread(tls13.create_default_context)
            sys.addaudithook(lambda name, args: opened.append(args[0]) if name == "open" else None)
            end = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass

        asyncio.run(main())
        print([name for name in opened if not str(name).endswith((".py", ".pyc", ".so"))])
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"

"""The settings of an SSLContext: which say something in TLS 1.3, when they take effect, and which are refused."""

from __future__ import annotations

import os
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tls13
from tests.stdlib.face import (
    HOST,
    PATIENCE,
    STACKS,
    BioEnd,
    authority,
    client_context,
    connected,
    demand_certificates,
    echo,
    every_pair,
    every_stack,
    exchange,
    issued,
    serve,
    server_context,
    tcp_pair,
)
from tests.stdlib.test_face_errors import server_failure


@pytest.mark.requirement("D31")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2"])
def test_a_highest_version_below_1_3_is_refused_in_a_sentence(version) -> None:
    with pytest.raises(ValueError, match=rf"maximum_version is {version}: tls13 speaks TLS 1.3 only"):
        client_context("tls13").maximum_version = ssl.TLSVersion[version]


@pytest.mark.requirement("D31")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_protocols_and_options_that_mean_an_older_version_are_refused() -> None:
    for protocol in (ssl.PROTOCOL_TLSv1_2, ssl.PROTOCOL_TLSv1):
        with pytest.raises(ValueError, match=r"tls13 speaks TLS 1\.3 only"):
            tls13.SSLContext(protocol)
    context = client_context("tls13")
    before = context.options
    with pytest.raises(ValueError, match=r"tls13 speaks TLS 1\.3 only"):
        context.options |= ssl.OP_NO_TLSv1_3
    assert context.options == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_programs_set_by_habit_does_no_harm(tmp_path) -> None:
    context = client_context("tls13")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TLSv1_2 | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers("ECDHE+AESGCM:!aNULL")
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_TRUSTED_FIRST
    with connected(context, server_context("ssl", tmp_path)) as tls:
        assert tls.version() == "TLSv1.3"
        tls.unwrap()


@pytest.mark.parametrize("suite", ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"])
def test_set_ciphers_with_1_3s_names_chooses(suite, tmp_path) -> None:
    context = client_context("tls13")
    context.set_ciphers(f"{suite}:ECDHE+AESGCM")
    assert [one["name"] for one in context.get_ciphers()] == [suite]
    with connected(context, server_context("ssl", tmp_path)) as tls:
        assert tls.cipher()[0] == suite
        tls.unwrap()


@every_stack
def test_a_cipher_list_that_is_none_is_an_error(stack) -> None:
    with pytest.raises(ssl.SSLError, match="No cipher can be selected"):
        client_context(stack).set_ciphers("no such thing")


@every_pair
def test_settings_change_between_two_connections(client, server, tmp_path) -> None:
    one, other = client_context(client), server_context(server, tmp_path)
    one.set_alpn_protocols(["h2", "http/1.1"])
    for protocols in (["h2"], ["http/1.1"]):
        other.set_alpn_protocols(protocols)
        with connected(one, other) as tls:
            assert tls.selected_alpn_protocol() == protocols[0]
            tls.unwrap()


def test_each_setting_takes_effect_on_the_next_connection(tmp_path) -> None:
    """Of those that C stores no setter of ours hears: the config is made again where their values differ."""
    context = client_context("tls13")
    context.check_hostname = False
    before = context.client_config
    context.check_hostname = True
    assert not before.needs_server_name
    assert context.client_config.needs_server_name
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    assert context.client_config.verifier.crls.require == "chain"
    path = tmp_path / "keys.log"
    context.keylog_filename = path
    assert path.stat().st_mode & 0o777 == 0o600
    context.client_config.key_log("a line")
    assert path.read_text().endswith("a line\n")
    server = server_context("tls13", tmp_path)
    assert server.server_config.client_verifier is None
    server.verify_mode = ssl.CERT_REQUIRED
    assert server.server_config.client_certificate_required
    server.options |= ssl.OP_NO_TICKET
    assert server.server_config.tickets is None
    server.options &= ~ssl.OP_NO_TICKET
    server.num_tickets = 5
    assert server.server_config.ticket_count == 5


def test_a_connection_keeps_the_settings_that_it_was_made_with(tmp_path) -> None:
    context = client_context("tls13")
    end = BioEnd(context, server_hostname=HOST)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert end.tls._sslobj._config.verifier is not None
    assert context.client_config.verifier is None


@every_stack
def test_no_verification_must_be_asked_for(stack, tmp_path) -> None:
    context = client_context(stack)
    with pytest.raises(ValueError, match="Cannot set verify_mode to CERT_NONE when check_hostname is enabled"):
        context.verify_mode = ssl.CERT_NONE
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with connected(context, server_context("ssl", tmp_path), server_hostname="another.example") as tls:
        assert tls.getpeercert() == {}
        assert tls.getpeercert(True)
        tls.unwrap()


@every_stack
def test_without_check_hostname_the_chain_is_still_verified(stack, tmp_path) -> None:
    context = client_context(stack)
    context.check_hostname = False
    with connected(context, server_context("ssl", tmp_path), server_hostname=None) as tls:
        assert tls.getpeercert()["subject"]
        tls.unwrap()
    nobody = STACK_WITHOUT_TRUST[stack]()
    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other)
    with pytest.raises(ssl.SSLCertVerificationError):
        nobody.wrap_socket(below)
    with pytest.raises(ssl.SSLError):
        ended.result(PATIENCE)


def without_trust(kind):
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return context


STACK_WITHOUT_TRUST = {
    "ssl": lambda: without_trust(ssl.SSLContext),
    "tls13": lambda: without_trust(tls13.SSLContext),
}


@every_stack
def test_crl_checks_work_where_they_are_asked_for(stack, tmp_path) -> None:
    """Without any list nobody can say that it is not revoked: refused, and never ignored."""
    context = client_context(stack)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get certificate CRL") as caught:
        context.wrap_socket(below, server_hostname=HOST)
    assert caught.value.verify_code == 3
    with pytest.raises(ssl.SSLError):
        ended.result(PATIENCE)


@every_stack
def test_files_are_read_at_once(stack, tmp_path) -> None:
    """Programs delete their temporary files right after."""
    context = STACK_WITHOUT_TRUST[stack]()
    path = tmp_path / "ca.pem"
    path.write_bytes(authority().certificate_pem)
    context.load_verify_locations(path)
    path.unlink()
    server = server_context("tls13", tmp_path)
    for left in tmp_path.iterdir():
        left.unlink()
    with connected(context, server) as tls:
        tls.unwrap()


@every_stack
@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("no such file",), FileNotFoundError), ((b"no such file",), FileNotFoundError), ((__file__,), ssl.SSLError)],
)
def test_bad_files_are_ssls_errors(stack, arguments, error) -> None:
    context = STACK_WITHOUT_TRUST[stack]()
    with pytest.raises(error):
        context.load_cert_chain(*arguments)
    with pytest.raises(error):
        context.load_verify_locations(*arguments)


@every_stack
def test_der_certificates_one_after_the_other(stack, tmp_path) -> None:
    context = STACK_WITHOUT_TRUST[stack]()
    context.load_verify_locations(cadata=b"".join(ssl.PEM_cert_to_DER_cert(pem) for pem in two_anchors()))
    assert context.cert_store_stats()["x509"] == 2
    with connected(context, server_context("ssl", tmp_path)) as tls:
        tls.unwrap()


def two_anchors() -> list[str]:
    other = issued("other.example").certificate
    return [other.public_bytes(Encoding.PEM).decode(), authority().certificate_pem.decode()]


# --- sni_callback -----------------------------------------------------------------------------------------------------


@every_pair
def test_sni_callback_changes_the_context(client, server, tmp_path) -> None:
    one, other = client_context(client), server_context(server, tmp_path)
    second = server_context(server, tmp_path, issued("second.example"))
    asked = []

    def choose(tls, name, context):
        asked.append((name, context, tls.server_side))
        if name == "second.example":
            tls.context = second

    other.sni_callback = choose
    for name in (HOST, "second.example"):
        with connected(one, other, server_hostname=name) as tls:
            assert ("DNS", name) in tls.getpeercert()["subjectAltName"]
            tls.unwrap()
    assert asked == [(HOST, other, True), ("second.example", other, True)]


def test_a_context_without_a_certificate_may_get_one_from_sni_callback(tmp_path) -> None:
    first, second = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER), server_context("tls13", tmp_path)
    first.sni_callback = lambda tls, name, context: setattr(tls, "context", second)
    with connected(client_context("ssl"), first) as tls:
        tls.unwrap()


@every_stack
def test_sni_callback_refuses_with_an_alert(stack, tmp_path) -> None:
    def prepare(client, server) -> None:
        server.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_ACCESS_DENIED

    below, other = tcp_pair()
    server = server_context(stack, tmp_path)
    prepare(None, server)
    ended = serve(server, other)
    with pytest.raises(ssl.SSLError) as caught:
        client_context("ssl").wrap_socket(below, server_hostname=HOST)
    assert caught.value.reason == "TLSV1_ALERT_ACCESS_DENIED"
    with pytest.raises(ssl.SSLError):
        ended.result(PATIENCE)


@every_stack
def test_what_sni_callback_raises_is_reported_and_ends_the_handshake(stack, tmp_path, monkeypatch) -> None:
    reported = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: reported.append(what.exc_type))

    def prepare(client, server) -> None:
        server.sni_callback = lambda *_: 1 / 0

    server_failure(stack, prepare, tmp_path)
    assert reported == [ZeroDivisionError]


def test_a_server_without_a_certificate_fails_in_the_handshake(tmp_path) -> None:
    below, other = tcp_pair()
    ended = serve(tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER), other)
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        client_context("ssl").wrap_socket(below, server_hostname=HOST)
    with pytest.raises(ssl.SSLError):
        ended.result(PATIENCE)


def test_a_context_serves_many_threads(tmp_path) -> None:
    one, other = client_context("tls13"), server_context("tls13", tmp_path)
    failures = []

    def run() -> None:
        try:
            with connected(one, other) as tls:
                assert exchange(tls) == b"ping"
                tls.unwrap()
        except BaseException as error:  # noqa: BLE001  # it is shown below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures


def test_external_psks_are_asked_for_each_connection(tmp_path) -> None:
    one, other = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    one.check_hostname = False
    one.verify_mode = ssl.CERT_NONE
    keys = {"first": b"k" * 32, "second": b"l" * 32}
    names = iter(keys)
    one.set_psk_client_callback(lambda hint: ((name := next(names)), keys[name]))
    other.set_psk_server_callback(lambda identity: keys.get(identity, b""))
    for name in keys:
        with connected(one, other) as tls:
            assert tls.negotiated.psk_identity == name.encode()
            assert tls.getpeercert() is None
            tls.unwrap()


def test_a_certificate_is_demanded_or_only_asked_for(tmp_path) -> None:
    other = server_context("tls13", tmp_path)
    demand_certificates(other)
    other.verify_mode = ssl.CERT_OPTIONAL
    seen = []
    with connected(client_context("ssl"), other, lambda tls: (seen.append(tls.getpeercert()), echo(tls))) as tls:
        tls.unwrap()
    assert seen == [None]


# --- files that can be read only once ---------------------------------------------------------------------------------


def pipe_of(data: bytes, folder, name: str):
    """As a shell's <(...) and a secrets manager's named pipe: whoever opens it second gets nothing, or waits."""
    path = folder / name
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=[data], daemon=True).start()
    return path


@every_stack
def test_a_chain_and_a_key_may_come_out_of_pipes(stack, tmp_path) -> None:
    shown = issued()
    context = STACKS[stack](ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pipe_of(shown.pem_chain, tmp_path, "chain"), pipe_of(shown.pem_key, tmp_path, "key"))
    with connected(client_context("ssl"), context) as tls:
        tls.unwrap()


def test_what_comes_out_of_a_pipe_and_is_no_chain_is_refused(tmp_path) -> None:
    with pytest.raises(ssl.SSLError):
        server_context("tls13", tmp_path).load_cert_chain(pipe_of(b"nothing", tmp_path, "chain"))


@every_stack
def test_trust_may_come_out_of_a_pipe(stack, tmp_path) -> None:
    context = STACKS[stack](ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pipe_of(authority().certificate_pem, tmp_path, "authority"))
    assert context.get_ca_certs(binary_form=True) == [authority().certificate.public_bytes(Encoding.DER)]
    with connected(context, server_context("ssl", tmp_path)) as tls:
        tls.unwrap()


@every_stack
def test_trust_that_is_none_is_refused(stack, tmp_path) -> None:
    context = STACKS[stack](ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError) as caught:
        context.load_verify_locations(pipe_of(b"nothing", tmp_path, "authority"))
    assert (caught.value.reason, caught.value.library) == ("NO_CERTIFICATE_OR_CRL_FOUND", "X509")


def test_a_certificate_under_openssls_older_name_is_listed_and_trusted(tmp_path) -> None:
    path = tmp_path / "authority.pem"
    path.write_bytes(authority().certificate_pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE"))
    context = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    assert len(context.get_ca_certs()) == 1
    with connected(context, server_context("ssl", tmp_path)) as tls:
        tls.unwrap()


def test_what_would_be_listed_and_not_trusted_is_refused(tmp_path) -> None:
    """OpenSSL's own format says also for what a certificate is to be trusted."""
    path = tmp_path / "authority.pem"
    path.write_bytes(authority().certificate_pem.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"))
    context = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError, match="holds a TRUSTED CERTIFICATE"):
        context.load_verify_locations(path)
    assert context.get_ca_certs() == []


# --- arguments of a wrong type ----------------------------------------------------------------------------------------

WRONG = {
    "set_ciphers(None)": lambda context: context.set_ciphers(None),
    "set_ciphers(5)": lambda context: context.set_ciphers(5),
    "set_ciphers(bytes)": lambda context: context.set_ciphers(b"HIGH"),
    "load_cert_chain(None)": lambda context: context.load_cert_chain(None),
    "load_cert_chain(5)": lambda context: context.load_cert_chain(5),
    "wrap_bio(objects)": lambda context: context.wrap_bio(object(), object(), server_hostname=HOST),
    "wrap_bio(one object)": lambda context: context.wrap_bio(ssl.MemoryBIO(), None, server_hostname=HOST),
    "get_channel_binding(None)": lambda context: BioEnd(context, server_hostname=HOST).tls.get_channel_binding(None),
}


@every_stack
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_type_is_a_type_error(stack, what) -> None:
    with pytest.raises(TypeError):
        WRONG[what](client_context(stack))


@pytest.mark.parametrize("create", [ssl.create_default_context, tls13.create_default_context])
def test_a_purpose_that_is_none_is_a_type_error(create) -> None:
    with pytest.raises(TypeError):
        create(5)


def test_load_cert_chain_says_what_it_takes() -> None:
    with pytest.raises(TypeError, match="certfile is a file's name, bytes, or certificates, not NoneType"):
        client_context("tls13").load_cert_chain(None)

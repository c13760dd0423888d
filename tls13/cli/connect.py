"""tls13 connect: be a client, say what was agreed, and then talk."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from ..config import INSECURE_NO_VERIFICATION, ClientConfig
from ..errors import CertificateError, ConfigurationError, TLSError, UsageError
from ..explain.trace import Narrator, printable
from ..io.keylog import KeyLogFile
from ..io.opening import connect_tcp, wrap_socket
from ..io.sockets import TLSSocket
from ..trust.names import UNREADABLE, ServerName, certificate_names, describe
from ..trust.store import TrustStore
from .advice import sentence

if TYPE_CHECKING:
    import argparse

    from cryptography.x509 import Certificate

    from ..events import Session

FACTS = (
    "host", "port", "version", "cipher_suite", "group", "signature_scheme", "alpn", "hello_retry_request",
    "peer_chain", "verified", "times_ms", "bytes",
)  # fmt: skip
"""What --json always has, None while unknown; `http` and `error` come where they apply."""

Facts = dict[str, Any]
DEFAULT_PORT = "443"


def connect(options: argparse.Namespace) -> int:
    """Returns the exit code: 0 only if the handshake and the verification worked."""
    facts: Facts = dict.fromkeys(FACTS)
    facts.update(peer_chain=[], verified=False, times_ms={})
    try:
        with contextlib.ExitStack() as stack:
            _connect(options, facts, stack)
    except (TLSError, OSError) as error:
        if not options.json:
            raise
        facts["error"] = {"type": type(error).__name__, "message": sentence(error)}
        if isinstance(error, CertificateError) and error.chain:
            facts["peer_chain"] = [describe_certificate(certificate) for certificate in error.chain]
        print(json.dumps(facts))
        return 2 if isinstance(error, ConfigurationError) else 1
    if options.json:
        print(json.dumps(facts))
    return 0


def _connect(options: argparse.Namespace, facts: Facts, stack: contextlib.ExitStack) -> None:
    host, port = split_host(options.host)
    facts["host"], facts["port"] = host, port
    wanted = ServerName.parse(host if options.sni is None else options.sni)
    if options.http is not None:
        from .http import check_target

        check_target(options.http)
    key_log = stack.enter_context(KeyLogFile(options.keylog)) if options.keylog else None
    config = make_config(options, key_log)

    tls = open_tls(options, config, (host, port), wanted, facts["times_ms"], stack)
    session = tls.session
    if session is None:
        raise UsageError("the handshake ended without a session")
    facts.update(describe_session(session))
    if not options.json:
        print_summary(facts, session, wanted)
    try:
        talk(options, tls, wanted, facts)
    finally:
        facts["bytes"] = {"sent": tls.bytes_sent, "received": tls.bytes_received}
    if not options.json:
        say("bytes", f"{tls.bytes_sent} sent, {tls.bytes_received} received")


def open_tls(
    options: argparse.Namespace,
    config: ClientConfig,
    address: tuple[str, int],
    wanted: ServerName,
    times_ms: dict[str, float],
    stack: contextlib.ExitStack,
) -> TLSSocket:
    """TCP, then TLS, each with its time. What TCP takes includes looking the name up."""
    host, port = address
    began = time.perf_counter()
    sock = stack.enter_context(connect_tcp(host if host.isascii() else str(wanted), port, options.timeout))
    sock.settimeout(options.timeout)
    connected = time.perf_counter()
    times_ms["tcp"] = round((connected - began) * 1000, 3)
    tracer = Narrator(sys.stderr) if options.trace else None
    tls = wrap_socket(sock, config, server_hostname=str(wanted), handshake_timeout=options.timeout, tracer=tracer)
    times_ms["tls"] = round((time.perf_counter() - connected) * 1000, 3)
    return stack.enter_context(tls)


def talk(options: argparse.Namespace, tls: TLSSocket, wanted: ServerName, facts: Facts) -> None:
    """Fetch, or join stdin and stdout, or (for --json alone) nothing."""
    if options.http is not None:
        if facts["alpn"] not in (None, "http/1.1"):
            raise ConfigurationError(f"the server chose {facts['alpn']}, and --http speaks http/1.1: leave --alpn out")
        from .http import fetch, host_header

        sink = None if options.json else sys.stdout.buffer.write
        fetched = fetch(tls, host_header(wanted, facts["port"]), options.http, sink)
        facts["http"] = fetched._asdict()
        if not options.json:
            sys.stdout.flush()
            say("http", f"{fetched.status} {fetched.reason}, {fetched.length} bytes")
    elif not options.json:
        from .join import join

        join(tls)


def split_host(text: str) -> tuple[str, int]:
    """HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address. Raises ConfigurationError."""
    host, port = text, DEFAULT_PORT
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port if bracket and not rest else ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536 and host):
        raise ConfigurationError(f"{text!r} is not HOST or HOST:PORT with a port from 1 to 65535")
    if ":" in host and not _is_ipv6(host):
        raise ConfigurationError(f"{text!r} is not an IPv6 address; with a port it is written [ADDRESS]:PORT")
    return host, int(port)


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def make_config(options: argparse.Namespace, key_log: KeyLogFile | None) -> ClientConfig:
    """What the options ask for. Raises ConfigurationError."""
    chosen: dict[str, Any] = {"alpn_protocols": options.alpn, "key_log": key_log}
    if options.http is not None and not options.alpn:
        chosen["alpn_protocols"] = ["http/1.1"]
    if options.group:
        chosen["groups"] = options.group
    if options.suite:
        chosen["cipher_suites"] = options.suite
    if options.cafile:
        chosen["trust"] = TrustStore.from_file(options.cafile)
    if options.insecure:
        chosen["verify"] = INSECURE_NO_VERIFICATION
    config = ClientConfig(**chosen)
    if config.trust is not None:
        config.trust.load()  # now: reading it is no part of the handshake's time
    return config


# --- what there is to say ---------------------------------------------------------------------------------------------


def describe_session(session: Session) -> Facts:
    """The facts of --json."""
    chain = session.verified_chain or session.peer_certificates
    return {
        "version": "TLSv1.3",
        "cipher_suite": session.cipher_suite.name,
        "group": session.group.name if session.group is not None else None,
        "signature_scheme": session.signature_scheme.name if session.signature_scheme is not None else None,
        "alpn": session.alpn_protocol.decode("ascii", "replace") if session.alpn_protocol is not None else None,
        "hello_retry_request": session.hello_retry_request,
        "peer_chain": [describe_certificate(certificate) for certificate in chain],
        "verified": bool(session.verified_chain),
    }


def describe_certificate(certificate: Certificate) -> Facts:
    """For --json. With --insecure nobody has looked at it, so it may hold anything: what cannot be read is left out."""
    try:
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        names = certificate_names(certificate)
    except (*UNREADABLE, CertificateError):
        subject, issuer, names = describe(certificate), "", []
    return {
        "subject": subject,
        "issuer": issuer,
        "names": names,
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "serial_number": f"{certificate.serial_number:x}",
    }


def print_summary(facts: Facts, session: Session, wanted: ServerName) -> None:
    """The tidy summary, on stderr: stdout is for what the server says."""
    times = facts["times_ms"]
    say("connected to", f"{facts['host']}, port {facts['port']}")
    say("version", facts["version"])
    say("cipher suite", facts["cipher_suite"])
    say("key exchange", facts["group"] + (" after a HelloRetryRequest" if session.hello_retry_request else ""))
    say("signature", facts["signature_scheme"])
    say("alpn", facts["alpn"] or "none agreed")
    say("times", f"{times['tcp']:.1f} ms for TCP, {times['tls']:.1f} ms for TLS")
    print_chain(facts["peer_chain"], verified=facts["verified"])
    say("verified", f"yes, as {wanted}" if facts["verified"] else "NO: with --insecure the server may be anybody")


def print_chain(chain: list[Facts], *, verified: bool) -> None:
    for depth, certificate in enumerate(chain):
        is_anchor = verified and depth == len(chain) - 1
        label = "trust anchor" if is_anchor else "issued by" if depth and verified else "certificate"
        dates = f"{certificate['not_before'][:10]} to {certificate['not_after'][:10]}"
        say(label, f"{certificate['subject']}, {dates}")
        names = certificate["names"]
        if depth == 0 and names:
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            say("", f"for {', '.join(names[:6])}{more}")


def say(label: str, value: str) -> None:
    """One line of the summary. The peer chose some of it, and must not steer the terminal."""
    print(f"{label:15} {printable(value)}", file=sys.stderr)

"""tls13 connect: be a client, say what was agreed, and then talk."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from ..config import INSECURE_NO_VERIFICATION, ClientConfig
from ..errors import CertificateError, ConfigurationError, TLSError
from ..explain.trace import Narrator
from ..io.sockets import TLSSocket, connect_tcp, wrap_socket
from ..trust.names import certificate_names
from ..trust.store import TrustStore
from .keylog import KeyLogFile

if TYPE_CHECKING:
    import argparse

    from cryptography.x509 import Certificate

    from ..events import Session

Facts = dict[str, Any]


def connect(options: argparse.Namespace) -> int:
    """Returns the exit code: 0 only if the handshake and the verification worked."""
    facts: Facts = {
        "host": None,
        "version": None,
        "cipher_suite": None,
        "group": None,
        "signature_scheme": None,
        "alpn": None,
        "peer_chain": [],
        "verified": False,
        "times_ms": {},
    }
    try:
        with contextlib.ExitStack() as stack:
            _connect(options, facts, stack)
    except (TLSError, OSError) as error:
        if not options.json:
            raise
        facts["error"] = {"type": type(error).__name__, "message": str(error)}
        if isinstance(error, CertificateError) and error.chain:
            facts["peer_chain"] = [describe(certificate) for certificate in error.chain]
        print(json.dumps(facts))
        return 2 if isinstance(error, ConfigurationError) else 1
    if options.json:
        print(json.dumps(facts))
    return 0


def _connect(options: argparse.Namespace, facts: Facts, stack: contextlib.ExitStack) -> None:
    host, port = split_host(options.host)
    facts["host"], facts["port"] = host, port
    key_log = stack.enter_context(KeyLogFile(options.keylog)) if options.keylog else None
    config = make_config(options, key_log)

    began = time.perf_counter()
    sock = stack.enter_context(connect_tcp(host, port, options.timeout))
    sock.settimeout(options.timeout)
    connected = time.perf_counter()
    facts["times_ms"]["tcp"] = round((connected - began) * 1000, 3)
    tls = stack.enter_context(
        wrap_socket(
            sock,
            config,
            server_hostname=options.sni or host,
            handshake_timeout=options.timeout,
            tracer=Narrator(sys.stderr) if options.trace else None,
        )
    )
    facts["times_ms"]["tls"] = round((time.perf_counter() - connected) * 1000, 3)
    session = tls.session
    if session is None:
        return
    facts.update(describe_session(session))
    if not options.json:
        print_summary(facts, session)
    talk(options, tls, host, facts)
    facts["bytes"] = {"received": tls.bytes_received, "sent": tls.bytes_sent}
    if not options.json:
        print(f"bytes           {tls.bytes_sent} sent, {tls.bytes_received} received", file=sys.stderr)


def talk(options: argparse.Namespace, tls: TLSSocket, host: str, facts: Facts) -> None:
    """Fetch, or join stdin and stdout, or (for --json alone) nothing."""
    if options.http is not None:
        from .http import fetch

        status, reason, body = fetch(tls, options.sni or host, options.http)
        facts["http"] = {"status": status, "reason": reason, "length": len(body)}
        if not options.json:
            print(f"http            {status} {reason}, {len(body)} bytes", file=sys.stderr)
            sys.stdout.buffer.write(body)
            sys.stdout.flush()
    elif not options.json:
        from .join import join

        join(tls)


def split_host(text: str) -> tuple[str, int]:
    """HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address. Raises ConfigurationError."""
    host, port = text, "443"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else "443"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not port.isdigit() or not 0 < int(port) < 65536 or not host:
        raise ConfigurationError(f"{text!r} is not HOST or HOST:PORT with a port from 1 to 65535")
    return host, int(port)


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
    return ClientConfig(**chosen)


# --- what there is to say ---------------------------------------------------------------------------------------------


def describe_session(session: Session) -> Facts:
    """The facts of --json."""
    chain = session.verified_chain or session.peer_certificates
    return {
        "version": "TLSv1.3",
        "cipher_suite": session.cipher_suite.name,
        "group": session.group.name,
        "signature_scheme": session.signature_scheme.name,
        "alpn": session.alpn_protocol.decode("ascii", "replace") if session.alpn_protocol is not None else None,
        "hello_retry_request": session.hello_retry_request,
        "peer_chain": [describe(certificate) for certificate in chain],
        "verified": bool(session.verified_chain),
    }


def describe(certificate: Certificate) -> Facts:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": certificate_names(certificate),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "serial_number": f"{certificate.serial_number:x}",
    }


def print_summary(facts: Facts, session: Session) -> None:
    """The tidy summary, on stderr: stdout is for what the server says."""
    retry = " after a HelloRetryRequest" if session.hello_retry_request else ""
    lines = [
        ("connected to", f"{facts['host']}, port {facts['port']}"),
        ("version", facts["version"]),
        ("cipher suite", facts["cipher_suite"]),
        ("key exchange", facts["group"] + retry),
        ("signature", facts["signature_scheme"]),
        ("alpn", facts["alpn"] or "none agreed"),
        ("times", f"{facts['times_ms']['tcp']:.1f} ms for TCP, {facts['times_ms']['tls']:.1f} ms for TLS"),
    ]
    for label, value in lines:
        print(f"{label:15} {value}", file=sys.stderr)
    chain = facts["peer_chain"]
    for depth, certificate in enumerate(chain):
        is_anchor = facts["verified"] and depth == len(chain) - 1
        label = "certificate" if depth == 0 else "trust anchor" if is_anchor else "issued by"
        dates = f"{certificate['not_before'][:10]} to {certificate['not_after'][:10]}"
        print(f"{label:15} {certificate['subject']}, {dates}", file=sys.stderr)
        if depth == 0 and certificate["names"]:
            names = certificate["names"]
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            print(f"{'':15} for {', '.join(names[:6])}{more}", file=sys.stderr)
    verdict = "yes" if facts["verified"] else "NO: --insecure was given, so the server may be anybody"
    print(f"{'verified':15} {verdict}", file=sys.stderr)

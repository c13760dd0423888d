"""What tls13 connect says of a connection: the facts of --json, and the tidy summary of the rest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import CertificateError
from ..explain.terminal import printable
from ..trust.names import UNREADABLE, ServerName, certificate_names, describe

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from ..events import Session
    from ..explain.network import Network

Facts = dict[str, Any]


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
        "verified": bool(session.verified_chain) or session.psk_identity is not None,
        "resumed": session.resumed,
        "early_data": session.early_data,
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


def print_summary(facts: Facts, session: Session, wanted: ServerName, *, early_data: bool) -> None:
    """The tidy summary, on stderr: stdout is for what the server says. `early_data`: whether there was any to send."""
    times = facts["times_ms"]
    say("connected to", f"{facts['host']}, port {facts['port']}")
    say("version", facts["version"])
    say("cipher suite", facts["cipher_suite"])
    say("key exchange", key_exchange(session))
    if session.resumed:
        say("resumed", "yes: the ticket shows that it is the server of the earlier connection")
    if session.psk_identity is not None:
        say("PSK", session.psk_identity.decode("utf-8", "backslashreplace"))
    if facts["signature_scheme"]:
        say("signature", facts["signature_scheme"] + (", in that connection" if session.resumed else ""))
    if early_data:
        say("early data", EARLY_DATA[session.early_data])
    for label, value in facts.get("exported", {}).items():
        say("exported", f"{label}: {value}")
    say("alpn", facts["alpn"] or "none agreed")
    lookup = f"{times['dns']:.1f} ms for the name, " if times["dns"] is not None else ""
    say("times", f"{lookup}{times['tcp']:.1f} ms for TCP, {times['tls']:.1f} ms for TLS")
    print_chain(facts["peer_chain"], verified=facts["verified"])
    say("verified", verification(session, wanted))


EARLY_DATA = {
    "accepted": "accepted",
    "rejected": "rejected: the server has thrown it away, and it was not sent again",
    None: "not sent: there is no session that allows so much",
}


def key_exchange(session: Session) -> str:
    if session.group is None:
        return "none: the keys come from the PSK alone, without forward secrecy"
    return session.group.name + (" after a HelloRetryRequest" if session.hello_retry_request else "")


def verification(session: Session, wanted: ServerName) -> str:
    if session.verified_chain:
        return f"yes, as {wanted}" + (", in that connection" if session.resumed else "")
    if session.psk_identity is not None:
        return "yes: it has the PSK"
    return "NO: with --insecure the server may be anybody"


def print_end(facts: Facts) -> None:
    """What is only known at the end."""
    if facts["client_certificate"] is not None:
        say("shown", f"{facts['client_certificate']}, to the server")
    updates = facts["key_updates"]
    if any(updates.values()):
        say("key updates", f"{updates['sent']} sent, {updates['received']} received")
    say("bytes", f"{facts['bytes']['sent']} sent, {facts['bytes']['received']} received")


def print_network(network: Network) -> None:
    """The layer beneath: its numbers with what they mean, and what held the connection back."""
    print("\nthe layer beneath, and what held this connection back:", file=sys.stderr)
    for line in network.lines():
        print(line, file=sys.stderr)


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

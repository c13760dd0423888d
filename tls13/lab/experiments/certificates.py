"""Certificates that say the wrong thing, and a right one in the wrong hands."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ...errors import (
    BadCompressedCertificate,
    BadSignature,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRequired,
    MissingIntermediate,
    SelfSigned,
    SignatureSchemeNotOffered,
    UnknownIssuer,
    WrongHost,
    WrongUsage,
)
from ...trust.identity import Identity
from ...wire.messages import Certificate, CertificateEntry, CertificateVerify, CompressedCertificate
from ...wire.registry import CertificateCompressionAlgorithm, SignatureScheme
from ..authority import CLIENT_AUTH, Authority, KeyType, sign
from .bench import HOST, edit
from .model import Part, alerted, refused

if TYPE_CHECKING:
    from ..authority import Draft, Issued
    from .bench import Bench

PART: Final = Part("Certificates")
BOMB: Final = 50_000_000
"""Bytes that the bomb would unfold to."""


def _show(bench: Bench, identity: Identity) -> None:
    """A handshake in which the server shows this."""
    bench.connect(server=bench.server.replace(identity=identity)).carry()


def _with_dates(bench: Bench, begins: timedelta, ends: timedelta) -> Identity:
    """A certificate for the right host, valid between these, counted from now."""
    key = KeyType.ECDSA_P256.generate()
    now = bench.authority.now
    draft: Draft = bench.authority.draft([HOST], key.public_key())
    dated = replace(draft, not_before=now + begins, not_after=now + ends)
    return Identity([bench.authority.sign(dated)], key)


@PART(
    "swap-certificate",
    "The certificate is swapped for another one of the same host",
    what="The server sends a certificate that the same authority issued for the same name to somebody else's key, and "
    "signs with its own.",
    should="The chain is good; the signature in CertificateVerify is not.",
    why="Certificates are copied from any handshake. What counts is who can sign with the key that stands in it.",
    section="RFC 9846, 4.5.2",
    attack="impersonation with a copied certificate",
    prediction=refused("client", BadSignature),
    openssl=alerted("client", "decrypt_error"),
)
def swap_certificate(bench: Bench) -> None:
    other = CertificateEntry(cert_data=bench.authority.issue([HOST]).identity.der_chain[0])
    swapped = edit(Certificate, lambda message: message.replace(certificate_list=(other,)))
    bench.connect(server_script=swapped).carry()


@PART(
    "wrong-host",
    "A good certificate, for another host",
    what="The server shows a certificate for other.example, issued by the authority that the client trusts.",
    should="The client compares names, and refuses.",
    why="Without this check everybody who owns any domain could stand in for every other one.",
    section="RFC 9525, 6; RFC 9846, 4.5.1.2",
    prediction=refused("client", WrongHost),
    openssl=alerted("client", "bad_certificate"),
)
def wrong_host(bench: Bench) -> None:
    _show(bench, bench.authority.issue(["other.example"]).identity)


@PART(
    "expired",
    "A certificate of yesterday",
    what="The certificate's notAfter was a day ago.",
    should="The client refuses it by its own clock.",
    why="After the end of its validity an authority does not say any more whether a certificate was revoked; a key "
    "stolen long ago must stop working some day.",
    section="RFC 5280, 6.1.3; RFC 9846, 6.2",
    prediction=refused("client", CertificateExpired),
    openssl=alerted("client", "certificate_expired"),
)
def expired(bench: Bench) -> None:
    _show(bench, _with_dates(bench, timedelta(days=-30), timedelta(days=-1)))


@PART(
    "not-yet-valid",
    "A certificate of tomorrow",
    what="The certificate's notBefore is a day from now.",
    should="The client refuses it; often the clock of one of the two is wrong.",
    why="Validity has two ends, and a verifier that looks at one of them only is broken.",
    section="RFC 5280, 6.1.3; RFC 9846, 6.2",
    prediction=refused("client", CertificateNotYetValid),
    openssl=alerted("client", "bad_certificate", "section 6.2 lets one choose; OpenSSL says 'expired' of the end only"),
)
def not_yet_valid(bench: Bench) -> None:
    _show(bench, _with_dates(bench, timedelta(days=1), timedelta(days=30)))


@PART(
    "unknown-ca",
    "A certificate from an authority that nobody asked",
    what="Another authority, made a moment ago, has issued a certificate for the right host.",
    should="The client finds no path to an authority that it trusts.",
    why="Anybody can be an authority; trust is the client's list of those it believes.",
    section="RFC 5280, 6.1; RFC 9846, 6.2",
    prediction=refused("client", UnknownIssuer),
    openssl=alerted("client", "unknown_ca"),
)
def unknown_ca(bench: Bench) -> None:
    other = Authority.create(now=bench.authority.now, common_name="another root", organization="somebody else")
    _show(bench, other.issue([HOST]).identity)


@PART(
    "self-signed",
    "A certificate that vouches for itself",
    what="The server's certificate is signed with its own key.",
    should="The client refuses it: it is in nobody's trust store.",
    why="Such a certificate says 'I am whoever I say'; without another way to check it, it proves nothing.",
    section="RFC 5280, 6.1; RFC 9846, 6.2",
    prediction=refused("client", SelfSigned),
    openssl=alerted("client", "unknown_ca"),
)
def self_signed(bench: Bench) -> None:
    key = KeyType.ECDSA_P256.generate()
    draft = bench.authority.draft([HOST], key.public_key())
    certificate = sign(draft, issuer=draft.subject, key=key, issuer_public_key=key.public_key())
    _show(bench, Identity([certificate], key))


@PART(
    "missing-intermediate",
    "The server forgets its intermediate certificate",
    what="The certificate was issued by an authority below the trusted one, and the server does not send that one's.",
    should="The client cannot build the path. A browser may have the missing piece from elsewhere, which hides the "
    "mistake from whoever made it.",
    why="The commonest mistake in deploying TLS: it works in the browser of whoever set it up, and nowhere else.",
    section="RFC 9846, 4.5.1",
    prediction=refused("client", MissingIntermediate),
    openssl=alerted("client", "unknown_ca"),
)
def missing_intermediate(bench: Bench) -> None:
    issued: Issued = bench.authority.intermediate().issue([HOST])
    _show(bench, Identity([issued.certificate], issued.private_key))


@PART(
    "wrong-usage",
    "A client's certificate on a server",
    what="The certificate is for the right host, but its extended key usage is clientAuth alone.",
    should="The client refuses it: a good chain and a good name are not enough.",
    why="Authorities check people and servers in different ways; a certificate is good for what it was issued for.",
    section="RFC 5280, 4.2.1.12",
    prediction=refused("client", WrongUsage),
    openssl=alerted("client", "unsupported_certificate"),
)
def wrong_usage(bench: Bench) -> None:
    _show(bench, bench.authority.issue([HOST], usages=[CLIENT_AUTH]).identity)


@PART(
    "sha1-signature",
    "The server signs with SHA-1",
    what="CertificateVerify says that it uses ecdsa_sha1, which the client has not offered.",
    should="The client refuses the scheme before it looks at the signature.",
    why="Two documents with one SHA-1 have been computed since 2017. What an attacker can choose, he will choose weak.",
    section="RFC 9846, 4.5.2",
    attack="SLOTH; SHAttered",
    prediction=refused("client", SignatureSchemeNotOffered),
    openssl=alerted("client", "illegal_parameter"),
)
def sha1_signature(bench: Bench) -> None:
    weak = edit(CertificateVerify, lambda message: message.replace(algorithm=SignatureScheme(0x0203)))
    bench.connect(server_script=weak).carry()


@PART(
    "no-client-certificate",
    "The server insists on a certificate, and the client has none",
    what="The client answers the CertificateRequest with an empty Certificate.",
    should="The server ends the connection, although the client's own handshake is complete by then.",
    why="The last word is the server's and comes after the client's Finished: a client learns of a refusal only when "
    "it reads.",
    section="RFC 9846, 4.5.1.3",
    prediction=refused("server", CertificateRequired),
    openssl=alerted("server", "certificate_required"),
    openssl_options=("-Verify", "1"),
)
def no_client_certificate(bench: Bench) -> None:
    demanding = bench.server.replace(client_trust=bench.trust)
    bench.connect(server=demanding).carry()


@PART(
    "compression-bomb",
    "A certificate that unfolds to fifty million bytes",
    what="The server sends a CompressedCertificate of some fifty thousand bytes that says it holds a thousand.",
    should="The client stops unpacking where the announced length ends, and refuses.",
    why="Compression turns few bytes into many: whoever unpacks first and measures later can be filled up by anybody.",
    section="RFC 8879, 4 and 5",
    attack="decompression bomb",
    prediction=refused("client", BadCompressedCertificate),
    openssl="OpenSSL 3.0 does not know compressed certificates",
)
def compression_bomb(bench: Bench) -> None:
    bomb = CompressedCertificate(
        algorithm=CertificateCompressionAlgorithm.zlib,
        uncompressed_length=1000,
        compressed_certificate_message=zlib.compress(bytes(BOMB)),
    )
    client = bench.client.replace(certificate_compression=[CertificateCompressionAlgorithm.zlib])
    bench.connect(client=client, server_script=edit(Certificate, lambda message: bomb)).carry()

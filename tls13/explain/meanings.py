"""What every field of every message is for, in one sentence; and a word for people beside every known number.

FIELDS goes by the names of the structs in tls13/wire; a test walks all of them and finds a sentence for each field.
"""

from __future__ import annotations

from ..wire.registry import (
    CertificateCompressionAlgorithm,
    CipherSuite,
    CodePoint,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from .meanings_extensions import EXTENSIONS, FIELDS_OF_EXTENSIONS

RANDOM = "32 fresh bytes, so that no two handshakes are the same: everything derived from the transcript differs."
LEGACY_VERSION = "In TLS 1.3 always 1.2: boxes in between choke on more. The real version is in supported_versions."
BLOCK = "What is negotiated beyond the fixed fields; a receiver ignores the extensions that it does not know."
CONTEXT = "Tells apart the requests after the handshake, which the answer repeats; empty within the handshake."

FIELDS_OF_MESSAGES: dict[str, dict[str, str]] = {
    "ClientHello": {
        "legacy_version": LEGACY_VERSION,
        "random": RANDOM,
        "legacy_session_id": "In TLS 1.2 it named a session; in 1.3 it is filler, echoed so that this looks like 1.2.",
        "cipher_suites": "The AEAD and hash pairs that the client can use, the most wanted first.",
        "legacy_compression_methods": "One zero byte, none: compressing secrets beside chosen text leaks them.",
        "extensions": BLOCK,
    },
    "ServerHello": {
        "legacy_version": LEGACY_VERSION,
        "random": RANDOM + " Its last 8 bytes would warn of a downgrade to an older version.",
        "legacy_session_id_echo": "In TLS 1.3 what the client sent, as a server of TLS 1.2 that resumes would answer.",
        "cipher_suite": "The one that the server chose from the client's list.",
        "legacy_compression_method": "Always zero: nothing is compressed.",
        "extensions": BLOCK,
    },
    "HelloRetryRequest": {
        "legacy_version": LEGACY_VERSION,
        "random": "A fixed value, SHA-256 of the word HelloRetryRequest: it tells this from a ServerHello.",
        "legacy_session_id_echo": "What the client sent.",
        "cipher_suite": "The server's choice, which it has to keep to; its hash is the transcript's from here on.",
        "legacy_compression_method": "Always zero: nothing is compressed.",
        "extensions": "What the client shall change: which group to send a share for, and a cookie to return.",
    },
    "EncryptedExtensions": {"extensions": "The server's answers that nobody on the wire needs to read."},
    "CertificateRequest": {
        "certificate_request_context": CONTEXT,
        "extensions": "Which signatures count, and perhaps whose certificates.",
    },
    "CertificateEntry": {
        "cert_data": "One certificate, in DER (or a bare public key, where that was negotiated).",
        "extensions": "What belongs to this one certificate: its OCSP response, its transparency timestamps.",
    },
    "Certificate": {
        "certificate_request_context": CONTEXT,
        "certificate_list": "The sender's own certificate first, then those that lead up to a root.",
    },
    "CompressedCertificate": {
        "algorithm": "How it is compressed; the receiver has offered this one.",
        "uncompressed_length": "How long the Certificate is; more than this is not unpacked, which stops a bomb.",
        "compressed_certificate_message": "The Certificate message, in fewer bytes.",
    },
    "CertificateVerify": {
        "algorithm": "The signature scheme, one that the other side has offered.",
        "signature": "Over the hash of the handshake so far, by the key of what was shown: the proof of who is there.",
    },
    "Finished": {"verify_data": "A MAC over the whole handshake: who has changed anything cannot have computed it."},
    "EndOfEarlyData": {},
    "NewSessionTicket": {
        "ticket_lifetime": "For how many seconds the ticket may be used; a week at most.",
        "ticket_age_add": "Is added to the age that the client will tell, so that nobody can link connections by it.",
        "ticket_nonce": "Makes the PSK of this ticket another one than those of the connection's other tickets.",
        "ticket": "The PSK's name in the next connection; often all that the server wants to remember, sealed.",
        "extensions": "What the ticket allows, such as early data.",
    },
    "KeyUpdate": {"request_update": "Whether the receiver shall change its own keys as well."},
}
FIELDS = {**FIELDS_OF_MESSAGES, **FIELDS_OF_EXTENSIONS}
MESSAGES = {
    "ClientHello": "The client's offer: what it can do, and its half of the key exchange if it has one.",
    "ServerHello": "The server's choice, and its half of the key exchange if there is one.",
    "HelloRetryRequest": "The server asks for another ClientHello.",
    "EncryptedExtensions": "The first encrypted message: answers that need not be public.",
    "CertificateRequest": "The server wants to know who the client is.",
    "Certificate": "Who the sender says it is.",
    "CompressedCertificate": "Who the sender says it is, in fewer bytes.",
    "CertificateVerify": "The proof that the sender has the key of what its Certificate shows.",
    "Finished": "The end of the sender's handshake, under a MAC.",
    "EndOfEarlyData": "No more early data comes; it is empty.",
    "NewSessionTicket": "A ticket for the next connection.",
    "KeyUpdate": "The sender's next record is under new keys.",
}

WORDS: dict[tuple[type[CodePoint], int], str] = {
    (type(point), int(point)): words
    for point, words in (
        (
            CipherSuite.TLS_AES_128_GCM_SHA256,
            "AES with 128-bit keys in Galois/Counter Mode; SHA-256 for the key schedule.",
        ),
        (
            CipherSuite.TLS_AES_256_GCM_SHA384,
            "AES with 256-bit keys in Galois/Counter Mode; SHA-384 for the key schedule.",
        ),
        (CipherSuite.TLS_CHACHA20_POLY1305_SHA256, "ChaCha20 with Poly1305: fast where the processor has no AES."),
        (CipherSuite.TLS_AES_128_CCM_SHA256, "AES in CCM mode, for small devices."),
        (CipherSuite.TLS_AES_128_CCM_8_SHA256, "AES in CCM mode with a short tag, for very small devices."),
        (NamedGroup.secp256r1, "The curve P-256 of NIST."),
        (NamedGroup.secp384r1, "The curve P-384 of NIST."),
        (NamedGroup.secp521r1, "The curve P-521 of NIST."),
        (NamedGroup.x25519, "Curve25519, as a Diffie-Hellman function (RFC 7748)."),
        (NamedGroup.x448, "Curve448, the larger sister of X25519 (RFC 7748)."),
        (NamedGroup.X25519MLKEM768, "X25519 and ML-KEM-768 side by side: safe while either of them is."),
        (NamedGroup.SecP256r1MLKEM768, "P-256 and ML-KEM-768 side by side: safe while either of them is."),
        (NamedGroup.SecP384r1MLKEM1024, "P-384 and ML-KEM-1024 side by side: safe while either of them is."),
        (ProtocolVersion.SSL3, "SSL 3.0, broken and forbidden."),
        (ProtocolVersion.TLS1_0, "TLS 1.0, deprecated."),
        (ProtocolVersion.TLS1_1, "TLS 1.1, deprecated."),
        (ProtocolVersion.TLS1_2, "TLS 1.2, the version before this one."),
        (ProtocolVersion.TLS1_3, "TLS 1.3, this one."),
        (CertificateCompressionAlgorithm.zlib, "DEFLATE, in zlib's wrapping."),
        (CertificateCompressionAlgorithm.brotli, "Brotli, which the web uses."),
        (CertificateCompressionAlgorithm.zstd, "Zstandard."),
        (HandshakeType.message_hash, "Stands for the first ClientHello after a HelloRetryRequest; never on the wire."),
    )
}
"""For known code points, by their enum too: members of two enums may be equal as numbers. Signature schemes say it by
their names: see word."""
PARTS = {
    "rsa_pkcs1": "RSA with the old padding, in certificates only",
    "rsa_pss_rsae": "RSA-PSS, with an ordinary RSA key",
    "rsa_pss_pss": "RSA-PSS, with a key that is for nothing else",
    "ecdsa": "ECDSA",
    "ed": "an Edwards curve, with its own hash",
    "mldsa": "ML-DSA, which withstands quantum computers",
}
"""The beginnings of signature schemes' names."""


def word(value: CodePoint) -> str:
    """One sentence on a code point; "" where its name says it all."""
    if (found := WORDS.get((type(value), int(value)))) is not None:
        return found
    if value.name.startswith("GREASE"):
        return "A number that is reserved for nothing, sent so that receivers stay used to ignoring (RFC 8701)."
    if isinstance(value, SignatureScheme):
        kind = next((words for start, words in PARTS.items() if value.name.startswith(start)), None)
        return f"Signatures with {kind}." if kind is not None else "A signature scheme that is not known here."
    if isinstance(value, ExtensionType):
        return EXTENSIONS.get(value, UNKNOWN_EXTENSION.format(int(value)))
    return "" if value.known else "A number that is not known here; a receiver passes over it."


UNKNOWN_EXTENSION = (
    "An extension 0x{:04x} that is not known here: what its bytes mean cannot be said, and a receiver ignores it."
)

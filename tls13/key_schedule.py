"""The key schedule: RFC 9846, section 7.1.

                 0                          one input after the other is worked in
                 |
   PSK or 0 -> HKDF-Extract = EarlySecret
                 |
                 +-> "ext binder" | "res binder"   binder keys
                 +-> "c e traffic"                 client_early_traffic_secret       (ClientHello)
                 +-> "e exp master"                early_exporter_secret             (ClientHello)
                 |
             "derived"
                 |
 (EC)DHE or 0 -> HKDF-Extract = HandshakeSecret
                 |
                 +-> "c hs traffic"                client_handshake_traffic_secret   (ClientHello..ServerHello)
                 +-> "s hs traffic"                server_handshake_traffic_secret   (ClientHello..ServerHello)
                 |
             "derived"
                 |
            0 -> HKDF-Extract = MainSecret
                 |
                 +-> "c ap traffic"                client_application_traffic_secret_0   (..server Finished)
                 +-> "s ap traffic"                server_application_traffic_secret_0   (..server Finished)
                 +-> "exp master"                  exporter_secret                       (..server Finished)
                 +-> "res master"                  resumption_secret                     (..client Finished)

Each stage can only be made from the one before, so that no input can be forgotten, and each arrow to the right takes
the hash of the messages in brackets, so that its secret belongs to this handshake alone. Arrows that stand together and
take the same hash are taken together: half of an HMAC's work is its key (crypto/hkdf.py). RFC 9846 says "main" where
RFC 8446 said "master"; the label strings stayed as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .crypto.hkdf import Secret, first_block, hmac, three_hmacs, two_hmacs

if TYPE_CHECKING:
    from .crypto.suites import Hash, Suite


class TrafficSecret(Secret):
    """A secret from which one direction's record keys are made (sections 7.2 and 7.3)."""

    __slots__ = ()

    def traffic_keys(self, suite: Suite) -> tuple[bytes, bytes]:
        """[sender]_write_key and [sender]_write_iv: HKDF-Expand-Label(self, "key" | "iv", "", length) (section 7.3)."""
        key, iv = two_hmacs(self.hash, self.value, suite.key, suite.iv)
        return key[: suite.key_length], iv[: suite.iv_length]

    def verify_data(self, transcript_hash: bytes) -> bytes:
        """What Finished holds, with this secret as its BaseKey: HMAC(finished_key, Transcript-Hash) (4.5.3)."""
        return hmac(self.hash, self.finished_key(), transcript_hash)

    def finished_key(self) -> bytes:
        """HKDF-Expand-Label(BaseKey, "finished", "", Hash.length) (section 4.5.3)."""
        return hmac(self.hash, self.value, self.hash.finished)

    def next(self) -> TrafficSecret:
        """application_traffic_secret_N+1 (section 7.2)."""
        return TrafficSecret(self.hash, self.expand_label(b"traffic upd", b"", self.hash.digest_size))


class HandshakeTrafficSecret(TrafficSecret):
    """One that is always the BaseKey of a Finished as well, whose key is made together with the record keys."""

    __slots__ = ("_finished_key",)

    def __init__(self, hash: Hash, value: bytes) -> None:
        self.hash = hash
        self.value = value
        self._finished_key = b""

    def traffic_keys(self, suite: Suite) -> tuple[bytes, bytes]:
        key, iv, self._finished_key = three_hmacs(self.hash, self.value, suite.key, suite.iv, self.hash.finished)
        return key[: suite.key_length], iv[: suite.iv_length]

    def finished_key(self) -> bytes:
        return self._finished_key or super().finished_key()


class _Stage(Secret):
    """A secret of the left column that has one below it."""

    __slots__ = ("_salt",)

    def __init__(self, hash: Hash, value: bytes) -> None:
        self.hash = hash
        self.value = value
        self._salt = b""
        """Of the stage below: made with the first secrets that are derived, or when it is asked for."""

    def salt(self) -> bytes:
        """Derive-Secret(., "derived", "")."""
        if not self._salt:
            self._salt = hmac(self.hash, self.value, self.hash.derived)
        return self._salt


class EarlySecret(_Stage):
    """HKDF-Extract(0, PSK), or without a PSK of as many zeros as the hash is long."""

    __slots__ = ()

    def __init__(self, hash: Hash, psk: bytes | None) -> None:
        zeros = bytes(hash.digest_size)
        super().__init__(hash, hmac(hash, zeros, zeros if psk is None else psk))

    def binder_key(self, label: bytes) -> TrafficSecret:
        """The BaseKey of a PSK binder (section 4.3.11.2): "res binder", "ext binder", or RFC 9258's "imp binder"."""
        hash = self.hash
        key, self._salt = two_hmacs(hash, self.value, hash.labels[label] + hash.empty + b"\x01", hash.derived)
        return TrafficSecret(hash, key)

    def client_early_traffic(self, transcript_hash: bytes) -> TrafficSecret:
        return TrafficSecret(self.hash, self.derive(b"c e traffic", transcript_hash))

    def early_exporter(self, transcript_hash: bytes) -> Secret:
        return Secret(self.hash, self.derive(b"e exp master", transcript_hash))

    def handshake(self, shared_secret: bytes | None) -> HandshakeSecret:
        """Work in the key exchange's shared secret; None for a PSK alone (psk_ke)."""
        hash = self.hash
        ikm = bytes(hash.digest_size) if shared_secret is None else shared_secret
        return HandshakeSecret(hash, hmac(hash, self.salt(), ikm))


class HandshakeSecret(_Stage):
    """HKDF-Extract(Derive-Secret(EarlySecret, "derived", ""), (EC)DHE)."""

    __slots__ = ()

    def traffic(self, transcript_hash: bytes) -> tuple[HandshakeTrafficSecret, HandshakeTrafficSecret]:
        """client_ and server_handshake_traffic_secret."""
        hash, labels, end = self.hash, self.hash.labels, transcript_hash + b"\x01"
        client, server, self._salt = three_hmacs(
            hash, self.value, labels[b"c hs traffic"] + end, labels[b"s hs traffic"] + end, hash.derived
        )
        return HandshakeTrafficSecret(hash, client), HandshakeTrafficSecret(hash, server)

    def main(self) -> MainSecret:
        hash = self.hash
        return MainSecret(hash, hmac(hash, self.salt(), bytes(hash.digest_size)))


class MainSecret(Secret):
    """HKDF-Extract(Derive-Secret(HandshakeSecret, "derived", ""), 0)."""

    __slots__ = ()

    def traffic(self, transcript_hash: bytes) -> tuple[TrafficSecret, TrafficSecret, Secret]:
        """client_ and server_application_traffic_secret_0, and exporter_secret."""
        hash, labels, end = self.hash, self.hash.labels, transcript_hash + b"\x01"
        client, server, exporter = three_hmacs(
            hash, self.value, labels[b"c ap traffic"] + end, labels[b"s ap traffic"] + end, labels[b"exp master"] + end
        )
        return TrafficSecret(hash, client), TrafficSecret(hash, server), Secret(hash, exporter)

    def resumption(self, transcript_hash: bytes) -> Secret:
        return Secret(self.hash, self.derive(b"res master", transcript_hash))


_WITHOUT_PSK: dict[str, EarlySecret] = {}


def early_secret_without_psk(hash: Hash) -> EarlySecret:
    """The EarlySecret of every handshake that uses no PSK: a constant for each hash, so it is computed once."""
    if hash.name not in _WITHOUT_PSK:
        _WITHOUT_PSK[hash.name] = EarlySecret(hash, None)
    return _WITHOUT_PSK[hash.name]


def resumption_psk(resumption_secret: Secret, ticket_nonce: bytes) -> bytes:
    """The PSK of one NewSessionTicket (section 4.7.1): tickets of one connection differ by their nonces."""
    hash = resumption_secret.hash
    return hmac(hash, resumption_secret.value, first_block(b"resumption", ticket_nonce, hash.digest_size))


def export_keying_material(exporter_secret: Secret, label: bytes, context: bytes, length: int) -> bytes:
    """TLS-Exporter(label, context_value, key_length): RFC 9846, section 7.5. `length` in bytes.

    No context and an empty one give the same here, as the RFC says. Raises UsageError for a label that is empty or
    longer than 249 bytes, and for more than 255 hashes' worth of output.
    """
    hash = exporter_secret.hash
    derived = Secret(hash, exporter_secret.expand_label(label, hash.empty, hash.digest_size))
    return derived.expand_label(b"exporter", hash.new(context).digest(), length)

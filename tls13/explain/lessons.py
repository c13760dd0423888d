"""Why it is made this way: the properties of the handshake, tried on this very connection.

Nothing here is a claim. "With the ephemeral key everything opens" means that the capture was read again with that key
as the only secret, and that its records were counted; a forged signature was really checked. What cannot be tried with
what is known is not told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ..authentication import CLIENT_CONTEXT, SERVER_CONTEXT
from ..crypto.groups import SECP256R1, SECP384R1, SECP521R1, Hybrid
from ..crypto.hkdf import Secret
from ..crypto.signatures import signed_content
from ..errors import TLSError
from ..flow import Epoch
from ..key_schedule import TrafficSecret
from ..resumption.psk import PskKind
from ..wire.extensions import KeyShareClientHello, KeyShareHelloRetryRequest
from ..wire.messages import CertificateVerify, Finished
from ..wire.registry import ContentType
from .chain import shown_certificates, signature_check
from .dissect import Dissector, dissect
from .dissect_secrets import CERTIFICATE_PRIVATE, CLIENT_PRIVATE, ECDHE, PSK
from .snippets_dh import exchange
from .story import Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from .capture import Capture

Pairs = list[tuple[str, str]]


def lessons(capture: Capture, read: Dissector) -> list[Lesson]:
    """Those that belong to this connection."""
    found = (make(capture, read) for make in LESSONS)
    return [lesson for lesson in found if lesson is not None]


def opened_with(capture: Capture, secrets: dict[str, list[bytes]]) -> tuple[int, int]:
    """How many of the encrypted records open with nothing but these secrets, and how many there are."""
    return _counted(dissect(replace(capture, secrets=secrets)))


def _counted(read: Dissector) -> tuple[int, int]:
    protected = [
        one for one in read.records if one.frame.raw[:1] == bytes((ContentType.application_data,)) and one.frame.body
    ]
    return sum(1 for one in protected if one.keys is not None), len(protected)


def _of(counted: tuple[int, int]) -> str:
    return f"{counted[0]} of {counted[1]} encrypted records open"


# --- forward secrecy -----------------------------------------------------------------------------------------------


def forward_secrecy(capture: Capture, read: Dissector) -> Lesson | None:
    """Whoever records today and steals the server's key tomorrow."""
    if read.hellos.group_code is None or not _counted(read)[1]:
        return None
    shown: Pairs = [("with nothing", _of(opened_with(capture, {})))]
    for key in capture.secrets.get(CERTIFICATE_PRIVATE, []):
        shown.append(("with the certificate's private key", _of(_with_certificate_key(capture, read, key))))
    certified = read.psk_kind in (None, PskKind.RESUMPTION) or read.hellos.has_certificate_beside_psk
    if certified and CERTIFICATE_PRIVATE not in capture.secrets:
        shown.append(("with the certificate's private key", "not tried: the key is its owner's alone, as it should be"))
    psk = read.hellos.selected_psk is not None
    rest = {PSK: capture.secrets[PSK]} if psk and PSK in capture.secrets else {}
    for label, what in ((CLIENT_PRIVATE, "the client's ephemeral private key"), (ECDHE, "the shared secret")):
        if label in capture.secrets and (rest or not psk):
            secrets = {label: capture.secrets[label], **rest}
            also = " and the PSK" if rest else ""
            shown.append((f"with {what}{also}", _of(opened_with(capture, secrets))))
            break
    return Lesson(
        id="forward-secrecy",
        title="Who steals the server's key tomorrow cannot read what was recorded today",
        text=(
            "The certificate's key only signs. It goes into no secret of the key schedule: those come from "
            f"{'the PSK and ' if psk else ''}the key exchange, whose private keys were made for this connection and "
            "forgotten after it.",
            "So a recorded connection is opened by the ephemeral key, which no longer exists, and not by the one "
            "that lies on the server's disk for years (RFC 9846, appendix F.1).",
        ),
        shown=tuple(shown),
    )


def _with_certificate_key(capture: Capture, read: Dissector, der: bytes) -> tuple[int, int]:
    """The best that a thief can do: take the stolen key for the server's half of the key exchange, or for a secret."""
    guesses = [_raw(der)]
    key = _loaded(der)
    shares = [read.hellos.client_share, read.hellos.server_share]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        for group in (SECP256R1, SECP384R1, SECP521R1):
            if group.curve.name == key.curve.name:
                for share in shares:
                    try:
                        guesses.append(group.exchange(key, share))
                    except TLSError:
                        continue  # a share of another group: this way is closed
    best = (0, 0)
    for guess in guesses:
        best = max(best, opened_with(capture, {ECDHE: [guess], PSK: [guess]}))
    return best


def _loaded(der: bytes) -> PrivateKeyTypes | None:
    try:
        return load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _raw(der: bytes) -> bytes:
    """The private number itself, or the whole structure for a key that is not one number."""
    key = _loaded(der)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")
    if isinstance(
        key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey
    ):
        return key.private_bytes_raw()
    return der


# --- the early key share -------------------------------------------------------------------------------------------


def early_share(capture: Capture, read: Dissector) -> Lesson | None:
    hellos = read.hellos
    if hellos.group_code is None or not hellos.client_share:
        return None
    shown: Pairs = [
        (f"the client's share of {hellos.group_code}", f"{len(hellos.client_share)} bytes, in the clear"),
        ("the server's share", f"{len(hellos.server_share)} bytes, in the clear"),
        ("with both shares, and no private key", _of(opened_with(capture, {}))),
    ]
    done = read.material.exchange
    if read.material.shared_secret is not None:
        shown.append(
            ("with one private key and the other share", f"{len(read.material.shared_secret)} bytes of secret")
        )
    return Lesson(
        id="early-key-share",
        title="Why a key share may be sent before anything is agreed",
        text=(
            "A share is public by design: it says where the private number leads to, and nobody knows a way back.",
            "The client guesses which group the server likes and saves a round trip. A wrong guess costs one, and no "
            "secrecy: the server asks for another group, and the transcript holds both hellos, so that nobody can "
            "push the two to a weaker one unseen (RFC 9846, sections 4.2.4 and 4.3.8).",
        ),
        shown=tuple(shown),
        python=exchange(hellos.group_code, done.private, done.share, done.whose) if done is not None else None,
    )


# --- the man in the middle -----------------------------------------------------------------------------------------


SIGNED = (
    "He can take the client's share, put his own in its place, and talk to each side with keys that he knows. "
    "But then the two sides have seen different messages, and each proves over what it has seen.",
    "CertificateVerify is a signature over the hash of the handshake, so he needs the certificate's key. "
    "Finished is a MAC over it with a key from the key exchange, so he needs the secret of the two, too "
    "(RFC 9846, sections 4.5.2 and 4.5.3).",
)
WITH_PSK = (
    "He can change what passes by, and a share for his own if there is a key exchange. But the PSK goes into every "
    "key, and he has not got it: he can talk to neither side under keys that it takes.",
    "Nobody signs here. Finished is a MAC over the hash of the handshake, with a key that the PSK has gone into, so he "
    "needs the PSK (RFC 9846, sections 2.2 and 4.5.3).",
)


def man_in_the_middle(capture: Capture, read: Dissector) -> Lesson | None:
    """What he would have to forge: tried, with one bit changed."""
    shown: Pairs = [*_signature_trials(read), *_finished_trials(read)]
    if not shown:
        return None
    unsigned = read.hellos.selected_psk is not None and not read.hellos.has_certificate_beside_psk
    return Lesson(
        id="man-in-the-middle",
        title="What somebody in the middle would have to forge",
        text=WITH_PSK if unsigned else SIGNED,
        shown=tuple(shown),
    )


def _signature_trials(read: Dissector) -> Iterator[tuple[str, str]]:
    for seen, _ in shown_certificates(read):
        who = "client" if seen.to_server else "server"
        place = read.seen.index(seen)
        proof = next((one for one in read.seen[place:] if isinstance(one.message, CertificateVerify)), None)
        if signature_check(read, seen) is not True or proof is None or proof.before is None:
            continue
        context = CLIENT_CONTEXT if seen.to_server else SERVER_CONTEXT
        other = bytes((proof.before[0] ^ 1,)) + proof.before[1:]
        forged = signature_check(read, seen, signed_content(context, other))
        yield f"the {who}'s signature over this handshake", "verifies"
        yield "the same signature, one bit of the transcript hash changed", "verifies" if forged else "does not verify"


def _finished_trials(read: Dissector) -> Iterator[tuple[str, str]]:
    if read.suite is None:
        return
    for seen in read.seen:
        if not isinstance(seen.message, Finished) or seen.keys is None or seen.before is None or seen.hashed:
            continue
        who = "client" if seen.to_server else "server"
        base = TrafficSecret(read.suite.hash, seen.keys.secret)
        right = base.verify_data(seen.before) == seen.message.verify_data
        yield f"the {who}'s Finished over this handshake", "is right" if right else "is wrong"
        other = bytes((seen.before[0] ^ 1,)) + seen.before[1:]
        fits = base.verify_data(other) == seen.message.verify_data
        yield f"the {who}'s Finished over another one", "would fit" if fits else "would have to be another value"


# --- quantum computers ---------------------------------------------------------------------------------------------


_OUTSIDE = "and on the PSK, which came by other means: no quantum computer of the future finds that in a recording."
CLASSICAL: dict[PskKind | None, str] = {
    None: "alone: a quantum computer of the future opens this recording.",
    PskKind.RESUMPTION: "and on the PSK, which came from an earlier connection: a quantum computer of the future opens "
    "this recording if it can open that one too.",
    PskKind.EXTERNAL: _OUTSIDE,
    PskKind.IMPORTED: _OUTSIDE,
}
"""What a key exchange without a post-quantum half is worth, by the PSK that goes into the secret with it."""


def post_quantum(capture: Capture, read: Dissector) -> Lesson | None:
    code, group = read.hellos.group_code, read.hellos.group
    if code is None:
        return None
    shown: Pairs = [("key exchange", str(code))]
    if isinstance(group, Hybrid):
        kem, curve = group.kem, group.curve
        sizes = (kem.encapsulation_key_length, curve.client_share_length)
        shown.append(("the client's share", f"{sizes[0]} bytes of ML-KEM and {sizes[1]} of {curve.code}"))
        sizes = (kem.ciphertext_length, curve.server_share_length)
        shown.append(("the server's share", f"{sizes[0]} bytes of ML-KEM ciphertext and {sizes[1]} of {curve.code}"))
        verdict = "Here both halves go into the secret: who wants it must break the lattice and the curve."
    else:
        shown.append(("post-quantum half", "none"))
        verdict = f"Here the secret rests on {code} {CLASSICAL[read.psk_kind]}"
    schemes = [str(one.message.algorithm) for one in read.seen if isinstance(one.message, CertificateVerify)]
    shown += [("signature", f"{scheme}: must hold today only, for it proves who is there now") for scheme in schemes]
    return Lesson(
        id="post-quantum",
        title="Where post-quantum protection starts, and where it ends",
        text=(
            "A recording can be kept until it can be opened, so the key exchange has to withstand machines that do "
            "not exist yet. A signature need not: it is checked once, now.",
            verdict,
        ),
        shown=tuple(shown),
    )


# --- PSKs and early data -------------------------------------------------------------------------------------------


FRESH = " What comes after the ServerHello is protected by a fresh key exchange again."
STALE = " What comes after the ServerHello is no better off here: without a key exchange (psk_ke) the PSK opens it too."


def zero_rtt(capture: Capture, read: Dissector) -> Lesson | None:
    if not read.hellos.offers_early_data:
        return None
    early = [one for one in read.records if one.keys is not None and one.keys.epoch is Epoch.EARLY]
    shown: Pairs = [("records of early data", str(len(early)))]
    if PSK in capture.secrets:
        again = dissect(replace(capture, secrets={PSK: capture.secrets[PSK]}))
        opened = sum(1 for one in again.records if one.keys is not None and one.keys.epoch is Epoch.EARLY)
        shown.append(("with the PSK alone", f"{opened} of them open, without any private key"))
        shown.append(("with the PSK alone, all in all", _of(_counted(again))))
    first = read.hellos.client_raw[0] if read.hellos.client_raw else b""
    rest = FRESH if read.hellos.group_code is not None else STALE if read.hellos.server is not None else ""
    shown.append(("what its keys depend on", f"the PSK and {len(first)} bytes of ClientHello; nothing from the server"))
    return Lesson(
        id="zero-rtt",
        title="What 0-RTT gives up",
        text=(
            "Early data is sent before the server has said anything, so nothing fresh of the server's is in its keys. "
            "Whoever records the first flight can send it again, to this server or to another that has the same "
            "tickets: only the server's own memory and clock refuse it (RFC 9846, section 8).",
            f"And there is no forward secrecy: who learns the PSK later reads the early data.{rest}",
        ),
        shown=tuple(shown),
    )


def resumed(capture: Capture, read: Dissector) -> Lesson | None:
    hellos = read.hellos
    if hellos.selected_psk is None:
        return None
    beside, certificates = hellos.has_certificate_beside_psk, len(shown_certificates(read))
    shown: Pairs = [("certificates in this handshake", str(certificates))] if certificates or not beside else []
    if hellos.group_code is None:
        shown.append(("key exchange", "none: this connection stands and falls with the PSK"))
    if PSK in capture.secrets:
        shown.append(("with the PSK alone", _of(opened_with(capture, {PSK: capture.secrets[PSK]}))))
    return Lesson(
        id="resumption",
        title=f"What stands {'beside' if beside else 'in the place of'} the certificate",
        text=(
            "The PSK was made in a connection in which somebody was authenticated, or was given to both sides by other "
            "means. Who has it is believed to be the same: the binder proves it for the client, the keys for both.",
            "With psk_dhe_ke a key exchange goes in as well, and what is recorded stays closed to who steals the PSK "
            "(RFC 9846, sections 2.2 and 4.3.9).",
        ),
        shown=tuple(shown),
    )


def key_update(capture: Capture, read: Dissector) -> Lesson | None:
    names = {one.keys.name: one.keys for one in read.records if one.keys is not None}
    later = {name: keys for name, keys in names.items() if keys.epoch is Epoch.APPLICATION and name[-2:] != "_0"}
    if not later:
        return None
    shown: Pairs = []
    for name, keys in later.items():
        base, _, number = name.rpartition("_")
        before = names.get(f"{base}_{int(number) - 1}")
        if before is None:
            continue
        label, size = b"traffic upd", keys.suite.hash.digest_size
        forward = Secret(keys.suite.hash, before.secret).expand_label(label, b"", size) == keys.secret
        back = Secret(keys.suite.hash, keys.secret).expand_label(label, b"", size) == before.secret
        shown.append((f"{name} from the one before", "one HKDF step gives it" if forward else "is another value"))
        shown.append(
            (f"the one before from {name}", "the same step does" if back else "no step leads back: HMAC is one-way")
        )
    return Lesson(
        id="key-update",
        title="New keys while one talks",
        text=(
            "Each direction's next secret is made of its last. Who takes over a machine later finds the newest, and "
            "cannot compute the older ones; but everything that comes after it, he can (RFC 9846, section 4.7.3).",
        ),
        shown=tuple(shown),
    )


WRONG_GUESS = "The server could not use the key shares that were offered: it wants one of another group."
NO_GUESS = "The client sent no key share, which asks the server for the group that it wants."
COOKIE_ALONE = (
    "Nothing was wrong with the offer. The server wants its cookie back, which only who gets what is sent to the "
    "client can return (RFC 9846, section 4.3.2)."
)


def retry(capture: Capture, read: Dissector) -> Lesson | None:
    request = read.hellos.retry
    if request is None:
        return None
    size = len(read.hellos.client_raw[0]) if read.hellos.client_raw else 0
    first = read.hellos.client[0].extensions.get(KeyShareClientHello) if read.hellos.client else None
    why = WRONG_GUESS if first is not None and first.client_shares else NO_GUESS
    if request.extensions.get(KeyShareHelloRetryRequest) is None:
        why = COOKIE_ALONE
    stands_for = f"the hash of its {size} bytes, in a message of type message_hash"
    shown = (("the price", "one more round trip"), ("the first ClientHello in the transcript", stands_for))
    return Lesson(
        id="hello-retry-request",
        title="A wrong guess, and why it is not forgotten" if why is WRONG_GUESS else "Why a client may be asked twice",
        text=(
            f"{why} It may forget the client meanwhile: all that it needs is the hash of the first ClientHello, which "
            "it can put into a cookie and get back.",
            "Both hellos stay in the transcript, so whoever invents a HelloRetryRequest to push the two to a group of "
            "his choice makes their Finished fail (RFC 9846, sections 4.1 and 4.2.4).",
        ),
        shown=shown,
    )


LESSONS: tuple[Callable[[Capture, Dissector], Lesson | None], ...] = (
    forward_secrecy,
    early_share,
    man_in_the_middle,
    post_quantum,
    resumed,
    zero_rtt,
    retry,
    key_update,
)

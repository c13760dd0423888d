"""Keys in the wrong hands, and keys used wrongly: what an attacker gains, computed.

Nothing is predicted here but mathematics: each experiment records a real connection and then does what the attacker
would do, with the key schedule that the connection itself used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from ...crypto.groups import GROUPS
from ...crypto.suites import SUITES
from ...errors import UsageError
from ...key_schedule import EarlySecret, TrafficSecret, early_secret_without_psk
from ...resumption.early_data import ReplayGuard
from ...resumption.tickets import SealedTickets
from ...wire.extensions import KeyShareClientHello, KeyShareServerHello
from ...wire.messages import ClientHello, ServerHello, decode_handshake
from ...wire.registry import CipherSuite, ContentType, NamedGroup
from .bench import ANSWER, QUESTION
from .model import Part, goes_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...crypto.groups import Group, KeyShare
    from .bench import Bench
    from .between import Wire
    from .model import Side

PART: Final = Part("Keys")
AES: Final = CipherSuite.TLS_AES_128_GCM_SHA256
SUITE: Final = SUITES[AES]
SHA256: Final = SUITE.hash
P256: Final = GROUPS[NamedGroup.secp256r1]


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


def try_to_open(secret: TrafficSecret, sequence: int, record: bytes) -> bytes | None:
    """What is in a protected record, without its type and padding; None: this key does not open it."""
    key, iv = secret.traffic_keys(SUITE)
    nonce = (int.from_bytes(iv, "big") ^ sequence).to_bytes(12, "big")
    try:
        return SUITE.aead(key).decrypt(nonce, record[5:], record[:5]).rstrip(b"\0")[:-1]
    except InvalidTag:
        return None


def opened(secret: TrafficSecret, recorded: Sequence[bytes]) -> list[bytes]:
    """What this secret opens, from the first of the recorded ones on."""
    found: list[bytes] = []
    for record in recorded:
        content = try_to_open(secret, len(found), record)
        if content is None:
            break
        found.append(content)
    return found


class Recording:
    """What somebody who only listens has kept of a connection."""

    def __init__(self, wire: Wire) -> None:
        self.hellos = [one.raw[5:] for one in wire.carried if one.number == 0]
        self._wire = wire
        client, server = (decode_handshake(raw) for raw in self.hellos)
        if not isinstance(client, ClientHello) or not isinstance(server, ServerHello):
            raise UsageError("this recording does not begin with the two hellos")
        client.judge()
        server.judge()
        self.client_hello, self.server_hello = client, server

    def protected(self, side: Side) -> list[bytes]:
        application_data = int(ContentType.application_data)
        return [one.raw for one in self._wire.carried if one.sender == side and one.raw[0] == application_data]

    @property
    def hellos_hash(self) -> bytes:
        return SHA256.new(b"".join(self.hellos)).digest()

    @property
    def shares(self) -> tuple[bytes, bytes]:
        """The two public shares. Raises UsageError for a handshake without."""
        client = self.client_hello.extensions.get(KeyShareClientHello)
        server = self.server_hello.extensions.get(KeyShareServerHello)
        if client is None or server is None:
            raise UsageError("this handshake has no key exchange")
        return client.client_shares[0].key_exchange, server.server_share.key_exchange

    def read_with(self, shared_secret: bytes) -> list[bytes]:
        """Everything that somebody who knows this shared secret reads: the server's flight, then the data."""
        handshake = early_secret_without_psk(SHA256).handshake(shared_secret)
        records = self.protected("server")
        _, server_traffic = handshake.traffic(self.hellos_hash)
        flight = opened(server_traffic, records)
        if not flight:
            return []
        transcript = SHA256.new(b"".join((*self.hellos, *flight))).digest()
        client_application, server_application, _ = handshake.main().traffic(transcript)
        spoken = self.protected("client")[1:]  # its Finished is under the handshake's key
        return [
            *flight,
            *opened(client_application, spoken),
            *opened(server_application, records[len(flight) :]),
        ]


def _conversation(wire: Wire) -> None:
    wire.ours("client").connection.send_data(QUESTION)
    wire.carry()
    wire.ours("server").connection.send_data(ANSWER)
    wire.carry()


@PART(
    "stolen-certificate-key",
    "The server's private key is stolen after the connection",
    what="A connection is recorded. Later the thief has the key of the server's certificate, and tries it on the "
    "recording in every way there is: with the client's share, with the server's share, and alone. Then he gets "
    "the key that the client made for this one connection.",
    should="The certificate's key opens nothing. The ephemeral key opens everything.",
    why="In TLS 1.3 the certificate's key signs, and encrypts nothing. The keys come from two shares that are made "
    "for one connection and forgotten: what was recorded stays closed.",
    section="RFC 9846, appendix F.1",
    attack="store now, steal the key later",
    prediction=goes_on(),
)
def stolen_certificate_key(bench: Bench) -> None:
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    private = ephemeral.private_numbers().private_value.to_bytes(32, "big")

    def source(group: Group) -> KeyShare:
        return group.from_private(private)

    client = bench.client.replace(groups=[P256.code], key_shares=[P256.code], key_share_source=source)
    wire = bench.established(client=client.replace(cipher_suites=[AES]))
    _conversation(wire)
    recording = Recording(wire)
    client_share, server_share = recording.shares
    stolen = bench.issued.private_key
    if not isinstance(stolen, ec.EllipticCurvePrivateKey):
        raise UsageError("this experiment wants a certificate with a P-256 key")
    number = stolen.private_numbers().private_value.to_bytes(32, "big")
    guesses = [
        ("with the client's share", P256.from_private(number).finish(client_share)),
        ("with the server's share", P256.from_private(number).finish(server_share)),
        ("taken as the secret itself", number),
    ]
    for how, secret in guesses:
        bench.claim(f"the certificate's key, {how}, opens no record", recording.read_with(secret) == [])
    content = recording.read_with(P256.from_private(private).finish(server_share))
    bench.claim("with the client's ephemeral key the question is read", QUESTION in content)
    bench.claim("and the answer", ANSWER in content)


@PART(
    "stolen-psk",
    "A ticket's key is stolen: what 0-RTT gives up",
    what="A client resumes with early data, and the connection is recorded. Later the thief has the PSK of the ticket.",
    should="The early data opens. Everything after the ServerHello stays closed, because a fresh key exchange went in.",
    why="Early data is sent before the server has contributed anything: its only secret is the old one. psk_dhe_ke "
    "gives the rest its forward secrecy back.",
    section="RFC 9846, 2.3 and appendix F.1",
    prediction=goes_on(),
)
def stolen_psk(bench: Bench) -> None:
    server = bench.server.replace(tickets=SealedTickets(), max_early_data=1000, replay_guard=ReplayGuard())
    client = bench.client.replace(cipher_suites=[AES])
    session = bench.ticket(client=client, server=server)
    wire = bench.connect(client=client, server=server, session=session, early_data=QUESTION)
    wire.carry()
    wire.ours("server").connection.send_data(ANSWER)
    wire.carry()
    recording = Recording(wire)
    early = EarlySecret(SHA256, session.psk)
    hello_hash = SHA256.new(recording.hellos[0]).digest()
    request = opened(early.client_early_traffic(hello_hash), recording.protected("client"))
    bench.claim("with the PSK the early data is read", request[:1] == [QUESTION])
    _, server_traffic = early.handshake(None).traffic(recording.hellos_hash)
    flight = opened(server_traffic, recording.protected("server"))
    bench.claim("with the PSK nothing that the server said is read", flight == [])


@PART(
    "stolen-traffic-key",
    "A traffic secret is stolen in the middle of a connection",
    what="The client speaks, changes its keys, and speaks again. The thief gets the second secret; then the first one.",
    should="The second opens what was said after the change and nothing before. The first opens both.",
    why="KeyUpdate goes forward only: the next secret is a hash of this one, and no hash goes back. It protects the "
    "past; to lock a thief out, a new handshake is needed.",
    section="RFC 9846, 7.2 and appendix F.1.5",
    prediction=goes_on(),
)
def stolen_traffic_key(bench: Bench) -> None:
    wire = bench.established(client=bench.client.replace(cipher_suites=[AES]))
    client = wire.ours("client")
    client.connection.send_data(b"before")
    before = wire.hold("client")
    wire.pass_on("server", *before)
    client.connection.update_keys()
    client.connection.send_data(b"after")
    _, after = wire.hold("client")
    first = TrafficSecret(SHA256, client.listener.secrets["CLIENT_TRAFFIC_SECRET_0"][0])
    second = first.next()
    bench.claim("the second secret opens what was said after the change", try_to_open(second, 0, after) == b"after")
    bench.claim("the second secret does not open what was said before", try_to_open(second, 0, before[0]) is None)
    bench.claim("the first secret opens what was said before", try_to_open(first, 0, before[0]) == b"before")
    bench.claim("and, one hash further, what was said after", try_to_open(first.next(), 0, after) == b"after")


@PART(
    "nonce-reuse",
    "A nonce is used twice: everything falls",
    what="A broken client encrypts two orders under one key and one number. The attacker has both records and knows "
    "what the first one says.",
    should="The XOR of the two ciphertexts is the XOR of the two plaintexts, so the second order is read. The two "
    "tags give away GCM's authentication key, and the server takes an order that the attacker has written.",
    why="A counter mode adds the same key stream each time the nonce is the same. TLS 1.3 makes it from the record's "
    "number, so that no random number can repeat and no implementation has a choice.",
    section="RFC 9846, 5.3; RFC 5116, 5.1.1",
    attack="nonce reuse; Joux's forbidden attack on GCM (2006)",
    prediction=goes_on(),
)
def nonce_reuse(bench: Bench) -> None:
    first, second, forged = b"pay 0010 to Bob", b"pay 0020 to Ann", b"pay 9999 to Eve"
    wire = bench.established(client=bench.client.replace(cipher_suites=[AES]))
    one, two = _under_one_nonce(wire, first, second)
    seen = xor(one[5:20], two[5:20])
    bench.note(f"ciphertext XOR ciphertext = {seen.hex()}")
    bench.claim(f"plaintext XOR plaintext = {xor(first, second).hex()}", seen == xor(first, second))
    recovered = xor(seen, first)
    bench.claim(f"who knows the first order reads the second: {recovered.decode()!r}", recovered == second)
    header, body, tag = one[:5], one[5:21], one[21:]
    h_squared = divide(xor(tag, two[21:]), xor(body, two[5:21]))
    changed = xor(body, xor(first + b"\0", forged + b"\0"))
    false_tag = xor(tag, multiply(xor(body, changed), h_squared))
    wire.pass_on("server", header + changed + false_tag, saying="sends a record of its own making")
    bench.claim(f"the server takes the forged order: {forged.decode()!r}", wire.ends["server"].heard(forged))


def _under_one_nonce(wire: Wire, *orders: bytes) -> Iterator[bytes]:
    """Each as the record with the same number: what a client does that forgets to count."""
    connection = wire.ours("client").connection
    for order in orders:
        connection.send_data(order)
        yield from wire.hold("client")
        connection._layer.writer.sequence -= 1


# --- GCM's field: NIST SP 800-38D, section 6.3. Bit 0 is the leftmost one. ------------------------------------------

R: Final = 0xE1 << 120


def multiply(one: bytes, other: bytes) -> bytes:
    """In GF(2^128)."""
    x, v, z = int.from_bytes(one, "big"), int.from_bytes(other, "big"), 0
    for position in range(127, -1, -1):
        if x >> position & 1:
            z ^= v
        v = v >> 1 ^ (R if v & 1 else 0)
    return z.to_bytes(16, "big")


def divide(one: bytes, other: bytes) -> bytes:
    """one times other to the power of 2^128 - 2, which is its inverse (Fermat)."""
    square = other
    for _ in range(127):
        square = multiply(square, square)
        one = multiply(one, square)
    return one

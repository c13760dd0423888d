"""The key schedule of one connection as a graph with its values (RFC 9846, section 7.1).

Every node says what it is made of, under which label, and with which transcript hash, and is computed here from
exactly that, step by step, as its snippets do. Where an input is not known (with a key log alone, everything above the
traffic secrets), the value is the one that was given, or none, and the node says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..crypto.hkdf import Secret
from ..crypto.hkdf import extract as hkdf_extract
from ..wire.messages import Finished, KeyUpdate, NewSessionTicket
from . import snippets, snippets_dh
from .schedule_words import MEANINGS, NAMES, REACHES, UNKNOWN
from .story import Node

if TYPE_CHECKING:
    from ..crypto.suites import Hash, Suite
    from .dissect import Dissector, Seen
    from .story import NodeKind

When = str | int
"""The moment at which a value comes into being: a name of MOMENTS in telling.py, or the place of a Seen."""


def key_ids(secret_id: str) -> tuple[str, str]:
    """The nodes of a traffic secret's key and iv."""
    base = secret_id.replace("_traffic_secret", "_traffic_{}")
    return base.format("key"), base.format("iv")


class Graph:
    """Nodes in an order in which each comes after its inputs."""

    def __init__(self, hash: Hash) -> None:
        self.hash = hash
        self.nodes: list[Node] = []
        self.when: dict[str, When] = {}
        self._by_id: dict[str, Node] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._by_id

    def value(self, id: str) -> bytes | None:
        node = self._by_id.get(id)
        return node.value if node is not None else None

    def put(self, node: Node, when: When) -> str:
        if node.value is None and node.why_unknown is None:
            missing = next((one for one in node.inputs if self.value(one) is None), None)
            node.why_unknown = (
                f"made of {self._name(missing)}, which is not known here" if missing else "not known here"
            )
        self.nodes.append(node)
        self._by_id[node.id] = node
        self.when[node.id] = when
        return node.id

    def _name(self, id: str) -> str:
        return self._by_id[id].name if id in self._by_id else id

    def input(self, id: str, value: bytes | None, when: When, section: str) -> str:
        node = Node(id, *_words(id), "input", (), "", "", section, _meaning(id), value)
        if value is None:
            node.why_unknown = UNKNOWN.get(_plain(id), "not known here")
        return self.put(node, when)

    def zeros(self, id: str, when: When) -> str:
        length = self.hash.digest_size
        node = Node(id, *_words(id), "input", (), "", "0", "RFC 9846, 7.1", _meaning(id), bytes(length))
        node.python, node.shell = snippets.zeros(length)
        return self.put(node, when)

    def extract(self, id: str, salt: str | None, ikm: str, when: When) -> str:
        """`salt`: a node, or None for the zeros at the top."""
        salt_value = self.value(salt) if salt is not None else bytes(self.hash.digest_size)
        ikm_value = self.value(ikm)
        inputs = (salt, ikm) if salt is not None else (ikm,)
        rfc = f"HKDF-Extract({self._name(salt) if salt else '0'}, {self._name(ikm)})"
        node = Node(id, *_words(id), "extract", inputs, "", rfc, "RFC 9846, 7.1", _meaning(id), None)
        if salt_value is not None and ikm_value is not None:
            node.value = hkdf_extract(self.hash, salt_value, ikm_value).value
            names = (self._name(salt) if salt else "zeros", self._name(ikm))
            node.python = snippets.extract(self.hash, salt_value, ikm_value, names)
            node.shell = snippets.extract_shell(self.hash, salt_value, ikm_value)
        return self.put(node, when)

    def transcript(self, id: str, messages: tuple[bytes, ...], when: When, names: tuple[str, ...]) -> str:
        value = self.hash.new(b"".join(messages)).digest()
        rfc = f"Transcript-Hash({REACHES[_plain(id)]})"
        node = Node(id, *_words(id), "hash", (), "", rfc, "RFC 9846, 4.1", _meaning(id), value)
        node.transcript_hash = value
        node.python = snippets.digest(self.hash, messages, names)
        node.shell = snippets.digest_shell(self.hash, messages)
        return self.put(node, when)

    def expand(
        self,
        id: str,
        secret: str,
        label: str,
        when: When,
        *,
        hashed: str | None = None,
        context: bytes | None = None,
        length: int | None = None,
        given: bytes | None = None,
        section: str = "RFC 9846, 7.1",
    ) -> str:
        """Derive-Secret if `hashed` (a hash node) is given, or `context` is None; else HKDF-Expand-Label."""
        size = self.hash.digest_size if length is None else length
        derive = context is None
        data = (self.value(hashed) if hashed is not None else self.hash.empty) if context is None else context
        above = self.value(secret)
        what = _plain(id) if _plain(id) in MEANINGS else ("key" if label == "key" else "iv")
        kind: NodeKind = "derive" if derive else "expand"
        inputs = (secret, hashed) if hashed is not None else (secret,)
        over = REACHES[_plain(hashed)] if hashed is not None else '""'
        rfc = f'Derive-Secret(., "{label}", {over})' if derive else _expand_rfc(label, context, size)
        node = Node(id, *_words(id), kind, inputs, label, rfc, section, MEANINGS[what], given)
        node.transcript_hash = data if hashed is not None else None
        if above is not None and data is not None:
            node.value = Secret(self.hash, above).expand_label(label.encode(), data, size)
            comments = (self._name(secret), rfc.rpartition(", ")[2] if not derive else f"Transcript-Hash({over})")
            node.python = snippets.expand_label(self.hash, above, label.encode(), data, size, comments)
            node.shell = snippets.expand_label_shell(self.hash, above, label.encode(), data, size)
        return self.put(node, when)

    def mac(self, id: str, key: str, hashed: str, when: When, sent: bytes | None) -> str:
        """`sent`: what the message held, with which the computed value is compared."""
        key_value, data = self.value(key), self.value(hashed)
        rfc = f"HMAC({self._name(key)}, Transcript-Hash({REACHES[_plain(hashed)]}))"
        node = Node(id, *_words(id), "mac", (key, hashed), "", rfc, "RFC 9846, 4.5.3", _meaning(id), sent)
        node.transcript_hash = data
        if key_value is not None and data is not None:
            node.value = Secret(self.hash, key_value).hmac(data)
            node.python = snippets.mac(self.hash, key_value, data, (self._name(key), REACHES[_plain(hashed)]))
            node.shell = snippets.mac_shell(self.hash, key_value, data)
            if sent is not None:
                same = "It is what the message holds." if sent == node.value else "The message holds something else!"
                node.meaning += f" {same}"
        return self.put(node, when)

    def traffic(self, id: str, suite: Suite, when: When) -> None:
        """The record keys of a traffic secret (section 7.3)."""
        key, iv = key_ids(id)
        self.expand(key, id, "key", when, context=b"", length=suite.key_length, section="RFC 9846, 7.3")
        self.expand(iv, id, "iv", when, context=b"", length=suite.iv_length, section="RFC 9846, 7.3")


def _plain(id: str) -> str:
    """The id without what tells it from its like: offered_1_psk -> psk, client_..._secret_3 -> client_..._secret."""
    while id[-1:].isdigit():
        id = id.rstrip("0123456789").rstrip("_")
    return id.partition("__")[2] or id


def _words(id: str) -> tuple[str]:
    """The node's name: the RFC's, where it has one."""
    plain = _plain(id)
    number = id.rpartition("_")[2]
    name = f"Hash({REACHES[plain]})" if plain in REACHES else NAMES.get(plain, plain)
    if number.isdigit():
        name += f"_{number}" if plain not in NAMES else f" {number}"
    return (name if not id.startswith("offered_") else f"{name} (offered)",)


def _meaning(id: str) -> str:
    return MEANINGS[_plain(id)]


def _expand_rfc(label: str, context: bytes | None, length: int) -> str:
    shown = '""' if not context else context.hex()
    return f'HKDF-Expand-Label(., "{label}", {shown}, {length})'


class Schedule:
    """Builds the graph of what a dissector has read. Nothing is in it if the cipher suite is not known."""

    def __init__(self, read: Dissector, suite: Suite) -> None:
        self.read = read
        self.suite = suite
        self.graph = Graph(suite.hash)

    def build(self) -> Graph:
        hellos = self.read.hellos
        self._offered()
        if hellos.server is not None:
            self._early_stage()
            self._handshake_stage()
            self._main_stage()
            self._afterwards()
        return self.graph

    def _given(self, label: str) -> bytes | None:
        values = self.read.material.given.get(label)
        return values[0] if values else None

    # --- the first column: section 4.3.11.2 for the binders ---------------------------------------------------------

    def _offered(self) -> None:
        """PSKs that were offered and are known, or that early data came with; not the selected one."""
        hellos, material = self.read.hellos, self.read.material
        offered = hellos.offered_psks
        for position in range(len(offered.identities) if offered is not None else 0):
            known = material.psk(position)
            wanted = known is not None or (position == 0 and hellos.offers_early_data)
            if position != hellos.selected_psk and wanted and (known is None or known.hash is self.suite.hash):
                self._psk(f"offered_{position}__", position)

    def _early_stage(self) -> None:
        selected = self.read.hellos.selected_psk
        if selected is not None:
            self._psk("", selected)
            return
        self.graph.extract("early_secret", None, self.graph.zeros("no_psk", "start"), "server_hello")

    def _psk(self, prefix: str, position: int) -> None:
        graph, hellos = self.graph, self.read.hellos
        known = self.read.material.psk(position)
        psk = graph.input(f"{prefix}psk", known.key if known is not None else None, "start", "RFC 9846, 2.2")
        early = graph.extract(f"{prefix}early_secret", None, psk, "client_hello")
        label = known.kind.value.decode() if known is not None else "res binder"
        binder_key = graph.expand(f"{prefix}binder_key", early, label, "client_hello")
        finished_key = graph.expand(
            f"{prefix}binder_finished_key", binder_key, "finished", "client_hello", context=b"", section=FINISHED
        )
        raw = hellos.binder_input(self.suite.hash)
        names = ("the ClientHello up to its binders; after a HelloRetryRequest with all that came before",)
        hashed = graph.transcript(f"{prefix}hash_binder", (raw,), "client_hello", names)
        offered = hellos.offered_psks
        sent = offered.binders[position] if offered is not None and position < len(offered.binders) else None
        graph.mac(f"{prefix}binder", finished_key, hashed, "client_hello", sent)
        if position == 0 and hellos.offers_early_data:
            self._early_data(early)

    def _early_data(self, early: str) -> None:
        graph, raw = self.graph, self.read.hellos.client_raw[0]
        hashed = graph.transcript("hash_client_hello", (raw,), "early_data", ("ClientHello",))
        given = self._given("CLIENT_EARLY_TRAFFIC_SECRET")
        secret = "client_early_traffic_secret"
        graph.expand(secret, early, "c e traffic", "early_data", hashed=hashed, given=given)
        graph.traffic(secret, self.suite, "early_data")
        given = self._given("EARLY_EXPORTER_SECRET")
        graph.expand("early_exporter_secret", early, "e exp master", "early_data", hashed=hashed, given=given)

    # --- the second -------------------------------------------------------------------------------------------------

    def _handshake_stage(self) -> None:
        graph, now = self.graph, "server_hello"
        salt = graph.expand("early_derived", "early_secret", "derived", now)
        if self.read.hellos.group_code is None:
            ikm = graph.zeros("no_ecdhe", now)
        else:
            ikm = self._exchange()
        graph.extract("handshake_secret", salt, ikm, now)
        hashed = self._hash("hash_server_hello", self.read.reaches.get("server_hello", 0), now)
        for who in ("client", "server"):
            secret = f"{who}_handshake_traffic_secret"
            given = self._given(f"{who.upper()}_HANDSHAKE_TRAFFIC_SECRET")
            graph.expand(secret, "handshake_secret", f"{who[0]} hs traffic", now, hashed=hashed, given=given)
            graph.traffic(secret, self.suite, now)
        self._finished("server")

    def _exchange(self) -> str:
        """With a private key at hand the exchange itself can be done again."""
        material, code = self.read.material, self.read.hellos.group_code
        id = self.graph.input("ecdhe", material.shared_secret, "server_hello", "RFC 9846, 7.4")
        node = self.graph.nodes[-1]
        done = material.exchange
        if code is not None and done is not None:
            node.rfc = f"{code}(private key of the {done.whose[0]}, share of the {done.whose[1]})"
            node.python = snippets_dh.exchange(code, done.private, done.share, done.whose)
        return id

    def _hash(self, id: str, reach: int, when: When) -> str:
        messages = tuple(self.read.handshake[:reach])
        return self.graph.transcript(id, messages, when, tuple(map(_message_name, messages)))

    def _finished(self, who: str) -> None:
        reach = self.read.reaches.get(f"{who}_finished")
        if reach is None:
            return
        graph, now = self.graph, f"{who}_finished_message"
        base = f"{who}_handshake_traffic_secret"
        key = graph.expand(f"{who}_finished_key", base, "finished", now, context=b"", section=FINISHED)
        hashed = self._hash(f"hash_{who}_certificate_verify", reach - 1, now)
        graph.mac(f"{who}_finished", key, hashed, now, self.read.handshake[reach - 1][4:])

    # --- the third --------------------------------------------------------------------------------------------------

    def _main_stage(self) -> None:
        graph, now = self.graph, "server_finished"
        reach = self.read.reaches.get("server_finished")
        salt = graph.expand("handshake_derived", "handshake_secret", "derived", "server_hello")
        graph.extract("main_secret", salt, graph.zeros("no_more", "server_hello"), "server_hello")
        if reach is None:
            return
        hashed = self._hash("hash_server_finished", reach, now)
        for who in ("client", "server"):
            secret = f"{who}_application_traffic_secret_0"
            given = self._given(f"{who.upper()}_TRAFFIC_SECRET_0")
            graph.expand(secret, "main_secret", f"{who[0]} ap traffic", now, hashed=hashed, given=given)
            graph.traffic(secret, self.suite, now)
        given = self._given("EXPORTER_SECRET")
        exporter = graph.expand("exporter_secret", "main_secret", "exp master", now, hashed=hashed, given=given)
        graph.expand("channel_binding_secret", exporter, "EXPORTER-Channel-Binding", now, section="RFC 9266, 4.1")
        context = self.suite.hash.empty
        graph.expand(
            "tls_exporter",
            "channel_binding_secret",
            "exporter",
            now,
            context=context,
            length=32,
            section="RFC 9266, 4.1",
        )
        self._finished("client")
        reach = self.read.reaches.get("client_finished")
        if reach is not None:
            hashed = self._hash("hash_client_finished", reach, "client_finished")
            graph.expand("resumption_secret", "main_secret", "res master", "client_finished", hashed=hashed)

    # --- section 4.7 ------------------------------------------------------------------------------------------------

    def _afterwards(self) -> None:
        tickets = 0
        for place, seen in enumerate(self.read.seen):
            message = seen.message
            if isinstance(message, NewSessionTicket) and "resumption_secret" in self.graph:
                id, nonce = f"resumption_psk_{tickets}", message.ticket_nonce
                self.graph.expand(
                    id, "resumption_secret", "resumption", place, context=nonce, section="RFC 9846, 4.7.1"
                )
                tickets += 1
            elif isinstance(message, KeyUpdate) and seen.keys is not None:
                self._key_update(seen.keys.name, place)
            elif isinstance(message, Finished) and seen.hashed:
                self._later_finished(seen, place)

    def _key_update(self, id: str, place: int) -> None:
        base, _, number = id.rpartition("_")
        before = f"{base}_{int(number) - 1}"
        if before in self.graph:
            self.graph.expand(id, before, "traffic upd", place, context=b"", section="RFC 9846, 7.2")
            self.graph.traffic(id, self.suite, place)

    def _later_finished(self, seen: Seen, place: int) -> None:
        """After a CertificateRequest of section 4.7.2: under the client's application secret of that moment."""
        if seen.keys is None or seen.keys.name not in self.graph:
            return
        graph = self.graph
        number = sum(1 for id in graph.when if id.startswith("post_handshake_finished_key"))
        key = graph.expand(
            f"post_handshake_finished_key_{number}", seen.keys.name, "finished", place, context=b"", section=FINISHED
        )
        names = tuple(map(_message_name, seen.hashed))
        hashed = graph.transcript(f"hash_post_handshake_{number}", seen.hashed, place, names)
        graph.mac(f"post_handshake_finished_{number}", key, hashed, place, seen.raw[4:])


FINISHED = "RFC 9846, 4.5.3"


def _message_name(raw: bytes) -> str:
    from ..wire.messages import message_class
    from ..wire.registry import HandshakeType

    kind = message_class(raw)
    return kind.__name__ if kind is not None else str(HandshakeType(raw[0]))

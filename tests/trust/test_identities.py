"""Which of a server's many certificates is for a name: what each of them says, found without asking each."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import tls13
from tests.conftest import HOST
from tests.requirements.scripts import first_hello
from tls13.answers import MAX_ANSWERS
from tls13.lab.authority import KeyType
from tls13.trust.identity import Identities, Identity
from tls13.trust.raw_keys import RawPublicKey

NAMES = [["a.test"], ["*.example"], ["b.example", "*.b.example"], ["*.a.example", "a.example"], ["c.test"], ["*.test"]]
ASKED = [
    "a.example", "A.Example", "b.example", "x.example", "x.b.example", "x.y.b.example", ".example", "example", "",
    "c.test", "d.test", "test", "*.example", ".a.example", "x.a.example", "xa.example",
]  # fmt: skip


@pytest.fixture(scope="module")
def many(authority) -> Identities:
    return Identities([authority.issue(names).identity for names in NAMES])


@pytest.mark.parametrize("name", ASKED)
def test_the_index_says_what_each_certificate_says(many, name) -> None:
    assert many.matching(name) == [one for one in many if one.matches(name)]


def test_identities_of_other_makes_are_asked(many) -> None:
    raw = RawPublicKey(ed25519.Ed25519PrivateKey.generate())
    mixed = Identities([raw, *many, raw])
    assert mixed.matching("c.test") == [raw, many[4], many[5], raw]


def test_of_those_that_differ_in_their_names_only_one_is_left_for_strangers(authority, many) -> None:
    other = authority.issue(["e.test"], key_type=KeyType.ED25519).identity
    assert Identities([*many, other, many[0]]).defaults == (many[0], other)


def test_a_server_with_many_certificates_shows_the_right_one(pair, authority, client_config) -> None:
    """RFC 6066, section 3; and the first of all where none is for the name."""
    hosts = [f"host{number}.example" for number in range(50)]
    server = tls13.ServerConfig([authority.issue([host]).identity for host in [HOST, *hosts]])
    for host in (hosts[0], hosts[31], hosts[49]):
        made = pair(server=server)
        made.client = tls13.ClientConnection(client_config, server_hostname=host)
        made.run()
        assert made.client.handshake_complete
    hello = first_hello(tls13.ClientConnection(client_config, server_hostname="nobody.example"))
    assert hello.server_name == "nobody.example"
    made = pair(server=server)
    made.client = tls13.ClientConnection(client_config, server_hostname="nobody.example")
    with pytest.raises(tls13.CertificateError, match=HOST):
        made.run()


def test_what_one_client_was_shown_is_not_shown_to_one_that_asks_for_something_else(authority, client_config, pair):
    """Section 4.5.1.2: the name, and each extension that says what certificate is wanted, count for every client."""
    ecdsa, ed25519_ = KeyType.ECDSA_P256, KeyType.ED25519
    server = tls13.ServerConfig(
        [authority.issue([host], key_type=kind).identity for host in (HOST, "b.example") for kind in (ecdsa, ed25519_)]
    )
    schemes = tls13.SignatureScheme.ecdsa_secp256r1_sha256, tls13.SignatureScheme.ed25519
    wanted = [(host, scheme) for host in (HOST, "b.example") for scheme in schemes] * 2
    for host, scheme in [*wanted, *reversed(wanted)]:
        made = pair(client=client_config.replace(signature_schemes=[scheme]), server=server, host=host)
        made.run()
        session = made.client.session
        assert session.signature_scheme == scheme
        assert session.peer_certificates[0] in [one.chain[0] for one in server.identities.matching(host)]


def test_answers_are_kept_for_short_questions_and_not_without_end(authority, quick_pair, client_config) -> None:
    """A client thinks of the names: whoever asks for thousands does not fill the server's memory."""
    server = tls13.ServerConfig(authority.issue([HOST]).identity)
    client = tls13.ClientConnection(client_config, server_hostname=HOST)
    block = first_hello(client).extensions
    block.judge()
    answer = (server.identities[0], tls13.SignatureScheme.ecdsa_secp256r1_sha256, True)
    answers = server.identity_answers
    for number in range(2 * MAX_ANSWERS):
        answers.keep(f"host{number}.example", block, answer)
        assert answers.find(f"host{number}.example", block) == answer
    assert len([one for one in range(2 * MAX_ANSWERS) if answers.find(f"host{one}.example", block)]) <= MAX_ANSWERS
    answers.keep("x" * 256, block, answer)
    assert answers.find("x" * 256, block) is None


def test_an_identity_of_another_make_is_asked_each_time(authority, quick_pair) -> None:
    """It may say that it is for a name today, and not tomorrow."""
    asked = []

    class Changing(Identity):
        def matches(self, server_name: str) -> bool:
            asked.append(server_name)
            return True

    one = authority.issue([HOST])
    stranger = Stranger(Changing(one.chain, one.private_key))
    server = tls13.ServerConfig(stranger)
    for _ in range(3):
        quick_pair(server=server).run()
    assert asked == [HOST] * 3


class Stranger:
    """A Presentable that is no Identity."""

    def __init__(self, inner: Identity) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

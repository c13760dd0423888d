"""Which of a server's many certificates is for a name: what each of them says, found without asking each."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import tls13
from tests.conftest import HOST
from tests.requirements.scripts import first_hello
from tls13.lab.authority import KeyType
from tls13.trust.identity import Identities
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

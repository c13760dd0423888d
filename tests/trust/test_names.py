"""Names as users give them, as server_name carries them, and as certificates hold them: RFC 9525, RFC 6066."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tls13.errors import ConfigurationError
from tls13.lab.authority import Authority
from tls13.trust.checks import name_matches
from tls13.trust.names import ServerName, certificate_names


@pytest.fixture(scope="module")
def ca() -> Authority:
    return Authority.create(now=datetime(2026, 1, 1, tzinfo=UTC))


def certificate(ca: Authority, *names: str) -> x509.Certificate:
    return ca.sign(ca.draft(names, ca.private_key.public_key()))


# --- What goes into server_name (RFC 6066, section 3) -----------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("example.com", b"example.com"),
        ("EXAMPLE.Com", b"example.com"),
        ("example.com.", b"example.com"),
        ("localhost", b"localhost"),
        ("xn--bcher-kva.example", b"xn--bcher-kva.example"),
        ("bücher.example", b"xn--bcher-kva.example"),
        ("BÜCHER.example.", b"xn--bcher-kva.example"),
        ("straße.example", b"xn--strae-oqa.example"),
        ("日本語。jp", b"xn--wgv71a119e.jp"),
        ("example.com\u3002", b"example.com"),  # the dots of IDNA: RFC 3490, section 3.1
        ("bücher.example\uff0e", b"xn--bcher-kva.example"),
        ("bücher.example\uff61", b"xn--bcher-kva.example"),
        (b"example.com", b"example.com"),
        (b"xn--bcher-kva.example", b"xn--bcher-kva.example"),
        ("under_score.example", b"under_score.example"),
        ("a" * 63 + ".example", b"a" * 63 + b".example"),
        ("3com.com", b"3com.com"),
    ],
)
def test_the_wire_has_a_labels_without_a_trailing_dot(given: str | bytes, sent: bytes) -> None:
    name = ServerName.parse(given)
    assert name.sni == sent
    assert not name.is_ip
    assert name.address is None


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:0DB8:0:0::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        (b"127.0.0.1", "127.0.0.1"),
    ],
)
def test_an_address_is_never_sent_as_a_server_name(given: str | bytes, address: str) -> None:
    name = ServerName.parse(given)
    assert name.is_ip
    assert name.sni is None
    assert name.address == ip_address(address)


def test_the_text_is_kept_as_it_was_given() -> None:
    assert ServerName.parse("BÜCHER.example.").text == "BÜCHER.example."
    assert ServerName.parse(b"example.com").text == "example.com"


def test_names_that_mean_the_same_host_are_equal() -> None:
    assert ServerName.parse("Example.com.") == ServerName.parse("example.COM")
    assert len({ServerName.parse("::1"), ServerName.parse("[0:0::1]")}) == 1
    assert ServerName.parse("example.com") != ServerName.parse("www.example.com")


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        ".",
        "..",
        "example..com",
        ".example.com",
        "example.com..",
        "example.com.\u3002",
        "\u3002",
        "-example.com",
        "example-.com",
        "exa mple.com",
        " example.com",
        "example.com\n",
        "example.com\0.evil.example",
        "https://example.com",
        "example.com:443",
        "user@example.com",
        "*.example.com",
        "a" * 64 + ".com",
        ".".join(["a" * 63] * 4) + ".com",
        "ü" * 64 + ".com",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.1",
        "0x7f.1",
        "[example.com]",
        "2001:db8::zz",
        b"b\xc3\xbccher.example",
        "192.0.2.1%eth0",
        "[192.0.2.1]",
    ],
)
def test_what_cannot_be_a_server_is_refused_where_it_is_given(nonsense: str | bytes) -> None:
    with pytest.raises(ConfigurationError, match="host name"):
        ServerName.parse(nonsense)


@given(st.text(max_size=80))
def test_any_text_is_a_name_for_the_wire_or_a_configuration_error(text: str) -> None:
    try:
        name = ServerName.parse(text)
    except ConfigurationError:
        return
    if name.sni is None:
        assert name.is_ip
        return
    assert name.sni == name.sni.lower()
    assert not name.sni.endswith(b".")
    assert len(name.sni) <= 253
    assert all(0 < len(label) <= 63 for label in name.sni.split(b"."))
    assert ServerName.parse(name.sni) == name


# --- What a certificate is for (RFC 9525, section 6) ------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.COM"),
        ("www.example.com", "*.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example.com", "*.example.com"),
        ("under_score.example.com", "*.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("localhost", "localhost"),
    ],
)
def test_a_certificate_is_for_a_host(ca: Authority, wanted: str, held: str) -> None:
    assert name_matches(ServerName.parse(wanted), certificate(ca, "other.example", held))


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("example.com", "*.example.com"),
        ("a.b.example.com", "*.example.com"),
        ("example.com", "*.com"),
        ("localhost", "*"),
        ("www.example.com", "w*.example.com"),
        ("www.example.com", "www.*.com"),
        ("a.b.example.com", "*.*.example.com"),
        ("www.example.com", "example.com"),
        ("notexample.com", "example.com"),
        ("example.com", "example.com.evil.example"),
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("1.0.0.127.example.com", "127.0.0.1"),
    ],
)
def test_a_certificate_is_not_for_a_host(ca: Authority, wanted: str, held: str) -> None:
    assert not name_matches(ServerName.parse(wanted), certificate(ca, held))


def test_an_address_in_a_dns_name_is_not_an_address(ca: Authority) -> None:
    """RFC 9525, section 6.5: an IP-ID is compared with iPAddress entries only."""
    draft = ca.draft(["placeholder.example"], ca.private_key.public_key())
    disguised = draft.with_extension(x509.SubjectAlternativeName([x509.DNSName("192.0.2.1")]))
    assert not name_matches(ServerName.parse("192.0.2.1"), ca.sign(disguised))


def test_the_common_name_is_no_name(ca: Authority) -> None:
    """RFC 9525, section 2: not even for a certificate without subjectAltName."""
    named = ca.draft(["placeholder.example"], ca.private_key.public_key(), common_name="example.com")
    for draft in (named, named.without_extension(x509.SubjectAlternativeName)):
        assert not name_matches(ServerName.parse("example.com"), ca.sign(draft))


def test_the_names_of_a_certificate_are_listed_for_people(ca: Authority) -> None:
    held = certificate(ca, "example.com", "*.example.com", "192.0.2.1", "2001:db8::1")
    assert certificate_names(held) == ["example.com", "*.example.com", "192.0.2.1", "2001:db8::1"]
    assert certificate_names(ca.certificate) == []

"""What may stand in status_request beside a certificate: RFC 9846, section 4.5.1.1, broken by either role."""

from __future__ import annotations

import pytest

from tests.mutual import USAGES, Both, edit
from tests.requirements.cases import cases
from tests.test_stapling import HOST, respond
from tls13 import errors
from tls13.errors import AlertDescription
from tls13.wire.extensions import CT, Extensions
from tls13.wire.messages import Certificate
from tls13.wire.registry import ExtensionType

ROLES = pytest.mark.parametrize("signer", ["server", "client"])
ROWS = {"server": "R169", "client": "R172"}


@pytest.fixture
def both(quick_pair, authority, trust) -> Both:
    made = Both.of(quick_pair, authority, trust)
    return made._replace(server=made.server.replace(ocsp_stapling=True))


def with_status(body: bytes):
    """The Certificate with this in the status_request of its first entry."""

    def change(message: Certificate) -> Certificate:
        extensions = Extensions(((ExtensionType.status_request, body),), CT)
        entry = message.certificate_list[0].replace(extensions=extensions)
        return message.replace(certificate_list=(entry, *message.certificate_list[1:]))

    return edit(Certificate, change)


def stapled(response: bytes, status_type: int = 1) -> bytes:
    return bytes([status_type]) + len(response).to_bytes(3, "big") + response


SYNTAX = {
    "nothing": b"",
    "an empty response": b"\1\0\0\0",
    "a response that ends early": b"\1\0\0\2a",
    "a byte behind the response": b"\1\0\0\1ab",
    "a response without its type": b"\0\0\1a",
}


@ROLES
@pytest.mark.parametrize("name", cases(SYNTAX, dict.fromkeys(SYNTAX, "R169 R172")))
def test_what_is_no_certificate_status_is_refused(name, signer, both) -> None:
    both.refused(signer, errors.DecodeError, with_status(SYNTAX[name]))


@ROLES
@pytest.mark.requirement("R169", "R172")
def test_a_certificate_status_is_an_ocsp_response(signer, both, authority) -> None:
    """RFC 6066, section 8: `ocsp` is the one type, and its DER is one of RFC 6960. With the good one all is well."""
    issued = authority.issue([HOST], usages=[USAGES[signer]])
    shown = both.showing(signer, issued.identity)
    good = respond(authority, issued.certificate)
    made = shown.pair(signer, with_status(stapled(good)))
    made.run()
    assert (made.client if signer == "server" else made.server).handshake_complete
    for bad in (b"\x30\x03\x0a\x01\x00", b"no DER", good[:-1], good + b"\0", b"\x30\x03\x0a\x01\x06"):
        made = shown.pair(signer, with_status(stapled(bad)))
        with pytest.raises(errors.CertificateError) as caught:
            made.run()
        assert caught.value.alert == AlertDescription.bad_certificate_status_response


@ROLES
@pytest.mark.parametrize("status_type", [0, 2, 255])
@pytest.mark.requirement("R169", "R172")
def test_another_type_of_status_is_refused(status_type, signer, both, authority) -> None:
    """2 is ocsp_multi, of status_request_v2 (RFC 6961): whatever follows is not the OCSP response it may look like."""
    issued = authority.issue([HOST], usages=[USAGES[signer]])
    body = stapled(respond(authority, issued.certificate), status_type)
    made = both.showing(signer, issued.identity).pair(signer, with_status(body))
    with pytest.raises(errors.UnknownStatusType) as caught:
        made.run()
    assert caught.value.alert == AlertDescription.bad_certificate_status_response


@ROLES
def test_a_status_beside_another_certificate_is_not_looked_at(signer, both, authority) -> None:
    """Only the end-entity certificate's is needed; the syntax of the others' is judged all the same."""

    def extra(message: Certificate) -> Certificate:
        first = message.certificate_list[0]
        status = Extensions(((ExtensionType.status_request, stapled(b"anything")),), CT)
        return message.replace(certificate_list=(*message.certificate_list, first.replace(extensions=status)))

    made = both.pair(signer, edit(Certificate, extra))
    made.run()
    assert made.client.handshake_complete
    assert made.server.handshake_complete

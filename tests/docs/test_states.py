"""docs/states: what the code does is what is drawn, and what RFC 9846, appendix A, has."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import states
from docs.variants import every_variant

RFC = Path(states.__file__).parents[2] / "shared/reference/rfc/rfc9846-numbered.md"

APPENDIX_A = {
    "client": {
        ("START", None, "WAIT_SH"),
        ("WAIT_SH", "HelloRetryRequest", "WAIT_SH (retried)"),  # START there, which goes on to WAIT_SH by itself
        ("WAIT_SH", "ServerHello", "WAIT_EE"),
        ("WAIT_SH (retried)", "ServerHello", "WAIT_EE"),
        ("WAIT_EE", "EncryptedExtensions", "WAIT_FINISHED"),
        ("WAIT_EE", "EncryptedExtensions", "WAIT_CERT_CR"),
        ("WAIT_CERT_CR", "Certificate", "WAIT_CV"),
        ("WAIT_CERT_CR", "CertificateRequest", "WAIT_CERT"),
        ("WAIT_CERT", "Certificate", "WAIT_CV"),
        ("WAIT_CV", "CertificateVerify", "WAIT_FINISHED"),
        ("WAIT_FINISHED", "Finished", "CONNECTED"),
    },
    "server": {
        ("START", "ClientHello", "START (retried)"),
        # RECVD_CH, NEGOTIATED and WAIT_FLIGHT2 wait for nothing: the arrows through them are one.
        ("START", "ClientHello", "WAIT_FINISHED"),
        ("START", "ClientHello", "WAIT_CERT"),
        ("START (retried)", "ClientHello", "WAIT_FINISHED"),
        ("START (retried)", "ClientHello", "WAIT_CERT"),
        ("START", "ClientHello", "WAIT_EOED"),
        ("WAIT_EOED", "EndOfEarlyData", "WAIT_FINISHED"),
        ("WAIT_CERT", "Certificate", "WAIT_FINISHED"),
        ("WAIT_CERT", "Certificate", "WAIT_CV"),
        ("WAIT_CV", "CertificateVerify", "WAIT_FINISHED"),
        ("WAIT_FINISHED", "Finished", "CONNECTED"),
    },
}
"""Appendix A, read by hand, without WAIT_EOED -> WAIT_CERT: docs/states.md says why that is out of reach (4.4.2)."""


@pytest.fixture(scope="module")
def found() -> list[states.Edge]:
    return states.edges(every_variant())


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_code_goes_along_the_arrows_of_appendix_a_and_no_others(found, role) -> None:
    assert {(edge.start, edge.received, edge.end) for edge in found if edge.role == role} == APPENDIX_A[role]


def appendix(part: str) -> str:
    if not RFC.exists():
        pytest.skip("../shared is not there: this clone stands alone")
    text = RFC.read_text()
    begin = text.index(f"## A.{part}. ")
    return text[begin : text.index("\n#", begin + 1)].split("~~~~")[1]


PASSED = {"client": set(), "server": {"RECVD_CH", "NEGOTIATED", "WAIT_FLIGHT2"}}
"""States of the figure in which nothing is waited for."""


@pytest.mark.parametrize(("part", "role"), [("1", "client"), ("2", "server")])
def test_the_states_are_those_of_the_rfcs_figure(found, part, role) -> None:
    """Read from the RFC's own text, so that the table above cannot forget one."""
    figure = set(re.findall(r"\b(?:START|CONNECTED|NEGOTIATED|RECVD_CH|WAIT_[A-Z0-9_]+)\b", appendix(part)))
    ours = {state.removesuffix(" (retried)") for edge in found for state in (edge.start, edge.end) if edge.role == role}
    assert ours | PASSED[role] == figure


@pytest.mark.parametrize(("part", "role"), [("1", "client"), ("2", "server")])
def test_what_the_figure_receives_and_sends_is_what_the_code_does(found, part, role) -> None:
    """Every word of the figure that is a handshake message occurs on our arrows, and the other way round."""
    from tls13.wire import messages

    kinds = {name for name in dir(messages) if isinstance(getattr(messages, name), type)}
    figure = set(re.findall(r"[A-Z][A-Za-z]+", appendix(part))) & kinds
    edges = [edge for edge in found if edge.role == role]
    ours = {edge.received for edge in edges if edge.received}
    ours |= {word for edge in edges for action in edge.actions for word in re.findall(r"Send (\w+)", action)}
    assert ours == figure


def test_the_keys_change_where_the_figure_says(found) -> None:
    """Section 4.3.10, by one arrow: a server that takes early data reads it under keys of its own."""
    (accepts,) = [edge for edge in found if edge.end == "WAIT_EOED"]
    assert accepts.actions.index("K_recv = early data") > accepts.actions.index("Send ServerHello")
    assert accepts.actions[-1] == "K_send = application"
    (finished,) = [edge for edge in found if edge.role == "client" and edge.end == "CONNECTED"]
    assert finished.actions.index("[Send EndOfEarlyData]") < finished.actions.index("[K_send = handshake]")
    assert finished.actions.index("[K_send = handshake]") < finished.actions.index("[Send Certificate]")


def test_the_committed_files_are_what_the_code_gives() -> None:
    for path, text in states.made().items():
        assert path.read_text() == text, f"{path.name} is out of date: python -m docs"


def test_every_arrow_of_the_code_is_in_the_drawing(found) -> None:
    root = ElementTree.fromstring(states.draw(found))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for edge in found:
        assert edge.start in words
        assert edge.end in words
        for action in edge.actions:
            assert action in words

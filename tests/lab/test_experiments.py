"""Every experiment is a test: what it predicts is what happens. And the judge itself can say no."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tls13 import errors
from tls13.lab.experiments import EXPERIMENTS, PARTS, perform
from tls13.lab.experiments.bench import QUESTION, Bench, as_it_is
from tls13.lab.experiments.between import at, flip, records
from tls13.lab.experiments.keys import divide, multiply, xor
from tls13.lab.experiments.model import Prediction, goes_on, noticed, refused
from tls13.lab.experiments.openssl import OpenSslMissing

ALL = [pytest.param(one, id=one.name) for one in EXPERIMENTS.values()]
BLOCK = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize("experiment", ALL)
def test_what_is_predicted_happens(experiment) -> None:
    assert perform(experiment).differences == []


@pytest.mark.parametrize("experiment", ALL)
def test_an_experiment_explains_itself(experiment) -> None:
    for text in (experiment.what, experiment.should, experiment.why):
        assert text.endswith(".")
        assert len(text) > 30
    assert experiment.section.startswith("RFC ")
    assert not experiment.title.endswith(".")
    assert experiment.part in {part.title for part in PARTS}
    assert perform(experiment).outcome.happened


def test_the_sections_exist() -> None:
    """Of RFC 9846; those of other documents were looked up by hand."""
    file = Path(__file__).parents[3] / "shared/reference/rfc/rfc9846-numbered.md"
    if not file.exists():
        pytest.skip("../shared is not there: this clone stands alone")
    headings = set(re.findall(r"^#+ (?:Appendix )?([0-9A-F](?:\.[0-9]+)*)\. ", file.read_text(), re.MULTILINE))
    for one in EXPERIMENTS.values():
        for document in one.section.split("; "):
            if document.startswith("RFC 9846, "):
                cited = re.findall(r"\b[0-9A-F](?:\.[0-9]+)*\b", document.removeprefix("RFC 9846, "))
                assert cited, one.name
                assert set(cited) <= headings, one.name


def test_the_menu_has_what_was_promised() -> None:
    promised = {
        "a bit in each message": {
            f"flip-{name}"
            for name in [
                "client-hello",
                "server-hello",
                "encrypted-extensions",
                "certificate",
                "certificate-verify",
                "server-finished",
                "client-finished",
                "ticket",
                "data",
            ]
        },
        "the certificate": {"swap-certificate", "expired", "wrong-host", "unknown-ca", "ticket-theft"},
        "replays": {"replay-handshake", "replay-early-data", "replay-record"},
        "downgrades": {"strip-post-quantum", "strip-version", "downgrade-sentinel"},
        "messages": {"skip-certificate-verify", "repeat-message", "reorder-messages", "drop-record", "truncate"},
        "the rest": {"forge-server-finished", "nonce-reuse", "small-order-point", "oversize-record"},
        "keys": {"stolen-certificate-key", "forge-binder", "retry-twice", "ccs-after-finished", "compression-bomb"},
    }
    for about, names in promised.items():
        assert names <= set(EXPERIMENTS), about
    assert len(EXPERIMENTS) == sum(len(part.experiments) for part in PARTS)


@pytest.mark.parametrize(
    "wrong",
    [
        goes_on(),
        refused("server", errors.BadFinished),
        refused("client", errors.BadSignature),
        noticed("client", errors.BadFinished),
        Prediction("client", errors.BadFinished, errors.AlertDescription.bad_record_mac),
    ],
    ids=["nobody", "the other side", "another offence", "no alert", "another alert"],
)
def test_a_wrong_prediction_is_a_difference(wrong) -> None:
    right = EXPERIMENTS["forge-server-finished"]
    assert perform(right).differences == []
    (difference, *_) = perform(replace(right, prediction=wrong)).differences
    assert str(wrong) in difference
    assert "alert decrypt_error" in difference


def test_an_attack_that_does_nothing_is_a_difference() -> None:
    harmless = replace(EXPERIMENTS["flip-data"], run=lambda bench: bench.connect().carry())
    assert perform(harmless).differences == [
        "predicted: the server raises BadRecordMac, alert bad_record_mac; seen: nobody ends the connection"
    ]


def test_a_claim_that_does_not_hold_is_a_difference() -> None:
    def run(bench: Bench) -> None:
        bench.established()
        bench.claim("two and two are five", 2 + 2 == 5)

    result = perform(replace(EXPERIMENTS["nonce-reuse"], run=run))
    assert result.differences == ["this should be so, and is not: two and two are five"]


def test_who_lives_has_to_show_it() -> None:
    """An experiment that ends nothing and claims nothing is asked for data in both directions."""
    alive = perform(replace(EXPERIMENTS["nonce-reuse"], run=lambda bench: bench.connect().carry()))
    assert alive.differences == []
    assert sum(one.kind == "claim" for one in alive.outcome.happened) == 4
    cut = perform(
        replace(EXPERIMENTS["nonce-reuse"], run=lambda bench: bench.connect().carry(at("server", 0, lambda _: [])))
    )
    assert "this should be so, and is not: the client's handshake is complete" in cut.differences


def test_the_reason_for_not_asking_openssl_is_said() -> None:
    with pytest.raises(errors.ConfigurationError, match="compressed certificates"):
        perform(EXPERIMENTS["compression-bomb"], "openssl")


def test_without_the_program_that_is_said(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenSslMissing, match="not installed"):
        perform(EXPERIMENTS["flip-data"], "openssl")


# --- the man in the middle --------------------------------------------------------------------------------------------


def test_records_are_cut_where_their_headers_say() -> None:
    one, two = b"\x16\x03\x03\x00\x02ab", b"\x17\x03\x03\x00\x01c"
    assert records(one + two) == ([one, two], b"")
    assert records(one + two[:-1]) == ([one], two[:-1])
    assert records(two[:3]) == ([], two[:3])
    assert records(b"GET /") == ([b"GET /"], b"")


def test_what_the_wire_does_is_told_in_order() -> None:
    bench = Bench()
    wire = bench.connect(server_script=as_it_is)
    wire.carry(at("server", 2, flip()))
    told = [(one.who, one.text.split(":")[0]) for one in bench.outcome.happened]
    length = next(len(one.raw) for one in wire.carried if (one.sender, one.number) == ("server", 2))
    assert told == [
        ("client", "ClientHello"),
        *(
            ("server", name)
            for name in ["ServerHello", "EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"]
        ),
        ("between", f"changes the server's record 2 ({length} bytes)"),
        ("client", "raises BadRecordMac"),
        ("client", "sends alert bad_record_mac"),
        ("server", "raises AlertReceived"),
    ]


@pytest.mark.parametrize(("what", "told"), [(0, "drops"), (2, "repeats")], ids=["nothing arrives", "it arrives twice"])
def test_dropping_and_repeating(what, told) -> None:
    bench = Bench()
    bench.connect().carry(at("client", 0, lambda record: [record.raw] * what))
    assert [one.text.split()[0] for one in bench.outcome.happened if one.kind == "tampering"] == [told]


def test_what_is_held_arrives_when_it_is_passed_on() -> None:
    wire = Bench().established()
    wire.ours("client").connection.send_data(QUESTION)
    (record,) = wire.hold("client")
    wire.carry()
    assert not wire.ends["server"].heard(QUESTION)
    wire.pass_on("server", record)
    assert wire.ends["server"].heard(QUESTION)


def test_an_honest_end_has_no_means_to_misbehave() -> None:
    with pytest.raises(errors.UsageError, match="honest"):
        _ = Bench().established().ours("client").scripted


# --- GCM's field ------------------------------------------------------------------------------------------------------


def test_multiplication_against_the_published_example() -> None:
    """McGrew and Viega, The Galois/Counter Mode of Operation, test case 2: X1 and GHASH."""
    h = bytes.fromhex("66e94bd4ef8a2c3b884cfa59ca342b2e")
    x1 = multiply(bytes.fromhex("0388dace60b6a392f328c2b971b2fe78"), h)
    assert x1.hex() == "5e2ec746917062882c85b0685353deb7"
    assert multiply(xor(x1, (128).to_bytes(16, "big")), h).hex() == "f38cbb1ad69223dcc3457ae5b6b0f885"


@given(one=BLOCK, other=BLOCK.filter(any))
def test_division_undoes_multiplication(one, other) -> None:
    assert divide(multiply(one, other), other) == one


def test_no_experiment_is_named_in_two_ways() -> None:
    """The names are an interface: scripts and the page link to them."""
    assert all(name == one.name and name == name.lower() for name, one in EXPERIMENTS.items())

"""Outside truth for stapled responses: `openssl ocsp` makes them and we judge; we make them, and it judges."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.trust.ocsp_responses import (
    DAY,
    HOUR,
    OCSP_SIGNING,
    REVOKED,
    UNKNOWN,
    respond,
    with_other_signature,
)
from tls13 import errors
from tls13.lab.authority import Authority, Issued, KeyType
from tls13.trust.ocsp import check_stapled

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

WHEN = "%y%m%d%H%M%SZ"


def today() -> datetime:
    """OpenSSL looks at the machine's clock."""
    return datetime.now(UTC).replace(microsecond=0)


class Responder:
    """A CA with three certificates (good, revoked, and one that it forgot), and OpenSSL's responder at its side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = Authority.create(now=today() - DAY, key_type=KeyType.RSA_2048)
        self.appointed = self.ca.issue([], common_name="responder", usages=[OCSP_SIGNING], key_type=KeyType.RSA_2048)
        self.unfit = self.ca.issue([], common_name="server", usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        self.good, self.revoked, self.forgotten = (self.ca.issue([f"{n}.example"]).certificate for n in "abc")
        (folder / "ca.pem").write_bytes(self.ca.certificate_pem)
        for name, one in (("good", self.good), ("revoked", self.revoked), ("forgotten", self.forgotten)):
            (folder / f"{name}.pem").write_bytes(one.public_bytes(Encoding.PEM))
        ca = Issued(self.ca.certificate, self.ca.private_key, ())
        for name, issued in (("by-ca", ca), ("by-appointed", self.appointed), ("by-unfit", self.unfit)):
            (folder / f"{name}.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
            (folder / f"{name}.key").write_bytes(issued.pem_key)
        yesterday = f"{today() - DAY:{WHEN}}"
        lines = [("V", self.good, ""), ("R", self.revoked, f"{yesterday},keyCompromise")]
        (folder / "index").write_text("".join(index_line(*line) for line in lines))

    def openssl(self, *arguments: str) -> str:
        command = ["openssl", "ocsp", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=20)
        return done.stdout + done.stderr

    def answer(
        self, *about: str, by: str = "by-appointed", options: tuple[str, ...] = ("-ndays", "1"), hash: str = ""
    ) -> bytes:
        """What OpenSSL answers when it is asked about these certificates."""
        asked = [part for name in about for part in ("-cert", f"{name}.pem")]
        self.openssl("-no_nonce", *([f"-{hash}"] if hash else []), "-issuer", "ca.pem", *asked, "-reqout", "request")
        response = self.folder / "response"
        response.unlink(missing_ok=True)
        files = ("-index", "index", "-CA", "ca.pem", "-rsigner", f"{by}.pem", "-rkey", f"{by}.key")
        said = self.openssl(*files, "-reqin", "request", "-respout", "response", *options)
        assert response.exists(), said
        return response.read_bytes()

    def judge(self, response: bytes) -> str:
        """What OpenSSL says of a response about the good certificate: its verdict on the signer, then the status."""
        (self.folder / "shown").write_bytes(response)
        return self.openssl("-respin", "shown", "-issuer", "ca.pem", "-cert", "good.pem", "-CAfile", "ca.pem")

    def chain(self, leaf: x509.Certificate) -> list[x509.Certificate]:
        return [leaf, self.ca.certificate]


def index_line(kind: str, certificate: x509.Certificate, revoked: str) -> str:
    """One line of the database of `openssl ca`."""
    number = f"{certificate.serial_number:X}"
    expires = f"{certificate.not_valid_after_utc:{WHEN}}"
    return "\t".join((kind, expires, revoked, number.zfill(len(number) + len(number) % 2), "unknown", "/CN=x")) + "\n"


@pytest.fixture(scope="module")
def responder() -> Iterator[Responder]:
    with TemporaryDirectory() as folder:
        yield Responder(Path(folder))


# --- OpenSSL makes them -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["by-ca", "by-appointed"])
@pytest.mark.parametrize("hash", ["sha1", "sha256", "sha384", "sha512"])
def test_what_openssl_says_is_good_is_good(responder: Responder, by: str, hash: str) -> None:
    status = check_stapled(responder.answer("good", by=by, hash=hash), responder.chain(responder.good), today())
    assert (
        status.responder.subject
        == x509.load_pem_x509_certificate((responder.folder / f"{by}.pem").read_bytes()).subject
    )
    assert status.next_update is not None
    assert status.next_update - status.this_update == DAY


@pytest.mark.parametrize(
    "options",
    [
        ("-resp_key_id",),
        ("-rmd", "sha256"),
        ("-rmd", "sha384"),
        ("-rmd", "sha512"),
        ("-rmd", "sha256", "-rsigopt", "rsa_padding_mode:pss"),
        ("-rmd", "sha512", "-rsigopt", "rsa_padding_mode:pss", "-rsigopt", "rsa_pss_saltlen:digest"),
    ],
    ids=" ".join,
)
def test_however_openssl_signs_it(responder: Responder, options: tuple[str, ...]) -> None:
    response = responder.answer("good", options=("-ndays", "1", *options))
    check_stapled(response, responder.chain(responder.good), today())


def test_one_answer_about_two_certificates(responder: Responder) -> None:
    response = responder.answer("good", "revoked")
    check_stapled(response, responder.chain(responder.good), today())
    with pytest.raises(errors.CertificateRevoked, match=f"{today() - DAY:%Y-%m}"):
        check_stapled(response, responder.chain(responder.revoked), today())


@pytest.mark.parametrize(
    ("about", "made", "offence"),
    [
        ("revoked", {}, errors.CertificateRevoked),
        ("forgotten", {}, errors.CertificateStatusUnknown),
        ("good", {"by": "by-unfit"}, errors.UnauthorizedResponder),
        ("good", {"options": ("-ndays", "1", "-resp_no_certs")}, errors.UnauthorizedResponder),
        ("good", {"options": ("-ndays", "1", "-badsig")}, errors.BadOcspSignature),
        ("good", {"options": ("-ndays", "1", "-rmd", "sha1")}, errors.WeakOcspSignature),
    ],
)
def test_what_openssl_makes_badly_is_refused(
    responder: Responder, about: str, made: dict, offence: type[errors.CertificateError]
) -> None:
    with pytest.raises(errors.CertificateError) as caught:
        check_stapled(responder.answer(about, **made), responder.chain(getattr(responder, about)), today())
    assert type(caught.value) is offence


def test_openssls_answer_has_an_end(responder: Responder) -> None:
    response = responder.answer("good")
    with pytest.raises(errors.OcspOutOfDate):
        check_stapled(response, responder.chain(responder.good), today() + 2 * DAY)
    with pytest.raises(errors.OcspNotYetValid):
        check_stapled(response, responder.chain(responder.good), today() - HOUR)


def test_an_answer_of_openssls_without_an_end_is_good_today(responder: Responder) -> None:
    response = responder.answer("good", options=())
    assert check_stapled(response, responder.chain(responder.good), today()).next_update is None
    with pytest.raises(errors.OcspOutOfDate):
        check_stapled(response, responder.chain(responder.good), today() + 2 * DAY)


# --- OpenSSL judges ---------------------------------------------------------------------------------------------------


def made_by_us(responder: Responder) -> dict[str, bytes]:
    ca, good, now = responder.ca, responder.good, today()
    dates = {"this_update": now - HOUR, "next_update": now + DAY}
    stranger = Authority.create(now=now - DAY, common_name="stranger").issue([], common_name="r", usages=[OCSP_SIGNING])

    def by(one: Issued) -> bytes:
        pair = (one.certificate, one.private_key)
        return respond(ca, good, responder=pair, certificates=[one.certificate], **dates)

    return {
        "by the issuer": respond(ca, good, **dates),
        "by whom it appointed": by(responder.appointed),
        "by one who is not appointed": by(responder.unfit),
        "by one whom another appointed": by(stranger),
        "signature changed": with_other_signature(respond(ca, good, **dates)),
        "about another": respond(ca, responder.revoked, **dates),
        "revoked": respond(ca, good, status=REVOKED, **dates),
        "unknown": respond(ca, good, status=UNKNOWN, **dates),
        "expired": respond(ca, good, this_update=now - 2 * DAY, next_update=now - DAY),
        "from tomorrow": respond(ca, good, this_update=now + DAY, next_update=now + 2 * DAY),
    }


def accepts(responder: Responder, response: bytes) -> bool:
    try:
        check_stapled(response, responder.chain(responder.good), today())
    except errors.CertificateError:
        return False
    return True


def test_openssl_and_we_agree(responder: Responder) -> None:
    ours, theirs = {}, {}
    for name, response in made_by_us(responder).items():
        ours[name] = accepts(responder, response)
        said = responder.judge(response)
        theirs[name] = "Response verify OK" in said and "good.pem: good" in said and "times invalid" not in said
    assert ours == theirs
    assert [name for name, good in ours.items() if good] == ["by the issuer", "by whom it appointed"]

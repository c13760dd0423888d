"""Trust stores: where the anchors come from, when they are read, and what is said when that fails."""

from __future__ import annotations

import base64
import os
import sys
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.der import SERIAL, Surgery
from tls13.errors import ConfigurationError
from tls13.lab.authority import Authority
from tls13.trust import store as store_module
from tls13.trust.store import TrustStore


@pytest.fixture(scope="module")
def cas() -> list[Authority]:
    return [Authority.create(now=datetime.now(UTC), common_name=f"Root {number}") for number in range(3)]


def pem(*cas: Authority) -> bytes:
    return b"".join(ca.certificate_pem for ca in cas)


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


# --- Sources ------------------------------------------------------------------------------------------------------


def test_a_pem_file_with_text_around_its_certificates(tmp_path: Path, cas: list[Authority]) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(b"# Root 0\r\n" + pem(cas[0]).replace(b"\n", b"\r\n") + b"Root 1\n" + pem(cas[1], cas[0]))
    trust = TrustStore.from_file(file)
    assert trust.certificates == (cas[0].certificate, cas[1].certificate)
    assert len(trust) == 2
    assert cas[1].certificate in trust
    assert cas[2].certificate not in trust
    assert TrustStore.from_file(str(file)).certificates == trust.certificates


def test_a_directory_holds_pem_files_and_other_things(tmp_path: Path, cas: list[Authority]) -> None:
    (tmp_path / "a.pem").write_bytes(pem(cas[0]))
    (tmp_path / "b.crt").write_bytes(pem(cas[1]))
    (tmp_path / "5ed36f99.0").symlink_to(tmp_path / "b.crt")
    (tmp_path / "0badc0de.0").symlink_to(tmp_path / "removed.pem")
    (tmp_path / "README").write_text("no certificate here")
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "sub.pem").mkdir()
    assert set(TrustStore.from_directory(tmp_path).certificates) == {cas[0].certificate, cas[1].certificate}


def test_pem_as_bytes_or_text(cas: list[Authority]) -> None:
    assert len(TrustStore.from_pem(pem(*cas))) == 3
    assert TrustStore.from_pem(pem(cas[0]).decode()).certificates == (cas[0].certificate,)


def test_certificates_of_ones_own(cas: list[Authority]) -> None:
    trust = TrustStore.from_certificates(ca.certificate for ca in (cas[0], cas[1], cas[0]))
    assert trust.certificates == (cas[0].certificate, cas[1].certificate)
    assert len(TrustStore.from_certificates([])) == 0


def test_certifi(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(TrustStore.certifi()) == Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")
    monkeypatch.setitem(sys.modules, "certifi", None)
    with pytest.raises(ConfigurationError, match="pip install certifi"):
        TrustStore.certifi()


# --- The system's store, and the two variables that name another ----------------------------------------------------


@pytest.mark.usefixtures("no_environment")
def test_the_system_store_is_the_first_file_that_is_there(
    tmp_path: Path, cas: list[Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bundle.crt"
    file.write_bytes(pem(cas[0]))
    monkeypatch.setattr(store_module, "SYSTEM_FILES", (str(tmp_path / "missing.crt"), str(file)))
    assert TrustStore.system().certificates == (cas[0].certificate,)


@pytest.mark.usefixtures("no_environment")
def test_a_system_without_a_bundle_may_have_a_directory_and_else_certifi(
    tmp_path: Path, cas: list[Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SYSTEM_FILES", ())
    monkeypatch.setattr(store_module, "SYSTEM_DIRECTORIES", (str(tmp_path),))
    assert TrustStore.system().certificates == TrustStore.certifi().certificates
    (tmp_path / "a.pem").write_bytes(pem(cas[0]))
    assert TrustStore.system().certificates == (cas[0].certificate,)


@pytest.mark.usefixtures("no_environment")
def test_making_the_system_store_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs are made on event loops; the disk is looked at when the first chain is verified, or by load()."""
    monkeypatch.setattr(store_module, "SYSTEM_FILES", (certifi.where(),))
    trust = TrustStore.system()
    assert not trust.loaded
    trust.load()
    assert trust.loaded


def test_ssl_cert_file_replaces_the_system_store(
    tmp_path: Path, cas: list[Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(pem(cas[0]))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert TrustStore.system().certificates == (cas[0].certificate,)


def test_ssl_cert_dir_is_a_list_of_directories(
    tmp_path: Path, cas: list[Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 1):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "ca.pem").write_bytes(pem(cas[number]))
    (tmp_path / "ca.pem").write_bytes(pem(cas[2], cas[0]))
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path / "0"), "", str(tmp_path / "1")]))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert sorted(TrustStore.system().certificates, key=hash) == sorted((ca.certificate for ca in cas), key=hash)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.usefixtures("no_environment")
def test_a_variable_that_names_nothing_is_reported_when_the_store_is_made(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the middle of the first handshake, and never by trusting somebody else."""
    monkeypatch.setenv(variable, str(tmp_path / "missing"))
    with pytest.raises(ConfigurationError, match=f"{variable}.*missing"):
        TrustStore.system()


@pytest.mark.usefixtures("no_environment")
def test_a_variable_that_names_an_empty_store_does_not_fall_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match=f"SSL_CERT_DIR={tmp_path}: there is no certificate in it"):
        TrustStore.system()


# --- Mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [TrustStore.from_file, TrustStore.from_directory])
def test_a_path_that_is_not_there_is_named(tmp_path: Path, make: type) -> None:
    with pytest.raises(ConfigurationError, match=r"ca\.pem cannot be read: No such file"):
        make(tmp_path / "ca.pem")


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        TrustStore.from_file(tmp_path)


def test_a_store_without_a_certificate_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match=r"key\.pem holds no certificate"):
        TrustStore.from_file(tmp_path / "key.pem")
    with pytest.raises(ConfigurationError, match=f"{tmp_path} holds no certificate"):
        TrustStore.from_directory(tmp_path)
    with pytest.raises(ConfigurationError, match="holds no certificate"):
        TrustStore.from_pem(b"")
    with pytest.raises(ConfigurationError, match="at least one"):
        TrustStore.pinned([])


def test_a_damaged_certificate_is_counted_and_its_file_named(tmp_path: Path, cas: list[Authority]) -> None:
    lines = pem(cas[1]).splitlines(keepends=True)
    (tmp_path / "ca.pem").write_bytes(pem(cas[0]) + b"".join(lines[:3] + lines[4:]))
    with pytest.raises(ConfigurationError, match=r"certificate number 2 in .*ca\.pem cannot be read"):
        TrustStore.from_file(tmp_path / "ca.pem")


def test_a_truncated_file_is_not_a_smaller_store(tmp_path: Path, cas: list[Authority]) -> None:
    """A download that broke off: the certificates before the break must not pass for the whole store."""
    (tmp_path / "ca.pem").write_bytes(pem(cas[0], cas[1])[:-40])
    with pytest.raises(ConfigurationError, match=r"certificate number 2 in .*ca\.pem"):
        TrustStore.from_file(tmp_path / "ca.pem")


# --- Once per process, and shared ---------------------------------------------------------------------------------


def test_a_file_is_parsed_once_until_it_changes(tmp_path: Path, cas: list[Authority]) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(pem(cas[0]))
    first = TrustStore.from_file(file)
    assert TrustStore.from_file(file).certificates is first.certificates
    file.write_bytes(pem(cas[0], cas[1]))
    assert len(TrustStore.from_file(file)) == 2
    assert len(first) == 1


@pytest.mark.usefixtures("no_environment")
def test_threads_share_one_store(tmp_path: Path, cas: list[Authority], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(pem(*cas))
    monkeypatch.setattr(store_module, "SYSTEM_FILES", (str(file),))
    trust = TrustStore.system()
    barrier = threading.Barrier(8)
    seen: list[int] = []

    def look() -> None:
        barrier.wait()
        seen.append(len(trust.certificates))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [3] * 8


def test_a_root_with_serial_number_zero_is_loaded_without_a_warning(cas: list[Authority]) -> None:
    """There are such roots in real stores, and whoever trusts one cannot change it."""
    surgery = Surgery(cas[0].certificate)
    surgery.fields[SERIAL] = b"\x02\x01\x00"
    root = surgery.sign(cas[0].private_key)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Warning, match="serial number"):
            x509.load_der_x509_certificate(root)  # what the loader keeps quiet about
        text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(root) + b"-----END CERTIFICATE-----\n"
        trust = TrustStore.from_pem(text)
    assert trust.certificates[0].public_bytes(Encoding.DER) == root


def test_a_repr_says_where_the_anchors_come_from(tmp_path: Path, cas: list[Authority]) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(pem(cas[0]))
    assert repr(TrustStore.from_file(file)) == f"<TrustStore: {file}>"
    assert repr(TrustStore.from_certificates([cas[0].certificate])) == "<TrustStore: 1 certificates>"

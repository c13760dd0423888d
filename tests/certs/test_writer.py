"""`python -m certs make`: files and a manifest that another program can use."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs.__main__ import main
from certs.catalogue import catalogue


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    assert main(["make", str(folder), "--now", "2026-11-21T12:00:00"]) == 0
    return folder


def test_the_manifest_lists_every_case_with_files_that_exist(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["time"] == "2026-11-21T12:00:00+00:00"
    assert [entry["name"] for entry in manifest["cases"]] == list(catalogue())
    for entry in manifest["cases"]:
        assert {"chain", "key", "roots"} <= entry["files"].keys()
        assert all((made / file).is_file() for file in entry["files"].values())
        assert (entry["verdict"] == "accept") == (entry["alert"] is None) == (entry["exception"] is None)


def test_a_good_case_reads_back_as_a_chain_below_its_root(made: Path) -> None:
    place = made / "cases" / "good-ml-dsa-65"
    leaf, intermediate = x509.load_pem_x509_certificates((place / "chain.pem").read_bytes())
    (root,) = x509.load_pem_x509_certificates((place / "roots.pem").read_bytes())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    assert load_pem_private_key((place / "key.pem").read_bytes(), None).public_key() == leaf.public_key()


def test_what_is_no_certificate_is_written_all_the_same(made: Path) -> None:
    assert b"dGhpcyBpcyBub3QgYSBjZXJ0aWZpY2F0ZQ==" in (made / "cases/no-certificate-at-all/chain.pem").read_bytes()


def test_private_keys_are_readable_by_their_owner_only(made: Path) -> None:
    keys = [*made.rglob("*.key"), *made.rglob("key.pem")]
    assert len(keys) > len(catalogue())
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


@pytest.mark.parametrize("arguments", [[], ["make"], ["bake", "bread"], ["make", "x", "--now", "yesterday"]])
def test_bad_arguments_print_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m certs" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert main(["make", str(tmp_path / "file" / "below")]) == 1
    assert capsys.readouterr().err.startswith("certs: ")

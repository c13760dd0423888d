"""The key log: RFC 9850. A config's hook, a file, and the variable that other programs name it with."""

from __future__ import annotations

import re
import stat

import pytest

import tls13

LINE = re.compile(r"(CLIENT_HANDSHAKE_TRAFFIC_SECRET|SERVER_HANDSHAKE_TRAFFIC_SECRET|CLIENT_TRAFFIC_SECRET_0"
                  r"|SERVER_TRAFFIC_SECRET_0|EXPORTER_SECRET) [0-9a-f]{64} [0-9a-f]{64}")  # fmt: skip


def test_both_sides_log_the_same_lines(tmp_path, quick_pair, client_config, server_config, monkeypatch) -> None:
    """Section 2: label, ClientHello.random, secret; what one side's file opens, the other's does too."""
    ours, theirs = tmp_path / "client", tmp_path / "server"
    monkeypatch.setenv("SSLKEYLOGFILE", str(theirs))
    with tls13.KeyLogFile(str(ours)) as client_log, tls13.key_log_from_environment() as server_log:
        quick_pair(
            client=client_config.replace(key_log=client_log), server=server_config.replace(key_log=server_log)
        ).run()
    lines = ours.read_text().splitlines()
    assert sorted(lines) == sorted(theirs.read_text().splitlines())
    assert len(lines) == 5
    assert all(LINE.fullmatch(line) for line in lines)


def test_without_the_variable_there_is_no_log(monkeypatch) -> None:
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    assert tls13.key_log_from_environment() is None
    monkeypatch.setenv("SSLKEYLOGFILE", "")
    assert tls13.key_log_from_environment() is None


def test_nothing_is_logged_unless_a_config_asks(tmp_path, quick_pair, monkeypatch) -> None:
    """Whoever can set a variable must not be able to read every connection."""
    path = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    quick_pair().run()
    assert not path.exists()


@pytest.mark.requirement("D25")
def test_only_its_owner_can_read_it(tmp_path) -> None:
    path = tmp_path / "keys"
    path.touch(mode=0o644)
    with tls13.KeyLogFile(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_found_at_once(tmp_path) -> None:
    with pytest.raises(tls13.ConfigurationError, match="cannot be written"):
        tls13.KeyLogFile(str(tmp_path / "no" / "such"))

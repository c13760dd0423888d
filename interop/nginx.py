"""A real web server: nginx, as Debian ships it, on loopback, fetched from with our client.

It gets its listening socket from us, the way a new nginx inherits it from an old one during an upgrade: so there is no
port to guess, and no moment at which it is not listening yet.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import tls13

from .files import files_for
from .program import PATIENCE, Program
from .trial import HOST, PeerMissing, Trial, same

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    log_format tls "seen: $ssl_protocol $ssl_cipher $ssl_curve $ssl_server_name $status";
    access_log /dev/stdout tls;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} ssl;
        server_name {host};
        root {folder}/www;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        ssl_ciphers DEFAULT:@SECLEVEL=0;
        ssl_conf_command Ciphersuites {suite};
        ssl_ecdh_curve {group};
    }}
}}
"""


def program() -> str:
    """Where nginx is. Raises PeerMissing."""
    path = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise PeerMissing("nginx is not installed")
    return path


def version() -> str:
    """Raises PeerMissing."""
    return subprocess.run([program(), "-v"], capture_output=True, text=True, check=True).stderr.split(": ")[1].strip()


def meet(trial: Trial) -> None:
    """Two requests on one connection for a file of trial.size bytes; the second one asks nginx to close."""
    with _nginx(trial) as (server, address):
        sock = socket.create_connection(address, PATIENCE)
        with tls13.wrap_socket(sock, trial.client_config(), server_hostname=HOST) as tls:
            trial.check(tls.session)
            for last in (False, True):
                body = _get(tls, close=last)
                same("the file", body, trial.payload(from_us=False))
            same("data after the end", tls.recv(), b"")  # TruncatedStream without close_notify
        seen = server.wait_for(rb"seen: (.*)\n")[1].decode()
        same("what nginx saw", seen.lower(), f"tlsv1.3 {trial.suite} {_curve(trial)} {HOST} 200".lower())


def _curve(trial: Trial) -> str:
    """OpenSSL's own names for the NIST curves, which nginx logs."""
    return {"secp256r1": "prime256v1"}.get(trial.group.name, trial.group.name)


def _get(tls: tls13.TLSSocket, *, close: bool) -> bytes:
    connection = "close" if close else "keep-alive"
    tls.sendall(f"GET /file HTTP/1.1\r\nHost: {HOST}\r\nConnection: {connection}\r\n\r\n".encode())
    received = bytearray()
    while not (head := re.match(rb"HTTP/1\.1 200 OK\r\n.*?Content-Length: (\d+)\r\n.*?\r\n\r\n", received, re.S)):
        received += (data := tls.recv())
        if not data:
            break
    while head and len(received) < head.end() + int(head[1]) and (data := tls.recv()):
        received += data
    return bytes(received[head.end() :]) if head else bytes(received)


@contextmanager
def _nginx(trial: Trial) -> Iterator[tuple[Program, tuple[str, int]]]:
    where = program()
    with (
        tempfile.TemporaryDirectory(prefix="tls13-interop-") as name,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        folder, address = Path(name), listener.getsockname()
        (folder / "www").mkdir()
        (folder / "www" / "file").write_bytes(trial.payload(from_us=False))
        (folder / "nginx.conf").write_text(_configuration(trial, folder, address))
        command = [where, "-p", name, "-e", "stderr", "-c", str(folder / "nginx.conf")]
        env = {**os.environ, "NGINX": f"{listener.fileno()};"}
        with Program(command, env=env, descriptors=[listener.fileno()]) as server:
            listener.close()  # if nginx does not run, connecting shall fail, not wait
            yield server, address


def _configuration(trial: Trial, folder: Path, address: tuple[str, int]) -> str:
    files = files_for(trial.scheme)
    return CONFIGURATION.format(
        user="user root;" if os.geteuid() == 0 else "",  # else its worker could not read our folder
        folder=folder,
        address="{}:{}".format(*address),
        host=HOST,
        chain=files.chain,
        key=files.key,
        suite=trial.suite.name,
        group=trial.group.name,
    )

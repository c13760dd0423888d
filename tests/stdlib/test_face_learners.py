"""The snippets that learners meet run unchanged after `import tls13 as ssl`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stdlib.face import HOST, PATIENCE, authority, echo, in_thread, server_context, stranger

SNIPPETS = {
    "a connection and what it is": """
        context = ssl.create_default_context()
        with socket.create_connection((hostname, port)) as sock:
            with context.wrap_socket(sock, server_hostname=hostname) as tls:
                assert tls.version() == "TLSv1.3"
                assert tls.cipher()[1] == "TLSv1.3"
                assert tls.getpeercert()["subject"] == ((("commonName", "localhost"),),)
                assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
                print("done")
        """,
    "only TLS 1.3, and its suites": """
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_ciphers("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
        with context.wrap_socket(socket.create_connection((hostname, port)), server_hostname=hostname) as tls:
            assert tls.cipher()[0] == "TLS_AES_256_GCM_SHA384"
            print("done")
        """,
    "a name that is not the server's": """
        context = ssl.create_default_context()
        try:
            context.wrap_socket(socket.create_connection((hostname, port)), server_hostname="another.example")
        except ssl.SSLCertVerificationError as error:
            assert error.verify_code == 62 and "Hostname mismatch" in error.verify_message
            print("done")
        """,
    "verification switched off": """
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection((hostname, port)), server_hostname=hostname) as tls:
            pem = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))
            assert pem.startswith("-----BEGIN CERTIFICATE-----")
            print("done")
        """,
    "a plain SSLContext": """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
        with context.wrap_socket(socket.create_connection((hostname, port)), server_hostname=hostname) as tls:
            assert isinstance(tls, ssl.SSLSocket)
            print("done")
        """,
    "a chain that is not believed": """
        context = ssl.create_default_context()
        try:
            context.wrap_socket(socket.create_connection((hostname, port)), server_hostname="another.example")
        except ssl.CertificateError as error:
            assert error.verify_code == 62
            print("done")
        """,
    "somebody's certificate": """
        import os
        pem = ssl.get_server_certificate((hostname, port))
        assert pem == ssl.get_server_certificate((hostname, port), ca_certs=os.environ["SSL_CERT_FILE"], timeout=20)
        assert pem.startswith(ssl.PEM_HEADER) and pem.strip().endswith(ssl.PEM_FOOTER)
        print("done")
        """,
    "somebody's certificate that an authority must have issued": """
        import os
        try:
            ssl.get_server_certificate((hostname, port), ca_certs=os.environ["ANOTHER_CA"])
        except ssl.CertificateError as error:
            assert error.verify_code == 20
            print("done")
        """,
    "a context that asks for nothing": """
        context = ssl._create_unverified_context()
        assert context.verify_mode is ssl.CERT_NONE and not context.check_hostname
        with context.wrap_socket(socket.create_connection((hostname, port))) as tls:
            assert tls.version() == "TLSv1.3"
        demanding = ssl._create_unverified_context(ssl.PROTOCOL_TLS_CLIENT, cert_reqs=ssl.CERT_REQUIRED,
                                                   check_hostname=True, cafile=ssl.get_default_verify_paths().cafile)
        try:
            demanding.wrap_socket(socket.create_connection((hostname, port)), server_hostname="another.example")
        except ssl.CertificateError:
            print("done")
        """,
    "how long it takes": """
        context = ssl.create_default_context()
        begun = time.perf_counter()
        sock = socket.create_connection((hostname, port))
        connected = time.perf_counter()
        with context.wrap_socket(sock, server_hostname=hostname) as tls:
            secured = time.perf_counter()
            assert 0 < connected - begun and 0 < secured - connected
            print("done")
        """,
}


OURS_ALONE = "only TLS 1.3, and its suites"
"""`ssl` itself does not choose TLS 1.3's suites by set_ciphers, although learners are told so."""


@pytest.mark.parametrize(
    ("snippet", "module"),
    [(name, module) for name in SNIPPETS for module in ("ssl", "tls13") if (name, module) != (OURS_ALONE, "ssl")],
)
def test_a_learners_snippet(snippet, module, tmp_path) -> None:
    """Under `ssl` as well: a snippet that does not run there says nothing about us."""
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().certificate_pem)
    another = tmp_path / "another.pem"
    another.write_bytes(stranger().pem_chain)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def serve() -> None:
            context = server_context("ssl", tmp_path)
            for _ in range(SNIPPETS[snippet].count("(hostname, port)")):
                sock = listener.accept()[0]
                with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
                    echo(tls)

        served = in_thread(serve)
        lines = [line[8:] for line in SNIPPETS[snippet].splitlines()]
        head = f"import socket, time\nimport {module} as ssl\nhostname, port = {HOST!r}, {listener.getsockname()[1]}\n"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", head + "\n".join(lines)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "SSL_CERT_FILE": str(bundle), "ANOTHER_CA": str(another)},
        )
        assert done.stdout == "done\n", done.stderr
        served.result(PATIENCE)

"""The command line: tls13 connect | serve | demo.

Exit codes: 0 it worked (for `connect`: handshake and verification), 1 it did not, 2 the command was wrong, 130 Ctrl-C.
A failure is one line on stderr that says what to do.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    from .. import __version__

    top = argparse.ArgumentParser(prog="tls13", description="TLS 1.3 (RFC 9846), to use and to understand.")
    top.add_argument("--version", action="version", version=f"tls13 {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    _add_connect(commands.add_parser("connect", help="connect to a server, verify it, and talk to it"))
    _add_serve(commands.add_parser("serve", help="serve files or an echo over TLS 1.3"))
    _add_demo(commands.add_parser("demo", help="a whole connection on this machine, explained as it happens"))
    return top


def _add_connect(command: argparse.ArgumentParser) -> None:
    command.description = "Connect, verify, say what was agreed; then fetch a path, or join stdin and stdout."
    add = command.add_argument
    add("host", metavar="HOST[:PORT]", help="whom to connect to; the port is 443 unless given; [::1]:8443 for IPv6")
    add("--http", metavar="PATH", help="fetch this path over HTTP/1.1 and print what comes")
    add("--cafile", metavar="PEM", help="trust the certificates in this file, instead of the system's")
    add("--alpn", metavar="NAME", action="append", default=[], help="offer this application protocol (repeatable)")
    add("--group", metavar="NAME", action="append", default=[], help="offer only these groups (repeatable)")
    add("--suite", metavar="NAME", action="append", default=[], help="offer only these cipher suites (repeatable)")
    add("--sni", metavar="NAME", help="the name the server must prove, if it is not HOST")
    add("--keylog", metavar="FILE", help="append the secrets to FILE, for Wireshark (RFC 9850); it opens everything")
    add("--json", action="store_true", help="one JSON object on stdout and nothing else")
    add("--trace", action="store_true", help="tell the handshake, message by message, on stderr")
    add("--insecure", action="store_true", help="do not verify the server: it may be anybody")
    add("--timeout", metavar="SECONDS", type=float, default=30.0, help="for each step (default: 30)")


def _add_serve(command: argparse.ArgumentParser) -> None:
    command.description = "Serve many clients at once, on this machine only unless --host says otherwise."
    add = command.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    add("--port", type=int, default=8443, help="the port to listen on; 0 for any (default: 8443)")
    add("--cert", metavar="PEM", help="the certificate chain; read again when it changes")
    add("--key", metavar="PEM", help="the private key; if it is encrypted, the password is asked for")
    add("--ca-out", metavar="FILE", default="tls13-ca.pem", help="without --cert: where the made CA is written")
    add("--alpn", metavar="NAME", action="append", default=[], help="speak this application protocol (repeatable)")
    add("--keylog", metavar="FILE", help="append the secrets of every connection to FILE (RFC 9850)")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--www", metavar="DIR", help="serve the files of a directory over HTTP/1.1")
    what.add_argument("--echo", action="store_true", help="send back what comes (the default)")


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.description = "Make a CA, start a server, connect, exchange data: and tell what happens on the way."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. argparse exits with 2 by itself for a wrong command."""
    from ..errors import ConfigurationError, TLSError

    options = parser().parse_args(arguments)
    try:
        if options.command == "connect":
            from .connect import connect

            return connect(options)
        if options.command == "serve":
            from .serve import serve

            return serve(options)
        from .demo import demo

        return demo()
    except ConfigurationError as error:
        return complain(error, 2)
    except (TLSError, OSError) as error:
        return complain(error, 1)
    except KeyboardInterrupt:
        return 130


def complain(error: BaseException, code: int) -> int:
    """One line for a person."""
    text = str(error) if not isinstance(error, OSError) or not error.strerror else explain_os_error(error)
    print(f"tls13: {' '.join(text.split())}", file=sys.stderr)
    return code


def explain_os_error(error: OSError) -> str:
    """What an OSError says, without its number."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}"

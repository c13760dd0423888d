"""The command line: tls13 connect | serve | demo.

Exit codes: 0 it worked (for `connect`: handshake and verification), 1 it did not, 2 the command was wrong, 130 Ctrl-C.
A failure is one line on stderr that says what to do.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parser(argparse.ArgumentParser):
    """Mistakes are one line, and options are written in full, so that a script survives a new one."""

    def __init__(self, *, prog: str | None = None, description: str | None = None, epilog: str | None = None) -> None:
        plain = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=description, epilog=epilog, allow_abbrev=False, formatter_class=plain)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    from .. import __version__

    top = Parser(
        prog="tls13", description="TLS 1.3 (RFC 9846), to use and to understand.", epilog="Start with: tls13 demo"
    )
    top.add_argument("--version", action="version", version=f"tls13 {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="command", parser_class=Parser)
    for name, summary, describe in COMMANDS:
        command = commands.add_parser(name, help=summary)
        describe(command)
    return top


def _connect_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Connect, verify, and say on stderr what was agreed; then fetch a path, or join stdin and stdout.\n"
        "The exit code is 0 only if the handshake and the verification worked."
    )
    command.epilog = (
        "examples:\n"
        "  tls13 connect example.com --http /\n"
        "  tls13 connect localhost:8443 --cafile tls13-ca.pem --trace\n"
        "  tls13 connect example.com --json --group x25519"
    )
    add = command.add_argument
    add("host", metavar="HOST[:PORT]", help="whom to connect to; the port is 443 unless given; [::1]:8443 for IPv6")
    add("--http", metavar="PATH", help="fetch this path over HTTP/1.1 and print what comes")
    add("--cafile", metavar="PEM", help="trust the certificates in this file, instead of the system's")
    add("--alpn", metavar="NAME", action="append", default=[], help="offer this application protocol (repeatable)")
    add("--group", metavar="NAME", action="append", default=[], help="offer only these groups (repeatable)")
    add("--suite", metavar="NAME", action="append", default=[], help="offer only these cipher suites (repeatable)")
    add("--sni", metavar="NAME", help="the name the server must prove, if it is not HOST")
    add("--keylog", metavar="FILE", help="append the secrets to FILE, for Wireshark (RFC 9850); it opens everything")
    add("--json", action="store_true", help="one JSON object on stdout and nothing else; ends after the handshake")
    add("--trace", action="store_true", help="tell the handshake, message by message, on stderr")
    add("--insecure", action="store_true", help="do not verify the server: it may be anybody")
    add("--timeout", metavar="SECONDS", type=seconds, default=30.0, help="for each step (default: 30)")


def _serve_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Serve many clients at once, on this machine only unless --host says otherwise.\n"
        "Without --cert a certificate is made, and its CA written to a file for the client to trust."
    )
    command.epilog = (
        "examples:\n  tls13 serve --www .\n  tls13 serve --port 0 --cert chain.pem --key key.pem --host 0.0.0.0"
    )
    add = command.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    add("--port", type=port, default=8443, help="the port to listen on; 0 for any (default: 8443)")
    add("--cert", metavar="PEM", help="the certificate chain; read again when it changes")
    add("--key", metavar="PEM", help="the private key; if it is encrypted, the password is asked for")
    add("--ca-out", metavar="FILE", default="tls13-ca.pem", help="without --cert: where the made CA is written")
    add("--alpn", metavar="NAME", action="append", default=[], help="speak this application protocol (repeatable)")
    add("--keylog", metavar="FILE", help="append the secrets of every connection to FILE (RFC 9850)")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--www", metavar="DIR", help="serve the files of a directory over HTTP/1.1")
    what.add_argument("--echo", action="store_true", help="send back what comes (the default)")


def _demo_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Make a CA, start a server, connect, exchange data: and tell what happens on the way.\n"
        "Needs no network and no arguments."
    )


COMMANDS = (
    ("connect", "connect to a server, verify it, and talk to it", _connect_options),
    ("serve", "serve files or an echo over TLS 1.3", _serve_options),
    ("demo", "a whole connection on this machine, explained as it happens", _demo_options),
)


def seconds(text: str) -> float:
    """A time-out: above 0, and no longer than a day, which every operating system can count."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and up to 86400")
    return value


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. argparse exits by itself: 2 for a wrong command, 0 after --help."""
    from ..errors import ConfigurationError, TLSError

    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except ConfigurationError as error:
        return complain(error, 2)
    except BrokenPipeError:  # whoever read our output has had enough; a flush at exit must not complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (TLSError, OSError) as error:
        return complain(error, 1)
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    """Each command loads what it needs: asyncio and http are not for those who ask for help."""
    if options.command == "connect":
        from .connect import connect

        code = connect(options)
    elif options.command == "serve":
        from .serve import serve

        code = serve(options)
    else:
        from .demo import demo

        code = demo()
    sys.stdout.flush()
    return code


def complain(error: BaseException, code: int) -> int:
    """One line for a person on stderr; returns `code`."""
    from .advice import sentence

    print(f"tls13: {sentence(error)}", file=sys.stderr)
    return code

"""The command line: tls13 connect | serve | demo | explain | break.

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
        "  tls13 connect example.com --json --group x25519\n"
        "  tls13 connect example.com --http / --resume example.session     (twice: the second time it is resumed)"
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
    add("--pcapng", metavar="FILE", help="write a capture that Wireshark decrypts by itself: as secret as a key log")
    add("--json", action="store_true", help="one JSON object on stdout and nothing else; ends after the handshake")
    _trace_options(command, "tell the handshake, message by message, on stderr")
    add("--insecure", action="store_true", help="do not verify the server: it may be anybody")
    add("--timeout", metavar="SECONDS", type=seconds, default=30.0, help="for each step (default: 30)")
    add("--resume", metavar="FILE", help="resume the session in FILE if there is one, and keep a new one there")
    add("--early-data", metavar="FILE", help="with --resume: send FILE in the first flight; anybody can replay it")
    _psk_options(command)
    add("--psk-ke", action="store_true", help="allow a PSK without a key exchange, and so without forward secrecy")
    add("--cert", metavar="PEM", help="our certificate chain, if the server asks for one")
    add("--key", metavar="PEM", help="its private key; if it is encrypted, the password is asked for")
    add("--post-handshake-auth", action="store_true", help="the server may also ask for it later")
    add("--key-update", action="store_true", help="change our keys at once, and ask the server to change its own")
    add("--export", metavar="LABEL:LENGTH", action="append", default=[], help="show keying material (repeatable)")


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
    add("--pcapng", metavar="FILE", help="write a capture that Wireshark decrypts by itself: as secret as a key log")
    add("--no-tickets", action="store_true", help="let nobody resume")
    add("--ticket-store", metavar="URL", help="keep tickets in Redis (redis://...), and use each once")
    add("--early-data", metavar="BYTES", type=count, default=0, help="accept so much early data with a ticket")
    add("--workers", metavar="N", type=processes, default=1, help="share the work among N processes (default: 1)")
    _psk_options(command)
    add("--client-ca", metavar="PEM", help="ask for client certificates, and trust those of this authority")
    add(
        "--client-auth",
        choices=("required", "optional", "later"),
        help="whether a client may decline, or is asked after the handshake (default: required)",
    )
    add("--key-update", action="store_true", help="change our keys at once, and ask each client to change its own")
    _trace_options(command, "tell each handshake, message by message, on stderr")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--www", metavar="DIR", help="serve the files of a directory over HTTP/1.1")
    what.add_argument("--echo", action="store_true", help="send back what comes (the default)")


def _trace_options(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--trace", action="store_true", help=what)
    command.add_argument("-v", dest="verbose", action="count", default=0, help="with every field; -vv: and every byte")


def _psk_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--psk", metavar="HEX", help="a key that both sides were given; ps shows it to others")
    command.add_argument("--psk-identity", metavar="ID", help="its name")


def _demo_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Make a CA, start a server, connect, exchange data: and tell what happens on the way.\n"
        "Needs no network and no arguments."
    )
    command.add_argument("--pcapng", metavar="FILE", help="write a capture that Wireshark decrypts by itself")
    _trace_options(command, "what the demo does anyway")


def _explain_options(command: argparse.ArgumentParser) -> None:
    from .explain_options import explain_options

    explain_options(command)


def _break_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Attacks and faults against a real connection. Each says what it does, what should come of it and why,\n"
        "predicts who ends the connection and how, runs, and shows what happened. The exit code is 1 if a prediction\n"
        "was wrong."
    )
    command.epilog = (
        "examples:\n"
        "  tls13 break --list\n"
        "  tls13 break nonce-reuse\n"
        "  tls13 break small-order-point -v --against openssl\n"
        "  tls13 break --all"
    )
    add = command.add_argument
    add("names", metavar="NAME", nargs="*", help="which experiments; without a name, the menu")
    add("--list", action="store_true", help="the menu (with --json as JSON)")
    add("--all", action="store_true", help="run all of them, a line for each")
    add(
        "--against",
        choices=("local", "openssl"),
        default="local",
        help="who must notice: ours (default: local), or the openssl program, of which we predict what 3.0 does",
    )
    add("-v", "--verbose", action="count", default=0, help="every message; -vv: its bytes too")
    add("-o", "--output", metavar="FILE", help="write one experiment's connection as a page, as tls13 explain does")
    add("--json", action="store_true", help="the results as JSON on stdout and nothing else")


COMMANDS = (
    ("connect", "connect to a server, verify it, and talk to it", _connect_options),
    ("serve", "serve files or an echo over TLS 1.3", _serve_options),
    ("demo", "a whole connection on this machine, explained as it happens", _demo_options),
    ("explain", "one connection as a page: every byte, every key, who knows what when", _explain_options),
    ("break", "attacks and faults, each with a prediction, and what comes of it", _break_options),
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


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes below 2^32")
    return int(text)


def processes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1024):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes from 1 to 1024")
    return int(text)


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. argparse exits by itself: 2 for a wrong command, 0 after --help."""
    from ..errors import ConfigurationError, TLSError

    _open_standard_streams()
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


def _open_standard_streams() -> None:
    """Whatever the caller has closed (`<&-`) is None. In this order each gets its own number back, so that no file of
    ours, a key log say, is what somebody writes to as stderr."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # it lasts as long as the process


def _run(options: argparse.Namespace) -> int:
    """Each command loads what it needs: asyncio and http are not for those who ask for help."""
    if options.command == "connect":
        from .connect import connect

        code = connect(options)
    elif options.command == "serve":
        from .serve import serve

        code = serve(options)
    elif options.command == "explain":
        from .explain import explain

        code = explain(options)
    elif options.command == "break":
        from .break_ import break_

        code = break_(options)
    else:
        from .demo import demo

        code = demo(options)
    sys.stdout.flush()
    return code


def complain(error: BaseException, code: int) -> int:
    """One line for a person on stderr; returns `code`."""
    from .advice import sentence

    print(f"tls13: {sentence(error)}", file=sys.stderr)
    return code

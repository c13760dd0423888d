"""What `tls13 explain` can be asked; apart from the command itself, which takes long to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def explain_options(command: argparse.ArgumentParser) -> None:
    from . import count, port, seconds

    command.description = (
        "Make one self-contained page of a connection: every byte, every key, who knows what when.\n"
        "The connection is made (HOST), read from a capture (FILE), or made up here (--demo)."
    )
    command.epilog = (
        "examples:\n"
        "  tls13 explain example.com -o page.html\n"
        "  tls13 explain capture.pcapng --keylog keys.txt -o page.html\n"
        "  tls13 explain --demo 0-rtt -o page.html\n"
        "  tls13 explain --listen 8443 -o page.html            (then visit it with a browser)\n"
        "  tls13 explain --diff 1-rtt resumption -o page.html\n"
        "  tls13 explain example.com -o page.html --redact     (a page without secrets, to be shared)"
    )
    add = command.add_argument
    add("target", metavar="HOST[:PORT]|FILE", nargs="?", help="whom to connect to, or a pcap or pcapng file")
    add("-o", "--output", metavar="FILE", help="write the page (or, with --json, the Story) to FILE")
    add("--demo", metavar="VARIANT", nargs="?", const="1-rtt", help="a connection made on this machine (see --list)")
    add("--list", action="store_true", help="the variants of --demo")
    add("--listen", metavar="PORT", type=port, help="be a server for one connection, and explain that (0: any port)")
    add("--vectors", metavar=("FILE", "NAME"), nargs=2, help="a trace of RFC 8448, from a JSON file")
    add("--diff", metavar=("A", "B"), nargs=2, help="two side by side: hosts, files, FILE.json:NAME, or variants")
    add("--json", action="store_true", help="the Story as JSON, in place of the page")
    add("--redact", action="store_true", help="leave out every secret, and what only secrets reveal")
    capture = command.add_argument_group("of a capture")
    capture.add_argument("--keylog", metavar="FILE", help="the key log (RFC 9850) of a browser, of curl, of anybody")
    capture.add_argument("--port", type=port, help="only connections with this port")
    capture.add_argument("--stream", metavar="N", type=count, help="the Nth connection (default: one with secrets)")
    live = command.add_argument_group("of a connection that is made")
    add = live.add_argument
    add("--http", metavar="PATH", help="fetch this path over HTTP/1.1, to have something to see")
    add("--cafile", metavar="PEM", help="trust the certificates in this file, instead of the system's")
    add("--alpn", metavar="NAME", action="append", default=[], help="offer this application protocol (repeatable)")
    add("--group", metavar="NAME", action="append", default=[], help="offer only these groups (repeatable)")
    add("--suite", metavar="NAME", action="append", default=[], help="offer only these cipher suites (repeatable)")
    add("--sni", metavar="NAME", help="the name the server must prove, if it is not HOST")
    add("--insecure", action="store_true", help="do not verify the server: it may be anybody")
    add("--timeout", metavar="SECONDS", type=seconds, default=30.0, help="for each step (default: 30)")
    add("--resume", metavar="FILE", help="resume the session in FILE if there is one, and keep a new one there")
    add("--early-data", metavar="FILE", help="with --resume: send FILE in the first flight; anybody can replay it")
    add("--psk", metavar="HEX", help="a key that both sides were given; ps shows it to others")
    add("--psk-identity", metavar="ID", help="its name")
    add("--psk-ke", action="store_true", help="allow a PSK without a key exchange, and so without forward secrecy")
    add("--cert", metavar="PEM", help="our certificate chain, if the server asks for one; with --listen, the server's")
    add("--key", metavar="PEM", help="its private key; if it is encrypted, the password is asked for")
    add(
        "--ca-out", metavar="FILE", default="tls13-ca.pem", help="--listen without --cert: where the made CA is written"
    )
    add("--client-ca", metavar="PEM", help="--listen: ask for client certificates, and trust those of this authority")
    add("--post-handshake-auth", action="store_true", help="the server may also ask for it later")
    add("--key-update", action="store_true", help="change our keys at once, and ask the server to change its own")

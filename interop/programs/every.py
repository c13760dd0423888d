"""All trials, and the programs of which there can be none."""

from __future__ import annotations

from . import clients, failures, servers
from .registry import TRIALS

EVERY = TRIALS
"""By name. They register themselves when their modules are loaded: the modules are these."""

MODULES = (clients, failures, servers)

CANNOT = {
    "psycopg": "libpq does its TLS in C, and takes files only",
    "grpc": "it brings its own TLS in C++ (BoringSSL), and takes PEM bytes only",
    "curl_cffi, pycurl": "libcurl does its TLS in C",
}
"""Why, in one line each."""

"""All trials, and the programs of which there can be none."""

from __future__ import annotations

from . import clients, endurance, failures, mail, servers, talking
from .registry import TRIALS

EVERY = TRIALS
"""By name. They register themselves when their modules are loaded: the modules are these."""

MODULES = (clients, talking, mail, servers, failures, endurance)

CANNOT = {
    "redis-py": "it builds its own context; a connection class of one's own puts ours there (the trial shows how)",
    "psycopg": "libpq does its TLS in C, and takes files only",
    "grpc": "it brings its own TLS in C++ (BoringSSL), and takes PEM bytes only",
    "curl_cffi, pycurl": "libcurl does its TLS in C",
}
"""Why, in one line each."""

"""Every feature with every peer."""

from __future__ import annotations

from . import openssl

EVERY = (*openssl.peer.features,)

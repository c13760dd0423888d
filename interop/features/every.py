"""Every feature with every peer."""

from __future__ import annotations

from . import gnutls, openssl

EVERY = (*openssl.peer.features, *gnutls.peer.features)

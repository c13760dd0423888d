"""Every feature with every peer."""

from __future__ import annotations

from . import gnutls, nss, openssl

EVERY = (*openssl.peer.features, *gnutls.peer.features, *nss.peer.features)

"""Every feature with every peer."""

from __future__ import annotations

from . import gnutls, nss, openssl, tlslite

EVERY = (*openssl.peer.features, *gnutls.peer.features, *nss.peer.features, *tlslite.peer.features)

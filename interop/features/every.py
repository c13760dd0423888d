"""Every feature with every peer."""

from __future__ import annotations

from . import boringssl, gnutls, nss, openssl, tlslite

EVERY = (
    *openssl.peer.features,
    *boringssl.peer.features,
    *gnutls.peer.features,
    *nss.peer.features,
    *tlslite.peer.features,
)

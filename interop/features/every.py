"""Every feature with every peer."""

from __future__ import annotations

from . import boringssl, gnutls, nss, openssl, rustls, tlslite

EVERY = (
    *openssl.peer.features,
    *boringssl.peer.features,
    *gnutls.peer.features,
    *nss.peer.features,
    *rustls.peer.features,
    *tlslite.peer.features,
)

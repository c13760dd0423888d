"""What each value of the key schedule is for, in a sentence; by the id of its node, without its number."""

from __future__ import annotations

MEANINGS = {
    "psk": "A key from before this connection: to have it shows who one is.",
    "no_psk": "No PSK is used, so as many zeros as the hash is long take its place.",
    "early_secret": "The first stage: all that depends on the PSK alone. Without a PSK it is a constant that anybody "
    "knows.",
    "binder_key": "Proves possession of the PSK; its label says which kind of PSK, so that one kind cannot pass for "
    "another.",
    "binder_finished_key": "The MAC key of the binder, made as that of a Finished.",
    "hash_binder": "The hash of the ClientHello up to its binders (and of what came before it): what the binder binds "
    "the PSK to.",
    "binder": "The MAC in the ClientHello by which the client shows that it has the PSK, and for this hello only.",
    "hash_client_hello": "The hash of the first ClientHello: early secrets belong to it, and to nothing that the "
    "server says.",
    "client_early_traffic_secret": "Protects early data. Nothing of the server is in it: no fresh share, so neither "
    "forward secrecy nor protection against replay.",
    "early_exporter_secret": "For applications that need a key of their own before the handshake is complete.",
    "early_derived": "The salt of the next stage; this step keeps the stages apart.",
    "ecdhe": "The result of the key exchange. Both sides compute it from their own private key and the other's share; "
    "whoever only sees the shares cannot.",
    "no_ecdhe": "No key exchange takes place (psk_ke), so zeros take its place, and with them forward secrecy is gone.",
    "handshake_secret": "The second stage: the shared secret of the key exchange is worked in, or zeros without one.",
    "hash_server_hello": "The hash of all messages up to ServerHello: the handshake keys belong to these hellos.",
    "client_handshake_traffic_secret": "Protects what the client sends for the rest of the handshake.",
    "server_handshake_traffic_secret": "Protects what the server sends for the rest of the handshake, from "
    "EncryptedExtensions on.",
    "handshake_derived": "The salt of the last stage.",
    "no_more": "Nothing more is worked in: zeros. The stage only separates the handshake from what comes after it.",
    "main_secret": "The last stage: everything that protects application data comes from it.",
    "hash_server_certificate_verify": "The hash of all messages before the server's Finished; the last "
    "is its CertificateVerify, if there is one.",
    "server_finished_key": "The MAC key of the server's Finished.",
    "server_finished": "The server's Finished: a MAC over the whole handshake up to here. Who changed a bit on the way "
    "would have to make this fit.",
    "hash_server_finished": "The hash of all messages up to the server's Finished: the application keys belong to "
    "these, to the certificate too if one was shown.",
    "client_application_traffic_secret": "Protects the client's application data.",
    "server_application_traffic_secret": "Protects the server's application data.",
    "exporter_secret": "Keys for other protocols are made from it (section 7.5), without giving away those of TLS.",
    "hash_client_certificate_verify": "The hash of all messages before the client's Finished; the last "
    "is its CertificateVerify, if there is one.",
    "client_finished_key": "The MAC key of the client's Finished.",
    "client_finished": "The client's Finished: with it the server knows that the client saw the same handshake.",
    "hash_client_finished": "The hash of the whole handshake.",
    "resumption_secret": "The PSKs of this connection's tickets are made from it.",
    "resumption_psk": "The PSK that belongs to a ticket: with it the next connection can do without certificates.",
    "channel_binding_secret": "The exporter for channel binding (RFC 9266), before its last step.",
    "tls_exporter": "The value tls-exporter: a login bound to it works inside this connection only.",
    "post_handshake_finished_key": "The MAC key of a client's Finished after the handshake: from its current "
    "application secret.",
    "hash_post_handshake": "The hash of the handshake, of the request, and of the client's answer up to its Finished.",
    "post_handshake_finished": "The end of an authentication after the handshake.",
    "key": "The AEAD's key for the records of this direction.",
    "iv": "Mixed with the number of each record, this is the nonce: no two records share one.",
}
NAMES = {
    "psk": "PSK",
    "no_psk": "0 (no PSK)",
    "early_secret": "Early Secret",
    "handshake_secret": "Handshake Secret",
    "main_secret": "Main Secret",
    "early_derived": "derived (salt)",
    "handshake_derived": "derived (salt)",
    "ecdhe": "(EC)DHE",
    "no_ecdhe": "0 (no key exchange)",
    "no_more": "0",
    "binder": "PskBinderEntry",
    "binder_finished_key": "finished_key of the binder",
    "server_finished_key": "finished_key of the server",
    "client_finished_key": "finished_key of the client",
    "server_finished": "verify_data of the server",
    "client_finished": "verify_data of the client",
    "resumption_psk": "PSK of the ticket",
    "channel_binding_secret": "EXPORTER-Channel-Binding",
    "tls_exporter": "tls-exporter",
    "post_handshake_finished_key": "finished_key after the handshake",
    "post_handshake_finished": "verify_data after the handshake",
}
"""Where the id is not the RFC's name."""
REACHES = {
    "hash_client_hello": "ClientHello",
    "hash_binder": "Truncate(ClientHello)",
    "hash_server_hello": "ClientHello...ServerHello",
    "hash_server_certificate_verify": "ClientHello...server CertificateVerify*",
    "hash_server_finished": "ClientHello...server Finished",
    "hash_client_certificate_verify": "ClientHello...client CertificateVerify*",
    "hash_client_finished": "ClientHello...client Finished",
    "hash_post_handshake": "ClientHello...client Finished, CertificateRequest...CertificateVerify*",
}
"""What a transcript hash is over, as the RFC writes it; with a star what is not always sent."""
UNKNOWN = {
    "psk": "the PSK is not known here: neither the wire nor a key log shows it",
    "ecdhe": "the shared secret is not known here: it never left the two sides, and a key log leaves it out",
}

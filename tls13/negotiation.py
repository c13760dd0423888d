"""What a server makes of a ClientHello: RFC 9846, sections 4.2.1, 4.2.2, 4.3 and 9.2.

First the rules that every ClientHello must keep to; then every choice that the server has, in one look: cipher suite,
application protocol, PSK and its mode, group, certificate. Only the opening of tickets may take time (they may be in
a database), and only a PSK's binder is cryptography; the rest is comparing lists.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from . import errors
from .crypto.suites import SUITES
from .flow import settle
from .server_afterwards import ServerAfterwards
from .wire.companions import CertWithExternPsk, ClientCertTypes, ServerCertTypes
from .wire.extensions import (
    EarlyDataIndication,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    NamedGroupList,
    OfferedPsks,
    ProtocolNameList,
    PskKeyExchangeModes,
    ServerNameList,
    SignatureSchemeList,
)
from .wire.registry import (
    HOST_NAME,
    PRE_SHARED_KEY,
    PSK_DHE_KE,
    PSK_KE,
    TLS1_2,
    X509,
    CertificateType,
    NamedGroup,
    PskKeyExchangeMode,
    SignatureScheme,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import Enum

    from .config import ServerConfig
    from .crypto.suites import Suite
    from .flow import Flow
    from .resumption.psk import Psk
    from .resumption.tickets import TicketState
    from .trust.identity import Presentable
    from .wire.messages import ClientHello

PRINTABLE = bytes(range(0x21, 0x7F))
"""ASCII's, without the space."""

LONGEST_NAME = 255
"""Bytes. No name of the DNS is longer (RFC 1035, section 2.3.4), although HostName has room for 2^16 - 1."""

X509_ALONE = (X509,)
"""What a client may be shown, and what it has, if it does not say (RFC 7250, section 4.1)."""

MAX_IDENTITIES = 8
"""How many PSK identities of one ClientHello we ask others about: each may be a question to a database."""


MOST_NAMED = 16
"""How many of a client's offers a sentence names: it may have tens of thousands."""


def named(offers: Sequence[Enum]) -> str:
    """The first of them, by name."""
    more = f" and {len(offers) - MOST_NAMED} more" if len(offers) > MOST_NAMED else ""
    return ", ".join(one.name for one in offers[:MOST_NAMED]) + more


class Selected:
    """The PSK that the server takes, its binder verified (4.3.11)."""

    def __init__(self, position: int, psk: Psk, ticket: TicketState | None) -> None:
        self.position = position
        self.psk = psk
        self.ticket = ticket
        """What we remember of the connection that it resumes; None: an external PSK."""


class Choice:
    """What the server makes of a ClientHello (4.2.1)."""

    def __init__(
        self,
        suite: Suite,
        group: NamedGroup | None,
        client_share: KeyShareEntry | None,
        selected: Selected | None,
        early_data: bool,
        identity: Presentable | None,
        scheme: SignatureScheme | None,
        alpn_protocol: bytes | None,
        server_name: str | None,
        name_matched: bool,
    ) -> None:
        self.suite = suite
        self.group = group
        """None: a PSK alone (psk_ke)."""
        self.client_share = client_share
        """None: the client supports the group but sent no share for it."""
        self.needs_retry = group is not None and client_share is None
        self.selected = selected
        self.early_data = early_data
        """Whether early data is accepted."""
        self.identity = identity
        """None: the PSK authenticates the server. With a PSK as well: RFC 8773."""
        self.scheme = scheme
        self.alpn_protocol = alpn_protocol
        self.server_name = server_name
        self.name_matched = name_matched


class Negotiation(ServerAfterwards):
    """The part of a server's handshake that decides."""

    config: ServerConfig
    transcript_prefix = b""
    """What comes before ClientHello in a binder's transcript: message_hash and HelloRetryRequest (4.3.11.2)."""

    # --- the rules of section 4.2.2, 4.3 and 9.2 ------------------------------------------------------------------

    def check_client_hello(self, hello: ClientHello) -> None:
        """What every ClientHello must keep to, whatever is chosen. The version was judged on reading (4.3.1)."""
        if hello.legacy_version != TLS1_2 and not self.config.tolerate_legacy_version:
            raise errors.LegacyVersion(hello.legacy_version)
        if hello.legacy_compression_methods != b"\0":
            raise errors.BadCompressionMethod(hello.legacy_compression_methods.hex())
        self.check_pre_shared_key(hello.extensions)
        self.check_groups(hello.extensions)

    def check_pre_shared_key(self, extensions: Extensions) -> None:
        """Sections 4.3.9 to 4.3.11: a broken offer is refused as such, whether we would accept it or not."""
        get = extensions.get
        psks = get(OfferedPsks)
        if psks is not None:
            if extensions.types()[-1] != PRE_SHARED_KEY:
                raise errors.PreSharedKeyNotLast
            if get(PskKeyExchangeModes) is None:
                raise errors.MissingExtension("pre_shared_key without psk_key_exchange_modes")
            if len(psks.identities) != len(psks.binders):
                raise errors.IllegalParameter(f"{len(psks.identities)} PSK identities with {len(psks.binders)} binders")
        elif get(EarlyDataIndication) is not None:
            raise errors.EarlyDataWithoutPsk
        if get(CertWithExternPsk) is not None:
            needed = (PskKeyExchangeModes, OfferedPsks, KeyShareClientHello)
            if any(get(kind) is None for kind in needed):
                raise errors.BadCertificateWithPsk("without key_share, psk_key_exchange_modes or pre_shared_key")
            if get(EarlyDataIndication) is not None:
                raise errors.BadCertificateWithPsk("with early_data")

    def check_groups(self, extensions: Extensions) -> None:
        """Sections 4.3.7, 4.3.8 and 9.2: supported_groups and key_share, each with the other, without contradiction."""
        get = extensions.get
        groups, shares = get(NamedGroupList), get(KeyShareClientHello)
        if get(OfferedPsks) is None:
            if groups is None:
                raise errors.MissingExtension("ClientHello without supported_groups and without pre_shared_key")
            if get(SignatureSchemeList) is None:
                raise errors.MissingExtension("ClientHello without signature_algorithms and without pre_shared_key")
        if groups is None and shares is None:
            return
        if groups is None or shares is None:
            raise errors.MissingExtension(
                "ClientHello without " + ("supported_groups" if groups is None else "key_share")
            )
        offered = groups.named_group_list
        if len(set(offered)) != len(offered):
            raise errors.DuplicateGroup("in supported_groups")
        if len(shares.client_shares) > self.config.max_key_shares:
            raise errors.TooManyKeyShares(f"{len(shares.client_shares)}; our limit is {self.config.max_key_shares}")
        remaining = iter(offered)
        for entry in shares.client_shares:
            # In the order of supported_groups, so each share's group is found in what remains of that list.
            if entry.group not in remaining:
                raise errors.KeyShareMismatch(f"{entry.group} is repeated, out of order, or not in supported_groups")

    # --- Negotiation: section 4.2.1 -------------------------------------------------------------------------------

    def choose(self, hello: ClientHello) -> Flow[Choice]:
        """Every choice the server makes, before it sends a byte. Raises HandshakeFailure where there is none."""
        extensions = hello.extensions
        modes = self.usable_modes(extensions)
        external: dict[bytes, Psk] = {}
        if modes and (self.config.psks or self.config.find_psk is not None):
            external = yield from self.find_external_psks(extensions)
        suite = self.choose_suite(hello, external)
        server_name = self.requested_name(extensions)
        self.check_server_name(server_name)
        alpn_protocol = self.choose_protocol(extensions)
        group, share = self.choose_group(extensions)
        with_group = group is not None and (PSK_DHE_KE in modes or not modes)

        selected = None
        # 4.2.4: after a HelloRetryRequest we look at the PSKs again; a ticket that works once is not opened before.
        first = not self.transcript_prefix
        postponed = first and (self.config.always_retry or (with_group and share is None))
        if modes and not postponed:
            selected = yield from self.choose_psk(hello, external, suite, server_name, alpn_protocol)
        if selected is not None and not with_group:
            group = share = None
        early_data = False
        if selected is not None and extensions.get(EarlyDataIndication) is not None:
            early_data = yield from self.choose_early_data(hello, suite, selected, alpn_protocol)

        identity, scheme, name_matched = None, None, False
        both = selected is not None and self.certificate_with_psk(extensions, with_group=group is not None)
        if both or (selected is None and not (postponed and modes)):
            if group is None:
                raise errors.NoCommonGroup("no group in common, and no PSK that we accept")
            identity, scheme, name_matched = self.choose_identity(extensions, server_name)
        return Choice(
            suite, group, share, selected, early_data, identity, scheme, alpn_protocol, server_name, name_matched
        )

    def choose_suite(self, hello: ClientHello, external: dict[bytes, Psk]) -> Suite:
        """Our most wanted suite of the client's; where both sides know an external PSK, one with its hash (4.3.11)."""
        config, offered = self.config, hello.cipher_suites
        if external:
            hashes = [psk.hash for psk in external.values()]
            for code in config.cipher_suites:
                if code in offered and SUITES[code].hash in hashes:
                    return SUITES[code]
        for code in config.cipher_suites:
            if code in offered:
                return SUITES[code]
        raise errors.NoCommonCipherSuite(f"the client offers {named(offered)}")

    def choose_group(self, extensions: Extensions) -> tuple[NamedGroup | None, KeyShareEntry | None]:
        """Our most wanted group among the client's shares; else, for a retry, among the groups it supports.

        No group at all is an offence only if no PSK can do without one (4.2.1).
        """
        supported, key_share = extensions.get(NamedGroupList), extensions.get(KeyShareClientHello)
        shares = key_share.client_shares if key_share is not None else ()
        for group in self.config.groups:
            for entry in shares:
                if entry.group == group:
                    return group, entry
        offered = supported.named_group_list if supported is not None else ()
        for group in self.config.groups:
            if group in offered:
                return group, None
        if PSK_KE in self.usable_modes(extensions):
            return None, None
        raise errors.NoCommonGroup(f"the client offers {named(offered)}")

    def usable_modes(self, extensions: Extensions) -> tuple[PskKeyExchangeMode, ...]:
        """How a PSK of this ClientHello may be used (4.3.9); empty if it offers none."""
        modes = extensions.get(PskKeyExchangeModes)
        if modes is None or extensions.get(OfferedPsks) is None:
            return ()
        return tuple([mode for mode in self.config.psk_key_exchange_modes if mode in modes.ke_modes])

    def find_external_psks(self, extensions: Extensions) -> Flow[dict[bytes, Psk]]:
        """The PSKs of this ClientHello that were given to both sides, by identity."""
        config, offered, asked = self.config, extensions.get(OfferedPsks), 0
        found: dict[bytes, Psk] = {}
        for one in offered.identities if offered is not None else ():
            psk = config.psks.get(one.identity)
            if psk is None and config.find_psk is not None and asked < MAX_IDENTITIES:
                asked += 1
                psk = yield from settle(config.find_psk(one.identity))
            if psk is not None and psk.role != "client":
                found[one.identity] = psk
        return found

    def choose_psk(
        self,
        hello: ClientHello,
        external: dict[bytes, Psk],
        suite: Suite,
        server_name: str | None,
        alpn_protocol: bytes | None,
    ) -> Flow[Selected | None]:
        """Section 4.3.11: the first PSK that we know and that fits; its binder, and no other's, is verified."""
        config, psks, opened = self.config, hello.extensions.get(OfferedPsks), 0
        selected: Selected | None = None
        with_certificate = hello.extensions.get(CertWithExternPsk) is not None
        for index, offered in enumerate(psks.identities if psks is not None else ()):
            psk, ticket = external.get(offered.identity), None
            if psk is None and config.tickets is not None and opened < MAX_IDENTITIES:
                opened += 1
                ticket = yield from config.tickets.open(offered.identity, config.clock())
            if ticket is not None:
                if with_certificate:
                    raise errors.BadCertificateWithPsk("a PSK of a ticket")
                if not self.may_resume(ticket, server_name, alpn_protocol):
                    continue
                psk = ticket.as_psk(offered.identity)
            if selected is None and psk is not None and psk.hash is suite.hash:
                selected = Selected(index, psk, ticket)
            if selected is not None and not with_certificate:  # where all of them must be external (RFC 8773, 5.1)
                break
        if psks is not None and selected is not None:
            self.check_binder(selected.psk, psks, selected.position, with_certificate=with_certificate)
        elif psks is not None and not config.identities:
            # Appendix F.6: who only knows PSKs must not tell an unknown identity from a wrong key.
            raise errors.BadBinder
        return selected

    def certificate_with_psk(self, extensions: Extensions, *, with_group: bool) -> bool:
        """RFC 8773: whether the client wants a certificate beside an external PSK, and so do we."""
        return with_group and self.config.certificate_with_psk and extensions.get(CertWithExternPsk) is not None

    def may_resume(self, ticket: TicketState, server_name: str | None, alpn_protocol: bytes | None) -> bool:
        """A ticket must not lead around authentication: it opens only what the same name and the same demands on the
        client would have opened (CVE-2025-23419), and only as long as the client's certificate is good."""
        now, origin = self.config.clock(), ticket.origin
        return (
            not ticket.expired(now)
            and now < min(origin.chain_expires_at, ticket.authenticated_at + self.config.max_session_age)
            and compare_digest(ticket.policy, self.config.client_policy)
            and ticket.server_name == (server_name or "").lower()
            and origin.alpn_protocol == (alpn_protocol or b"")
        )

    def check_binder(self, psk: Psk, psks: OfferedPsks, index: int, *, with_certificate: bool) -> None:
        """Section 4.3.11.2: over everything up to and including the identities, with the PSK's own hash.
        `with_certificate`: RFC 8773 has another alert for it."""
        truncated = self.transcript_prefix + self.last_received[: -psks.binders_length]
        expected = psk.binder(psk.hash.new(truncated).digest())
        if not compare_digest(psks.binders[index], expected):
            raise errors.BadCertificateWithPsk("a binder of another key") if with_certificate else errors.BadBinder

    def choose_early_data(
        self, hello: ClientHello, suite: Suite, selected: Selected, alpn_protocol: bytes | None
    ) -> Flow[bool]:
        """Sections 4.3.10 and 8: only with the first PSK, under its own parameters, and never twice."""
        ticket, psks = selected.ticket, hello.extensions.get(OfferedPsks)
        guard = self.config.replay_guard
        if guard is None or ticket is None or psks is None or selected.position != 0 or self.transcript_prefix:
            return False
        if not ticket.max_early_data_size or not self.config.max_early_data:
            return False
        if ticket.cipher_suite != suite.code or ticket.alpn_protocol != (alpn_protocol or b""):
            return False
        refusal = yield from guard.judge(
            ticket, psks.identities[0].obfuscated_ticket_age, psks.binders[0], self.config.clock()
        )
        return refusal is None

    def requested_name(self, extensions: Extensions) -> str | None:
        """The host_name of server_name (RFC 6066, section 3). Other name types are unknown and ignored."""
        names = extensions.get(ServerNameList)
        if names is None:
            return None
        host: bytes | None = None
        for entry in names.server_name_list:
            if entry.name_type == HOST_NAME:
                if host is not None:
                    raise errors.IllegalParameter("server_name holds more than one host_name")
                host = entry.host_name
        if host is None:
            return None
        if host.translate(None, PRINTABLE):
            raise errors.IllegalParameter(f"server_name holds a host_name that is not printable ASCII: {host!r}")
        name = host.decode("ascii")
        if len(name) > LONGEST_NAME:
            raise errors.UnrecognizedName(f"{name[:32]}..., of {len(name)} bytes")
        return name

    def check_server_name(self, name: str | None) -> None:
        """strict_server_name: also where a PSK takes the certificate's place."""
        identities = self.config.identities
        if self.config.strict_server_name and name is not None and identities and not identities.matching(name):
            raise errors.UnrecognizedName(name)

    def choose_identity(self, extensions: Extensions, name: str | None) -> tuple[Presentable, SignatureScheme, bool]:
        """The certificate for this name that can sign with what the client verifies (4.5.1.2), and the scheme; and
        whether it is for this name.

        It follows from the config and from what the client asks, and from nothing else: see answers.py.
        """
        answers = self.config.identity_answers
        answer = answers.find(name, extensions)
        if answer is None:
            answer = self.find_identity(extensions, name)
            if self.config.identities.never_change:
                answers.keep(name, extensions, answer)
        return answer

    def find_identity(self, extensions: Extensions, name: str | None) -> tuple[Presentable, SignatureScheme, bool]:
        """Of several, one that comes from an authority that the client names is taken first (4.3.4)."""
        identities = self.config.identities
        if not identities:
            raise errors.NoCertificate
        schemes = extensions.get(SignatureSchemeList)
        if schemes is None:
            raise errors.MissingExtension("ClientHello without signature_algorithms, and no PSK that we accept")
        matching = identities.matching(name) if name is not None else []
        types = extensions.get(ServerCertTypes)
        accepted = types.server_certificate_types if types is not None else X509_ALONE
        others = () if self.config.strict_server_name and matching else identities.defaults
        shown = [[one for one in group if one.certificate_type in accepted] for group in (matching, others)]
        for place, group in enumerate(shown):
            for identity in self.by_chain(group, extensions):
                scheme = self.scheme_for(identity, extensions)
                if scheme is not None:
                    return identity, scheme, place == 0
        if not any(shown):
            raise errors.CertificateTypeNotOffered(f"the client accepts {named(accepted)}")
        raise errors.NoCommonSignatureScheme(f"the client accepts {named(schemes.supported_signature_algorithms)}")

    def choose_client_certificate_type(self, extensions: Extensions, *, asks_now: bool) -> CertificateType | None:
        """RFC 7250, section 4.2: the first kind that the client has and that we know whom to trust of. None: nothing
        is agreed on, and the client can show a chain or nothing (4.5.1)."""
        types = extensions.get(ClientCertTypes)
        if types is None:
            return None
        for kind in types.client_certificate_types:
            if kind == CertificateType.RawPublicKey and self.config.client_raw_keys:
                return kind
            if kind == X509 and self.config.client_verifier is not None:
                return kind
        if not asks_now:
            return None
        raise errors.CertificateTypeNotOffered(f"the client has {named(types.client_certificate_types)}")

    def choose_protocol(self, extensions: Extensions) -> bytes | None:
        """RFC 7301, section 3.2: our most wanted protocol of the client's, no protocol if either side has no list."""
        alpn = extensions.get(ProtocolNameList)
        if alpn is None or not self.config.alpn_protocols:
            return None
        for protocol in self.config.alpn_protocols:
            if protocol in alpn.protocol_name_list:
                return protocol
        if not self.config.strict_alpn:
            return None
        offered = b", ".join(alpn.protocol_name_list[:MOST_NAMED]).decode("ascii", "backslashreplace")
        more = "..." if len(alpn.protocol_name_list) > MOST_NAMED else ""
        raise errors.NoApplicationProtocol(f"the client offers {offered}{more}")

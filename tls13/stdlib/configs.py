"""What an SSLContext's settings come to: the frozen config of its connections.

It is made when it is first needed, and again when a setting has changed; connections that were made before keep the
one that they have. A server's tickets, and its memory of early data, outlive such changes: a ticket says itself what
was demanded of the client, and opens under nothing less.
"""

from __future__ import annotations

import inspect
import ssl
from typing import TYPE_CHECKING, Any, Final, Literal

from ..config import INSECURE_NO_VERIFICATION, ClientAuth, ClientConfig, ServerConfig
from ..errors import ConfigurationError
from ..io.keylog import KeyLogFile
from ..resumption.psk import ExternalPsk
from ..trust.crl import CrlSet
from ..trust.store import TrustStore
from ..trust.verify import ChainVerifier, NamelessVerifier, Profile
from ..wire.registry import PskKeyExchangeMode
from .failures import bad_settings
from .judge import Judge
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import IdentityChooser
    from ..resumption.sessions import SessionCache
    from ..trust.verify import Verifier
    from .judge import VerifyCallback

CLIENT_ARGUMENTS: Final = frozenset(inspect.signature(ClientConfig).parameters)
SERVER_ARGUMENTS: Final = frozenset(inspect.signature(ServerConfig).parameters)
MADE_OF_SETTINGS: Final = {
    **dict.fromkeys(("trust", "client_trust"), "load_verify_locations, or set_verifier"),
    **dict.fromkeys(
        ("profile", "client_profile", "crls", "client_crls", "verifier", "client_verifier"), "set_verifier"
    ),
    **dict.fromkeys(("verify", "client_auth"), "verify_mode and post_handshake_auth"),
    **dict.fromkeys(("identity", "identities"), "load_cert_chain or add_identity"),
}
"""Arguments that are not given as such: two ways of saying whom to believe could contradict each other."""


class Configured(Settings):
    """The half of a tls13.SSLContext that makes configs."""

    _made: dict[str, tuple[tuple[object, ...], ClientConfig | ServerConfig]]
    _extra: dict[str, Any]
    _kept: dict[str, Any]
    """A server's tickets, which it has from its creation: each config opens those of the one before."""
    _process: int
    """In which process that was."""
    _verifier: Verifier | None = None
    _callback: VerifyCallback | None = None
    _callback_mark = b""
    _choose_identity: IdentityChooser | None = None
    _sessions: SessionCache | None = None
    _max_early_data = 0

    def set_config(self, **arguments: Any) -> None:
        """Any argument of ClientConfig or ServerConfig, over what the settings of this context come to. Raises
        TypeError for one that neither has, and for one that another setting decides."""
        for name in arguments:
            if name in MADE_OF_SETTINGS:
                raise TypeError(f"{name} is not set here: use {MADE_OF_SETTINGS[name]}")
            if name not in CLIENT_ARGUMENTS | SERVER_ARGUMENTS:
                raise TypeError(f"neither ClientConfig nor ServerConfig has an argument {name!r}")
        self._extra.update(arguments)
        self._changed()

    @property
    def client_config(self) -> ClientConfig:
        """The frozen config of this context's client connections. Raises ssl.SSLError if the settings make none."""
        config = self._config("client", self._make_client)
        if not isinstance(config, ClientConfig):
            raise TypeError("this context is a server's")
        if self._psk_client is None:
            return config
        identity, key = self._psk_client(None)
        try:
            return config.replace(psks=[ExternalPsk((identity or "").encode(), key)] if key else [])
        except ConfigurationError as error:
            raise bad_settings(error) from error

    @property
    def server_config(self) -> ServerConfig:
        """The frozen config of this context's server connections. Raises ssl.SSLError if the settings make none."""
        config = self._config("server", self._make_server)
        if not isinstance(config, ServerConfig):
            raise TypeError("this context is a client's")
        return config

    def _config(self, role: str, make: Callable[[], ClientConfig | ServerConfig]) -> ClientConfig | ServerConfig:
        key = (
            self._generation,
            self.verify_mode,
            self.check_hostname,
            self.verify_flags,
            self.options,
            self.post_handshake_auth,
            self.keylog_filename,
            self.num_tickets,
        )
        known = self._made.get(role)
        if known is not None and known[0] == key:
            return known[1]
        try:
            config = make()
        except ConfigurationError as error:
            raise bad_settings(error) from error
        self._made[role] = (key, config)
        return config

    def _common(self) -> dict[str, Any]:
        path = self.keylog_filename
        return {
            "cipher_suites": self._suites,
            "groups": self._groups,
            "signature_schemes": self._schemes,
            "alpn_protocols": self._alpn,
            "key_log": key_log(str(path)) if path else None,
        }

    def _make_client(self) -> ClientConfig:
        arguments = self._common()
        if self.verify_mode is ssl.CERT_NONE:
            self._nobody_is_ignored()
            arguments["verify"] = INSECURE_NO_VERIFICATION
        else:
            kind = ChainVerifier if self.check_hostname else NamelessVerifier
            arguments["verifier"] = self._judge(kind)
        arguments["identities"] = self._identities
        arguments["choose_identity"] = self._choose_identity
        arguments["post_handshake_auth"] = self.post_handshake_auth
        arguments["psk_key_exchange_modes"] = [PskKeyExchangeMode.psk_dhe_ke]
        arguments["sessions"] = self._sessions
        extra = {name: value for name, value in self._extra.items() if name in CLIENT_ARGUMENTS}
        return ClientConfig(**{**arguments, **extra})

    def _make_server(self) -> ServerConfig:
        arguments = {**self._common(), **self._kept}
        if self.verify_mode is ssl.CERT_NONE:
            self._nobody_is_ignored()
        else:
            arguments["client_verifier"] = self._judge(ChainVerifier)
            required = self.verify_mode is ssl.CERT_REQUIRED
            arguments["client_auth"] = ClientAuth.REQUIRED if required else ClientAuth.OPTIONAL
            if self.post_handshake_auth:
                arguments["client_auth"] = ClientAuth.LATER
        # Without a certificate too a context is a server's: sni_callback may bring another that has one.
        if self._psk_server is not None or not self._identities:
            arguments["find_psk"] = self._find_psk
        if self.options & ssl.OP_NO_TICKET or not self.num_tickets:
            arguments["tickets"] = None
        arguments["max_early_data"] = self._max_early_data
        arguments["ticket_count"] = self.num_tickets
        arguments["strict_alpn"] = False  # as ssl: no protocol in common is no reason to fail
        extra = {name: value for name, value in self._extra.items() if name in SERVER_ARGUMENTS}
        config = ServerConfig(self._identities, **{**arguments, **extra})
        if config.tickets is not None:
            self._kept["tickets"] = config.tickets
        return self._guarded(config)

    def _guarded(self, config: ServerConfig) -> ServerConfig:
        """Forked processes open the same tickets, and remember apart what early data they took."""
        guard = config.replay_guard
        if guard is None or guard.shared:
            return config
        from .forks import GuardOfOneProcess  # early data is rare

        return config.replace(replay_guard=GuardOfOneProcess(guard, self._process))

    def _find_psk(self, identity: bytes) -> ExternalPsk | None:
        if self._psk_server is None:
            return None
        key = self._psk_server(identity.decode("utf-8", "replace"))
        return ExternalPsk(identity, key) if key else None

    # --- whom to believe ------------------------------------------------------------------------------------------

    def _judge(self, kind: type[ChainVerifier]) -> Verifier:
        verifier = self._verifier
        if verifier is None:
            verifier = kind(self._trust(), profile=self._profile(), crls=self._crls())
        if self._callback is None:
            return verifier
        return Judge(verifier, self._callback, self._callback_mark)

    def _nobody_is_ignored(self) -> None:
        if self._callback is not None or self._verifier is not None:
            raise ConfigurationError("verify_mode is CERT_NONE, so the verifier or callback would never be asked")

    def _trust(self) -> TrustStore:
        system = self._system_trust
        if system is None:
            return TrustStore.from_certificates(self._anchors)
        if not self._anchors:
            return system
        return TrustStore.from_certificates([*self._anchors, *system.certificates])

    def _profile(self) -> Profile:
        """OpenSSL asks for RFC 5280's forms, critical basicConstraints and key identifiers, only with this flag; there
        are private CAs without them, CPython's own for its tests among those."""
        return Profile.DEFAULT if self.verify_flags & ssl.VERIFY_X509_STRICT else Profile.PRIVATE

    def _crls(self) -> CrlSet | None:
        """VERIFY_CRL_CHECK_*: every certificate that they name must be on no list, and covered by one."""
        chain = self.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN == ssl.VERIFY_CRL_CHECK_CHAIN
        leaf = self.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
        if not chain and not leaf:
            return None
        require: Literal["chain", "leaf"] = "chain" if chain else "leaf"
        return CrlSet.from_pem(self._crl_pem, require=require) if self._crl_pem else CrlSet([], require=require)


def key_log(path: str) -> Callable[[str], None]:
    """The file is open only while a line is written: contexts are never closed, and a log may be moved away."""

    def write(line: str) -> None:
        with KeyLogFile(path) as log:
            log(line)

    return write

"""Who may ask: those on this machine, or whoever brings the token along."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from ipaddress import ip_address

from orchestrator.errors import SettingsError
from orchestrator.settings import Settings

_TOKEN = re.compile(r"[!-~]+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?")


@dataclass(frozen=True)
class Access:
    """Where the exporter listens, and the token that it demands; without one only loopback is open."""

    host: str
    port: int
    token: str = ""

    def is_allowed(self, authorization: str) -> bool:
        """Whether this header brings the token along, where there is one; compared in constant time."""
        if not self.token:
            return True
        scheme, _, given = authorization.partition(" ")
        brought = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(brought, self.token.encode())

    def is_meant(self, host: str) -> bool:
        """Whether a request with this Host header is meant for us.

        A page of the web may have its own name lead to loopback, and read what it is not to see: there, only
        loopback's own names are answered. Elsewhere the token is what keeps strangers out.
        """
        if not is_loopback(self.host):
            return True
        named = _HOST.fullmatch(host.strip())
        return named is not None and is_loopback(named[1].strip("[]"))


def chosen(settings: Settings) -> Access:
    """What the settings say.

    Raises:
        SettingsError: others than this machine could ask without a token, or it is one that no header holds.
    """
    secret = settings.exporter_token
    token = secret.get_secret_value() if secret else ""
    if token and not _TOKEN.fullmatch(token):
        raise SettingsError(
            "OMNINODE_EXPORTER_TOKEN must be printable ASCII without spaces, as a header holds it: "
            "make one with `openssl rand -hex 24`"
        )
    access = Access(settings.exporter_host, settings.exporter_port, token)
    refuse_open_door(access, access.host)
    return access


def refuse_open_door(access: Access, address: str) -> None:
    """Refuse to listen on this address, where everybody who reaches it could ask.

    Raises:
        SettingsError: it is beyond loopback, and there is no token.
    """
    if not access.token and not is_loopback(address):
        raise SettingsError(
            f"to listen on {address}, which is beyond loopback, the exporter needs a token: "
            "set OMNINODE_EXPORTER_TOKEN, or leave OMNINODE_EXPORTER_HOST at 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether this name or address is one of this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

"""The keys of the configuration that say how a call leaves this machine: proxy and certificates."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from monitor.config.sections import FileName, Secret, Section
from monitor.outgoing import OutgoingRoute
from monitor.outgoing.route import DIRECT

_PROXIES = ("http", "https", "socks5", "socks5h")


class ConnectionSettings(Section):
    """How an outgoing call leaves this machine."""

    ca_file: FileName = ""
    """A file of CA certificates to use instead of the system's."""
    proxy: Secret = Secret("")
    """URL of a proxy, such as http://proxy:3128; `direct` for none. Empty: that of HTTPS_PROXY and NO_PROXY."""
    client_certificate: FileName = ""
    """A PEM file with the certificate that the other side asks for, and its key unless `client_key` names one."""
    client_key: FileName = ""
    """A PEM file with the key of `client_certificate`, without a passphrase."""

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, value: Secret) -> Secret:
        text = value.get_secret_value()
        if text in ("", DIRECT):
            return value
        try:
            parts = urlsplit(text)
            is_valid = parts.scheme in _PROXIES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or not text.isprintable() or " " in text:
            msg = "is not the address of a proxy: use http://HOST:PORT, or `direct` for none"
            raise ValueError(msg)  # without the value: it may hold a password
        return value

    @model_validator(mode="after")
    def _has_a_certificate_for_its_key(self) -> Self:
        if self.client_key and not self.client_certificate:
            msg = "`client_key` needs `client_certificate`"
            raise ValueError(msg)
        return self

    @property
    def route(self) -> OutgoingRoute:
        """The route of its calls."""
        return OutgoingRoute(
            self.ca_file, self.proxy.get_secret_value(), self.client_certificate, self.client_key
        )

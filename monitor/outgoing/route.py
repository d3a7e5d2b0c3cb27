"""How a connection leaves this machine: through which proxy, with which certificates."""

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

from monitor.outgoing.tls import verifying

DIRECT = "direct"
"""In place of a proxy's URL: none, whatever the environment says."""


@dataclass(frozen=True, slots=True)
class OutgoingRoute:
    """A route. `proxy` is a URL, `direct`, or empty for the environment's (HTTPS_PROXY, NO_PROXY). `ca_file` names
    certificates to trust instead of the system's; `certificate` and `key` are files with one's own.
    """

    ca_file: str = ""
    proxy: str = ""
    certificate: str = ""
    key: str = ""

    def tls(self) -> ssl.SSLContext:
        """The TLS settings.

        Raises:
            OSError: a file cannot be read, or holds no certificate.
        """
        if not self.ca_file and not self.certificate:
            return _system()
        for name in filter(None, (self.ca_file, self.certificate, self.key)):
            Path(name).open("rb").close()  # its error names the file; that of OpenSSL does not
        context = verifying(self.ca_file)
        if self.certificate:
            # A key with a passphrase would be asked for on the terminal; the daemon has none.
            context.load_cert_chain(self.certificate, self.key or None, password=_no_passphrase)
        return context

    def proxy_for(self, scheme: str, host: str) -> str:
        """The URL of the proxy to a host; empty if there is none."""
        if self.proxy == DIRECT:
            return ""
        return self.proxy or proxy_for(scheme, host)


def _no_passphrase() -> str:
    msg = "the private key is encrypted: use one without a passphrase"
    raise OSError(msg)


@cache
def _system() -> ssl.SSLContext:
    """The system's certificates. Loading them takes longer than a request."""
    return verifying()


def proxy_for(scheme: str, host: str) -> str:
    """The URL of the environment's proxy for a scheme and a host; empty if there is none."""
    named = getproxies()
    proxy = named.get(scheme) or named.get("all") or ""
    if not proxy or proxy_bypass(host):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"

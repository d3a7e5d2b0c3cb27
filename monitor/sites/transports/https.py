"""Bundles to the agency's daemon by HTTPS. One that it has answered is merged there."""

from pathlib import Path

from monitor import outgoing
from monitor.sites.settings import SiteDestination
from monitor.sites.transports.transport import SECONDS, TryAgainError
from monitor.visible import one_line

_REFUSED = range(400, 500)
_TRY_AGAIN = (401, 403, 404, 408, 425, 429)
"""Statuses below 500 that say nothing about the bundle itself."""


class Https:
    """Posts bundles."""

    def __init__(self, site: str, to: SiteDestination) -> None:
        """Make a client.

        Raises:
            OSError: the certificates cannot be read.
        """
        self._url = f"{to.url.rstrip('/')}/v1/sites/{site}/bundles"
        self._key = to.key.get_secret_value()
        self._client = outgoing.client(SECONDS, to.ca_file)

    def send(self, path: Path) -> str:
        """Post a bundle; why the agency refuses it, or an empty string.

        Raises:
            TryAgainError: the agency cannot take it now, or does not answer.
        """
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/vnd.watchkeeper.bundle",
        }
        content = path.read_bytes()
        try:
            response = self._client.post(self._url, content=content, headers=headers)
        except outgoing.FAILURES as error:
            raise TryAgainError(outgoing.reason(error)) from error
        if response.is_success:
            return ""
        words = one_line(response.text)[:300]
        if response.status_code in _REFUSED and response.status_code not in _TRY_AGAIN:
            return f"{response.status_code}: {words}"
        raise TryAgainError(f"the agency answered {response.status_code}: {words}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

"""One HTTP request, one attempt, with every failure as an `AttemptError`."""

import ssl
from collections.abc import Mapping

import httpx2

from monitor.notify.channel import ATTEMPT_SECONDS
from monitor.notify.failure import AttemptError, Kind, of_status


class Http:
    """A client for one channel; `ca_file` names certificates to trust instead of the system's."""

    def __init__(self, who: str, ca_file: str = "") -> None:
        self._who = who
        verify = ssl.create_default_context(cafile=ca_file or None)
        self._client = httpx2.Client(timeout=ATTEMPT_SECONDS, verify=verify, follow_redirects=False)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Post once; returns an answer of 2xx.

        Raises:
            AttemptError: anything else.
        """
        return self._request("POST", url, body, headers)

    def get(self, url: str, headers: Mapping[str, str]) -> httpx2.Response:
        """Get once; returns an answer of 2xx.

        Raises:
            AttemptError: anything else.
        """
        return self._request("GET", url, b"", headers)

    def _request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        try:
            response = self._client.request(method, url, content=body, headers=dict(headers))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise failure(self._who, error) from error
        if not response.is_success:
            text, wait = response.text, retry_after(response)
            raise of_status(self._who, response.status_code, text, wait)
        return response

    def close(self) -> None:
        """Give connections back."""
        self._client.close()


def failure(who: str, error: BaseException) -> AttemptError:
    """A request without an answer: a broken address or certificate is a mistake, the rest may pass."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AttemptError(
                f"{who}: the certificate is refused: {cause.verify_message}", Kind.MISCONFIGURED
            )
        cause = cause.__cause__ or cause.__context__
    kind = Kind.MISCONFIGURED if isinstance(error, httpx2.InvalidURL) else Kind.UNREACHABLE
    return AttemptError(f"{who} did not answer: {type(error).__name__}: {error}", kind)


def retry_after(response: httpx2.Response) -> float | None:
    """The seconds that an answer asks to wait, where it names them."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None

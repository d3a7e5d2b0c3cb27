"""HTTP requests of channels: one attempt each, every failure an `AttemptError` (see `http_failure.py`)."""

from collections.abc import Mapping

import httpx2

from monitor import outgoing
from monitor.notify.channel import ATTEMPT_SECONDS
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http_failure import from_exception, from_response
from monitor.outgoing.client import BUDGET
from monitor.outgoing.headers import given_header


class Http:
    """A client for one channel; `route` is the way there, or a file of certificates to trust instead of the system's.
    A request takes at most `seconds` in total, and its response at most `most_bytes`.
    """

    def __init__(
        self,
        channel: str,
        route: str | outgoing.OutgoingRoute = "",
        seconds: float | None = None,
        most_bytes: int = outgoing.MOST_BYTES,
    ) -> None:
        self._channel = channel
        self._client = outgoing.client(seconds or ATTEMPT_SECONDS, route, most_bytes)

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], budget: outgoing.CallBudget | None = None
    ) -> httpx2.Response:
        """Post once and return the response, which has a 2xx status. `budget` limits several requests together.

        Raises:
            AttemptError: no response, or another status.
        """
        return self._request("POST", url, body, headers, budget)

    def patch(
        self, url: str, body: bytes, headers: Mapping[str, str], budget: outgoing.CallBudget | None = None
    ) -> httpx2.Response:
        """As `post`, with PATCH."""
        return self._request("PATCH", url, body, headers, budget)

    def get(
        self, url: str, headers: Mapping[str, str], budget: outgoing.CallBudget | None = None
    ) -> httpx2.Response:
        """Get once and return the response, which has a 2xx status. `budget` limits several requests together.

        Raises:
            AttemptError: no response, or another status.
        """
        return self._request("GET", url, b"", headers, budget)

    def _request(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        budget: outgoing.CallBudget | None = None,
    ) -> httpx2.Response:
        try:
            sent = [given_header(name, value) for name, value in headers.items()]
        except ValueError as error:
            raise AttemptError(f"{self._channel}: {error}", FailureKind.MISCONFIGURED) from error
        try:
            response = self._client.request(
                method, url, content=body, headers=sent, extensions={BUDGET: budget} if budget else None
            )
        except outgoing.FAILURES as error:
            raise from_exception(self._channel, error) from error
        if not response.is_success:
            raise from_response(self._channel, response)
        return response

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

"""HTTP calls of executors: strict about answers, with one deadline for all requests of an order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from monitor import outgoing
from monitor.outgoing.client import BUDGET
from monitor.outgoing.headers import given_header
from monitor.rollback.executors.executor import ExecutorError
from monitor.visible import one_line

MOST_BYTES = 4 << 20
"""The largest answers of one order together: Kubernetes lists replica sets with their whole templates."""


@dataclass(frozen=True, slots=True)
class ExpectedResponse:
    """A response with one of the expected statuses."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ExecutorError: it is something else, such as a sign-in page.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            msg = f"HTTP {self.status} whose body is not JSON: {excerpt(self.body)}"
            raise ExecutorError(msg, is_certain=False, code=self.status) from error


class OrderCalls:
    """The requests of one order. They share `seconds` and `MOST_BYTES`. Redirects are not followed."""

    def __init__(self, platform: str, seconds: float, ca_file: str = "") -> None:
        self._platform = platform
        self._budget = outgoing.CallBudget(seconds, MOST_BYTES)
        self._seconds, self._ca_file = seconds, ca_file

    def __enter__(self) -> Self:
        try:
            self._client = outgoing.client(self._seconds, self._ca_file, MOST_BYTES)
        except OSError as error:
            msg = f"{self._platform}: ca_file cannot be read: {outgoing.reason(error)}"
            raise ExecutorError(msg, is_certain=True) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str]) -> Any:
        """The JSON at a URL. A failure changes nothing, so it is certain that nothing was done."""
        try:
            return self.send("GET", url, headers, expected=(200,)).json()
        except ExecutorError as error:
            raise ExecutorError(error.message, is_certain=True, code=error.code) from error

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        expected: tuple[int, ...] = (200,),
    ) -> ExpectedResponse:
        """Send one request; the answer, if its status is expected.

        Raises:
            ExecutorError: no answer, or another status. A 4xx status or a redirect is certain to have done nothing,
                a 5xx status or a broken connection is not.
        """
        try:
            sent = [given_header(name, value) for name, value in headers.items()]
        except ValueError as error:
            raise ExecutorError(f"{self._platform}: {error}", is_certain=True) from error
        try:
            response = self._client.request(
                method, url, content=body, headers=sent, extensions={BUDGET: self._budget}
            )
        except outgoing.FAILURES as error:
            raise ExecutorError(f"{self._platform}: {outgoing.reason(error)}", is_certain=False) from error
        answer = ExpectedResponse(response.status_code, response.content, dict(response.headers))
        if answer.status in expected:
            return answer
        raise self._unexpected(answer, expected)

    def _unexpected(self, answer: ExpectedResponse, expected: tuple[int, ...]) -> ExecutorError:
        wanted = " or ".join(str(status) for status in expected)
        words = f"{self._platform}: HTTP {answer.status} instead of {wanted}"
        if 300 <= answer.status < 400:
            words = f"{words}: redirects are not followed; configure the final address"
        elif answer.body:
            words = f"{words}: {excerpt(answer.body)}"
        return ExecutorError(words, is_certain=300 <= answer.status < 500, code=answer.status)


def excerpt(body: bytes) -> str:
    """The beginning of a body as one printable line."""
    return one_line(body[:600].decode("utf-8", "replace"))[:300]


def inside(resource: Any, *keys: str) -> Any:
    """The value at these keys of nested mappings; None if there is none."""
    for key in keys:
        resource = resource.get(key) if isinstance(resource, dict) else None
    return resource

"""What an HTTP status or an exception of a request means for a delivery. Every HTTP channel uses these functions."""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from monitor import outgoing
from monitor.notify.failure import AttemptError, FailureKind

LONGEST_DIGITS = 9
"""Digits of a `Retry-After` in seconds; longer numbers are cut to the largest of this length."""
MISCONFIGURATIONS = (
    httpx2.InvalidURL,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    ValueError,
    ImportError,
)
"""Exceptions that an invalid address, header or proxy raises, whatever the server does."""


def from_response(channel: str, response: httpx2.Response) -> AttemptError:
    """The failure that an HTTP response means for the channel of this name."""
    code, wait = response.status_code, retry_after(response)
    message = f"{channel} answered {code}: {response.text[:200].strip()}"
    if code == 429:
        return AttemptError(message, FailureKind.LIMITED, code=code, retry_after=wait)
    if code in (400, 413, 422):
        return AttemptError(message, FailureKind.MALFORMED, code=code)
    if code in (408, 425) or code >= 500 or 200 <= code < 300:
        return AttemptError(message, FailureKind.UNREACHABLE, code=code, retry_after=wait)
    return AttemptError(message, FailureKind.MISCONFIGURED, code=code)


def from_exception(channel: str, error: BaseException) -> AttemptError:
    """The failure that a request without a response means: an invalid address or certificate, or no connection."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AttemptError(
                f"{channel}: the certificate is rejected: {cause.verify_message}", FailureKind.MISCONFIGURED
            )
        cause = cause.__cause__ or cause.__context__
    is_misconfigured = isinstance(error, MISCONFIGURATIONS)
    kind = FailureKind.MISCONFIGURED if is_misconfigured else FailureKind.UNREACHABLE
    what = "cannot be requested" if is_misconfigured else "did not respond"
    return AttemptError(f"{channel} {what}: {outgoing.reason(error)}", kind)


def retry_after(response: httpx2.Response, now: float | None = None) -> float | None:
    """The seconds of the `Retry-After` header (a number or a date), at least 0; None if absent or unreadable.

    A date is compared with the `Date` header of the response if it has one, otherwise with `now`.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:LONGEST_DIGITS]) if len(value) <= LONGEST_DIGITS else 10.0**LONGEST_DIGITS
    until = _moment(value)
    if until is None:
        return None
    server_time = _moment(response.headers.get("Date", ""))
    own_time = datetime.now(UTC).timestamp() if now is None else now
    return max(until - (own_time if server_time is None else server_time), 0.0)


def _moment(value: str) -> float | None:
    """Seconds since the epoch of an HTTP date."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None

"""Maps exceptions to HTTP statuses. This is the only place that does so."""

from monitor.errors import (
    AccessError,
    BusyError,
    InputError,
    NotFoundError,
    StoreError,
    TooLargeError,
    TooSlowError,
    WatchkeeperError,
)

Headers = list[tuple[str, str]]
_PASSING = 5.0
"""Seconds: a shorter retry means that the sender sent too much (429), a longer one that the daemon is unavailable
(503)."""
_CLOSE = ("connection", "close")


def status_of(error: WatchkeeperError) -> tuple[int, Headers]:
    """The status of the response to a request that failed with `error`, and its headers."""
    match error:
        case TooLargeError():
            return 413, [_CLOSE]
        case TooSlowError():
            return 408, [_CLOSE]
        case InputError():
            return 400, []
        case AccessError(known=True):
            return 403, []
        case AccessError():
            return 401, [("www-authenticate", "Bearer")]
        case NotFoundError():
            return 404, []
        case BusyError() if error.retry_after < _PASSING:
            # The rest of the body will not be read.
            return 429, [_CLOSE, ("retry-after", _seconds(error.retry_after))]
        case BusyError():
            return 503, [("retry-after", _seconds(error.retry_after))]
    return 503, [("retry-after", _seconds(_PASSING))]


def words_of(error: WatchkeeperError) -> tuple[str, str]:
    """Message and hint of the answer. What a database's driver says is for whoever runs the daemon, not for senders."""
    if isinstance(error, StoreError) and error.public != error.message:
        return error.public, "retry in a few seconds; `/readyz` and the daemon's log have the reason"
    return error.message, error.hint


def _seconds(wait: float) -> str:
    return str(max(1, round(wait)))

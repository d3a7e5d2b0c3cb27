"""One attempt to send one notification; every failure, expected or not, becomes an `AttemptError`."""

from collections.abc import Callable

from monitor.notify.failure import AttemptError, FailureKind
from monitor.runtime.faults import one_line


def attempt(send: Callable[[], str]) -> str:
    """The result of `send`.

    Raises:
        AttemptError: whatever `send` raises; an unexpected exception has the kind `FAILED`.
    """
    try:
        return send()
    except AttemptError:
        raise
    except Exception as error:  # an unexpected error must only fail this attempt
        raise unexpected(error) from error


def unexpected(error: BaseException) -> AttemptError:
    """The failure for an unexpected exception."""
    return AttemptError(one_line(error), FailureKind.FAILED)

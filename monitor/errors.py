"""The errors that Watchkeeper raises.

    WatchkeeperError          what happened, and what to do (`hint`)
    ├── ConfigError           an invalid file, with all its problems
    ├── InputError            a record or a request that cannot be accepted
    │   ├── TooLargeError     rejected because of its size (HTTP 413)
    │   └── TooSlowError      it did not arrive in time (HTTP 408)
    ├── AccessError           the sender is unknown, or not allowed to do this (HTTP 401 or 403)
    ├── BusyError             rejected for now; the same request may succeed later (HTTP 429 or 503)
    ├── NotFoundError         no object has this name
    ├── StoreError            the database rejected a request or is unavailable
    ├── DamageError           stored bytes differ from those that were written
    ├── UnreadableError       a stored object is damaged, or was written by another version
    └── DeliveryError         a notification was not sent; tells whether to retry

Foreign errors are turned into these where they enter, so that nothing above a border catches a library's own.
"""

from dataclasses import dataclass
from typing import Any


class WatchkeeperError(Exception):
    """An error that a person can act on."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with its attributes: not every subclass can be made from its message alone."""
        return _unpickled, (type(self), self.args, dict(self.__dict__))


def _unpickled(
    kind: type[WatchkeeperError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> WatchkeeperError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error in a file: its position, the key, and the reason."""

    file: str
    line: int
    column: int
    key: str
    reason: str
    severity: str = "error"

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {key}{self.reason}"


class ConfigError(WatchkeeperError):
    """A configuration or rule file is invalid. Contains all problems that were found."""

    def __init__(self, problems: list[Problem], *, hint: str = "") -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)


class InputError(WatchkeeperError):
    """A record or request cannot be accepted; `message` and `hint` are returned to the sender."""


class TooLargeError(InputError):
    """Rejected because of its size."""


class TooSlowError(InputError):
    """Rejected because it did not arrive in time."""


class AccessError(WatchkeeperError):
    """The sender is unknown (`known` is false), or not allowed to do this."""

    def __init__(self, message: str, *, known: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.known = known


class BusyError(WatchkeeperError):
    """Rejected for now, because accepting it could lose data."""

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class NotFoundError(WatchkeeperError):
    """No object has this name."""


class StoreError(WatchkeeperError):
    """The database rejected a request or is unavailable. `is_damage`: it is available, but part of its file is damaged.

    `public` is the text for responses if `message` contains addresses, names or paths from a driver.
    """

    def __init__(self, message: str, *, hint: str = "", is_damage: bool = False, public: str = "") -> None:
        super().__init__(message, hint=hint)
        self.is_damage = is_damage
        self.public = public or message


class DamageError(WatchkeeperError):
    """Stored bytes differ from those that were written. Only the row that they belong to is affected."""


class UnreadableError(WatchkeeperError):
    """A stored object is damaged, incomplete, or written by another version."""


class DeliveryError(WatchkeeperError):
    """A channel did not accept a notification."""

    def __init__(
        self, message: str, *, permanent: bool, retry_after: float | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.retry_after = retry_after

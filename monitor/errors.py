"""The errors that Watchkeeper raises itself.

    WatchkeeperError          what happened, and what to do about it (`hint`)
    ├── ConfigError           a file that cannot be used; carries every problem found in it
    ├── InputError            a record or a request that cannot be accepted
    │   ├── TooLargeError     refused for its size (HTTP 413)
    │   └── TooSlowError      it did not come in time (HTTP 408)
    ├── AccessError           who asks is unknown, or may not do this (HTTP 401 or 403)
    ├── BusyError             refused for now: the same request may pass later (HTTP 429 or 503)
    ├── NotFoundError         a name that nothing answers to
    ├── StoreError            the database cannot do what was asked
    ├── DamageError           stored bytes are not those that were written
    ├── UnreadableError       one thing in the database is damaged, or was written by another version
    └── DeliveryError         a notification that did not go out; says whether to try again

Foreign errors are turned into these where they enter, so that nothing above a border catches a library's own.
"""

from dataclasses import dataclass


class WatchkeeperError(Exception):
    """Something went wrong in a way that a person can act on."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: where it is, which key, and the reason in words."""

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
    """A configuration or rule file cannot be used. All problems of one run travel together."""

    def __init__(self, problems: list[Problem], *, hint: str = "") -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)


class InputError(WatchkeeperError):
    """A record or request cannot be accepted; `message` and `hint` go back to the sender."""


class TooLargeError(InputError):
    """Refused for its size."""


class TooSlowError(InputError):
    """Refused because it did not come in time."""


class AccessError(WatchkeeperError):
    """Who asks is unknown (`known` is false), or may not do this."""

    def __init__(self, message: str, *, known: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.known = known


class BusyError(WatchkeeperError):
    """Refused for now, because accepting could mean losing."""

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class NotFoundError(WatchkeeperError):
    """Nothing of that name exists."""


class StoreError(WatchkeeperError):
    """The database refused or could not be reached. `is_damage`: it can be, but a part of its file is not whole.

    `public` is what answers to requests say of it, where `message` has the words of a driver: addresses, names, paths.
    """

    def __init__(self, message: str, *, hint: str = "", is_damage: bool = False, public: str = "") -> None:
        super().__init__(message, hint=hint)
        self.is_damage = is_damage
        self.public = public or message


class DamageError(WatchkeeperError):
    """Stored bytes are not those that were written. Nothing but the row that they belong to is to blame."""


class UnreadableError(WatchkeeperError):
    """One thing that is stored cannot be read: damaged, incomplete, or written by another version."""


class DeliveryError(WatchkeeperError):
    """A channel did not take a notification."""

    def __init__(
        self, message: str, *, permanent: bool, retry_after: float | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.retry_after = retry_after

"""Failed attempts of channels, by the reaction that they need."""

from enum import StrEnum

from monitor.errors import DeliveryError
from monitor.visible import one_line

LONGEST = 500
"""Characters of the reason that a receipt stores."""


class FailureKind(StrEnum):
    """What a failed attempt means."""

    UNREACHABLE = "unreachable"
    """No response, or a temporary error. The notification may have arrived."""
    LIMITED = "limited"
    """Rate limit exceeded: the whole channel pauses."""
    MALFORMED = "malformed"
    """This notification was rejected; a smaller one may be accepted."""
    MISCONFIGURED = "misconfigured"
    """Every notification is rejected: a key, an address or a certificate is invalid."""
    FAILED = "failed"
    """An unexpected error in Watchkeeper: the fallback is used, and the attempt is retried."""


class AttemptError(DeliveryError):
    """A failed attempt; `code` is the HTTP or SMTP status, if any. The message is one printable line."""

    def __init__(
        self, message: str, kind: FailureKind, *, code: int | None = None, retry_after: float | None = None
    ) -> None:
        message = one_line(message)[:LONGEST]
        super().__init__(message, permanent=kind is FailureKind.MALFORMED, retry_after=retry_after)
        self.kind = kind
        self.code = code

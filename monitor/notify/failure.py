"""Why a channel did not take a notification, in the few kinds that ask for something different."""

from enum import StrEnum

from monitor.errors import DeliveryError


class Kind(StrEnum):
    """What a failed attempt means."""

    UNREACHABLE = "unreachable"
    """No answer, or an answer that says: later. It may have arrived."""
    LIMITED = "limited"
    """Too many at once: the whole channel pauses."""
    MALFORMED = "malformed"
    """This message is refused as it is; a smaller one may pass."""
    MISCONFIGURED = "misconfigured"
    """Every message is refused: a key, an address or a certificate is wrong."""


class AttemptError(DeliveryError):
    """A failed attempt; `code` is the HTTP status where there was one."""

    def __init__(
        self, message: str, kind: Kind, *, code: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, permanent=kind is Kind.MALFORMED, retry_after=retry_after)
        self.kind = kind
        self.code = code


def of_status(channel: str, code: int, text: str, retry_after: float | None = None) -> AttemptError:
    """The failure that an HTTP status means."""
    message = f"{channel} answered {code}: {text[:200].strip()}"
    if code == 429:
        return AttemptError(message, Kind.LIMITED, code=code, retry_after=retry_after)
    if code in (400, 413, 422):
        return AttemptError(message, Kind.MALFORMED, code=code)
    if code in (408, 425) or code >= 500 or 200 <= code < 300:
        return AttemptError(message, Kind.UNREACHABLE, code=code, retry_after=retry_after)
    return AttemptError(message, Kind.MISCONFIGURED, code=code)

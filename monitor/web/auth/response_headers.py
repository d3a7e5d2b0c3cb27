"""Security headers: a page loads, runs and is framed by our own files only."""

from collections.abc import Sequence

_POLICY = (
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
)


def headers(*, strict_transport: str, frame_ancestors: Sequence[str] = ()) -> dict[str, str]:
    """The headers of every response: `strict_transport` is that of the settings, `frame_ancestors` are the sites that
    may embed a page.
    """
    ancestors = " ".join(frame_ancestors) or "'none'"
    values = {
        "Content-Security-Policy": "; ".join((*_POLICY, f"frame-ancestors {ancestors}")),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    return values | _transport(strict_transport)


def of_data(*, strict_transport: str) -> dict[str, str]:
    """The headers of responses that only programs read: those of `headers` without what tells browsers about pages."""
    return {
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    } | _transport(strict_transport)


def _transport(value: str) -> dict[str, str]:
    return {"Strict-Transport-Security": value} if value else {}

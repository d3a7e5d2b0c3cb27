"""Headers that keep a page to itself: nothing but our own files may load, run, or frame it."""

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


def headers(*, is_secure: bool, frame_ancestors: Sequence[str] = ()) -> dict[str, str]:
    """The headers of every answer; `frame_ancestors` are the sites that may show a page inside their own."""
    ancestors = " ".join(frame_ancestors) or "'none'"
    found = {
        "Content-Security-Policy": "; ".join((*_POLICY, f"frame-ancestors {ancestors}")),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    if is_secure:
        found["Strict-Transport-Security"] = "max-age=31536000"
    return found

"""Orders to roll a version back."""

from typing import Any

from monitor.rollback.order import Order

NOW = 1_800_000_000.0
HOSTILE = (
    "8; rm -rf /", "$(reboot)", "`id`", "--force", "-n", "8\r\nX-Evil: 1", "8\u2028", "\u202e8", "8\0", "../../admin",
    "8?x=1#", "{other}", "%2e%2e", "'\"", "x" * 10_000, "\ud800", "",
)  # fmt: skip
"""Names of versions that must not become a part of a command, a header or an address."""


def order(**fields: Any) -> Order:
    """An order to go from version 8 to 7."""
    usual: dict[str, Any] = {
        "id": "0123456789ab", "kind": "rollback", "client": "acme", "model": "fraud", "environment": "production",
        "version": "8", "other": "7", "trigger": "HighErrorRate", "reason": "9 % fail", "mode": "on",
        "decided_at": NOW,
    }  # fmt: skip
    return Order(**(usual | fields))

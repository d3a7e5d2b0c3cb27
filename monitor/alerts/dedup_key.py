"""The key of an incident, sent to PagerDuty as `dedup_key`. Notifications with the same key belong together."""

import hashlib

from monitor.records import Alert

LONGEST_KEY = 255
"""Characters that PagerDuty accepts in a `dedup_key`, and that the store keeps."""
_DIGEST = 32


def of_alert(alert: Alert) -> str:
    """The key of an incident of its own for this episode of an alert."""
    return fitted(f"watchkeeper:{alert.stream.environment}:{alert.rule}:{alert.fingerprint}:{alert.episode}")


def of_kind(alert: Alert, kind: str) -> str:
    """The key of an incident about another kind of problem (an error type, a column) of an alert that goes on."""
    digest = hashlib.sha256(kind.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return fitted(f"{of_alert(alert)}:{digest}")


def of_group(first: Alert, now: float) -> str:
    """The key of a group that opens now with its first alert."""
    key = f"watchkeeper:{first.stream.environment}:group:{first.fingerprint}:{first.episode}"
    return fitted(f"{key}:{round(now)}")


def of_storm(group: str, now: float) -> str:
    """The key of a storm (`storm:<client>`) that opens now."""
    return fitted(f"watchkeeper:{group}:{round(now)}")


def successor(key: str) -> str:
    """The key after this one: `#2`, `#3` and so on are appended. PagerDuty does not reopen a resolved incident."""
    base, _, count = key.rpartition("#")
    is_counted = count.isascii() and count.isdigit() and bool(base)
    return fitted(f"{base}#{int(count) + 1}" if is_counted else f"{key}#2")


def fitted(key: str) -> str:
    """The key, at most 255 characters long: the end of a longer one is replaced by a digest of the whole."""
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{key[: LONGEST_KEY - _DIGEST - 1]}~{digest}"

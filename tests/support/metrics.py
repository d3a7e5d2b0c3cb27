"""Metrics for tests of rules: the names that a rule may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """A metric as far as rules care: its name, and the labels it may carry."""

    name: str
    labels: tuple[str, ...] = ()


FEATURES = ("feature", "output", "version", "segment")
SLICES = ("version", "segment")
ALL = (
    *(Named(name, FEATURES) for name in ("psi", "missing_share", "new_category_share")),
    *(Named(name, (*SLICES, "type")) for name in ("error_rate",)),
    *(Named(name, SLICES) for name in ("volume", "throughput", "latency_p95", "accuracy")),
    *(Named(name) for name in ("availability", "silence_seconds", "wrong_key_rejections", "disk_used_share")),
    *(Named(name) for name in ("tick_age_seconds", "outbox_oldest_seconds", "rule_errors")),
    Named("config_reload_failed"),
    Named("digests_overdue"),
)

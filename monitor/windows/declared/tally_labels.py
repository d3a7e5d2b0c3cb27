"""The labels of an own metric's tally, and the buckets of its quantiles."""

ROWS, ASIDE, BUCKET = "rows", "aside:", "bucket:"
"""Labels of a tally: rows that count, rows set aside by reason, and values by bucket (of a quantile)."""
GROWTH = 1.02
"""Buckets of quantiles are this much wider than the last: a quantile is exact within 1 %."""
SMALLEST = 1e-9
"""Values nearer to zero than this count as zero."""


def middle(bucket: int) -> float:
    """The value that stands for a bucket, within 1 % of all values in it."""
    if bucket == 0:
        return 0.0
    upper = SMALLEST * GROWTH ** (abs(bucket) - 1)
    value = 2 * upper / (1 + GROWTH)
    return -value if bucket < 0 else value

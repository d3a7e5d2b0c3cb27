"""What `load` and `profile` print about rejected rows and ignored columns."""

from collections.abc import Collection, Iterable, Mapping

from monitor.cli.output import say
from monitor.records import Rejected
from monitor.visible import counted

_EXAMPLES = 5


def report_rejected(refused: Mapping[str, int], others: int, examples: Iterable[Rejected]) -> None:
    """Print rejected rows by reason, the first of them, and the number of rows of other models."""
    for reason, count in sorted(refused.items()):
        say(f"  {count:,} rejected: {reason.replace('_', ' ')}")
    for rejected in list(examples)[:_EXAMPLES]:
        say(f"  {rejected.error}" + (f" ({rejected.hint})" if rejected.hint else ""))
    if others:
        say(f"  {counted(others, 'row')} of other models skipped")


def report_ignored(names: Collection[str]) -> None:
    """Print columns that have no use."""
    if names:
        say(f"  columns skipped, because their name or type is not supported: {', '.join(sorted(names))}")

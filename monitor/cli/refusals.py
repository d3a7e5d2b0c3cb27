"""What `load` and `profile` say of rows and columns that they did not take."""

from collections.abc import Collection, Iterable, Mapping

from monitor.cli.output import say
from monitor.records import Rejected

_EXAMPLES = 5


def tell_refused(refused: Mapping[str, int], others: int, examples: Iterable[Rejected]) -> None:
    """How many rows were refused for which reason, the first of them, and how many were of other models."""
    for reason, count in sorted(refused.items()):
        say(f"  {count:,} refused: {reason.replace('_', ' ')}")
    for rejected in list(examples)[:_EXAMPLES]:
        say(f"  {rejected.error}" + (f" ({rejected.hint})" if rejected.hint else ""))
    if others:
        say(f"  {others:,} rows of other models were passed over")


def tell_ignored(names: Collection[str]) -> None:
    """Columns of which nothing can be measured."""
    if names:
        say(f"  left out, because of their name or type nothing can be measured: {', '.join(sorted(names))}")

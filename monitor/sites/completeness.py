"""Which bundles of a site have arrived, which are missing, and for how long it has been silent: pure, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.units import format_duration
from monitor.store.site_windows import Delivered
from monitor.visible import counted

_MOST_NAMED = 10
SILENT_AFTER = 2.0
"""Intervals without a bundle after which a site counts as silent."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """What has arrived of a site. `missing` are numbers of bundles in its newest epoch, `missing_before` is how many of
    earlier ones are missing; `silence` is in multiples of what is allowed, None if nothing ever arrived.
    """

    site: str
    last: Delivered | None
    missing: tuple[int, ...]
    missing_before: int
    silence: float | None
    silent_for: float | None
    sentence: str

    @property
    def missing_bundles(self) -> int:
        """How many bundles are missing."""
        return len(self.missing) + self.missing_before


def completeness(site: str, delivered: Sequence[Delivered], every: float, now: float) -> Completeness:
    """Problems of a site that sends a bundle every `every` seconds; `delivered` are all of its bundles."""
    if not delivered:
        return Completeness(site, None, (), 0, None, None, f"the site '{site}' has delivered nothing yet")
    epochs: dict[str, list[Delivered]] = {}
    for one in delivered:
        epochs.setdefault(one.epoch, []).append(one)
    last = max(delivered, key=lambda one: (one.number, one.seq))
    gaps = {epoch: _missing([one.seq for one in some]) for epoch, some in epochs.items()}
    missing = gaps.pop(last.epoch)
    before = sum(map(len, gaps.values()))
    silent_for = max(0.0, now - max(one.received_at for one in delivered))
    silence = silent_for / (SILENT_AFTER * every)
    sentence = _sentence(site, last, missing, before, silent_for if silence > 1 else None)
    return Completeness(site, last, missing, before, silence, silent_for, sentence)


def _missing(numbers: Sequence[int]) -> tuple[int, ...]:
    """The numbers below the highest that are not there."""
    present, highest = set(numbers), max(numbers)
    if highest - len(present) > 100_000:  # as many as a site makes in ten years
        return tuple(number for number in range(highest - 100_000, highest) if number not in present)
    return tuple(number for number in range(1, highest) if number not in present)


def _sentence(
    site: str, last: Delivered, missing: Sequence[int], before: int, silent_for: float | None
) -> str:
    name = f"the site '{site}'"
    parts = [f"{name} has delivered nothing for {_span(silent_for)}"] if silent_for is not None else []
    parts.append(f"the last bundle was {last.seq}" if parts else f"{name} has delivered bundle {last.seq}")
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        parts.append(f"{bundles(missing)} {verb} missing")
    if before:
        some = counted(before, "bundle")
        parts.append(f"{some} of earlier epochs {'is' if before == 1 else 'are'} missing")
    if last.note:
        parts.append(last.note)
    return "; ".join(parts)


def bundles(numbers: Sequence[int]) -> str:
    """Numbers of bundles in words: `bundles 38, 39 and 41 to 44`."""
    ranges = list[list[int]]()
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    named = [str(one[0]) if len(one) == 1 else _range(*one) for one in ranges[:_MOST_NAMED]]
    flat = [word for words in named for word in words.split("|")]
    more = [f"{len(ranges) - _MOST_NAMED:,} more gaps"] if len(ranges) > _MOST_NAMED else []
    words = [*flat, *more]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"{'bundle' if len(numbers) == 1 else 'bundles'} {listed}"


def _range(first: int, last: int) -> str:
    return f"{first}|{last}" if last == first + 1 else f"{first} to {last}"


def _span(seconds: float) -> str:
    days = seconds / 86_400
    if days >= 2:
        return f"{int(days)} days"
    return format_duration(max(60.0, seconds // 60 * 60))

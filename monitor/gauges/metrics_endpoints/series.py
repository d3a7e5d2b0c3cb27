"""Turns series of another system's metrics into readings."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import re2
from pydantic import Field, field_validator, model_validator

from monitor.config.sections import RealNumber, Section
from monitor.gauges.reading import LEVELS, MOST_REMEMBERED, Increments, Quantity, Reading
from monitor.visible import visible

LONGEST_RESOURCE = 128
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ScrapedSample:
    """One line of a metrics endpoint, or one element of a query's result."""

    name: str
    labels: Mapping[str, str]
    value: float


class SeriesMapping(Section):
    """Which series become which quantity. Samples of the same resource are added up, and so are mappings to the same
    counter; of several used shares of a resource, the highest counts.
    """

    quantity: Quantity
    """What the series measures: `used_share`, `queue_depth`, `queue_age`, `out_of_memory_kills`, `gpu_faults`,
    `requests`, `failed_requests`, `request_seconds` or `timed_requests`."""
    series: tuple[str, ...] = Field(min_length=1)
    """Names of the series; the first that exists counts. All but `used_share`, `queue_depth` and `queue_age` are
    counters."""
    resource: str = ""
    """What the figure belongs to, with labels in braces, such as `gpu:{gpu}`."""
    match: dict[str, str] = {}
    """Regular expressions that labels must match completely, such as `{code: "5.."}`."""
    total: str = ""
    """For `used_share`: the series with the size of the resource, by which the used part is divided."""
    free: str = ""
    """For `used_share`: the series with the free part of the resource, if no series has its size."""
    scale: RealNumber = Field(default=1.0, gt=0)
    """A factor for the values, such as 0.01 for percent."""
    is_last_error: bool = False
    """The series is not a counter, but the code of the last error: each new code counts as one."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: dict[str, str]) -> dict[str, str]:
        for pattern in value.values():
            try:
                re2.compile(pattern)
            except re2.error as error:
                msg = f"{pattern!r} is not a regular expression: {error}"
                raise ValueError(msg) from error
        return value

    @model_validator(mode="after")
    def _divides_one_way(self) -> Self:
        if (self.total or self.free) and self.quantity is not Quantity.USED_SHARE:
            msg = "`total` and `free` are for `used_share` only"
            raise ValueError(msg)
        if self.total and self.free:
            msg = "name `total` or `free`, not both"
            raise ValueError(msg)
        return self


class SeriesReader:
    """Reads what the mappings name out of samples. Remembers counters."""

    def __init__(self, mappings: Iterable[SeriesMapping], select: Mapping[str, str] | None = None) -> None:
        self._mappings = tuple(mappings)
        self._select = dict(select or {})
        self._counters = [Increments() for _ in self._mappings]
        self._codes: dict[str, float] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of all series that are read."""
        named = {
            name for mapping in self._mappings for name in (*mapping.series, mapping.total, mapping.free)
        }
        return frozenset(named - {""})

    @property
    def has_counters(self) -> bool:
        """Whether counters were seen, which have no reading at first."""
        return bool(self._codes) or any(counter.has_any for counter in self._counters)

    def read(self, samples: Iterable[ScrapedSample]) -> list[Reading]:
        """The readings. A series that does not exist, or has no number, has none."""
        by_name: dict[str, list[ScrapedSample]] = {}
        for sample in samples:
            if math.isfinite(sample.value) and all(
                sample.labels.get(name) == value for name, value in self._select.items()
            ):
                by_name.setdefault(sample.name, []).append(sample)
        readings: list[Reading] = []
        for mapping, counters in zip(self._mappings, self._counters, strict=True):
            readings += self._of(mapping, counters, by_name)
        return readings

    def _of(
        self, mapping: SeriesMapping, counters: Increments, by_name: Mapping[str, list[ScrapedSample]]
    ) -> list[Reading]:
        # The parser appends `_total` to counters without it.
        names = (spelled for sery in mapping.series for spelled in (sery, f"{sery}_total"))
        name = next((one for one in names if by_name.get(one)), None)
        if name is None:
            return []
        if mapping.is_last_error:
            return self._new_codes(mapping, by_name[name])
        values = by_resource(mapping, by_name[name])
        if mapping.total or mapping.free:
            values = shares_of(mapping, values, by_name)
        readings: list[Reading] = []
        for resource, value in values.items():
            if mapping.quantity in LEVELS:
                readings.append(Reading(mapping.quantity, resource, max(0.0, value * mapping.scale)))
            else:
                readings += counters.of(mapping.quantity, resource, value * mapping.scale)
        return readings

    def _new_codes(self, mapping: SeriesMapping, samples: Iterable[ScrapedSample]) -> list[Reading]:
        """One reading per resource that was read before: 1 if its code has changed to an error since, else 0."""
        readings = []
        for resource, code in by_resource(mapping, samples).items():
            before = self._codes.pop(resource, None)
            self._codes[resource] = code
            if len(self._codes) > MOST_REMEMBERED:
                del self._codes[next(iter(self._codes))]
            if before is not None:
                readings.append(Reading(mapping.quantity, resource, float(code not in (0.0, before))))
        return readings


def by_resource(mapping: SeriesMapping, samples: Iterable[ScrapedSample]) -> dict[str, float]:
    """The values of the samples that a mapping matches, by resource: their sum, or the highest of used shares."""
    patterns = {name: re2.compile(pattern) for name, pattern in mapping.match.items()}
    values: dict[str, float] = {}
    for sample in samples:
        if all(pattern.fullmatch(sample.labels.get(name, "")) for name, pattern in patterns.items()):
            resource = filled_in(mapping.resource, sample.labels)
            if mapping.quantity is Quantity.USED_SHARE and not (mapping.total or mapping.free):
                values[resource] = max(values.get(resource, -math.inf), sample.value)
            else:
                values[resource] = values.get(resource, 0.0) + sample.value
    return values


def shares_of(
    mapping: SeriesMapping, used: Mapping[str, float], by_name: Mapping[str, list[ScrapedSample]]
) -> dict[str, float]:
    """Used parts divided by the size of their resource, as a mapping says; none where the size is unknown."""
    others = by_resource(mapping, by_name.get(mapping.total or mapping.free, ()))
    shares = {}
    for resource, part in used.items():
        other = others.get(resource, 0.0)
        whole = other if mapping.total else part + other
        if resource in others and whole > 0:
            shares[resource] = part / whole
    return shares


def filled_in(template: str, labels: Mapping[str, str]) -> str:
    """The template with the values of labels, at most `LONGEST_RESOURCE` characters."""
    return visible(_SLOT.sub(lambda slot: labels.get(slot[1], ""), template))[:LONGEST_RESOURCE]

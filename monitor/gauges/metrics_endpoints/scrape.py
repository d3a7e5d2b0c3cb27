"""Reads a metrics endpoint in Prometheus' text format."""

import io
import math
import re
from collections.abc import Collection, Iterable, Mapping

from monitor import outgoing
from monitor.config.sections import Secret
from monitor.gauges.metrics_endpoints.series import ScrapedSample
from monitor.gauges.reading import GaugeError
from monitor.outgoing.headers import given_header
from monitor.visible import visible

MOST_BYTES = 16 << 20
"""A response larger than this is refused. A vLLM with all histograms sends 200 kB."""
MOST_SERIES, LONGEST_LINE = 5_000, 16_384
"""The most lines that are read of one response, and the longest of them in characters."""
_LONGEST_NAME = 1_000
_NAME_ENDS = re.compile(r"[{\s]")
_IS_METRICS, _FEWER = "is it the address of a metrics endpoint?", "name other series"


def fetch(
    url: str, seconds: float, headers: Mapping[str, Secret], ca_file: str, most: int = MOST_BYTES
) -> bytes:
    """The response, at most `most` bytes.

    Raises:
        GaugeError: there is none within `seconds`, it is too large, or it is not 200 OK.
    """
    try:
        given = [given_header(name, value.get_secret_value()) for name, value in headers.items()]
        with outgoing.client(seconds, ca_file, most) as client:
            response = client.get(url, headers=given)
    except outgoing.FAILURES as error:
        raise GaugeError(f"{url}: {outgoing.reason(error)}", hint="is it reachable from here?") from error
    if response.status_code != 200:
        raise GaugeError(f"{url} answered HTTP {response.status_code}", hint="correct `url` or `headers`")
    return response.content


def parse(url: str, body: bytes, wanted: Collection[str]) -> list[ScrapedSample]:
    """The samples of Prometheus' text format that have one of the `wanted` names, also with or without `_total`.

    Raises:
        GaugeError: it is something else, or has more of them than one gauge may read.
    """
    from prometheus_client.parser import text_string_to_metric_families

    samples: list[ScrapedSample] = []
    try:
        for family in text_string_to_metric_families(_lines(url, body, _spellings(wanted))):
            samples += [
                ScrapedSample(sample.name, sample.labels, _number(sample.value)) for sample in family.samples
            ]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        msg = f"{url} is not in Prometheus' text format: {visible(str(error)[:200])}"
        raise GaugeError(msg, hint=_IS_METRICS) from error
    return samples


def _lines(url: str, body: bytes, names: Collection[str]) -> str:
    """The lines with samples of these names, and what is declared of them; the first one shows what it is.

    The parser takes six seconds for 16 MB, and a time that grows with the square of the labels of one line.
    """
    kept, is_format_shown = list[str](), False
    for line in io.StringIO(body.decode(errors="replace"), newline="\n"):
        is_declared = line.startswith("#")
        words = line[:_LONGEST_NAME].split(None, 3)
        name = words[2] if is_declared and len(words) > 2 else _NAME_ENDS.split(line.lstrip(), maxsplit=1)[0]
        if is_declared or is_format_shown:
            if name not in names or (is_declared and words[1] != "TYPE"):
                continue
        elif not (is_format_shown := bool(line.strip())):
            continue
        if len(line) > LONGEST_LINE:
            raise GaugeError(f"{url} has a line of {len(line):,} characters", hint=_IS_METRICS)
        if len(kept) >= MOST_SERIES:
            raise GaugeError(f"{url} has more than {MOST_SERIES:,} series that are read", hint=_FEWER)
        kept.append(line)
    return "".join(kept)


def _spellings(wanted: Iterable[str]) -> set[str]:
    """The names in both spellings of a counter: the parser appends `_total` to those without it."""
    return {spelled for one in wanted for spelled in (one, f"{one}_total", one.removesuffix("_total"))}


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.nan

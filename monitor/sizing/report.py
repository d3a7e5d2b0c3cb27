"""An estimate as text for people, and as a dictionary for programs."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

from monitor.config.units import DAY, format_duration
from monitor.sizing import figures
from monitor.sizing.estimate import GB, MB, SizingEstimate, Summand, total
from monitor.visible import counted


def text(estimate: SizingEstimate) -> str:
    """The estimate, each figure with how it was computed, and the measurements behind it."""
    return "\n".join(_lines(estimate))


def to_dict(estimate: SizingEstimate) -> dict[str, object]:
    """The estimate with its parts; cores and bytes."""
    return {
        "load": asdict(estimate.load) | {"total_rate": estimate.load.total_rate},
        "cores": estimate.cores,
        "memory_bytes": round(estimate.memory_bytes),
        "disk_bytes": round(estimate.disk_bytes),
        "postgresql_bytes": round(total(estimate.postgresql)),
        "parts": {
            name: [asdict(part) for part in getattr(estimate, name)]
            for name in ("processor", "memory", "disk", "postgresql")
        },
        "cautions": list(estimate.cautions),
        "measurements": [asdict(one) for one in figures.MEASUREMENTS],
    }


def _lines(estimate: SizingEstimate) -> Iterator[str]:
    load = estimate.load
    yield (
        f"{load.models:,} {'model' if load.models == 1 else 'models'} with {counted(load.features, 'feature')}, "
        f"{load.rate:g} predictions/s each ({load.total_rate:,.0f}/s in total)"
    )
    kept = (("rows", load.retention), ("profiles", load.figures), ("minutes", load.fine))
    yield "kept: " + ", ".join(f"{name} {format_duration(span // DAY * DAY or span)}" for name, span in kept)
    yield ""
    yield f"processor   {estimate.cores} cores"
    yield from _parts(estimate.processor, lambda cores: f"{cores:.2f} cores")
    yield f"memory      {_bytes(estimate.memory_bytes)}"
    yield from _parts(estimate.memory, _bytes)
    yield f"disk        {_bytes(estimate.disk_bytes)}, if the database is on it, a fifth of it free"
    yield from _parts(estimate.disk, _bytes)
    local = _bytes(figures.LOCAL_DISK * GB)
    yield f"PostgreSQL  {_bytes(total(estimate.postgresql))} instead, and {local} for the daemon"
    yield from _parts(estimate.postgresql, _bytes)
    yield f"            for the daemon {figures.POSTGRESQL_CPU} ms of CPU a minute more for each model"
    yield "            processor and memory of the server: not measured"
    for caution in estimate.cautions:
        yield ""
        yield f"Note: {caution}"
    yield ""
    yield "Measured:"
    for one in figures.MEASUREMENTS:
        yield f"- {one.what}: {one.amount:g} {one.unit} ({one.source})"
    yield f"- accepting a prediction, sent alone, by rate: {_by_rate()} ({figures.SINGLES_SOURCE})"
    yield f"- bytes and CPU of a minute of a model ({figures.GRID_SOURCE})"
    yield f"- content of the database to its size ({figures.OVERHEAD_SOURCE})"


def _by_rate() -> str:
    return ", ".join(f"{each:,.0f} µs of CPU at {rate:,.0f}/s" for rate, each in figures.SINGLES[:-1])


def _parts(parts: tuple[Summand, ...], shown: Callable[[float], str]) -> Iterator[str]:
    for part in parts:
        yield f"  {shown(part.amount):>10}  {part.what}: {part.how}"


def _bytes(amount: float) -> str:
    """`12 GB`: rounded up to two digits, because half a gigabyte too little is too little."""
    for unit, size in (("TB", 1000 * GB), ("GB", GB), ("MB", MB)):
        if amount >= size:
            return f"{amount / size:.1f} {unit}" if amount < 10 * size else f"{amount / size:,.0f} {unit}"
    return f"{amount / 1000:.0f} kB"

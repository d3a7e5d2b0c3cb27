"""`compare`, and its way around the parsing of commands, which costs a fifth of comparing two files of 100,000 rows."""

from collections.abc import Sequence
from pathlib import Path

from monitor.cli.output import bar, put, put_json, say
from monitor.lean import collect_less, use_jemalloc, without_pandas


def compare(
    reference: Path,
    current: Path,
    *,
    as_json: bool,
    html: Path | None = None,
    separator: str = "",
    encoding: str = "",
) -> None:
    """Print how far the columns of two tables are from each other; needs no daemon and no configuration."""
    without_pandas()
    collect_less()
    use_jemalloc()
    from monitor.comparison import compare as run

    with bar("comparing columns") as progress:
        found = run(reference, current, progress=progress, separator=separator, encoding=encoding)
    if as_json:
        put_json(found.to_dicts())
        for note in found.notes:
            say(note)
    else:
        put(found.text())
    if html is not None:
        from monitor.reports.making import write
        from monitor.reports.settings import ReportSettings
        from monitor.sources.dialect import dialect

        said = dialect(separator, encoding)
        say(f"Evidently's report: {write(reference, current, html, ReportSettings(), said)}")


def compare_at_once(arguments: Sequence[str]) -> bool:
    """Run `compare REFERENCE CURRENT [--json]`, if that is what was asked for.

    It decides nothing: whatever has another form, mistakes too, is for the commands as they are declared.
    """
    match [word for word in arguments if word != "--json"]:
        case ["compare", reference, current] if not (reference.startswith("-") or current.startswith("-")):
            compare(Path(reference), Path(current), as_json="--json" in arguments)
            return True
    return False

"""`expectations`: what rows should be like: suggested, checked, imported and exported."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import JsonOption
from monitor.cli.output import put, put_json, say
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.config.location import find
from monitor.errors import NotFoundError
from monitor.visible import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.expectations.checking import CheckResult

expectations = typer.Typer(
    help="Expectations on the rows of a model.\n\n"
    "Example: watchkeeper expectations suggest acme/fraud --from training.parquet > fraud-expectations.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)
FileArgument = Annotated[Path, typer.Argument(help="A Parquet, CSV, JSON or Arrow file with rows.")]
_VARIABLE = "WATCHKEEPER_CONFIG"
SuiteOption = Annotated[Path, typer.Option("--suite", help="The file of expectations.")]


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(expectations, name="expectations")


@expectations.command("suggest")
def suggest(
    model: StreamArgument,
    source: Annotated[
        Path | None, typer.Option("--from", help="Learn from this file instead of the model's baseline.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The configuration file. Not needed with --from.", envvar=_VARIABLE
        ),
    ] = None,
) -> None:
    """Print expectations learned from the baseline of a model, or from a file, as YAML to edit.

    Example: watchkeeper expectations suggest acme/fraud --from training.parquet > fraud-expectations.yaml
    """
    from monitor.expectations import learning, suite

    stream = stream_of(model)
    if source is not None:
        rows, about = _table(source), str(source)
    else:
        rows, about = _of_baseline(str(stream), model, config or find())
    if rows.num_rows < learning.FEWEST:
        say(f"only {counted(rows.num_rows, 'row')}: use {learning.FEWEST} or more to learn what is usual")
    heading = (
        f"Expectations of {stream.client}/{stream.model}, suggested from {counted(rows.num_rows, 'row')} of {about}.\n"
        "Edit them: bounds are the smallest and largest values seen, `tolerated` is the share that may differ."
    )
    put(suite.dump(learning.suggest(rows), heading).rstrip("\n"))


@expectations.command("check")
def check(
    file: FileArgument,
    suite: SuiteOption,
    fail_on: Annotated[
        str,
        typer.Option("--fail-on", help="The least severity that exits with 1: critical, warning or info."),
    ] = "warning",
    as_json: JsonOption = False,
) -> None:
    """Check the rows of a file. Exits with 1 if an expectation fails.

    Example: watchkeeper expectations check yesterday.parquet --suite fraud-expectations.yaml
    """
    from monitor.expectations import checking
    from monitor.expectations import suite as suites
    from monitor.expectations.expectation import Tier

    tiers = [tier.value for tier in Tier]
    if fail_on not in tiers:
        raise typer.BadParameter(f"{fail_on} is none of {', '.join(tiers)}", param_hint="--fail-on")
    results = checking.check(suites.load(suite), [_table(file)])
    put_json([_as_json(result) for result in results]) if as_json else _print(results)
    severe = tiers[: tiers.index(fail_on) + 1]
    if any(result.failed and result.expectation.tier.value in severe for result in results):
        raise typer.Exit(1)


@expectations.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="SageMaker's `constraints.json`, a suite of Great Expectations (JSON), a pandera schema (JSON, YAML)."
        ),
    ],
) -> None:
    """Print the expectations of another tool's file as YAML. What has no counterpart is listed; then it exits with 4.

    Example: watchkeeper expectations import constraints.json > fraud-expectations.yaml
    """
    from monitor.expectations import suite
    from monitor.expectations.exchange import kinds

    imported = kinds.read(file)
    put(suite.dump(list(imported.expectations), f"Imported from {file.name}.").rstrip("\n"))
    for one in imported.left_out:
        say(f"left out: {one}")
    if imported.left_out:
        raise typer.Exit(4)


@expectations.command("export")
def export(
    file: FileArgument,
    suite: SuiteOption,
    to: Annotated[Path, typer.Option("--to", help="The folder for the three files.")],
) -> None:
    """Check a file, and write SageMaker's statistics.json, constraints.json and constraint_violations.json.

    Example: watchkeeper expectations export yesterday.parquet --suite fraud-expectations.yaml --to results
    """
    from monitor.expectations import checking
    from monitor.expectations import suite as suites
    from monitor.expectations.exchange import sagemaker_files

    rows, some = _table(file), suites.load(suite)
    for path in sagemaker_files.write(to, rows, some, checking.check(some, [rows])):
        say(f"wrote {path}")


def _table(file: Path) -> "pa.RecordBatch":
    from monitor.sources.files.tables import read_table
    from monitor.windows.baseline_from_table import conform, sample

    table = conform(read_table(file).rows)
    return sample(table, table.num_rows)


def _of_baseline(stream: str, model: str, config: Path) -> "tuple[pa.RecordBatch, str]":
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.windows import baseline as baselines

    with opened(load(config)).read() as connection:
        current = baselines.load(connection, stream_of(model))
    if current is None or current.sample is None or not current.sample.num_rows:
        raise NotFoundError(
            f"{stream} has no baseline with rows", hint="name a file: --from training.parquet"
        )
    return current.sample, f"its baseline ({current.source})"


def _as_json(one: "CheckResult") -> dict[str, object]:
    about = one.expectation
    return {
        "column": about.about,
        "expectation": about.words,
        "severity": about.tier.value,
        "rows": one.rows,
        "violations": one.violations,
        "tolerated": about.tolerated,
        "failed": one.failed,
        "rows_of_violations": list(one.places),
    }


def _print(results: "list[CheckResult]") -> None:
    for result in results:
        about = result.expectation
        mark = {True: "✖", False: "✔", None: "?"}[result.failed]
        places = f", first in rows {', '.join(map(str, result.places))}" if result.places else ""
        count = (
            f"{result.violations:,.0f} of {counted(result.rows, 'row')} violate it{places}"
            if result.rows
            else "no value to check"
        )
        put(f"{mark} {about.tier.value:8} {about.about}: {about.words}: {count}")
    failed = sum(bool(result.failed) for result in results)
    put(f"{failed} of {counted(len(results), 'expectation')} failed")

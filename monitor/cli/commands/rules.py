"""`rules`: unit tests of rule files."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import Exit, put, say

rules = typer.Typer(
    help="Rule files.\n\nExample: watchkeeper rules test rules/mine_test.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(rules, name="rules")


@rules.callback()
def _group() -> None:
    """Keep `test` a subcommand, although it is the only one."""


@rules.command("test")
def run_stories(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Default: those of the shipped packs.")
    ] = None,
) -> None:
    """Run the unit tests of rule files. Exit code: 0 if all pass, 1 if some fail, 3 if a file has errors.

    Example: watchkeeper rules test rules/mine_test.yaml
    """
    from monitor.metrics import METRICS
    from monitor.rules.exports import selftest
    from monitor.shipped import shipped

    folder = shipped("rules")
    tested, failed = 0, 0
    for file in files or sorted(folder.glob("*_test.yaml")):
        for result in selftest.run(file, METRICS, folder):
            tested += 1
            failed += bool(result.problems)
            put(f"{'✖' if result.problems else '✔'} {file.name}: {result.name}")
            for problem in result.problems:
                put(f"    {problem}")
    say(f"{tested - failed} of {tested} tests passed")
    if failed:
        raise typer.Exit(Exit.FAILED)

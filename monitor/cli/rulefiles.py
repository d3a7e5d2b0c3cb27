"""`rules`: stories about rule files, series in and alerts out, before anybody relies on them."""

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
    """Add this file's commands."""
    app.add_typer(rules, name="rules")


@rules.callback()
def _group() -> None:
    """Keep `test` a word of its own, though it is the only one."""


@rules.command("test")
def run_stories(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Default: those of the shipped packs.")
    ] = None,
) -> None:
    """Run the stories of rule files: 0 all came true, 1 some did not, 3 a file has mistakes.

    Example: watchkeeper rules test rules/mine_test.yaml
    """
    from monitor.metrics import METRICS
    from monitor.rules import selftest
    from monitor.shipped import shipped

    folder = shipped("rules")
    told, failed = 0, 0
    for file in files or sorted(folder.glob("*_test.yaml")):
        for result in selftest.run(file, METRICS, folder):
            told += 1
            failed += bool(result.problems)
            put(f"{'✖' if result.problems else '✔'} {file.name}: {result.name}")
            for problem in result.problems:
                put(f"    {problem}")
    say(f"{told - failed} of {told} stories came true")
    if failed:
        raise typer.Exit(Exit.FAILED)

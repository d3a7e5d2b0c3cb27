"""Progress bars and tables of the terminal; imported on use, because rich loads slowly."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from monitor.visible import JOINERS, counted, visible


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr; yields `progress(done, of)`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


@contextmanager
def rows_bar(what: str) -> Iterator[Callable[[int, float], None]]:
    """A progress bar with rows and rows per second; yields `progress(rows, share done)`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=1.0, rows="")
        began = time.monotonic()

        def progress(rows: int, share: float) -> None:
            rate = rows / max(time.monotonic() - began, 1e-3)
            shown.update(task, completed=share, rows=f"{counted(rows, 'row')}, {rate:,.0f}/s")

        yield progress


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write data as a table that fits the terminal to stdout."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(soft_wrap=False).print(table)


@contextmanager
def live() -> Iterator[Callable[[str, Sequence[str], Sequence[str], Sequence[Sequence[str]]], None]]:
    """A headline, lines and a table that are redrawn: yields `update(headline, lines, columns, rows)`."""
    with Live(console=Console(), auto_refresh=False) as shown:

        def update(
            headline: str, lines: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]
        ) -> None:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for column in columns:
                table.add_column(column, overflow="fold")
            for row in rows:
                table.add_row(*map(_cell, row))
            shown_lines = [Text(visible(line, keep=JOINERS)) for line in lines]
            above = (*shown_lines, Text(visible(headline, keep=JOINERS), style="bold"), Text(""))
            shown.update(Group(*above, table), refresh=True)

        yield update


def _cell(text: str) -> str:
    """A text of a table: neither markup nor what steers a terminal has an effect."""
    return escape(visible(text, keep="\n" + JOINERS))

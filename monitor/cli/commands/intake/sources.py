"""`sources`: where the daemon fetches records."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_line, say
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.sources.preview import Preview
    from monitor.web.api.staff.operation_schemas import SourceAnswer

MOST = 10
MOST_BYTES = 10_000_000
"""Bytes of a sample that are read."""
MOST_SHOWN = 2_000
_ANSWERS = {
    "prediction", "ranking", "predicted_labels", "outputs", "error",
    "truth", "reviewed", "corrected", "feedback", "relevant", "true_labels", "true_outputs",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    commands = typer.Typer(
        help="Sources of records: brokers, buckets, folders and tables.\n\nExample: watchkeeper sources list",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("list")(list_sources)
    commands.command("test")(try_source)
    commands.command("guess")(guess_mapping)
    app.add_typer(commands, name="sources")


def list_sources(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the sources: waiting messages, age of the oldest, positions, records, last error.

    Exit code: 0 if all work, 1 if one fails or no daemon reads it.

    Example: watchkeeper sources list --json
    """
    from msgspec import to_builtins

    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    shown = operation_listing.sources(load(config))
    if as_json:
        put_json([to_builtins(one) for one in shown])
    else:
        for one in shown:
            _put(one)
    if not shown:
        say("no sources are configured")
    if any(one.state != "works" for one in shown):
        raise typer.Exit(1)


def try_source(
    name: Annotated[str, typer.Argument(help="The source, by its name in the configuration.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Connect to a source and show its last messages, up to ten, and the records that they become.

    Nothing is stored or acknowledged, and a running daemon is not disturbed.

    Example: watchkeeper sources test orders
    """
    from dataclasses import asdict

    from monitor.cli.named_section import named
    from monitor.config.root import load
    from monitor.sources.preview import preview

    configured = load(config)
    section = named("source", name, configured.sources)
    previewed = preview(name, section, configured.predictions, _clients(configured), MOST)
    if as_json:
        put_json(asdict(previewed))
        return
    _put_preview(previewed)


def guess_mapping(
    sample: Annotated[str, typer.Argument(help="A file with some messages as JSON; - for standard input.")],
    as_json: JsonOption = False,
) -> None:
    """Propose how to read messages like these: the format, and where each field of a record stands.

    Prints a part of the configuration, and the first record that it makes. Check both; correct what is wrong.

    Exit code: 0 a prediction or an outcome was found, 1 none.

    Example: watchkeeper sources guess sample.json
    """
    from monitor.errors import InputError
    from monitor.sources.guess import guess

    try:
        content = sys.stdin.buffer.read(MOST_BYTES) if sample == "-" else _read(sample)
        proposal = guess(content)
    except ValueError as error:
        raise InputError(f"{sample}: {error}") from error
    contents = proposal.contents
    made = [*contents.predictions, *contents.outcomes]
    first = [one for one in made if isinstance(one, dict) and _ANSWERS & one.keys()][:1] or made[:1]
    if as_json:
        mapping = {"rows": proposal.mapping.rows, "fields": dict(proposal.mapping.fields)}
        put_json({"format": proposal.format, **mapping, "unused": list(proposal.unused), "first": first})
    else:
        put(proposal.yaml())
    for record in first if not as_json else ():
        say(f"the first record: {json.dumps(record, ensure_ascii=False)[:MOST_SHOWN]}")
    for part in contents.unreadable[:3]:
        say(f"not read: {part.error}")
    if proposal.unused and not as_json:
        say(f"not used: {', '.join(proposal.unused[:20])}")
    if contents.halves:
        say("these are halves of calls: each is paired with its counterpart when both have arrived")
    elif not any(isinstance(one, dict) and _ANSWERS & one.keys() for one in first):
        say("no prediction was found: replace the path in `fields`")
        raise typer.Exit(1)


def _read(name: str) -> bytes:
    from pathlib import Path

    from monitor.errors import InputError

    try:
        with Path(name).open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error


def _clients(configured: "Config") -> frozenset[str] | None:
    return frozenset(configured.clients) or None


def _put(one: "SourceAnswer") -> None:
    waiting = "unknown" if one.waiting is None else f"{one.waiting:,}"
    age = "" if one.oldest_seconds is None else f", the oldest for {one.oldest_seconds:.0f} s"
    kind = f" ({one.kind})" if one.kind else ""
    put_line(f"{one.name}{kind}  {one.state}")
    if one.error:
        put_line(f"    {one.error}")
    if one.state == "not read":
        put("    no running daemon reads this source (hint: watchkeeper run)")
        return
    put(f"    messages waiting: {waiting}{age}")
    put(f"    records since the start: {one.accepted:,} accepted, {one.rejected:,} rejected")
    for shard, position in sorted(one.positions.items())[:20]:
        put_line(f"    position of {shard}: {position}")


def _put_preview(result: "Preview") -> None:
    for message in result.messages:
        put(message.name)
        for kind, record in message.records:
            put(f"    {kind}: {record}")
        for rejection in message.rejected:
            put(f"    rejected: {rejection}")
    records = sum(len(message.records) for message in result.messages)
    say(f"{counted(len(result.messages), 'message')}, {counted(records, 'record')}; nothing was stored")
    if not result.messages:
        say("the source has no messages")
    elif not records:
        say("no message became a record (hint: where names differ, set `format: mapped` and `fields`;")
        say("`watchkeeper sources guess` proposes them from a file with some messages)")

"""`quarantine`: rejected records with their reasons."""

from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import put_json, put_line, say
from monitor.visible import visible


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("quarantine")(quarantine)


def quarantine(
    config: ConfigOption = DEFAULT_CONFIG,
    client: ClientOption = "",
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most this many records.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List rejected records, newest first: time, client, reason, hint, and the record itself.

    Example: watchkeeper quarantine --client acme --most 5
    """
    from msgspec import to_builtins

    from monitor.cli.lists import client_listing as lists
    from monitor.config.root import load

    kept = lists.quarantine(load(config), client, most)
    if as_json:
        put_json([to_builtins(record) for record in kept.records])
        return
    for record in kept.records:
        model = "/".join(part for part in (record.client, record.model) if part) or "unknown model"
        alike = f" (and {record.count - 1:,} like it)" if record.count != 1 else ""
        put_line(f"{record.at}  {model}  {record.reason}: {record.error}{alike}")
        put_line(f"    {record.record}")
        if record.hint:
            put_line(f"    {record.hint}")
    for refused in kept.rejections:
        of = "/".join(part for part in (refused.client, refused.model) if part) or "unknown model"
        say(visible(f"{refused.count:,} of {of}: {refused.reason}"))
    if not kept.rejections:
        say("no rejected records")

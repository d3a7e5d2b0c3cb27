"""`quarantine`: rejected records with their reasons."""

import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, say
from monitor.clock import iso


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
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store.quarantine import Quarantined, latest, summary

    def shape(one: Quarantined) -> dict[str, object]:
        return {
            "at": iso(one.at),
            "kind": one.kind,
            "client": one.rejected.client,
            "model": one.rejected.model,
            "index": one.rejected.index,
            "reason": one.reason,
            "error": one.rejected.error,
            "hint": one.rejected.hint,
            "count": one.count,
            "record": one.rejected.record.decode(errors="replace"),
        }

    with opened(load(config)).read() as connection:
        shown = [shape(one) for one in latest(connection, client or None, most)]
        everything = summary(connection, 0, time.time() + 1, client or None)
    if as_json:
        put_json(shown)
        return
    for one in shown:
        model = "/".join(str(one[part]) for part in ("client", "model") if one[part]) or "unknown model"
        alike = f" (and {int(str(one['count'])) - 1:,} like it)" if one["count"] != 1 else ""
        put(f"{one['at']}  {model}  {one['reason']}: {one['error']}{alike}")
        put(f"    {one['record']}" + (f"\n    {one['hint']}" if one["hint"] else ""))
    for refused in everything:
        of = "/".join(part for part in (refused.client, refused.model) if part) or "unknown model"
        say(f"{refused.count:,} of {of}: {refused.reason}")
    if not everything:
        say("no rejected records")

"""`init`, `doctor`, `size`: make a configuration, test its connections, and choose a machine."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, ask, put, put_json, say
from monitor.errors import ConfigError, InputError, WatchkeeperError

if TYPE_CHECKING:
    from monitor.firewall import Needs

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)/([smhd])")
_TEXT = """\
# Written by `watchkeeper init`. Every other key and its default: watchkeeper export config
store: {{url: "sqlite:///var/watchkeeper.db"}}
web: {{listen: {listen}}}
clients:
  {client}:
    name: {name}
    models:
      {model}: {{}}
notify:
  console: true
{pagerduty}"""


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("init")(init)
    app.command("doctor")(doctor)
    app.command("size")(size)


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("watchkeeper.yaml"),
    client: Annotated[str | None, typer.Option(help="The client's key.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's key.")] = None,
    listen: Annotated[str | None, typer.Option(help="Host and port.")] = None,
    key_file: Annotated[
        str | None, typer.Option("--pagerduty-key-file", help="File with PagerDuty's integration key.")
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Do not ask; use the defaults.")] = False,
) -> None:
    """Write a configuration from your answers; options skip the questions.

    Example: watchkeeper init watchkeeper.yaml --client acme --model fraud
    """
    from monitor.config.root import load

    if path.exists():
        raise InputError(f"{path} already exists", hint="choose another file; nothing was changed")

    def answer(option: str | None, question: str, default: str) -> str:
        if option is not None or no_input:
            return default if option is None else option
        return ask(question, default)

    keys = [answer(client, "Client (short key)", "acme"), answer(model, "Model (short key)", "fraud")]
    for key in keys:
        if not _KEY.fullmatch(key):
            raise InputError(
                f"{key!r} is not a valid key", hint="use letters, digits, dots, hyphens and underscores"
            )
    address = answer(listen, "Listen on", "127.0.0.1:8080")
    file = answer(key_file, "File with PagerDuty's integration key (empty: none)", "")
    pager = f"  pagerduty: {{routing_key: {json.dumps(f'${{file:{file}}}')}}}\n" if file else ""
    name = keys[0].replace("-", " ").replace("_", " ").title()
    text = _TEXT.format(
        listen=json.dumps(address), client=keys[0], name=json.dumps(name), model=keys[1], pagerduty=pager
    )
    path.write_text(text, encoding="utf-8")
    try:
        load(path)
    except WatchkeeperError:
        path.unlink()
        raise
    put(str(path))
    say(f"written. Next: watchkeeper run --config {path}")


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    network: Annotated[
        bool,
        typer.Option("--network", help="Print the hosts and ports that must be open; connect to nothing."),
    ] = False,
) -> None:
    """Test every connection of the configuration; for those that fail, print what to do.

    `--network` also takes the file of a relay.

    Example: watchkeeper doctor --config watchkeeper.yaml
    """
    from monitor import firewall
    from monitor.config.root import check
    from monitor.config.yaml import read
    from monitor.doctor import examine
    from monitor.relay.settings import load as load_relay

    if network and "relay" in read(config).data:
        relay = load_relay(config)
        _print_network(firewall.needs_between(relay.web, relay.upstream.url, relay.upstream.route))
        return
    checked = check(config)
    if checked.errors:
        raise ConfigError(list(checked.problems))
    if network:
        _print_network(firewall.needs_of(checked.config))
        return
    failed = bool(checked.warnings)
    for problem in checked.warnings:
        put(f"✖ configuration: {problem}")
    for finding in examine(checked.config):
        failed |= not finding.is_well
        put(f"{'✔' if finding.is_well else '✖'} {finding.what}: {finding.detail}")
        if not finding.is_well:
            put(f"    {finding.hint}")
    if failed:
        raise typer.Exit(Exit.FAILED)


def _print_network(needs: "Needs") -> None:
    from monitor import firewall

    put(firewall.text(needs))
    for sentence in needs.unknown:
        say(sentence)


def size(
    models: Annotated[int, typer.Option(help="Number of models.")],
    rate: Annotated[str, typer.Option(help="Predictions of each model, such as 50/s, 300/m, 20000/d.")],
    features: Annotated[int, typer.Option(help="Features of each prediction.")] = 40,
    retention: Annotated[str, typer.Option(help="How long rows are kept (`predictions.retention`).")] = "30d",
    figures: Annotated[
        str, typer.Option(help="How long profiles and hours are kept (`windows.retention`).")
    ] = "400d",
    fine: Annotated[
        str, typer.Option(help="How long measurements of minutes are kept (`windows.fine_retention`).")
    ] = "60d",
    as_json: JsonOption = False,
) -> None:
    """Print the CPU, memory and disk that a number of models needs, with the measurement behind each figure.

    Needs no configuration. For base windows of a minute (`predictions.base_window`).

    Example: watchkeeper size --models 20 --rate 50/s --features 40 --retention 90d
    """
    from monitor import sizing

    spans = {"retention": retention, "figures": figures, "fine": fine}
    seconds = {name: _seconds(f"--{name}", value) for name, value in spans.items()}
    load = sizing.Load(models, per_second(rate), features, **seconds)
    estimate = sizing.estimate(load)
    if as_json:
        put_json(sizing.to_dict(estimate))
    else:
        put(sizing.text(estimate))


def _seconds(option: str, value: str) -> float:
    from monitor.config.units import parse_duration

    try:
        return parse_duration(value)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from error


def per_second(rate: str) -> float:
    """`300/m` as 5.0."""
    from monitor.config.units import DAY, HOUR, MINUTE
    from monitor.visible import visible

    match = _RATE.fullmatch(rate)
    if not match:
        shown = visible(rate[:40])
        raise InputError(f"--rate: '{shown}' is not a rate", hint="use 50/s, 300/m, 2000/h or 20000/d")
    return float(match[1]) / {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY}[match[2]]

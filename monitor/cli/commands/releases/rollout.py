"""`rollout`: starts, watches and stops the staged rollout of a version."""

import getpass
import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_line, put_table, say
from monitor.cli.stream_names import StreamArgument, seconds_of, stream_of
from monitor.errors import InputError
from monitor.visible import visible

rollout = typer.Typer(
    help="Staged rollouts of new versions.\n\nExample: watchkeeper rollout status",
    no_args_is_help=True,
    rich_markup_mode=None,
)
CanaryOption = Annotated[str, typer.Option("--canary", help="The new version.")]
_ADDRESS = "command line"


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(rollout, name="rollout")


@rollout.command("start")
def start(
    model: StreamArgument,
    canary: CanaryOption,
    stable: Annotated[str, typer.Option("--stable", help="Default: the version that answers now.")] = "",
    steps: Annotated[
        str, typer.Option("--steps", help="SHARE:DURATION of each step, such as 5:10m,50:30m,100:30m.")
    ] = "",
    minutes: Annotated[
        int, typer.Option("--minutes", help="60 or 30: total minutes of the default steps.")
    ] = 60,
    blue_green: Annotated[
        bool, typer.Option("--blue-green", help="Switch to 100 % at once, and watch for an hour.")
    ] = False,
    who: Annotated[str, typer.Option("--by", help="Your name.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Start a staged rollout: the daemon raises the canary's share while it is not worse than the stable version.

    Example: watchkeeper rollout start acme/fraud --canary 8 --stable 7
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.releases.approval.approve import decision_on
    from monitor.rollouts import plan as plans
    from monitor.rollouts import running

    usual = {60: plans.DEFAULT, 30: plans.HALF}
    if minutes not in usual:
        raise InputError(f"--minutes is 60 or 30, not {minutes}", hint="set the steps with --steps")
    if steps and blue_green:
        raise InputError("--steps and --blue-green cannot be combined")
    settings = load(config)
    chosen = steps or (plans.BLUE_GREEN if blue_green else usual[minutes])
    plan = plans.parse_plan(chosen, int(settings.predictions.base_window))
    by = who or getpass.getuser()
    stream = stream_of(model)
    if (daemon := daemon_client.running(settings)) is not None:
        new = {"canary": canary, "stable": stable, "steps": chosen}
        compared = daemon.post("rollouts", daemon_client.named(stream) | new)["stable"]
    else:
        with opened(settings).write() as connection:
            approval = decision_on(connection, stream, canary, settings.release_policy(stream))
            if approval.is_needed:
                raise InputError(approval.reason, hint="docs/releases.md says how a version is approved")
            compared = running.start(
                connection, stream, canary, stable, plan, who=by, address=_ADDRESS, now=time.time()
            ).stable
    say(f"version {visible(canary)} is rolled out beside {visible(str(compared))}: {plans.in_words(plan)}")
    say(f"watch it: watchkeeper rollout watch {stream}")


@rollout.command("watch")
def watch(
    model: StreamArgument,
    canary: Annotated[
        str,
        typer.Option("--canary", help="Watch the verdict on this version, rolled out by another controller."),
    ] = "",
    every: Annotated[str, typer.Option("--every", help="How often to refresh.")] = "5s",
    within: Annotated[str, typer.Option("--for", help="Give up after this long. Default: at the end.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Watch a rollout until it ends. Exit code: 0 promoted, 1 failed or stopped, 4 not over yet, or none.

    Example: watchkeeper rollout watch acme/fraud --canary 8 --for 1s
    """
    from monitor.cli.lists import model_listing
    from monitor.cli.rollout_view import shown_on
    from monitor.config.root import load

    settings = load(config)
    pause = seconds_of(every)
    if pause <= 0:
        raise InputError("--every has to be longer than 0", hint="such as 5s")
    until = time.monotonic() + seconds_of(within) if within else float("inf")
    stream = stream_of(model)
    with shown_on(put) as show:
        while True:
            view = model_listing.rollout_seen(settings, stream, canary)
            show(view)
            if view.exit is not None or time.monotonic() + pause > until:
                break
            time.sleep(pause)
    if view.exit or view.exit is None:
        raise typer.Exit(Exit.CANNOT_TELL if view.exit is None else view.exit)


@rollout.command("status")
def status(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="client/model. Default: all.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show the newest rollout of each model, or every step of one. Exit code of one: 0 running or promoted, 1 failed or
    stopped, 4 none.

    Example: watchkeeper rollout status acme/fraud
    """
    from msgspec import to_builtins

    from monitor.cli.lists import model_listing
    from monitor.config.root import load
    from monitor.rollouts import view as rollout_view

    settings = load(config)
    if not model:
        listed = model_listing.newest_rollouts(settings)
        put_json([to_builtins(one) for one in listed]) if as_json else put_table(
            rollout_view.HEADINGS, [rollout_view.row(one) for one in listed]
        )
        return
    known = model_listing.rollouts(settings, stream_of(model), 1)
    if not known:
        say(f"no rollout of {stream_of(model)}")
        raise typer.Exit(Exit.CANNOT_TELL)
    newest = known[0]
    if as_json:
        put_json(to_builtins(newest))
    else:
        for step in newest.steps:
            put_line(f"{step.at}  {step.share:5g} %  {step.state}: {step.reason}")
    if newest.was_aborted:
        raise typer.Exit(Exit.FAILED)


@rollout.command("history")
def history(
    model: StreamArgument,
    most: Annotated[
        int, typer.Option("--most", min=1, max=1000, help="Show at most this many, newest first.")
    ] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the rollouts of a model, newest first; with --json, each step with its verdict, share, time, reason and
    signals.

    Example: watchkeeper rollout history acme/fraud --json
    """
    from msgspec import to_builtins

    from monitor.cli.lists import model_listing
    from monitor.config.root import load
    from monitor.rollouts import view as rollout_view

    stream = stream_of(model)
    past = model_listing.rollouts(load(config), stream, most)
    if as_json:
        put_json([to_builtins(one) for one in past])
        return
    for one in past:
        put_line(rollout_view.history_line(one))
    if not past:
        say(f"no rollout of {stream}")


@rollout.command("stop")
def stop(
    model: StreamArgument,
    who: Annotated[str, typer.Option("--by", help="Your name.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Stop the running rollout of a model: the stable version receives all traffic.

    Example: watchkeeper rollout stop acme/fraud
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.rollouts import running

    by, settings, stream = who or getpass.getuser(), load(config), stream_of(model)
    if (daemon := daemon_client.running(settings)) is not None:
        answer = daemon.post("rollouts/stop", daemon_client.named(stream))
        canary, stable = visible(str(answer["canary"])), visible(str(answer["stable"]))
    else:
        with opened(settings).write() as connection:
            ended = running.stop(connection, stream, who=by, address=_ADDRESS, now=time.time())
        canary, stable = ended.canary, ended.stable
    say(f"the rollout of version {canary} is stopped: version {stable} receives all traffic")

"""`demo`: a real model on real flights, with incidents on request."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import say
from monitor.errors import InputError, WatchkeeperError

FolderOption = Annotated[Path, typer.Option("--dir", help="The folder for the files of the demonstration.")]


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("demo")(demo)


def demo(
    incident: Annotated[
        str | None,
        typer.Option(
            "--incident",
            help="Inject a fault: errors, latency, drift or silence; with --llm unsupported, leaking, injected or "
            "refusing.",
        ),
    ] = None,
    llm: Annotated[
        bool, typer.Option("--llm", help="Watch an assistant that answers from documents instead.")
    ] = False,
    rollout: Annotated[
        str | None,
        typer.Option("--rollout", help="Roll out a second version in minutes: good, bad or slow."),
    ] = None,
    folder: FolderOption = Path("var/demo"),
    port: Annotated[int, typer.Option(help="The port of the daemon (on loopback).")] = 8080,
) -> None:
    """Serve a model on real flights and monitor it; with --incident, break the running demonstration for two minutes;
    with --rollout, serve two versions and roll the second one out.

    Example: watchkeeper demo --incident errors
    """
    from monitor.demo import process

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the daemon with the demonstration
    early = None
    if llm:
        if rollout is not None:
            raise InputError("--llm and --rollout cannot be combined")
        from monitor.demo.assistant import assistant

        assistant.run(folder, port, say) if incident is None else assistant.inject(folder, incident, say)
        return
    if incident is not None and rollout is not None:
        raise InputError("--incident and --rollout cannot be combined")
    if incident is None and rollout is None and process.is_prepared(folder):
        process.write_configuration(folder, port)
        early = process.start(folder, port)  # while scikit-learn is loaded here

    try:
        try:
            from monitor.demo.runner import inject, roll_out, run
        except ModuleNotFoundError as error:
            hint = "pip install 'watchkeeper[demo]'"
            raise WatchkeeperError(
                f"the demonstration needs {error.name}, which is not installed", hint=hint
            ) from error

        if rollout is not None:
            roll_out(folder, port, rollout, say)
        elif incident is None:
            run(folder, port, say, early)
        else:
            inject(folder, incident, say)
    finally:
        if early is not None:
            early.terminate()

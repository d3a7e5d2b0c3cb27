"""`loadtest`: how many calls a second the daemon, or a client's model, holds."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, ask, put, put_json, put_table, say
from monitor.cli.stream_names import StreamArgument, seconds_of, stream_of
from monitor.errors import InputError, NotFoundError
from monitor.visible import counted, visible

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.loadtest.endpoint import ModelAddress, Options
    from monitor.loadtest.run import LoadTest, Pace
    from monitor.loadtest.stage import StageResult
    from monitor.loadtest.target import Target
    from monitor.loadtest.traffic import BusiestHour
    from monitor.loadtest.verdict import LoadTestPlan
    from monitor.records import Stream
    from monitor.windows.baseline import Baseline

RateOption = Annotated[str, typer.Option("--rate", help="Calls a second to hold: 200/s, 6000/m.")]
LikeOption = Annotated[
    str,
    typer.Option(
        "--like", help="Instead of --rate: a multiple of the busiest hour in four weeks, such as 2x."
    ),
]
SloOption = Annotated[str, typer.Option("--slo", help="The objectives: p95<250ms,errors<0.1%,lag<60s.")]
UrlOption = Annotated[str, typer.Option("--url", help="A model's endpoint, instead of a second daemon.")]
TemplateOption = Annotated[
    Path | None,
    typer.Option("--template", help='JSON of a request with "$features", "$features.NAME" and "$id".'),
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option("--header", help="NAME=VALUE with ${env:NAME} or ${file:PATH}; may be repeated."),
]
ExpectOption = Annotated[str, typer.Option("--expect", help="A text that each response must contain.")]
CaOption = Annotated[str, typer.Option("--ca-file", help="Certificates to trust instead of the system's.")]
ConfirmOption = Annotated[str, typer.Option("--confirm", help="Confirm the host of --url as the target.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Confirm a model in production.")]
MostRateOption = Annotated[
    float | None, typer.Option("--most-rate", min=0.001, help="Maximum calls per second.")
]
UpToOption = Annotated[
    float,
    typer.Option("--up-to", min=1, max=100, help="Search for headroom up to this multiple of the rate."),
]
DurationOption = Annotated[str, typer.Option("--duration", help="How long the agreed rate is held.")]
StepOption = Annotated[str, typer.Option("--step", help="How long each further rate is held.")]
WarmUpOption = Annotated[str, typer.Option("--warm-up", help="How long the rate ramps up; not judged.")]
WithinOption = Annotated[str, typer.Option("--within", help="The deadline for each call.")]
ConnectionsOption = Annotated[
    int, typer.Option("--connections", min=1, max=4000, help="Maximum connections.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, max=1000, help="Records per call to the daemon.")]
StoreOption = Annotated[
    str, typer.Option("--store", help="A PostgreSQL database for the second daemon, instead of the store's.")
]
JunitOption = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")]

_MOST = 50_000
_CODES = {"pass": Exit.OK, "fail": Exit.FAILED, "inconclusive": Exit.CANNOT_TELL}


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("loadtest")(loadtest)


def loadtest(
    model: StreamArgument,
    rate: RateOption = "",
    like: LikeOption = "",
    slo: SloOption = "p95<250ms,errors<0.1%",
    url: UrlOption = "",
    template: TemplateOption = None,
    header: HeaderOption = None,
    expect: ExpectOption = "",
    ca_file: CaOption = "",
    confirm: ConfirmOption = "",
    yes: YesOption = False,
    most_rate: MostRateOption = None,
    up_to: UpToOption = 4.0,
    duration: DurationOption = "30s",
    step: StepOption = "10s",
    warm_up: WarmUpOption = "5s",
    within: WithinOption = "10s",
    connections: ConnectionsOption = 256,
    batch: BatchOption = 1,
    constant: Annotated[
        bool, typer.Option("--constant", help="Send calls at even intervals, not at random.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same calls.")] = 0,
    store: StoreOption = "",
    junit: JunitOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Find out whether a rate can be sustained, with how much headroom, and what limits it first.

    Loads a second daemon with the settings of this one and a database of its own; with --url, a model's endpoint. Calls
    are drawn from the model's baseline and do not wait for answers. Latencies count from when a call was due.

    Exit code: 0 held, 1 not held, 4 the test cannot tell, 130 interrupted.

    Example: watchkeeper loadtest acme/fraud --rate 200/s --slo 'p95<250ms,errors<0.1%,lag<60s'
    """
    from monitor.config.root import load
    from monitor.loadtest import objectives
    from monitor.loadtest.arrivals import Arrivals
    from monitor.loadtest.endpoint import Options, permit
    from monitor.loadtest.run import Pace, load_test
    from monitor.loadtest.verdict import LoadTestPlan

    stream, agreed = stream_of(model), objectives.parse(slo)
    if url and any(one.kind is objectives.ObjectiveKind.LAG for one in agreed):
        raise InputError(
            "--slo: lag is how far the daemon's counting is behind", hint="leave it out with --url"
        )
    if url and (batch > 1 or store):
        raise InputError("--batch and --store are for the second daemon", hint="leave out --url")
    spans = [_span(name, text) for name, text in (("duration", duration), ("step", step), ("within", within))]
    arrivals = Arrivals.CONSTANT if constant else Arrivals.POISSON
    pace = Pace(spans[0], spans[1], seconds_of(warm_up), spans[2], connections, arrivals=arrivals, seed=seed)
    asked, times = _asked(rate, like)
    settings = load(config)
    baseline, peak = _known(settings, stream)
    wanted = asked or _like(times, peak)
    highest = _most(most_rate, wanted)
    call = _Call(url, template, tuple(header or ()), Options(expect, ca_file), seed, batch, store)
    if url:
        highest = permit(
            call.place, stream.environment, wanted, most_rate, confirmed=_confirmed(call, confirm), yes=yes
        )
    with _target(call, settings, config, stream, baseline) as target:
        unit = f" calls of {batch} records a second" if batch > 1 else "/s"
        plan = LoadTestPlan(
            str(stream), target.server, wanted / batch, min(wanted * up_to, highest) / batch, agreed, unit
        )
        _say_before(target, plan, pace)
        test = load_test(target, plan, pace, on_stage=_say_stage)
    _show(test, junit, as_json=as_json)
    if test.interrupted:
        raise typer.Exit(Exit.INTERRUPTED)
    raise typer.Exit(_CODES[test.verdict.outcome.value])


class _Call:
    """What is called, by the options of the command line."""

    def __init__(
        self,
        url: str,
        template: Path | None,
        headers: tuple[str, ...],
        options: "Options",
        seed: int,
        batch: int,
        store: str,
    ) -> None:
        self.url, self.template, self.headers, self.options = url, template, headers, options
        self.seed, self.batch, self.store = seed, batch, store

    @cached_property
    def place(self) -> "ModelAddress":
        """Where it is."""
        from monitor.loadtest.endpoint import place

        return place(self.url)


def _confirmed(call: _Call, given: str) -> str:
    """The host that may be loaded; asked for at a terminal."""
    if given or call.place.is_here or not sys.stdin.isatty():
        return given
    where = f"{call.place.host} ({call.place.address})"
    return ask(f"This sends many calls to {where}. Type its name to confirm that it may be loaded", "no")


@contextmanager
def _target(
    call: _Call, settings: "Config", config: Path, stream: "Stream", baseline: "Baseline"
) -> "Iterator[Target]":
    from monitor.config.yaml import read_all
    from monitor.loadtest import endpoint, own_daemon, payloads
    from monitor.store.db import store_of
    from monitor.store.temporary_database import scratch

    drawn = payloads.of_profile(baseline.profile, call.seed)
    if call.url:
        template = endpoint.template_of(call.template) if call.template else endpoint.DEFAULT_TEMPLATE
        yield endpoint.endpoint(call.place, template, drawn, call.headers, os.environ, call.options)
        return
    written = read_all(config).data
    with (
        closing(store_of(settings.store)) as store,
        scratch(store, call.store) as where,
        own_daemon.running(where, settings, written, stream, baseline, drawn, call.batch) as target,
    ):
        yield target


def _known(settings: "Config", stream: "Stream") -> "tuple[Baseline, BusiestHour | None]":
    """The model's baseline, and its busiest hour."""
    from monitor.cli.store_option import opened
    from monitor.loadtest.traffic import peak
    from monitor.windows import baseline as baselines

    base = int(settings.predictions.base_window)
    with opened(settings).read() as connection:
        baseline = baselines.load(connection, stream, with_sample=True)
        busiest = peak(connection, stream, base, time.time())
    if baseline is None:
        hint = "calls are drawn from it: watchkeeper baseline set --help"
        raise NotFoundError(f"{visible(str(stream))} has no baseline", hint=hint)
    return baseline, busiest


def _asked(rate: str, like: str) -> tuple[float, float]:
    """(calls a second, 0), or (0, times the busiest hour)."""
    from monitor.cli.commands.setup import per_second

    if bool(rate) == bool(like):
        raise InputError("name a rate", hint="--rate 200/s, or --like 2x for twice the model's busiest hour")
    if rate:
        return _possible(per_second(rate)), 0.0
    try:
        times = float(like.removesuffix("x"))
    except ValueError:
        times = 0.0
    if not 0 < times <= 100:
        raise InputError(f"--like: '{visible(like[:20])}' is not a number of times", hint="--like 2x")
    return 0.0, times


def _possible(rate: float) -> float:
    if not 0.01 <= rate <= _MOST:
        raise InputError(f"{rate:g} calls a second cannot be tested", hint=f"0.01 to {_MOST:,} a second")
    return rate


def _most(most_rate: float | None, wanted: float) -> float:
    highest = most_rate or float("inf")
    if wanted > highest:
        raise InputError(f"{wanted:g} calls a second are more than the maximum", hint="see --most-rate")
    return highest


def _like(times: float, peak: "BusiestHour | None") -> float:
    """So many times the busiest hour, in calls a second."""
    if peak is None:
        raise NotFoundError("the model had no traffic in the last four weeks", hint="use --rate 200/s")
    target = _possible(peak.rate * times)
    say(f"busiest hour: {peak.text}, {peak.rate:.3g}/s; the test is for {target:.3g}/s")
    return target


def _span(option: str, text: str) -> float:
    seconds = seconds_of(text)
    if not 0.5 <= seconds <= 3600:
        raise InputError(f"--{option}: {visible(text[:20])} is not between 500ms and 1h")
    return seconds


def _say_before(target: "Target", plan: "LoadTestPlan", pace: "Pace") -> None:
    from monitor.loadtest.run import needed

    for note in target.notes:
        say(note)
    seconds = needed(plan, plan.wanted, pace.duration)
    if seconds > pace.duration:
        say(
            f"the agreed rate is held for {seconds:.0f} s: {', '.join(one.text for one in plan.objectives)} need that"
        )


def _say_stage(stage: "StageResult") -> None:
    from monitor.loadtest.report import line

    say(line(stage, len(os.sched_getaffinity(0))))


def _show(test: "LoadTest", junit: Path | None, *, as_json: bool) -> None:
    from monitor.loadtest import report

    if junit is not None:
        junit.write_text(report.junit(test), encoding="utf-8")
    if as_json:
        put_json(report.to_dict(test))
        return
    put_table(report.COLUMNS, [report.row(stage, test.cores) for stage in test.stages])
    for text, number in list(report.failures(test).items())[:10]:
        put(f"{counted(number, 'call')}: {text}")
    put(test.verdict.sentence)

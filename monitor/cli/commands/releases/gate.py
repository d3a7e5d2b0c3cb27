"""`gate`: whether a candidate may replace its baseline, for CI."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import EncodingOption, JsonOption, SeparatorOption
from monitor.cli.output import Exit, put, put_json, say
from monitor.cli.stream_names import seconds_of, stream_of
from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.gating import GateResult
    from monitor.gating.inputs import ColumnRoles
    from monitor.gating.pairing import Items
    from monitor.health.settings import ModelView
    from monitor.releases.settings import GateSettings
    from monitor.rules.rule import RuleSet

CandidateOption = Annotated[
    str, typer.Option("--candidate", help="The candidate's predictions: Parquet, CSV, JSON lines, Arrow.")
]
BaselineOption = Annotated[
    str, typer.Option("--baseline", help="The baseline's predictions of the same items.")
]
TruthOption = Annotated[
    str, typer.Option("--truth", help="A file with `id` and `truth`, if the other files lack the truth.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", help="FIELD=COLUMN, for a column with another name: truth=label."),
]
SegmentOption = Annotated[
    list[str] | None, typer.Option("--segment", help="A column whose values are compared separately.")
]
GroupOption = Annotated[
    str, typer.Option("--group", help="The column whose equal values mark related items, such as a user.")
]
MetricOption = Annotated[list[str] | None, typer.Option("--metric", help="Compare this metric only.")]
MarginOption = Annotated[
    list[str] | None, typer.Option("--margin", help="METRIC=SIZE, how much worse it may be: accuracy=1%.")
]
ModelOption = Annotated[
    str,
    typer.Option("--model", help="client/model: its targets, task and rules are those of the configuration."),
]
RulesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules", "-r", help="A rule file instead of those in force (without --model: the shipped ones)."
    ),
]
JunitOption = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")]
MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", help="Append Markdown to this file, such as $GITHUB_STEP_SUMMARY."),
]
OptionalConfig = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration file of --model.", envvar="WATCHKEEPER_CONFIG"),
]
ReplayOption = Annotated[
    str, typer.Option("--replay", help="Instead of files: the stored inputs of --model, so far back (7d).")
]
CommandOption = Annotated[
    str,
    typer.Option("--command", help="The candidate: reads items as JSON lines, writes answers as JSON lines."),
]
_REPLAY_HINT = "--model acme/fraud --replay 7d --command 'python predict.py'"
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write a page to this file.")]


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("gate")(gate)


def gate(
    candidate: CandidateOption = "",
    baseline: BaselineOption = "",
    truth: TruthOption = "",
    model: ModelOption = "",
    segment: SegmentOption = None,
    group: GroupOption = "",
    metric: MetricOption = None,
    margin: MarginOption = None,
    rules: RulesOption = None,
    column: ColumnOption = None,
    task: Annotated[str, typer.Option("--task", help="binary, multiclass or regression.")] = "",
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="The probability of a false block; 0.05 by default.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap, for reproducible results.")] = 0,
    junit: JunitOption = None,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,
    replay: ReplayOption = "",
    command: CommandOption = "",
    within: Annotated[str, typer.Option("--within", help="The time for all items of --replay.")] = "1h",
    most: Annotated[int, typer.Option("--most", min=1, help="How many items --replay samples.")] = 50_000,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    config: OptionalConfig = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a candidate's predictions with a baseline's, item by item: may it replace it?

    Exit code: 0 pass, 1 fail (proven worse), 4 inconclusive (with the number of items that would decide).

    Example: watchkeeper gate --candidate new.parquet --baseline old.parquet --truth truth.csv --junit gate.xml
    """
    from monitor.gating import gate as run
    from monitor.gating.inputs import ColumnRoles

    settings = _settings(model, config)
    columns = ColumnRoles(_pairs(column, "--column"), tuple(segment or ()), group)
    sides: tuple[object, object] = (candidate, baseline)
    if replay or command:
        if candidate or baseline or truth or settings is None or not (replay and command):
            raise InputError("--replay needs --model and --command, and no files", hint=_REPLAY_HINT)
        sides = (_replayed(settings, model, columns, replay, command, within, most), None)
    elif not candidate or not baseline:
        raise InputError("name both files", hint="--candidate NEW.parquet --baseline OLD.parquet")
    agreed = _agreed(settings, model)
    result = run(
        *sides,
        truth=truth or None,
        columns=columns.fields,
        segments=columns.segments,
        group=columns.group,
        task=task,
        metrics=metric or (),
        margins={**agreed.margins, **_pairs(margin, "--margin")},
        view=_view(settings, model),
        rules=_rules(settings, rules),
        model=model,
        alpha=agreed.alpha if alpha is None else alpha,
        seed=seed,
        separator=separator,
        encoding=encoding,
    )
    _write(result, junit=junit, markdown=markdown, html=html)
    _show(result, as_json=as_json, github=github)
    _exit(result)


def _replayed(
    settings: "Config", model: str, columns: "ColumnRoles", last: str, command: str, within: str, most: int
) -> "Items":
    """The items of production with the candidate's answers."""
    from monitor.cli.store_option import opened
    from monitor.gating.replay import replay
    from monitor.gating.replay.command import of_text

    now, predict = time.time(), of_text(command, seconds_of(within))
    return replay(opened(settings), stream_of(model), now - seconds_of(last), now, predict, columns, most)


def _settings(model: str, config: Path | None) -> "Config | None":
    """The configuration, which only a named model needs."""
    from monitor.config.location import find
    from monitor.config.root import load

    return load(config or find()) if model else None


def _agreed(settings: "Config | None", model: str) -> "GateSettings":
    """The gate settings of the model; the defaults without a configuration."""
    from monitor.releases.settings import GateSettings

    return GateSettings() if settings is None else settings.model(stream_of(model)).releases.gate


def _view(settings: "Config | None", model: str) -> "ModelView | None":
    """The section of the model in the configuration."""
    if settings is None:
        return None
    stream = stream_of(model)
    client = settings.clients.get(stream.client)
    if client is None or stream.model not in client.models:
        known = [f"{name}/{one}" for name, section in settings.clients.items() for one in section.models]
        hint = f"it has {', '.join(known)}" if known else "it has no model under `clients`"
        raise InputError(f"the configuration has no model {model!r}", hint=hint)
    return client.models[stream.model]


def _rules(settings: "Config | None", files: list[Path] | None) -> "RuleSet":
    from monitor.config.rule_files import rules_of
    from monitor.gating import rules_from

    return rules_from(files or None) if files or settings is None else rules_of(settings)


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a mapping."""
    pairs = {}
    for text in texts or ():
        name, is_given, value = text.partition("=")
        if not (name and is_given and value):
            raise InputError(f"{option} {text!r} is not NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def _write(result: "GateResult", *, junit: Path | None, markdown: Path | None, html: Path | None) -> None:
    """Write the reports. A step summary of GitHub is added to, every other file is replaced."""
    from monitor.gating.reports.junit import junit as as_junit
    from monitor.gating.reports.markdown import markdown as as_markdown
    from monitor.gating.reports.page import page

    texts = [(junit, as_junit), (markdown, as_markdown), (html, page)]
    for path, render in texts:
        if path is None:
            continue
        is_summary = os.environ.get("GITHUB_STEP_SUMMARY") == str(path)
        try:
            with path.open("a" if is_summary else "w", encoding="utf-8", errors="replace") as file:
                file.write(render(result))
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        say(f"report: {path}")


def _show(result: "GateResult", *, as_json: bool, github: bool) -> None:
    from monitor.gating.reports.github import annotations
    from monitor.gating.reports.text import text

    put_json(result.to_dict()) if as_json else put(text(result))
    for line in annotations(result) if github else ():
        (say if as_json else put)(line)


def _exit(result: "GateResult") -> None:
    from monitor.gating import Outcome

    if result.outcome is Outcome.FAIL:
        raise typer.Exit(Exit.FAILED)
    if result.outcome is Outcome.INCONCLUSIVE:
        raise typer.Exit(Exit.CANNOT_TELL)

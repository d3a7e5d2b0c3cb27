"""The results of the drift benchmark as Markdown."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from tests.bench.alert_flights import Page
from tests.bench.alert_results import RIVAL_DRIFTS, RIVAL_SEEDS, RIVAL_WINDOWS, Plan, Results
from tests.bench.alert_rivals import PEERS
from tests.bench.alert_runs import A, Named, Quiet
from tests.bench.streams import DRIFTS, KINDS


def report(results: Results, plan: Plan, took: float) -> str:
    """The tables as Markdown."""
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    parts = [
        f"Made on {made} in {took / 60:.0f} minutes ({machine}); seeds {plan.seeds} and {plan.delay_seeds}."
    ]
    parts.append(
        f"\n### Streams without drift\n\nBudget: one false alarm in {A:.0f} windows (30 days of hours).\n"
    )
    parts.append(_quiet_table(results.quiet))
    parts.append(
        "\n### Delay\n\nIn windows: median (90th percentile), and the share found within 336 windows.\n"
    )
    parts.append(_delay_table(results.delays))
    if results.named:
        parts.append("\n### The column that is named\n")
        parts.append(_named_table(results.named))
    parts.append("\n### Windows of 20,000 rows\n")
    parts.extend(f"- {name}: {_found(found)}" for name, found in results.large.items())
    if results.plants:
        parts.append("\n### Flights\n")
        parts.append(_flights(results))
    parts.append("\n### Cost of deciding on one window\n")
    parts.extend(
        f"- {one.columns} columns: {one.milliseconds:.1f} ms of CPU (99th percentile {one.worst:.1f} ms), state "
        f"{one.state / 1000:.0f} kB, calibration {one.calibration / 1000:.0f} kB"
        for one in results.costs
    )
    return "\n".join(parts) + "\n"


def _quiet_table(runs: Sequence[Quiet]) -> str:
    lines = [
        "| stream | columns | windows | pages | pages per 1,000 | budget ratio | alert windows per 1,000 | "
        "clean columns alarmed |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    keys = sorted(
        {(one.spec.kind, one.spec.n, one.spec.columns) for one in runs},
        key=lambda k: (KINDS.index(k[0]), k[1:]),
    )
    for kind, n, columns in keys:
        mine = [one for one in runs if (one.spec.kind, one.spec.n, one.spec.columns) == (kind, n, columns)]
        windows, pages = sum(one.spec.windows for one in mine), sum(one.pages for one in mine)
        opened = 1000 * sum(one.open_windows for one in mine) / windows
        blamed = sum(one.columns_blamed for one in mine)
        lines.append(
            f"| {kind}, n = {n:,} | {columns} | {windows:,} | {pages} | {1000 * pages / windows:.2f} | "
            f"{pages * A / windows:.2f} | {opened:.1f} | {blamed} |"
        )
    return "\n".join(lines)


def _found(found: Sequence[float]) -> str:
    values = np.array(found)
    share = np.isfinite(values).mean()
    if share == 0:
        return "never"
    middle, late = np.quantile(np.where(np.isfinite(values), values, 1e9), [0.5, 0.9])
    text = [f"{value:.0f}" if value < 1e8 else "-" for value in (middle, late)]
    return f"{text[0]} ({text[1]})" + ("" if share == 1 else f", {share:.0%} found")


def _delay_table(held: dict[tuple[str, int], dict[str, list[float]]]) -> str:
    lines = ["| drift | " + " | ".join(f"{kind}, n = {n:,}" for kind, n in held) + " |"]
    lines.append("|---" * (len(held) + 1) + "|")
    lines.extend(
        f"| {name} | " + " | ".join(_found(held[key][name]) for key in held) + " |" for name in DRIFTS
    )
    return "\n".join(lines)


def _named_table(held: dict[str, list[Named]]) -> str:
    lines = [
        "| drift on all, n = 1,000, 50 columns | runs | found | its column first | other columns in the incident |"
    ]
    lines.append("|---|---|---|---|---|")
    for name, runs in held.items():
        found = [one for one in runs if one.found]
        first = f"{sum(one.first for one in found)} of {len(found)}"
        others = np.mean([one.others for one in runs])
        lines.append(f"| {name} | {len(runs)} | {len(found)} | {first} | {others:.1f} |")
    return "\n".join(lines)


def _flights(results: Results) -> str:
    def listed(pages: Sequence[Page]) -> str:
        return "; ".join(
            f"{datetime.fromtimestamp(page.at, UTC):%d %b} {', '.join(page.columns).replace('features.', '')}"
            f"{'' if page.explained else ' (no weekly mean explains it)'}"
            for page in pages
        )

    unexplained = sum(not page.explained for page in results.calm)
    lines = [
        f"- quiet month, 28 October to 24 November: {len(results.calm)} pages, {unexplained} of them without a weekly "
        f"mean that left the range of the reference: {listed(results.calm) or 'none'}",
        f"- 25 November to 31 December, storms and holidays: {len(results.rough)} pages: {listed(results.rough)}",
        f"- the replay of the reference raised the limit {results.raised:.1f} times",
        "",
        "| planted on 4 November | hours with flights until found |",
        "|---|---|",
    ]
    lines.extend(
        f"| {name} | {'not in three weeks' if np.isinf(delay) else f'{delay:.0f}'} |"
        for name, delay in results.plants.items()
    )
    return "\n".join(lines)


def rival_report(results: Results) -> str:
    """The peers' table as Markdown."""
    lines = [
        f"Made on {datetime.now(UTC):%Y-%m-%d}: share of windows without drift in which at least one of 20 columns is "
        "in alert; in brackets, alerts that began, of how many windows.",
        "",
        "| stream | Watchkeeper | " + " | ".join(PEERS) + " |",
        "|---" * (len(PEERS) + 2) + "|",
    ]
    for ours in results.rival_ours:
        mine = {one.name: one for one in results.rivals if one.spec == ours.spec}
        cells = [f"{ours.open_windows / ours.spec.windows:.0%} ({ours.pages} of {ours.spec.windows})"]
        cells += [
            f"{mine[name].alerts / mine[name].windows:.0%} ({mine[name].pages} of {mine[name].windows})"
            for name in mine
        ]
        lines.append(f"| {ours.spec.kind}, n = {ours.spec.n:,} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_rival_delays(results)]) + "\n"


def _rival_delays(results: Results) -> list[str]:
    names = list(dict.fromkeys(name for name, _ in results.rival_delays))
    lines = [
        "Windows until the column that drifts is in alert, on `all` with 1,000 rows, the drift beginning with the "
        f"first window after the reference: one figure for each of the seeds {RIVAL_SEEDS}, `-` where not within "
        f"{RIVAL_WINDOWS}. A tool that alarms most clean windows, too, is early by chance.",
        "",
        "| drift | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for drift in RIVAL_DRIFTS:
        cells = [
            ", ".join("-" if np.isinf(one) else f"{one:.0f}" for one in results.rival_delays[name, drift])
            for name in names
        ]
        lines.append(f"| {drift} | " + " | ".join(cells) + " |")
    return lines

"""Measures all signals on the labelled sets of the packages, and writes the table of docs/signals.md.

`make bench-signals` installs the packages into an environment of their own and calls this with it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.signals.measured import MeasuredError
from tests.bench.signals import attacks, page, personal, speed, support
from tests.bench.signals.attacks import Flags, Labelled, error
from tests.bench.signals.datasets import Packages

_SLOW, _FEW = "presidio-analyzer (no model)", 100
_TOOLS = {
    "injection_in_input": ("ai-injection-guard", "injectionshield"),
    "injection_in_context": ("ai-injection-guard", "injectionshield"),
    "injection_in_tool_results": ("ai-injection-guard", "injectionshield"),
    "personal_data_in_output": ("datafog", _SLOW),
    "secret_in_output": ("detect-secrets (named detectors)",),
}


@dataclass(frozen=True)
class Others:
    """What other tools do on the same texts."""

    python: Path

    def asked(self, order: dict[str, Any]) -> Any:
        """The answer of the environment of the packages."""
        command = [str(self.python), str(Path(__file__).with_name("foreign.py"))]
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{command} failed:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout)

    def errors(self, labelled: Labelled) -> Iterator[page.Alternative]:
        """The figures of each other tool on one set."""
        for tool in _TOOLS.get(labelled.signal, ()):
            costs: list[float] = []

            def flags(
                _signal: str, texts: Sequence[str], tool: str = tool, into: list[float] = costs
            ) -> Flags:
                some = list(texts)[:_FEW] if tool == _SLOW else list(texts)
                answer = self.asked({"job": "scan", "tool": tool, "texts": some})
                into.append(answer["microseconds"])
                return list(answer["flags"])

            yield page.Alternative(tool, error(labelled, flags), max(costs))


def main() -> None:
    """Measure and write."""
    options = _options()
    site = next(options.environment.glob("lib/python3*/site-packages"))
    packages, others = Packages(site), Others(options.environment / "bin" / "python")
    ours: list[MeasuredError] = []
    theirs: list[page.Alternative] = []
    ours += support.errors(packages, options.rows)
    for labelled in attacks.sets(packages, options.rows):
        ours.append(error(labelled, attacks.ours))
        theirs += others.errors(labelled)
    ours += attacks.prompt_leaks(packages, options.rows)
    generated = others.asked({"job": "generate", "n": options.values})
    secrets = others.asked({"job": "secrets", "n": options.values})
    for sets in (
        personal.sets(packages, generated, options.rows),
        personal.secret_sets(packages, secrets, options.rows),
    ):
        for labelled in sets:
            ours.append(error(labelled, personal.ours))
            theirs += others.errors(labelled)
    costs = page.Costs(
        speed.per_call(speed.news(packages)),
        speed.of_all(speed.news(packages)),
        speed.of_all(speed.news(packages, speed.CONTACTS)),
        speed.of_hostile(100_000),
    )
    page.write(ours, theirs, costs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.signals", description=__doc__)
    parser.add_argument("environment", type=Path, help="where the packages are installed")
    parser.add_argument("--rows", type=int, default=6000, help="rows of HaluEval, half of them measured")
    parser.add_argument("--values", type=int, default=300, help="values of each kind of personal data")
    return parser.parse_args()


if __name__ == "__main__":
    main()

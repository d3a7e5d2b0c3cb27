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

    def errors(self, sets: Sequence[Labelled]) -> Iterator[page.Alternative]:
        """The figures of each other tool on the sets of the signals that it compares with, in one call a tool."""
        for tool in sorted({tool for one in sets for tool in _TOOLS.get(one.signal, ())}):
            mine = [one for one in sets if tool in _TOOLS.get(one.signal, ())]
            most = _FEW if tool == _SLOW else None
            texts = [text for one in mine for group in _groups(one) for text in group[:most]]
            answer = self.asked({"job": "scan", "tool": tool, "texts": texts})
            said = dict(zip(texts, answer["flags"], strict=True))

            def flags(_signal: str, some: Sequence[str], said: dict[str, bool] = said) -> Flags:
                return [said.get(text) for text in some]

            for one in mine:
                yield page.Alternative(tool, error(one, flags), answer["microseconds"])


def _groups(labelled: Labelled) -> tuple[list[str], list[str]]:
    return list(labelled.positives), list(labelled.negatives)


def main() -> None:
    """Measure and write."""
    options = _options()
    site = next(options.environment.glob("lib/python3*/site-packages"))
    packages, others = Packages(site), Others(options.environment / "bin" / "python")
    ours: list[MeasuredError] = []
    ours += support.errors(packages, options.rows)
    generated = others.asked({"job": "generate", "n": options.values})
    secrets = others.asked({"job": "secrets", "n": options.values})
    sets = [
        *attacks.sets(packages, options.rows),
        *personal.sets(packages, generated, options.rows),
        *personal.secret_sets(packages, secrets, options.rows),
    ]
    ours += [error(one, personal.ours if "_in_output" in one.signal else attacks.ours) for one in sets]
    ours += attacks.prompt_leaks(packages, options.rows)
    theirs = list(others.errors(sets))
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
    parser.add_argument("--rows", type=int, default=3000, help="rows of HaluEval, half of them measured")
    parser.add_argument("--values", type=int, default=200, help="values of each kind of personal data")
    return parser.parse_args()


if __name__ == "__main__":
    main()

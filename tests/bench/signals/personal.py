"""Personal data in sentences of presidio-evaluator, and secrets in lines of code and prose, by kind."""

import random
import re
from collections.abc import Iterator, Sequence

from monitor.signals.calls import Calls
from monitor.signals.measured import MeasuredError
from monitor.signals.registry import SIGNALS, measure
from tests.bench.signals.attacks import Flags, Labelled
from tests.bench.signals.datasets import SEED, Packages, measured

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_PLACES = {
    "card": "credit_card_number",
    "iban": "iban",
    "mail": "email",
    "phone": "phone_number",
    "ip": "ip_address",
    "national id": "ssn",
}
_PERSONAL = {*_PLACES.values(), "us_driver_license", "url"}
_AROUND_SECRETS = (
    "The key is {}, please keep it safe.",
    "export TOKEN={}",
    "Use this:\n{}\nand restart the service.",
    'const key = "{}";',
)


def ours(signal: str, texts: Sequence[str]) -> Flags:
    """What our signal says of answers."""
    wanted = [one for one in SIGNALS if one.name == signal]
    return list(measure(Calls.of({"output": list(texts)}), signals=wanted)[signal].to_pylist())


def sets(packages: Packages, generated: dict[str, list[str]], n: int) -> Iterator[Labelled]:
    """The labelled sets: sentences with one kind each, and texts without any."""
    draw = random.Random(SEED)
    templates = packages.personal_templates()
    for kind, values in generated.items():
        place = _PLACES["national id" if kind.startswith("national id") else kind]
        fitting = [one for one in templates if _PLACE.findall(one).count(place) == 1]
        texts = [_filled(draw.choice(fitting), place, value) for value in values]
        yield Labelled("personal_data_in_output", f"{kind} (Faker, presidio-evaluator)", texts, [])
    harmless = [
        one for one in templates if not _PERSONAL & set(_PLACE.findall(one)) and not re.search(r"\d{5}", one)
    ]
    yield Labelled(
        "personal_data_in_output", "sentences without any", [], [_filled(one, "", "") for one in harmless]
    )
    articles = [one.context for one in measured(packages.halueval("summarization", n))]
    yield Labelled("personal_data_in_output", "news (HaluEval; some have any)", [], articles)
    digits = [
        f"Order {draw.randrange(10 ** (size - 1), 10**size)} is on its way."
        for size in range(8, 20)
        for _ in range(500)
    ]
    yield Labelled("personal_data_in_output", "order numbers of 8 to 19 digits", [], digits)


def secret_sets(packages: Packages, secrets: dict[str, list[str]], n: int) -> Iterator[Labelled]:
    """Secrets that detect-secrets' detectors accept, by detector, and texts without any."""
    draw = random.Random(SEED)
    for detector, values in secrets.items():
        texts = [draw.choice(_AROUND_SECRETS).replace("{}", value.strip()) for value in values]
        yield Labelled("secret_in_output", f"{detector} (detect-secrets)", texts, [])
    articles = [one.context for one in measured(packages.halueval("summarization", n))]
    yield Labelled("secret_in_output", "news (HaluEval)", [], articles)


def _filled(template: str, place: str, value: str) -> str:
    return _PLACE.sub(lambda one: value if one[1] == place else f"Some {one[1].replace('_', ' ')}", template)


def mean(errors: Sequence[MeasuredError], dataset: str) -> MeasuredError:
    """One figure for several kinds, each weighted by its texts."""
    n = sum(one.positives for one in errors)
    recall = sum((one.recall or 0.0) * one.positives for one in errors) / n
    return MeasuredError(errors[0].signal, dataset, "any", n, 0, recall)

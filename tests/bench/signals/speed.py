"""The cost of signals: per call on texts of 1 kB, and on texts of 100 kB that are made to be slow."""

import time
from collections.abc import Iterator

import pyarrow as pa

from monitor.signals.batch import CallBatch
from monitor.signals.calls import Calls, Prices, Registered
from monitor.signals.injection import canaries, system_prompts
from monitor.signals.registry import SIGNALS, measure, redact
from tests.bench.signals.datasets import Packages

CALLS, TEXT = 3_334, 1_000
REGISTERED = Registered(
    prompt_shingles=system_prompts.shingles(
        "You are the assistant of Acme and never tell the price of another bank."
    ),
    canaries=frozenset([canaries.digest(canaries.create())]),
    prices=Prices(1.0, 2.0),
)
CONTACTS = " Call +1 202-555-0123 or write to jane.doe@mail.example; card 4111 1111 1111 1111."


def news(packages: Packages, tail: str = "") -> Calls:
    """Calls whose input, document and answer have 1 kB of news each: 10,002 texts."""
    articles = [one.context for one in packages.halueval("summarization", 10_000)]
    joined = " ".join(articles)[: 3 * CALLS * TEXT]
    texts = [joined[at : at + TEXT] + tail for at in range(0, len(joined), TEXT)]
    return Calls.of(
        {
            "input": texts[0::3],
            "context": [[one] for one in texts[1::3]],
            "output": texts[2::3],
            "finish_reason": ["stop"] * CALLS,
            "input_tokens": [500.0] * CALLS,
            "output_tokens": [250.0] * CALLS,
        }
    )


def per_call(calls: Calls) -> dict[str, float]:
    """Microseconds of CPU a call of each signal alone; what several share counts for each."""
    measure(Calls(calls.table.slice(0, 10)), REGISTERED)
    costs = {}
    for one in SIGNALS:
        began = time.process_time()
        one.measure(CallBatch(calls, REGISTERED))
        costs[one.name] = round((time.process_time() - began) / len(calls) * 1e6, 1)
    return costs


def of_all(calls: Calls) -> tuple[float, float]:
    """Seconds of CPU for all signals together, and for redacting all texts: the best of three."""
    together, redacting = [], []
    texts = pa.concat_arrays(
        [calls.column("input"), calls.column("output"), calls.column("context").flatten()]
    )
    for _ in range(3):
        began = time.process_time()
        measure(calls, REGISTERED)
        together.append(time.process_time() - began)
        began = time.process_time()
        redact(texts)
        redacting.append(time.process_time() - began)
    return min(together), min(redacting)


HOSTILE = {
    "one letter": "a",
    "digits": "1",
    "digits and spaces": "4 ",
    "card after card": "4111 1111 1111 1111 ",
    "at signs": "a@",
    "mail after mail": "a@b.de ",
    "dots": "1.",
    "colons": "ab:",
    "IBAN heads": "DE89",
    "base64": "QUJD",
    "keys": "sk-AKIA",
    "addresses with passwords": "://a:",
    "overrides": "ignore all ",
    "overrides without an end": "ignore previous ",
    "look-alikes": "\u0456gnore ",
    "invisible": "\u200b",
    "other digits": "\u0664 ",
    "right to left": "\u05d0\u05d1 ",
    "canaries": "wk-canary-",
    "canaries in base64": "d2stY2FuYXJ5L",
    "different words": "",
    "white space": " \n",
    "brackets": "[",
    "dates": "1/1/1 ",
    "months": "may ",
    "spelled letters": "a ",
    "points between letters": "a.",
    "pairs of hexadecimal": "4a ",
    "bits": "01000001 ",
    "codes of letters": "105 ",
    "escapes of HTML": "&#52;",
    "percent codes": "%34",
    "escapes of JSON": r"\u0034",
    "lines of base64": "QUJDREVG\n",
    "lines of keys": "sk-AKIA\n",
    "numbers in a list": "4111, ",
    "spaces": " ",
    "accents": "\u00e9",
    "underscores": "a_",
}


def hostile(size: int, end: str = "") -> Iterator[tuple[str, Calls]]:
    """Calls of one text of `size` characters in each place, made of one repeated piece, with this end."""
    for name, piece in HOSTILE.items():
        text = (
            (piece * size)[:size] if piece else " ".join(map(str, range(10_000, 10_000 + size // 5)))[:size]
        )
        text = text[: size - len(end)] + end
        columns = {name: [text] for name in ("input", "output", "system")}
        yield name, Calls.of(columns | {"context": [[text]], "tool_results": [[text]], "samples": [[text]]})


def of_hostile(size: int) -> dict[str, float]:
    """Seconds of CPU for all signals and redaction on each hostile text."""
    costs = {}
    for name, calls in hostile(size):
        began = time.process_time()
        measure(calls, REGISTERED)
        redact(calls.column("output"))
        costs[name] = time.process_time() - began
    return costs

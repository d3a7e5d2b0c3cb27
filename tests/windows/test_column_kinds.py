"""What a column holds: sentences are texts however short they are, and names are labels however long."""

import random

import pyarrow as pa
import pytest

from monitor.windows.layout.column_kinds import encoded, find
from monitor.windows.layout.layout import ColumnKind

WORDS = [
    "the",
    "order",
    "did",
    "not",
    "arrive",
    "yet",
    "please",
    "tell",
    "me",
    "where",
    "my",
    "parcel",
    "is",
    "and",
    "when",
    "it",
    "comes",
    "today",
    "screen",
]


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


CASES = {
    "63 characters, 61 % distinct": (0.61, lambda rng: sentence(rng, 13)[:63], ColumnKind.TEXT),
    "short chats, a third distinct": (0.33, lambda rng: sentence(rng, 5), ColumnKind.TEXT),
    "Chinese, 61 % distinct": (
        0.61,
        lambda rng: "".join(chr(0x4E00 + rng.randrange(2000)) for _ in range(20)),
        ColumnKind.TEXT,
    ),
    "cities": (0.4, lambda rng: f"New {sentence(rng, 1)} {rng.randrange(9999)}", ColumnKind.CATEGORY),
    "products, few of them": (0.05, lambda rng: sentence(rng, 6), ColumnKind.CATEGORY),
    "customers": (0.61, lambda rng: f"{rng.getrandbits(128):032x}", ColumnKind.CATEGORY),
    "addresses of pages": (0.61, lambda rng: f"https://x.example/{rng.getrandbits(40)}", ColumnKind.CATEGORY),
    "numbers": (0.61, lambda rng: str(rng.randrange(10**9)), ColumnKind.NUMBER),
}


@pytest.mark.parametrize("name", CASES)
def test_texts_and_labels_are_told_apart(name: str) -> None:
    share, make, kind = CASES[name]
    rng = random.Random(name)
    values = [make(rng) for _ in range(int(1000 * share))]
    values += rng.choices(values, k=1000 - len(values))
    assert find(encoded(pa.array(values))) is kind

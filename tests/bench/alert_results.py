"""What the drift benchmark runs, and what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.alert_flights import Page
from tests.bench.alert_rivals import PEERS, Rival
from tests.bench.alert_runs import Cost, Named, Quiet

SEEDS, DELAY_SEEDS = (1, 2, 3), range(101, 141)
NAMED_SEEDS = 10
OURSELVES = "Watchkeeper"
RIVAL_DRIFTS = ("0.2 sd", "0.5 sd", "sd x1.3", "missing 2 -> 5 %", "new category 2 %")
RIVAL_SEEDS, RIVAL_WINDOWS = (101, 102, 103), 24
LARGE = ("0.02 sd", "0.05 sd", "0.08 sd", "0.12 sd")


@dataclass
class Plan:
    """How much is run."""

    columns: tuple[int, ...] = (50, 20, 200)
    seeds: Sequence[int] = SEEDS
    windows: int = 3000
    delay_seeds: Sequence[int] = DELAY_SEEDS
    peer_windows: int = 100
    peers: tuple[str, ...] = tuple(PEERS)


@dataclass
class Results:
    """What was seen."""

    quiet: list[Quiet] = field(default_factory=list)
    delays: dict[tuple[str, int], dict[str, list[float]]] = field(default_factory=dict)
    large: dict[str, list[float]] = field(default_factory=dict)
    named: dict[str, list[Named]] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    calm: list[Page] = field(default_factory=list)
    rough: list[Page] = field(default_factory=list)
    plants: dict[str, float] = field(default_factory=dict)
    raised: float = 1.0
    rivals: list[Rival] = field(default_factory=list)
    rival_ours: list[Quiet] = field(default_factory=list)
    rival_delays: dict[tuple[str, str], list[float]] = field(default_factory=dict)

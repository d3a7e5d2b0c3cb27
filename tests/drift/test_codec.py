"""States and calibrations as bytes."""

from pathlib import Path

import numpy as np
import pytest

from monitor import drift
from monitor.errors import UnreadableError
from tests.bench.streams import REFERENCE, Spec, columns, windows

DATA = Path(__file__).parents[1] / "data"
SPEC = Spec("all", 60, 10, seed=3, windows=60)


@pytest.fixture(scope="module")
def stream() -> list[drift.WindowCounts]:
    return list(windows(SPEC))


@pytest.fixture(scope="module")
def calibration(stream: list[drift.WindowCounts]) -> drift.Calibration:
    return drift.fit(columns(SPEC), stream[:REFERENCE])


def test_saving_and_loading_at_every_window_decides_the_same_bit_by_bit(
    stream: list[drift.WindowCounts], calibration: drift.Calibration
) -> None:
    loaded = drift.decode_calibration(drift.encode_calibration(calibration))
    limits = drift.limits(calibration.columns, 720)
    plain = kept = drift.begin(calibration)
    for window in stream[REFERENCE:]:
        plain, one = drift.advance(calibration, plain, window, limits)
        kept, other = drift.advance(loaded, drift.decode_state(drift.encode_state(kept)), window, limits)
        assert one.ratio.tobytes() == other.ratio.tobytes()
        assert drift.encode_state(plain) == drift.encode_state(kept)


def test_bytes_of_another_version_are_refused(
    calibration: drift.Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.drift.codec.VERSION", 99)
    blob = drift.encode_state(drift.begin(calibration))
    monkeypatch.undo()
    with pytest.raises(UnreadableError, match="version 99"):
        drift.decode_state(blob)


def test_the_state_of_fifty_columns_is_small() -> None:
    wide = Spec("iid", 100, 50, seed=1, windows=5)
    stream = list(windows(wide))
    state = drift.begin(calibration := drift.fit(columns(wide), stream[:100]))
    for window in stream[100:110]:
        state, _ = drift.advance(calibration, state, window, np.full(51, 1e9))
    assert len(drift.encode_state(state)) < 250_000


def test_what_an_earlier_release_stored_is_read_and_decides_the_same() -> None:
    """The two files were written before classes and fields were renamed, before seasons had an amplitude, and before it
    was tested whether a drift has ended; the figures are what that release decided with them.
    """
    spec = Spec("all", 60, 3, seed=3, windows=20)
    calibration = drift.decode_calibration((DATA / "drift-calibration-3.bin").read_bytes())
    state = drift.decode_state((DATA / "drift-state-3.bin").read_bytes())
    limits = drift.limits(calibration.columns, 720)
    decided, strongest = [], []
    for window in list(windows(spec))[70:]:
        state, one = drift.advance(calibration, state, window, limits)
        decided.append(one.ratio.sum())
        strongest.append(one.ratio.max())
    assert decided[:3] == pytest.approx(
        [3.283845481506e-02, 4.852196024724e-02, 5.309010127274e-02], rel=1e-9
    )
    # Two columns are then significant together, which that release did not know; later a column leaves an incident.
    assert sum(strongest[67:91]) == pytest.approx(8.577683277480e07, rel=1e-9)

"""The usual level of a past that was loaded is asked for once its outcomes are matched and its hours measured again."""

from pathlib import Path

from monitor.config.units import HOUR
from monitor.evaluation.declines import _is_settled, _Watch
from monitor.records import Window
from monitor.store import measurement_queue
from tests.support.log import STREAM
from tests.support.measuring import measuring_daemon


def test_figures_without_their_outcomes_are_not_what_is_usual(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as daemon:

        def settled(watch: _Watch) -> bool:
            with daemon.store.read() as connection:
                return _is_settled(connection, STREAM, watch, daemon.clock.now())

        daemon.predict(400)
        daemon.send_outcomes(*(f"p{number}" for number in range(400)), reviewed=True)
        assert settled(_Watch()), "what comes in now is matched in a moment"
        daemon.clock.advance(90)
        watch = _Watch()
        assert not settled(watch)
        daemon.count()
        assert settled(_Watch())
        hours = [Window(hour * HOUR, (hour + 1) * HOUR) for hour in range(30)]
        with daemon.store.write() as connection:
            measurement_queue.add(connection, STREAM, hours, daemon.clock.now())
        assert not settled(watch)
        daemon.clock.advance(2 * HOUR)
        assert settled(watch), "not for ever"

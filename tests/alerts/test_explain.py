"""An alert explained, silences as people set them, and settings that contradict themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.alerts.explain import explain, find
from monitor.alerts.settings import AlertSettings
from monitor.alerts.silencing import add, expire
from monitor.errors import DeliveryError, InputError, NotFoundError
from monitor.notify.trial import trial
from monitor.records import Action
from monitor.store import silences
from tests.support.judging import one_rule
from tests.support.paging import World

RULE = "{metric: error_rate, over: open, above: 5%, clear: 4%}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, one_rule(tmp_path, RULE, **{"for": "5s", "keep_firing_for": "30s"})) as made:
        yield made


def told(world: World) -> str:
    with world.store.read() as connection:
        (alert,) = find(connection, "Bad")
        return "\n".join(explain(connection, alert, world.rules, world.settings, world.now).lines)


def test_each_state_is_explained_with_its_numbers_and_what_comes_next(world: World) -> None:
    world.run(0.3, 3)
    assert "is pending since 2027-01-15T08:00:01Z (2s)" in told(world)
    assert "fires in 3s if nothing changes" in told(world)
    world.run(0.3, 5)
    text = told(world)
    assert "Bad of acme/fraud/production is firing" in text
    assert "error_rate is 30 % over the last 1m (limit: above 5 %, n = 1000)" in text
    assert "value 30 %, limit 5 %, n = 1,000" in text
    assert "told      pagerduty: trigger was taken" in text
    assert "rules.yaml:5" in text
    assert "inactive -> pending" in text
    world.run(0.01, 10)
    assert "resolves in 21s if nothing changes" in told(world)


def test_a_page_that_is_held_back_says_why(world: World) -> None:
    world.silence('model="fraud"')
    world.run(0.3, 10)
    assert "held back silenced by ann: we know" in told(world)


def test_nobody_of_that_name_is_an_error_that_says_what_to_do(world: World) -> None:
    with world.store.read() as connection, pytest.raises(NotFoundError, match="watchkeeper alerts"):
        find(connection, "Nothing")


@pytest.mark.parametrize(
    ("wanted", "seconds", "author", "comment", "reason"),
    [
        ((), 60, "ann", "x", "at least one matcher"),
        (('model="a"',), 60, "", "x", "an author and a reason"),
        (('model="a"',), 60, "ann", " ", "an author and a reason"),
        (('model="a"',), 0, "ann", "x", "lasts up to"),
        (('model="a"',), 1e9, "ann", "x", "lasts up to"),
        (("model fraud",), 60, "ann", "x", "is not a matcher"),
        (('model=~"("',), 60, "ann", "x", "broken regular expression"),
    ],
)
def test_a_silence_that_nobody_could_answer_for_is_refused(
    world: World, wanted: tuple[str, ...], seconds: float, author: str, comment: str, reason: str
) -> None:
    with world.store.write() as connection, pytest.raises(InputError, match=reason):
        add(
            connection, wanted, starts_at=1, seconds=seconds, author=author, comment=comment, now=1
        )  # fmt: skip


def test_a_silence_is_listed_until_it_is_expired(world: World) -> None:
    with world.store.write() as connection:
        made = add(
            connection,
            ["model=fraud"],
            starts_at=world.now,
            seconds=60,
            author="ann",
            comment="x",
            now=world.now,
        )
        assert silences.load(connection, world.now) == [made]
        assert made.matchers == ('model="fraud"',)
        expire(connection, made.id, world.now + 1)
        assert silences.load(connection, world.now + 1) == []
        with pytest.raises(NotFoundError):
            expire(connection, made.id, world.now + 2)


def test_a_trial_goes_through_the_channel_and_ends(world: World) -> None:
    assert list(trial(world.chat, world.now)) == ["trigger: told", "resolve: told"]
    assert [n.action for n in world.chat.told] == [Action.TRIGGER, Action.RESOLVE]
    world.chat.down = True
    with pytest.raises(DeliveryError, match="the chat is down"):
        list(trial(world.chat, world.now))


def test_inhibitions_that_hold_each_other_back_are_refused() -> None:
    one = {"source": ['alert="A"'], "target": ['alert="B"']}
    other = {"source": ['alert="B"'], "target": ['alert="A"']}
    with pytest.raises(ValidationError, match="inhibitions 0 and 1 hold each other back"):
        AlertSettings.model_validate({"inhibitions": [one, other]})
    with pytest.raises(ValidationError, match="hold each other back"):
        AlertSettings.model_validate({"inhibitions": [{"source": ['a="1"'], "target": ['b="2"']}]})
    AlertSettings.model_validate({"inhibitions": [one]})

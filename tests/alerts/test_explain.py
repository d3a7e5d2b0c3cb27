"""An alert explained, silences as people set them, and settings that contradict themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.alerts.explain import explain, find
from monitor.alerts.inactive import explain_inactive
from monitor.alerts.settings import AlertSettings
from monitor.alerts.silencing import add, expire
from monitor.errors import DeliveryError, InputError, NotFoundError
from monitor.notify.delivery.test_page import send_test_page
from monitor.records import Action, Silence, Stream
from monitor.store import silences, streams
from tests.support.judging import one_rule
from tests.support.paging import PagingDaemon

RULE = "{metric: error_rate, over: open, above: 5%, clear: 4%}"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[PagingDaemon]:
    with PagingDaemon(tmp_path, one_rule(tmp_path, RULE, **{"for": "5s", "keep_firing_for": "30s"})) as made:
        yield made


def told(daemon: PagingDaemon) -> str:
    with daemon.store.read() as connection:
        (alert,) = find(connection, "Bad")
        return "\n".join(explain(connection, alert, daemon.rules, daemon.settings, daemon.now).lines)


def test_each_state_is_explained_with_its_numbers_and_what_comes_next(daemon: PagingDaemon) -> None:
    daemon.run(0.3, 3)
    assert "is pending since 2027-01-15T08:00:01Z (2s)" in told(daemon)
    assert "fires in 3s if nothing changes" in told(daemon)
    daemon.run(0.3, 5)
    text = told(daemon)
    assert "Bad of acme/fraud/production is firing" in text
    assert "error_rate is 30 % over the last 1m (limit: above 5 %, n = 1000)" in text
    assert "value 30 %, limit 5 %, n = 1,000" in text
    assert "notified      pagerduty: trigger accepted" in text
    assert "rules.yaml:5" in text
    assert "inactive -> pending" in text
    daemon.run(0.01, 10)
    assert "resolves in 21s if nothing changes" in told(daemon)


def test_a_page_that_is_held_back_says_why(daemon: PagingDaemon) -> None:
    daemon.silence('model="fraud"')
    daemon.run(0.3, 10)
    assert "suppressed    silenced by ann: we know" in told(daemon)


@pytest.mark.parametrize(
    "word",
    ["Bad", "acme/fraud", "acme/fraud/production", "acme/fraud/Bad", "acme/fraud/production/Bad"],
)
def test_an_alert_is_found_by_every_name_that_the_help_shows(daemon: PagingDaemon, word: str) -> None:
    daemon.run(0.3, 8)
    with daemon.store.read() as connection:
        assert [alert.rule for alert in find(connection, word)] == ["Bad"]


@pytest.mark.parametrize("word", ["Bad", "acme/fraud/Bad", "acme/fraud/production/Bad"])
def test_a_rule_that_never_fired_is_explained_too(daemon: PagingDaemon, word: str) -> None:
    with daemon.store.write() as connection:
        streams.key(connection, Stream("acme", "fraud"), daemon.now)
    with daemon.store.read() as connection:
        text = "\n".join(explain_inactive(connection, word, daemon.rules))
    assert "Bad of acme/fraud/production is not active: it has not fired" in text
    assert "error_rate    not measured yet" in text
    assert "rules.yaml:5" in text


@pytest.mark.parametrize(
    ("word", "suggested"), [("acme/fraud/Bed", "Bad"), ("acme/frud/Bad", "acme/fraud/Bad"), ("Bda", "Bad")]
)
def test_a_name_that_is_nearly_right_is_suggested(daemon: PagingDaemon, word: str, suggested: str) -> None:
    with daemon.store.write() as connection:
        streams.key(connection, Stream("acme", "fraud"), daemon.now)
    with daemon.store.read() as connection, pytest.raises(NotFoundError) as caught:
        explain_inactive(connection, word, daemon.rules)
    assert f"(did you mean '{suggested}'?)" in str(caught.value)


def test_nobody_of_that_name_is_an_error_that_says_what_to_do(daemon: PagingDaemon) -> None:
    with daemon.store.read() as connection, pytest.raises(NotFoundError, match="watchkeeper alerts"):
        find(connection, "Nothing")


@pytest.mark.parametrize(
    ("wanted", "seconds", "author", "comment", "reason"),
    [
        ((), 60, "ann", "x", "at least one matcher"),
        (('model="a"',), 60, "", "x", "an author and a reason"),
        (('model="a"',), 60, "ann", " ", "an author and a reason"),
        (('model="a"',), 0, "ann", "x", "lasts at most"),
        (('model="a"',), 1e9, "ann", "x", "lasts at most"),
        (("model fraud",), 60, "ann", "x", "is not a matcher"),
        (('model=~"("',), 60, "ann", "x", "broken regular expression"),
    ],
)
def test_a_silence_that_nobody_could_answer_for_is_refused(
    daemon: PagingDaemon, wanted: tuple[str, ...], seconds: float, author: str, comment: str, reason: str
) -> None:
    with daemon.store.write() as connection, pytest.raises(InputError, match=reason):
        add(
            connection, wanted, starts_at=1, seconds=seconds, author=author, comment=comment, now=1
        )  # fmt: skip


def test_a_silence_is_listed_until_it_is_expired(daemon: PagingDaemon) -> None:
    with daemon.store.write() as connection:
        made, _ = add(
            connection,
            ["model=fraud"],
            starts_at=daemon.now,
            seconds=60,
            author="ann",
            comment="x",
            now=daemon.now,
        )
        assert silences.load(connection, daemon.now) == [made]
        assert made.matchers == ('model="fraud"',)
        expire(connection, made.id, daemon.now + 1)
        assert silences.load(connection, daemon.now + 1) == []
        with pytest.raises(NotFoundError):
            expire(connection, made.id, daemon.now + 2)


def test_a_trial_goes_through_the_channel_and_ends(daemon: PagingDaemon) -> None:
    assert list(send_test_page(daemon.chat, daemon.now)) == ["trigger: sent", "resolve: sent"]
    assert [n.action for n in daemon.chat.notifications] == [Action.TRIGGER, Action.RESOLVE]
    daemon.chat.down = True
    with pytest.raises(DeliveryError, match="the chat is down"):
        list(send_test_page(daemon.chat, daemon.now))


def test_inhibitions_that_hold_each_other_back_are_refused() -> None:
    one = {"source": ['alert="A"'], "target": ['alert="B"']}
    other = {"source": ['alert="B"'], "target": ['alert="A"']}
    with pytest.raises(ValidationError, match="inhibitions 0 and 1 suppress each other"):
        AlertSettings.model_validate({"inhibitions": [one, other]})
    with pytest.raises(ValidationError, match="suppress each other"):
        AlertSettings.model_validate({"inhibitions": [{"source": ['a="1"'], "target": ['b="2"']}]})
    AlertSettings.model_validate({"inhibitions": [one]})


def test_a_silence_that_is_sent_twice_at_once_is_stored_once_and_others_beside_it(
    daemon: PagingDaemon,
) -> None:
    def silence(seconds: float, comment: str) -> Silence:
        with daemon.store.write() as connection:
            return add(
                connection,
                ["model=fraud"],
                starts_at=daemon.now,
                seconds=seconds,
                author="ann",
                comment=comment,
                now=daemon.now,
            )[0]

    made = [silence(60, "x"), silence(60, "x"), silence(120, "x"), silence(60, "y")]
    with daemon.store.read() as connection:
        stored = silences.load(connection, daemon.now)
    assert made[0] == made[1]
    assert sorted(one.id for one in stored) == sorted({one.id for one in made})
    assert len(stored) == 3

"""Records from a queue of SQS: every message once, deleted when it is stored."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import pytest

from monitor.sources.brokers.aws_calls import region_of
from monitor.sources.brokers.sqs import SqsSettings
from monitor.sources.source import SourceError
from monitor.store.db import Store
from tests.support.source_checks import (
    check_acknowledged_after_the_commit,
    check_invalid_settings,
    check_once_through_a_crash,
    check_open_fails,
    check_peek,
    check_poison,
    check_silent_server,
    record,
    records,
    runner,
    stored,
)
from tests.support.waiting import until


class Queues:
    """moto's SQS."""

    def __init__(self, address: str) -> None:
        self.client = boto3.client("sqs", endpoint_url=address, region_name="us-east-1")
        self.number = 0

    def create(self, **attributes: str) -> str:
        self.number += 1
        return str(self.client.create_queue(QueueName=f"q{self.number}", Attributes=attributes)["QueueUrl"])

    def send(self, url: str, bodies: Sequence[bytes], **more: Any) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=url, MessageBody=body.decode("latin-1"), **more)

    def left(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture(scope="module")
def queues(moto: str) -> Iterator[Queues]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "y")
        yield Queues(moto)


def settings(url: str, **more: Any) -> SqsSettings:
    return SqsSettings(queue=url, **more)


def test_each_message_is_stored_once_although_it_comes_again(queues: Queues, store: Store) -> None:
    url = queues.create()
    section = settings(url, redeliver_after="5s")
    check_once_through_a_crash(store, section, lambda bodies: queues.send(url, bodies))
    assert queues.left(url) == 0


def test_a_message_is_deleted_only_after_the_commit(
    queues: Queues, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = queues.create()
    section = settings(url, redeliver_after="5s")
    check_acknowledged_after_the_commit(store, section, lambda bodies: queues.send(url, bodies), monkeypatch)
    assert queues.left(url) == 0


def test_what_came_before_a_call_that_failed_is_not_left_in_flight(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = queues.create()
    queues.send(url, records(0, 25))
    source = settings(url).make_source("orders")
    receive, calls = source._receive, iter(range(9))  # type: ignore[attr-defined]

    def breaking(most: int, wait: float) -> Any:
        if next(calls) == 2:
            raise SourceError("no complete response within 6 s")
        return receive(most, wait)

    monkeypatch.setattr(source, "_receive", breaking)
    fetched = source.fetch(500, 1.0)
    assert len(fetched.payloads) == 20
    source.acknowledge(fetched)
    assert queues.left(url) == 5
    source.close()


def test_a_message_that_cannot_be_read_stops_none_of_the_others(queues: Queues, store: Store) -> None:
    url = queues.create()

    def send(bodies: Sequence[bytes]) -> None:
        # SQS refuses the last of the poisons (NUL) itself: another broken one takes its place.
        queues.send(url, [body if body != b"\x00" else b"{x" for body in bodies])

    check_poison(store, settings(url), send, "message ")
    assert queues.left(url) == 0


def test_many_messages_are_fetched_at_once_and_told_how_old_they_are(queues: Queues) -> None:
    url = queues.create()
    queues.send(url, records(0, 35))
    source = settings(url).make_source("orders")
    source.open(dict)
    assert source.lag().waiting == 35
    assert source.lag().oldest_seconds is None
    fetched = source.fetch(500, 1.0)
    assert len(fetched.payloads) == 35
    assert source.lag().waiting == 35
    age = source.lag().oldest_seconds
    assert age is not None
    assert 0 <= age < 60
    assert all(abs((payload.sent_at or 0) - time.time()) < 60 for payload in fetched.payloads)
    source.acknowledge(fetched)
    assert (source.lag().waiting, source.lag().oldest_seconds) == (0, 0.0)
    source.close()


def test_the_next_messages_are_shown_and_stay(queues: Queues) -> None:
    url = queues.create()
    sent = records(0, 3)
    queues.send(url, sent)
    check_peek(settings(url), sent)
    assert queues.left(url) == 3


def test_notifications_of_sns_and_attributes_are_read(queues: Queues, store: Store) -> None:
    url = queues.create()
    inner = record(1).decode()
    queues.send(url, [json.dumps({"Type": "Notification", "TopicArn": "arn:x", "Message": inner}).encode()])
    source = settings(url).make_source("orders")
    assert [payload.body.decode() for payload in source.peek(1, 1.0)] == [inner]
    halves = queues.create()
    for side, body in (("request", {"instances": [1]}), ("response", {"predictions": [2]})):
        about = {"ce-id": "c-1", "ce-type": f"x.{side}", "Content-Type": "application/json"}
        named = {name: {"DataType": "String", "StringValue": value} for name, value in about.items()}
        queues.send(halves, [json.dumps(body).encode()], MessageAttributes=named)
    reading = runner(store, settings(halves, format="kserve", client="acme", model="fraud"))
    reading.start()
    until(lambda: stored(store) == 1, "the call is stored")
    reading.stop()


def test_a_queue_that_is_not_there_and_credentials_that_are_not_there_say_so(
    queues: Queues, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    url = queues.create()
    check_open_fails(settings(url + "-gone"), "(QueueDoesNotExist|NonExistentQueue).*correct `queue`")
    check_open_fails(settings("http://127.0.0.1:9/1/q"), "SQS at http://127.0.0.1:9/1/q: ConnectError")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    check_open_fails(settings(url), "no AWS credentials")


def test_a_server_that_does_not_answer_is_given_up(queues: Queues) -> None:
    check_silent_server(
        lambda address: settings(f"http://{address}/1/q"), lambda address: f"SQS at http://{address}"
    )


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ("orders", "is not an address"),
        ("https://sqs.eu-central-1.amazonaws.com", "is not the URL of a queue"),
        ("https://user:secret@sqs.eu-central-1.amazonaws.com/1/q", "must not contain a user"),
    ],
)
def test_invalid_settings_are_rejected(queue: str, words: str) -> None:
    check_invalid_settings(SqsSettings, {"queue": queue}, words)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-central-1.amazonaws.com", "eu-central-1"),
        ("sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("eu-west-2.queue.amazonaws.com", "eu-west-2"),
        ("localhost", "us-east-1"),
    ],
)
def test_the_region_is_read_from_the_address(host: str, region: str) -> None:
    assert region_of(host) == region

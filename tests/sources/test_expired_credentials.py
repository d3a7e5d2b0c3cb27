"""Session tokens of AWS that expire while a source reads: told, waited for, nothing lost, and no restart."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from monitor.sources.brokers.sqs import SqsSettings
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.settings import SourceSettings
from monitor.store.db import Store
from tests.support.expiring_aws import ExpiringAws, expiring_aws
from tests.support.source_checks import records, runner, stored
from tests.support.waiting import until

KEY_FILE = "[default]\naws_access_key_id = k\naws_secret_access_key = s\naws_session_token = {}\n"
Sending = tuple[SourceSettings, Callable[[list[bytes]], object]]


@pytest.fixture
def aws(moto: str) -> Iterator[ExpiringAws]:
    with expiring_aws(moto) as server:
        yield server


def to_queue(address: str, behind: Any) -> Sending:
    sqs = behind("sqs")
    sqs.create_queue(QueueName="orders")
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]

    def send(bodies: list[bytes]) -> None:
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body.decode())

    return SqsSettings(queue=f"{address}/{url.split('/', 3)[3]}"), send


def to_bucket(address: str, behind: Any) -> Sending:
    s3 = behind("s3")
    s3.create_bucket(Bucket="orders")
    names = iter("abc")

    def send(bodies: list[bytes]) -> None:
        s3.put_object(Bucket="orders", Key=f"{next(names)}.jsonl", Body=b"\n".join(bodies) + b"\n")

    return ObjectsSettings.model_validate({"url": "s3://orders", "every": "1s"}), send


@pytest.mark.parametrize("to", [to_queue, to_bucket])
def test_a_token_that_expires_is_told_and_the_next_one_is_used(
    to: Callable[[str, Any], Sending],
    aws: ExpiringAws,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    key_file = tmp_path / "credentials"
    key_file.write_text(KEY_FILE.format("first"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(key_file))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.address)

    def behind(service: str) -> Any:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=aws.behind, **keys)

    section, send = to(aws.address, behind)
    reading = runner(store, section)
    reading.start()
    try:
        send(records(0, 20))
        until(lambda: stored(store) == 20, "the first ones are stored")
        aws.expired.add("first")
        send(records(20, 40))
        until(
            lambda: "the credentials have expired: renew AWS's file" in reading.state().error,
            "it is told",
            60,
        )
        refused = aws.refused
        until(lambda: aws.refused > refused, "it is tried again")
        assert stored(store) == 20
        key_file.write_text(KEY_FILE.format("second"))
        until(lambda: stored(store) == 40, "the others are stored")
        until(lambda: not reading.state().error, "it works again")
    finally:
        reading.stop()
    assert stored(store) == 40

"""Depth of a queue of SQS (moto's), and the age of its oldest message from CloudWatch (a strict stand-in)."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest

from monitor.gauges.queues.sqs import SqsQueueSettings
from monitor.gauges.reading import GaugeError, Quantity
from tests.support.lakes import s3_server


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A queue with five messages, of which somebody works on two."""
    with pytest.MonkeyPatch.context() as patch, s3_server(tmp_path_factory.mktemp("sqs")) as address:
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "y")
        client = boto3.client("sqs", endpoint_url=address, region_name="us-east-1")
        url = client.create_queue(QueueName="jobs")["QueueUrl"]
        for number in range(5):
            client.send_message(QueueUrl=url, MessageBody=str(number))
        client.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)
        client.receive_message(QueueUrl=url, MaxNumberOfMessages=2, VisibilityTimeout=600)
        yield str(url)


class CloudWatch:
    """Answers GetMetricStatistics as AWS documents it for JSON. `points` are (seconds ago, maximum)."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self.status, self.asked = 200, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = outer.answer(self.headers["X-Amz-Target"], dict(self.headers.items()), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(
        self, target: str, headers: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        assert target == "GraniteServiceVersion20100801.GetMetricStatistics"
        assert "/us-east-1/monitoring/aws4_request" in headers["Authorization"]
        assert body["Namespace"] == "AWS/SQS"
        assert body["Dimensions"] == [{"Name": "QueueName", "Value": "jobs"}]
        self.asked += 1
        if self.status != 200:
            return self.status, {"__type": "com.amazonaws.cloudwatch#AccessDenied", "message": "not allowed"}
        points = [{"Timestamp": int(time.time() - ago), "Maximum": value} for ago, value in self.points]
        return 200, {"Label": "x", "Datapoints": points}


@pytest.fixture
def cloudwatch() -> Iterator[CloudWatch]:
    made = CloudWatch()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def address(of: CloudWatch) -> str:
    return f"http://127.0.0.1:{of.server.server_port}"


def test_what_waits_and_what_somebody_works_on_is_the_depth_and_what_is_delayed_is_not(queue: str) -> None:
    (reading,) = SqsQueueSettings(queue=queue).make_reader().read()
    assert (reading.quantity, reading.resource, reading.value) == (Quantity.QUEUE_DEPTH, "jobs", 5.0)


def test_cloudwatch_tells_the_age_once_a_minute_and_unknown_is_not_zero(
    queue: str, cloudwatch: CloudWatch
) -> None:
    reader = SqsQueueSettings(queue=queue, max_age=60.0, cloudwatch=address(cloudwatch)).make_reader()
    assert [one.quantity for one in reader.read()] == [Quantity.QUEUE_DEPTH]
    cloudwatch.points = [(300, 10.0), (120, 75.0), (180, 20.0)]
    assert [one.quantity for one in reader.read()] == [Quantity.QUEUE_DEPTH]
    assert cloudwatch.asked == 1
    reader = SqsQueueSettings(queue=queue, max_age=60.0, cloudwatch=address(cloudwatch)).make_reader()
    assert [(one.quantity, one.value) for one in reader.read()][1:] == [(Quantity.QUEUE_AGE, 75.0)]


def test_what_is_not_allowed_is_told(queue: str, cloudwatch: CloudWatch) -> None:
    cloudwatch.status = 400
    reader = SqsQueueSettings(queue=queue, max_age=60.0, cloudwatch=address(cloudwatch)).make_reader()
    with pytest.raises(GaugeError, match=r"AccessDenied: not allowed.*GetMetricStatistics"):
        reader.read()
    with pytest.raises(GaugeError, match="AccessDenied"):  # until it is tried again
        reader.read()
    assert cloudwatch.asked == 1
    with pytest.raises(GaugeError, match=r"QueueDoesNotExist|NonExistentQueue"):
        SqsQueueSettings(queue=queue + "x").make_reader().read()

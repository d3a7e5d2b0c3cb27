"""Every place that connects to others is in one table: no answer stops it, fills the memory or leads it elsewhere."""

import ast
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from httpcore2 import SyncBackend
from httpcore2._backends.sync import SyncStream

import monitor
from monitor.cli.daemon_client import RunningDaemon
from monitor.errors import WatchkeeperError
from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.push.exporter import ExporterSettings
from monitor.exporters.push.otlp import OtlpSettings
from monitor.exporters.push.point import Point
from monitor.exporters.push.remote_write import RemoteWriteSettings
from monitor.gauges.metrics_endpoints.scrape import fetch
from monitor.gauges.reading import GaugeError
from monitor.notify.failure import AttemptError
from monitor.outgoing import CallBudget
from monitor.rollback.executors.calls import OrderCalls
from monitor.rollback.executors.executor import ExecutorError
from monitor.sites.settings import SiteDestination
from monitor.sites.transports.https import Https
from monitor.sites.transports.transport import TryAgainError
from monitor.sources.brokers.aws_calls import AwsCalls, AwsError
from monitor.sources.brokers.google_tokens import GoogleTokens, TokenError
from monitor.sources.brokers.pubsub import PubSub, PubSubSettings
from monitor.sources.files.remote.azure_account import MachineTokens
from monitor.sources.files.remote.azure_blobs import listed
from monitor.sources.files.remote.google_file import GoogleFile
from monitor.sources.source import SourceError
from tests.support.slow_peers import Manner, peer

SECONDS, SLACK_SECONDS = 0.6, 10.0
"""The budget of a call, which is held exactly (see `Waits`), and what the processor may take in addition."""
MOST_MEMORY = 200e6
"""Bytes: three times the largest answer that anything takes, which is 64 MB."""
ROOM = Path(monitor.__path__[0])
OPENERS = {
    "client", "Http", "DeadlineTransport", "Datagrams",
    "connect", "connected", "open_socket", "connected_socket",
}  # fmt: skip
"""What opens a connection in `monitor.outgoing` and `monitor.notify.http`."""


def exporter(section: ExporterSettings) -> None:
    with closing(section.make_exporter("here")) as made:
        made.send([Point(BY_NAME["watchkeeper_build"], ("1",), 1.0, 1.0)], CallBudget(SECONDS))


def order(url: str) -> None:
    with OrderCalls("a platform", SECONDS) as calls:
        calls.get(url, {})


def bundle(url: str) -> None:
    with closing(Https("plant", SiteDestination.model_validate({"url": url, "key": "k"}))) as way:
        way.send(Path(__file__))


def blob(url: str, read: Callable[[], object]) -> None:
    account = f"AccountName=acme;AccountKey=a2V5;BlobEndpoint={url}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
        read()


def google_object(url: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", url)
        environment.setattr("monitor.sources.files.remote.google_file._tokens", lambda: Token())
        GoogleFile("orders/a.jsonl", 10).read(5)


class Token:
    def current(self) -> str:
        return "t"


def subscription(url: str) -> None:
    PubSub(PubSubSettings(subscription="projects/p/subscriptions/s", address=url)).open({})


CALLS: dict[str, Callable[[str], object]] = {
    "cli/daemon_client.py": lambda url: RunningDaemon(url, "k").get("models", dict),
    "exporters/push/otlp.py": lambda url: exporter(OtlpSettings.model_validate({"url": url})),
    "exporters/push/remote_write.py": lambda url: exporter(RemoteWriteSettings.model_validate({"url": url})),
    "gauges/metrics_endpoints/scrape.py": lambda url: fetch(url, SECONDS, {}, ""),
    "rollback/executors/calls.py": order,
    "sites/transports/https.py": bundle,
    "sources/files/remote/azure_account.py": lambda url: MachineTokens(url).current(),
    "sources/files/remote/azure_blobs.py": lambda url: blob(url, lambda: list(listed("orders", ""))),
    "sources/files/remote/google_file.py": google_object,
    "sources/brokers/aws_calls.py": lambda url: AwsCalls("sqs", url, "").call("SQS.X", {}, SECONDS),
    "sources/brokers/google_tokens.py": lambda _: GoogleTokens("scope", "").current(),
    "sources/brokers/pubsub.py": subscription,
}
ELSEWHERE = {
    **dict.fromkeys(
        (
            *(f"notify/channels/{name}.py" for name in ("alertmanager", "datadog", "jsm", "newrelic")),
            *(f"notify/channels/{name}.py" for name in ("pagerduty", "servicenow", "slack", "smtp")),
            *(f"notify/channels/{name}.py" for name in ("teams", "webhook")),
            *("notify/dead_man.py", "notify/http.py", "notify/delivery/reachability.py", "jobs.py"),
            "notify/reconcile.py",
            *("sources/probes.py", "web/auth/oidc.py"),
        ),
        "outgoing/test_limits.py",
    ),
    "exporters/push/statsd.py": "exporters/push/test_statsd.py",
    "loadtest/generator.py": "loadtest/test_endpoint.py",
    "loadtest/run.py": "loadtest/test_endpoint.py",
    "relay/relay.py": "relay/test_relaying.py",
    "sites/transports/imap.py": "sites/test_mail.py",
    "sites/transports/sftp.py": "sites/test_sftp.py",
}
"""Places that other files of tests have servers for."""
FAILURES = (
    AttemptError, AwsError, ExecutorError, GaugeError, OSError, SourceError, TokenError, TryAgainError,
    WatchkeeperError,
)  # fmt: skip


def places() -> Iterator[str]:
    """The files that open connections, by what they call of `monitor.outgoing`."""
    for path in ROOM.rglob("*.py"):
        place = str(path.relative_to(ROOM))
        text = path.read_text()
        if place.startswith("outgoing/") or not any(one in text for one in ("outgoing", "notify.http")):
            continue
        tree = ast.parse(text)
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith(("monitor.outgoing", "monitor.notify.http"))
            for alias in node.names
        }
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if imported & OPENERS or "outgoing.client" in called:
            yield place


def test_every_place_that_connects_is_in_the_table() -> None:
    assert sorted(places()) == sorted({*CALLS, *ELSEWHERE})
    assert [name for name in set(ELSEWHERE.values()) if not (ROOM.parent / "tests" / name).is_file()] == []


@pytest.fixture(autouse=True)
def deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.cli.daemon_client.READING_SECONDS", SECONDS)
    monkeypatch.setattr("monitor.sites.transports.https.SECONDS", SECONDS)
    monkeypatch.setattr("monitor.sources.brokers.google_tokens._SECONDS", SECONDS)
    monkeypatch.setattr("monitor.sources.files.remote.azure_account._SECONDS", SECONDS)
    for name in ("azure_blobs", "google_file"):
        monkeypatch.setattr(f"monitor.sources.files.remote.{name}.READ_SECONDS", SECONDS)
    monkeypatch.setattr("monitor.sources.brokers.pubsub._CALL_SECONDS", SECONDS)
    for section in (OtlpSettings, RemoteWriteSettings):
        monkeypatch.setattr(section, "timeout", SECONDS, raising=False)
    monkeypatch.setattr(AwsCalls, "_signer", lambda *_: dict)


class Waits:
    """Watches how long each wait for the network may be: at most what was left of the call's budget just before it.

    So the deadline is held however slow the machine is, which a clock beside the call could not tell.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.budgets: list[float] = []
        self.count = 0
        self.wrong: list[str] = []
        self._left: float | None = None
        begin, left = CallBudget.__init__, CallBudget.left

        def counted(budget: CallBudget, seconds: float, *more: int) -> None:
            self.budgets.append(seconds)
            begin(budget, seconds, *more)

        def noted(budget: CallBudget) -> float:
            self._left = left(budget)
            return self._left

        patch.setattr(CallBudget, "__init__", counted)
        patch.setattr(CallBudget, "left", noted)
        for kind, name in ((SyncStream, "read"), (SyncStream, "write"), (SyncBackend, "connect_tcp")):
            patch.setattr(kind, name, self._watched(getattr(kind, name)))

    def _watched(self, wait: Callable[..., object]) -> Callable[..., object]:
        def waits(of: object, *arguments: object) -> object:
            most, self.count = arguments[-1], self.count + 1
            if not isinstance(most, float) or self._left is None or most > self._left:
                self.wrong.append(f"{wait.__name__} may take {most} of {self._left}")
            self._left = None  # each wait asks anew
            return wait(of, *arguments)

        return waits


@pytest.mark.parametrize("manner", [one for one in Manner if one is not Manner.REDIRECT])
@pytest.mark.parametrize("place", CALLS)
def test_law_every_call_ends_in_time_and_takes_no_more_than_it_may(
    place: str, manner: Manner, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Waits(monkeypatch)
    with peer(manner) as server:
        url = f"http://127.0.0.1:{server.port}/"
        monkeypatch.setattr("monitor.sources.brokers.google_tokens._MACHINE", url)
        began = time.monotonic()
        tracemalloc.start()
        try:
            said = outcome_of(place, url)
            assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
        finally:
            tracemalloc.stop()
        assert time.monotonic() - began < SECONDS + SLACK_SECONDS, said
    assert not waits.wrong
    assert waits.count or "within" in said, "nothing was waited for"
    assert waits.budgets == [SECONDS], "one budget is for all that a call does"
    assert said or manner is Manner.ZEROS, "an answer like that is none"
    assert "\n" not in said


@pytest.mark.parametrize("place", CALLS)
def test_law_no_answer_leads_to_another_address(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with peer(Manner.REDIRECT) as server:
        url = f"http://127.0.0.1:{server.port}/"
        monkeypatch.setattr("monitor.sources.brokers.google_tokens._MACHINE", url)
        for _ in range(2):
            assert outcome_of(place, url)
    assert len(server.asked) == 2
    assert not any(b"again" in line or b"meta-data" in line for line in server.asked)


def outcome_of(place: str, url: str) -> str:
    """Why the call failed; empty if it did not."""
    try:
        CALLS[place](url)
    except FAILURES as error:
        return str(error)
    return ""

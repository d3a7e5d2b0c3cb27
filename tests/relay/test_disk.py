"""A real relay whose disk takes no more: the system refuses to let its files grow."""

import resource

from tests.support import http
from tests.support.relays import KEY, Process
from tests.support.stand_in import Reply, StandIn
from tests.support.waiting import until

HEADERS = {"Authorization": f"Bearer {KEY}"}
BODY = b"x" * 50_000


def test_a_disk_that_fills_loses_nothing_and_is_told(tmp_path):
    away, taken = Reply(503, {"error": "away", "hint": ""}), Reply(202, {"accepted": 1, "rejected": []})
    with StandIn(lambda _: away) as upstream:
        relay = Process(tmp_path, upstream.url)
        relay.start()
        assert relay.process is not None
        resource.prlimit(relay.process.pid, resource.RLIMIT_FSIZE, (220_000, resource.RLIM_INFINITY))
        statuses, acknowledged = [], []
        with http.client(base_url=relay.url, headers=HEADERS, timeout=300) as sender:
            for number in range(12):
                body = b"%02d" % number + BODY
                answer = sender.post("/v1/predictions", content=body)
                statuses.append(answer.status_code)
                acknowledged += [body] * (answer.status_code == 202)
            assert 503 in statuses, "the limit was reached"
            sender.post("/v1/predictions", content=b"y" * 300_000)
            refused = sender.post("/v1/predictions", content=b"y" * 300_000)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 5
            assert "cannot be written" in refused.json()["error"]
            assert relay.command("status").returncode == 1
            resource.prlimit(relay.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            last = b"z" * 300_000
            assert sender.post("/v1/predictions", content=last).status_code == 202
        relay.kill()
        upstream.answer, upstream.asked[:] = (lambda _: taken), []
        relay.start()
        until(lambda: len(upstream.asked) == len(acknowledged) + 1, "all that was acknowledged arrives")
        assert [asked.body for asked in upstream.asked] == [*acknowledged, last]
        assert relay.stop() == 0
    assert "cannot be written" in (tmp_path / "relay.log").read_text()

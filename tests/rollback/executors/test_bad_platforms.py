"""Every executor against a platform that misbehaves: errors, redirects, sign-in pages, floods, silence."""

import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from monitor.rollback.executors.executor import ExecutorError, ExecutorSettings
from monitor.rollback.executors.registry import EXECUTORS, AnyExecutor, kind_of
from tests.support.orders import order
from tests.support.stand_in import Asked, Reply, StandIn

SECONDS = 0.4
SECRET = "whsec_" + "QUJD" * 12


def every(url: str, folder: Path) -> dict[str, ExecutorSettings]:
    """An executor of each kind that makes HTTP calls."""
    (folder / "token").write_text("t")
    cluster = {"namespace": "ml", "name": "fraud", "token_file": str(folder / "token"), "ca_file": ""}
    versions = {"7": "blue", "8": "green"}
    sections: list[dict[str, Any]] = [
        {"kind": "webhook", "secret": SECRET},
        {"kind": "argo", **cluster},
        {"kind": "kubernetes", **cluster},
        {
            "kind": "sagemaker", "region": "eu-west-1", "endpoint": "f", "variants": versions,
            "access_key": "a", "secret_key": "b",
        },
        {
            "kind": "azureml", "subscription": "s", "resource_group": "g", "workspace": "w", "endpoint": "f",
            "deployments": versions, "tenant": "t", "client_id": "c", "client_secret": "s", "login_url": url,
        },
        {
            "kind": "vertex", "project": "p", "location": "l", "endpoint": "e", "deployed_models": versions,
            "metadata_url": url,
        },
        {"kind": "github", "repository": "a/b", "workflow": "w.yml", "token": "t"},
        {"kind": "gitlab", "project": "a/b", "token": "t"},
    ]  # fmt: skip
    adapter: TypeAdapter[ExecutorSettings] = TypeAdapter(AnyExecutor)
    made = [adapter.validate_python({"url": url, "timeout": SECONDS, **one}) for one in sections]
    return {kind_of(one): one for one in made}


KINDS = tuple(kind.model_fields["kind"].annotation.__args__[0] for kind in EXECUTORS)  # type: ignore[union-attr]
HTTP = tuple(kind for kind in KINDS if kind != "command")


def slow(_: Asked) -> Reply:
    time.sleep(SECONDS + 2)
    return Reply(200)


BAD = {
    "500": (lambda _: Reply(500, b"\x1b[31mboom\r\nSet-Cookie: x"), "HTTP 500"),
    "a redirect": (
        lambda _: Reply(307, headers={"Location": "http://127.0.0.1:9/"}),
        "redirects are not followed",
    ),
    "a flood": (lambda _: Reply(200, b"x" * (5 << 20)), "larger than|not JSON"),
    "a broken connection": (lambda _: None, "Error"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", HTTP)
def test_a_bad_answer_is_a_failure_in_words(kind: str, bad: str, tmp_path: Path) -> None:
    answer, words = BAD[bad]
    with StandIn(answer) as server, pytest.raises(ExecutorError, match=words) as failed:
        every(server.url, tmp_path)[kind].make().execute(order())
    assert failed.value.message.isprintable()
    assert len(server.asked) == 1
    if bad == "a redirect":
        assert failed.value.is_certain


@pytest.mark.parametrize("kind", [kind for kind in HTTP if kind not in ("webhook", "github")])
def test_a_sign_in_page_is_no_acceptance(kind: str, tmp_path: Path) -> None:
    with StandIn(lambda _: Reply(200, b"<html>sign in</html>")) as server, pytest.raises(ExecutorError):
        every(server.url, tmp_path)[kind].make().execute(order())


@pytest.mark.parametrize("kind", HTTP)
def test_silence_ends_at_the_deadline(kind: str, tmp_path: Path) -> None:
    with StandIn(slow) as server, pytest.raises(ExecutorError, match=r"Timeout|within 0\.4 s") as failed:
        every(server.url, tmp_path)[kind].make().execute(order())  # which the platform would accept later
    changes = kind in ("webhook", "github", "gitlab")
    assert failed.value.is_certain is not changes  # a question that is not answered has changed nothing


def test_each_kind_says_its_least_rights_and_the_way_by_hand(tmp_path: Path) -> None:
    made = every("http://127.0.0.1:9", tmp_path)
    for settings in made.values():
        assert settings.rights
        steps = settings.manual(order())
        assert steps
        assert all(step.words for step in steps)
        assert settings.describe(order())
    assert set(made) == set(HTTP)

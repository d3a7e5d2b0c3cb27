"""GitHub and GitLab against strict stand-ins."""

from typing import Any

import pytest

from monitor.rollback.executors.executor import ExecutorError
from monitor.rollback.executors.github import GithubSettings
from monitor.rollback.executors.gitlab import GitlabSettings
from tests.support.orders import HOSTILE, order
from tests.support.stand_in import Asked, Reply, StandIn

DECLARED = {"version", "other", "action", "id"}


class Github:
    """One workflow; refuses what the API refuses."""

    def __init__(self) -> None:
        self.runs: list[dict[str, str]] = []

    def answer(self, asked: Asked) -> Reply:
        if not asked.headers.get("user-agent"):
            return Reply(403, {"message": "Request forbidden by administrative rules."})
        if asked.headers.get("authorization") != "Bearer ghp_x":
            return Reply(401, {"message": "Bad credentials"})
        if (asked.method, asked.path) != (
            "POST",
            "/repos/acme/models/actions/workflows/rollback.yml/dispatches",
        ):
            return Reply(404, {"message": "Not Found"})
        body = asked.json()
        if body.get("ref") != "main":
            return Reply(422, {"message": f"No ref found for: {body.get('ref')}"})
        if unexpected := set(body["inputs"]) - DECLARED:
            return Reply(422, {"message": f"Unexpected inputs provided: {sorted(unexpected)}"})
        if not all(isinstance(value, str) for value in body["inputs"].values()):
            return Reply(422, {"message": "Invalid value for input"})
        self.runs.append(body["inputs"])
        return Reply(204)


def github(server: StandIn, **fields: Any) -> GithubSettings:
    usual = {
        "kind": "github", "repository": "acme/models", "workflow": "rollback.yml", "token": "ghp_x", "url": server.url,
    }  # fmt: skip
    return GithubSettings.model_validate(usual | fields)


def test_github_starts_the_workflow() -> None:
    platform = Github()
    with StandIn(platform.answer) as server:
        assert github(server).make().execute(order()) == "the workflow rollback.yml was dispatched"
    assert platform.runs == [{"version": "8", "other": "7", "action": "rollback", "id": "0123456789ab"}]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"token": "old"}, "HTTP 401 instead of 200 or 204"),
        ({"workflow": "other.yml"}, "HTTP 404"),
        ({"ref": "nobody"}, "No ref found"),
        ({"inputs": {"verison": "{version}"}}, "Unexpected inputs"),
    ],
)
def test_github_refuses(fields: dict[str, Any], words: str) -> None:
    platform = Github()
    with StandIn(platform.answer) as server, pytest.raises(ExecutorError, match=words) as refused:
        github(server, **fields).make().execute(order())
    assert refused.value.is_certain
    assert platform.runs == []


class Gitlab:
    """One project with a trigger token."""

    def __init__(self) -> None:
        self.pipelines: list[dict[str, str]] = []

    def answer(self, asked: Asked) -> Reply:
        form = asked.form
        if asked.method != "POST" or asked.path != "/api/v4/projects/acme%2Fmodels/trigger/pipeline":
            return Reply(404, {"message": "404 Project Not Found"})
        if "ref" not in form or "token" not in form:
            return Reply(400, {"error": "ref is missing, token is missing"})
        if form["token"] != "glptt-x":
            return Reply(404, {"message": "404 Not Found"})
        if form["ref"] != "main":
            return Reply(400, {"message": {"base": ["Reference not found"]}})
        self.pipelines.append({name: value for name, value in form.items() if name.startswith("variables[")})
        return Reply(201, {"id": 471, "status": "created"})


def gitlab(server: StandIn, **fields: Any) -> GitlabSettings:
    usual = {"kind": "gitlab", "project": "acme/models", "token": "glptt-x", "url": server.url}
    return GitlabSettings.model_validate(usual | fields)


def test_gitlab_starts_a_pipeline() -> None:
    platform = Gitlab()
    with StandIn(platform.answer) as server:
        assert gitlab(server).make().execute(order()) == "pipeline 471 was started"
    assert platform.pipelines == [
        {
            "variables[ROLLBACK_VERSION]": "8", "variables[ROLLBACK_TO]": "7",
            "variables[ROLLBACK_ACTION]": "rollback", "variables[ROLLBACK_ID]": "0123456789ab",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"token": "x"}, "HTTP 404"),
        ({"ref": "nobody"}, "Reference not found"),
        ({"project": "12"}, "HTTP 404"),
    ],
)
def test_gitlab_refuses(fields: dict[str, Any], words: str) -> None:
    with StandIn(Gitlab().answer) as server, pytest.raises(ExecutorError, match=words) as refused:
        gitlab(server, **fields).make().execute(order())
    assert refused.value.is_certain


@pytest.mark.parametrize("version", HOSTILE)
def test_a_hostile_version_reaches_no_pipeline(version: str) -> None:
    """A workflow that puts an input into a shell would run it."""
    with StandIn(lambda _: Reply(500)) as server:
        for settings in (github(server), gitlab(server)):
            with pytest.raises(ExecutorError, match="is not passed on"):
                settings.make().execute(order(version=version))
            assert "{version}" in settings.manual(order(version=version))[0].command
        assert server.asked == []

"""Deployments and Argo Rollouts against a strict stand-in for the API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.rollback.executors.clusters.argo import ArgoSettings
from monitor.rollback.executors.clusters.kubernetes import DeploymentSettings
from monitor.rollback.executors.executor import ExecutorError
from tests.support.clusters import TOKEN, Cluster
from tests.support.orders import HOSTILE, order
from tests.support.stand_in import StandIn


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    return Cluster()


@pytest.fixture
def api(cluster: Cluster) -> Iterator[StandIn]:
    with StandIn(cluster.answer) as server:
        yield server


@pytest.fixture
def where(api: StandIn, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return {
        "namespace": "ml", "name": "fraud", "url": api.url, "token_file": str(tmp_path / "token"), "ca_file": "",
    }  # fmt: skip


def deployment(where: dict[str, Any]) -> DeploymentSettings:
    return DeploymentSettings(kind="kubernetes", **where)


def argo(where: dict[str, Any]) -> ArgoSettings:
    return ArgoSettings(kind="argo", **where)


def test_a_deployment_goes_back_to_the_revision_of_the_other_version(
    cluster: Cluster, where: dict[str, Any]
) -> None:
    path = cluster.deployment(["6", "7", "6", "8"])
    assert deployment(where).make().execute(order()) == "Deployment fraud goes back to revision 2"
    assert cluster.running(path) == "7"


def test_without_a_known_version_it_is_the_newest_other_revision(
    cluster: Cluster, where: dict[str, Any]
) -> None:
    path = cluster.deployment(["6", "7", "8"])
    deployment(where).make().execute(order(other="5"))
    assert cluster.running(path) == "7"


def test_an_order_that_is_repeated_does_not_go_back_twice(cluster: Cluster, where: dict[str, Any]) -> None:
    path = cluster.deployment(["7", "8"])
    deployment(where).make().execute(order())
    with pytest.raises(ExecutorError, match="runs version '7'") as refused:
        deployment(where).make().execute(order())
    assert refused.value.is_certain
    assert cluster.running(path) == "7"


def test_a_deployment_that_somebody_changes_meanwhile_is_left_alone(
    cluster: Cluster, api: StandIn, where: dict[str, Any]
) -> None:
    path = cluster.deployment(["7", "8"])
    plain = cluster.answer

    def changed(asked):
        if asked.method == "PATCH":
            cluster.resources[path]["metadata"]["resourceVersion"] = "101"
        return plain(asked)

    api.answer = changed
    with pytest.raises(ExecutorError, match="HTTP 422"):
        deployment(where).make().execute(order())
    assert cluster.running(path) == "8"


@pytest.mark.parametrize("versions", [["8"], ["8", "8"]])
def test_a_deployment_without_another_version_is_left_alone(
    cluster: Cluster, where: dict[str, Any], versions: list[str]
) -> None:
    cluster.deployment(versions)
    with pytest.raises(ExecutorError, match="no revision of another version"):
        deployment(where).make().execute(order())


def test_a_freeze_pauses(cluster: Cluster, where: dict[str, Any]) -> None:
    path = cluster.deployment(["7", "8"])
    deployment(where).make().execute(order(kind="freeze"))
    assert cluster.resources[path]["spec"]["paused"] is True
    path = cluster.rollout("8", "Progressing")
    argo(where).make().execute(order(kind="freeze"))
    assert cluster.resources[path]["spec"]["paused"] is True


@pytest.mark.parametrize("has_status", [True, False])
def test_a_rollout_is_aborted_with_and_without_a_subresource(
    cluster: Cluster, where: dict[str, Any], *, has_status: bool
) -> None:
    cluster.has_status = has_status
    path = cluster.rollout("8", "Progressing")
    assert argo(where).make().execute(order()) == "Rollout fraud is aborted"
    assert cluster.resources[path]["status"]["abort"] is True
    assert argo(where).make().execute(order()) == "Rollout fraud was aborted already"


def test_a_complete_rollout_cannot_be_aborted(cluster: Cluster, where: dict[str, Any]) -> None:
    cluster.rollout("8", "Healthy")
    with pytest.raises(ExecutorError, match="revert in Git"):
        argo(where).make().execute(order())


def test_a_rollout_of_another_version_is_left_alone(cluster: Cluster, where: dict[str, Any]) -> None:
    path = cluster.rollout("9", "Progressing")
    with pytest.raises(ExecutorError, match="runs version '9'"):
        argo(where).make().execute(order())
    assert "abort" not in cluster.resources[path]["status"]


def test_a_wrong_token_and_a_missing_one_are_refused(cluster: Cluster, where: dict[str, Any]) -> None:
    cluster.deployment(["7", "8"])
    Path(where["token_file"]).write_text("another")
    with pytest.raises(ExecutorError, match="HTTP 401") as refused:
        deployment(where).make().execute(order())
    assert refused.value.is_certain
    Path(where["token_file"]).unlink()
    with pytest.raises(ExecutorError, match="token_file cannot be read"):
        deployment(where).make().execute(order())


@pytest.mark.parametrize("version", HOSTILE)
def test_a_hostile_version_reaches_no_address(
    cluster: Cluster, api: StandIn, where: dict[str, Any], version: str
) -> None:
    cluster.deployment(["7", "8"])
    with pytest.raises(ExecutorError) as refused:
        deployment(where).make().execute(order(version=version))
    assert refused.value.message.isprintable()
    assert {one.path for one in api.asked} == {"/apis/apps/v1/namespaces/ml/deployments/fraud"}

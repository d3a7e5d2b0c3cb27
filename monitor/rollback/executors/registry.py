"""All kinds of executors. A new one is a file beside this one, and a line here."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from monitor.rollback.executors.clouds.azureml import AzureMlSettings
from monitor.rollback.executors.clouds.sagemaker import SageMakerSettings
from monitor.rollback.executors.clouds.vertex import VertexSettings
from monitor.rollback.executors.clusters.argo import ArgoSettings
from monitor.rollback.executors.clusters.kubernetes import DeploymentSettings
from monitor.rollback.executors.command import CommandSettings
from monitor.rollback.executors.executor import ExecutorSettings
from monitor.rollback.executors.github import GithubSettings
from monitor.rollback.executors.gitlab import GitlabSettings
from monitor.rollback.executors.webhook import WebhookExecutorSettings

EXECUTORS: tuple[type[ExecutorSettings], ...] = (
    WebhookExecutorSettings,
    CommandSettings,
    ArgoSettings,
    DeploymentSettings,
    SageMakerSettings,
    AzureMlSettings,
    VertexSettings,
    GithubSettings,
    GitlabSettings,
)

if TYPE_CHECKING:
    AnyExecutor = ExecutorSettings
else:
    AnyExecutor = Annotated[Union[EXECUTORS], Field(discriminator="kind")]  # noqa: UP007


def kind_of(settings: ExecutorSettings | None) -> str:
    """What kind of executor a section describes; empty without one."""
    return str(getattr(settings, "kind", ""))

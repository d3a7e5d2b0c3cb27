"""Azure Machine Learning: moves the traffic of an online endpoint to another deployment."""

import json
import shlex
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import Field

from monitor.config.sections import Secret
from monitor.rollback.executors.calls import OrderCalls, inside
from monitor.rollback.executors.clouds.shares import moved
from monitor.rollback.executors.executor import Executor, ExecutorError, ExecutorSettings, ManualStep
from monitor.rollback.order import Order

API_VERSION = "2024-04-01"
_NAME = r"^[A-Za-z0-9._()-]{1,90}$"


class AzureMlSettings(ExecutorSettings):
    """An online endpoint of Azure Machine Learning."""

    repeats_safely: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "A custom role on the endpoint with Microsoft.MachineLearningServices/workspaces/onlineEndpoints/read and "
        "/write."
    )

    kind: Literal["azureml"] = "azureml"
    """An online endpoint of Azure Machine Learning."""
    subscription: str = Field(pattern=_NAME)
    """Subscription id."""
    resource_group: str = Field(pattern=_NAME)
    """Resource group."""
    workspace: str = Field(pattern=_NAME)
    """Workspace."""
    endpoint: str = Field(pattern=_NAME)
    """Online endpoint."""
    deployments: dict[str, str] = Field(min_length=1)
    """The deployment of each version, such as `{"7": blue, "8": green}`."""
    tenant: str = Field(pattern=_NAME)
    """Tenant of the service principal."""
    client_id: str = Field(pattern=_NAME)
    """Application id of the service principal."""
    client_secret: Secret
    """Its secret."""
    login_url: str = "https://login.microsoftonline.com"
    """Where tokens are issued."""
    url: str = "https://management.azure.com"
    """Azure Resource Manager."""

    def make(self) -> Executor:
        """The executor."""
        return AzureMlExecutor(self)

    def describe(self, order: Order) -> str:
        """The change."""
        return f"set the traffic of deployment {self.deployments.get(order.version, '?')} of {self.endpoint} to 0 %"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The commands of the Azure CLI."""
        where = f"--name {self.endpoint} -g {self.resource_group} -w {self.workspace}"
        bad, good = (self.deployments.get(one, "DEPLOYMENT") for one in (order.version, order.other))
        traffic = shlex.quote(f"{good}=100 {bad}=0")
        return (
            ManualStep(
                "Send all traffic to the other deployment.",
                f"az ml online-endpoint update {where} --traffic {traffic}",
            ),
            ManualStep("Check it.", f"az ml online-endpoint show {where} --query traffic"),
        )

    def addresses(self) -> dict[str, str]:
        """Azure Resource Manager, and where tokens are issued."""
        return {"url": self.url, "login_url": self.login_url}

    def version_names(self) -> tuple[str, dict[str, str]]:
        """The deployments."""
        return "deployments", self.deployments


class AzureMlExecutor:
    """Reads the endpoint and writes it back with other shares: its traffic has no request of its own."""

    def __init__(self, settings: AzureMlSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """Move the traffic. The endpoint is not written if somebody has changed it meanwhile."""
        if order.kind == "freeze":
            raise ExecutorError("Azure Machine Learning cannot freeze a rollout", is_certain=True)
        deployment = self._settings.deployments.get(order.version)
        if deployment is None:
            raise ExecutorError(f"no deployment of version {order.version!r} is configured", is_certain=True)
        with OrderCalls("Azure", self.seconds) as calls:
            headers = {"Authorization": f"Bearer {self._token(calls)}", "Accept": "application/json"}
            endpoint = calls.get(self._url(), headers)
            shares = _shares(endpoint)
            if not shares.get(deployment):
                return f"deployment {deployment} has no traffic already"
            endpoint["properties"]["traffic"] = moved(
                shares, deployment, self._settings.deployments.get(order.other, "")
            )
            headers["Content-Type"] = "application/json"
            headers |= {"If-Match": str(endpoint["etag"])} if endpoint.get("etag") else {}
            calls.send("PUT", self._url(), headers, json.dumps(endpoint).encode(), (200, 201, 202))
            return f"the traffic of deployment {deployment} is set to 0 %"

    def _token(self, calls: OrderCalls) -> str:
        settings = self._settings
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
            "scope": "https://management.azure.com/.default",
        }
        url = f"{settings.login_url.rstrip('/')}/{quote(settings.tenant, safe='')}/oauth2/v2.0/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            issued = calls.send("POST", url, headers, urlencode(form).encode()).json()
        except ExecutorError as error:
            msg = f"no token was issued: {error.message}"
            raise ExecutorError(msg, is_certain=True, code=error.code) from error
        token = inside(issued, "access_token")
        if not isinstance(token, str) or not token:
            raise ExecutorError("no token was issued", is_certain=True)
        return token

    def _url(self) -> str:
        settings = self._settings
        parts = (
            "subscriptions", settings.subscription, "resourceGroups", settings.resource_group, "providers",
            "Microsoft.MachineLearningServices", "workspaces", settings.workspace, "onlineEndpoints", settings.endpoint,
        )  # fmt: skip
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{settings.url.rstrip('/')}/{path}?api-version={API_VERSION}"


def _shares(endpoint: Any) -> dict[str, int]:
    """The shares of traffic of an endpoint.

    Raises:
        ExecutorError: it has none.
    """
    traffic = inside(endpoint, "properties", "traffic")
    if not isinstance(traffic, dict) or not traffic:
        raise ExecutorError("the endpoint has no traffic", is_certain=True)
    return {str(name): int(share) for name, share in traffic.items()}

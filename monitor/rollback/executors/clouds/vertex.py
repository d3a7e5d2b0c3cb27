"""Vertex AI: moves the traffic of an endpoint to another deployed model."""

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from monitor.config.sections import FileName
from monitor.rollback.executors.calls import OrderCalls, inside
from monitor.rollback.executors.clouds.shares import moved
from monitor.rollback.executors.executor import Executor, ExecutorError, ExecutorSettings, ManualStep
from monitor.rollback.order import Order

_NAME = r"^[A-Za-z0-9._:-]{1,128}$"
_TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path


class VertexSettings(ExecutorSettings):
    """An endpoint of Vertex AI."""

    repeats_safely: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "A custom role with aiplatform.endpoints.get and aiplatform.endpoints.update, granted on the endpoint."
    )

    kind: Literal["vertex"] = "vertex"
    """An endpoint of Vertex AI."""
    project: str = Field(pattern=_NAME)
    """Project."""
    location: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    """Region, such as europe-west4."""
    endpoint: str = Field(pattern=_NAME)
    """Id of the endpoint."""
    deployed_models: dict[str, str] = Field(min_length=1)
    """The id of the deployed model of each version: `{"7": "1234567890"}`. Ids, not names."""
    token_file: FileName = ""
    """A file with an access token, which another program keeps fresh. Without it, the metadata server of the machine
    is asked for one."""
    metadata_url: str = "http://metadata.google.internal"
    """The metadata server."""
    url: str = ""
    """Another address of the API."""

    def make(self) -> Executor:
        """The executor."""
        return VertexExecutor(self)

    def describe(self, order: Order) -> str:
        """The change."""
        return f"set the traffic of deployed model {self.deployed_models.get(order.version, '?')} to 0 %"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The commands of gcloud."""
        good = self.deployed_models.get(order.other, "DEPLOYED_MODEL_ID")
        where = f"{self.endpoint} --project={self.project} --region={self.location}"
        return (
            ManualStep(
                "Send all traffic to the other deployed model.",
                f"gcloud ai endpoints update {where} --traffic-split={shlex.quote(f'{good}=100')}",
            ),
            ManualStep("Check it.", f"gcloud ai endpoints describe {where} --format='value(trafficSplit)'"),
        )

    @property
    def base(self) -> str:
        """The address of the API."""
        return self.url.rstrip("/") or f"https://{self.location}-aiplatform.googleapis.com"

    def addresses(self) -> dict[str, str]:
        """The API, and the metadata server if it issues the tokens."""
        metadata = {} if self.token_file else {"metadata_url": self.metadata_url}
        return {"url" if self.url else "location": self.base, **metadata}

    def version_names(self) -> tuple[str, dict[str, str]]:
        """The deployed models."""
        return "deployed_models", self.deployed_models


class VertexExecutor:
    """Reads the endpoint's split, and patches it."""

    def __init__(self, settings: VertexSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """Move the traffic. The patch carries the etag that was read."""
        if order.kind == "freeze":
            raise ExecutorError("Vertex AI cannot freeze a rollout", is_certain=True)
        deployed = self._settings.deployed_models.get(order.version)
        if deployed is None:
            raise ExecutorError(
                f"no deployed model of version {order.version!r} is configured", is_certain=True
            )
        with OrderCalls("Vertex AI", self.seconds) as calls:
            headers = {"Authorization": f"Bearer {self._token(calls)}", "Accept": "application/json"}
            endpoint = calls.get(self._url(), headers)
            split = _split(endpoint)
            if not split.get(deployed):
                return f"deployed model {deployed} has no traffic already"
            after = moved(split, deployed, self._settings.deployed_models.get(order.other, ""))
            change = {"trafficSplit": {name: share for name, share in after.items() if share}}
            change |= {"etag": endpoint["etag"]} if endpoint.get("etag") else {}
            headers["Content-Type"] = "application/json"
            calls.send(
                "PATCH", f"{self._url()}?updateMask=trafficSplit", headers, json.dumps(change).encode()
            )
            return f"the traffic of deployed model {deployed} is set to 0 %"

    def _token(self, calls: OrderCalls) -> str:
        settings = self._settings
        if settings.token_file:
            try:
                return Path(settings.token_file).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise ExecutorError(f"token_file cannot be read: {error}", is_certain=True) from error
        url = settings.metadata_url.rstrip("/") + _TOKEN
        token = inside(calls.get(url, {"Metadata-Flavor": "Google"}), "access_token")
        if not isinstance(token, str) or not token:
            raise ExecutorError("the metadata server has issued no token", is_certain=True)
        return token

    def _url(self) -> str:
        settings = self._settings
        base = settings.base
        parts = ("projects", settings.project, "locations", settings.location, "endpoints", settings.endpoint)
        return f"{base}/v1/" + "/".join(quote(part, safe="") for part in parts)


def _split(endpoint: Any) -> dict[str, int]:
    split = inside(endpoint, "trafficSplit")
    if not isinstance(split, dict) or not split:
        raise ExecutorError("the endpoint has no traffic split", is_certain=True)
    return {str(name): int(share) for name, share in split.items()}

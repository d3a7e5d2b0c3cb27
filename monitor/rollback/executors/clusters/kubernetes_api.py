"""The API of Kubernetes, for the executors of Deployments and of Argo Rollouts."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import Field, field_validator

from monitor.config.sections import FileName
from monitor.rollback.executors.calls import ExpectedResponse, OrderCalls, inside
from monitor.rollback.executors.executor import ExecutorError, ExecutorSettings
from monitor.rollback.order import Order

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"


class KubernetesSettings(ExecutorSettings):
    """How to reach the API server, and which resource it is about."""

    namespace: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    """Namespace."""
    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    """Name of the resource."""
    url: str = "https://kubernetes.default.svc"
    """The API server."""
    token_file: FileName = f"{_ACCOUNT}/token"
    """A file with the token of a service account. It is read again for each order, because tokens rotate."""
    ca_file: FileName = f"{_ACCOUNT}/ca.crt"
    """CA certificates of the API server."""
    version_label: str = Field(default="app.kubernetes.io/version", min_length=1)
    """The label of the pod template that holds the version, as predictions name it. An order is refused if the
    resource runs another version."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            msg = "is not a web address: use https:// and a host"
            raise ValueError(msg)
        return value.rstrip("/")

    def version_of(self, template: Any) -> str:
        """The version in a pod template; empty if it has none."""
        labels = inside(template, "metadata", "labels") or {}
        return str(labels.get(self.version_label, "")) if isinstance(labels, dict) else ""

    def ensure_runs(self, resource: Any, order: Order) -> None:
        """Refuse an order about another version than the one that is being rolled out.

        Raises:
            ExecutorError: the resource runs another version.
        """
        running = self.version_of(inside(resource, "spec", "template"))
        if running != order.version:
            shown = f"{running!r} ({self.version_label})"
            msg = f"{self.name} runs version {shown}, not {order.version!r}: nothing was changed"
            raise ExecutorError(msg, is_certain=True)


class KubernetesApi:
    """Requests to the API server for one order."""

    def __init__(self, settings: KubernetesSettings, calls: OrderCalls) -> None:
        self._settings, self._calls = settings, calls
        try:
            token = (
                Path(settings.token_file).read_text(encoding="utf-8").strip() if settings.token_file else ""
            )
        except (OSError, ValueError) as error:
            raise ExecutorError(f"token_file cannot be read: {error}", is_certain=True) from error
        self._headers = {"Accept": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )

    def get(self, path: str) -> Any:
        """The resource at a path below the API server."""
        return self._calls.get(self._settings.url + path, self._headers)

    def patch(self, path: str, kind: str, change: object) -> ExpectedResponse:
        """Patch the resource at a path."""
        headers = {**self._headers, "Content-Type": kind}
        return self._calls.send("PATCH", self._settings.url + path, headers, json.dumps(change).encode())


def path_of(group: str, settings: KubernetesSettings, plural: str, name: str = "") -> str:
    """The path of a resource, or of all of its kind in the namespace."""
    path = f"/apis/{group}/namespaces/{quote(settings.namespace, safe='')}/{plural}"
    return f"{path}/{quote(name, safe='')}" if name else path

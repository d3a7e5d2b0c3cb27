"""Argo Rollouts: aborts a rollout in progress, or pauses it."""

from typing import ClassVar, Literal

from monitor.rollback.executors.calls import OrderCalls, inside
from monitor.rollback.executors.clusters.kubernetes_api import (
    MERGE,
    KubernetesApi,
    KubernetesSettings,
    path_of,
)
from monitor.rollback.executors.executor import Executor, ExecutorError, ManualStep
from monitor.rollback.order import Order

_GROUP = "argoproj.io/v1alpha1"
_IN_PROGRESS = ("Progressing", "Paused", "Degraded")


class ArgoSettings(KubernetesSettings):
    """A Rollout of Argo Rollouts."""

    repeats_safely: ClassVar[bool] = True
    freezes: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "A Role in the namespace with `get` and `patch` on `rollouts` and `patch` on `rollouts/status` (apiGroup "
        "argoproj.io), limited to this Rollout by resourceNames."
    )

    kind: Literal["argo"] = "argo"
    """Argo Rollouts."""

    def make(self) -> Executor:
        """The executor."""
        return ArgoExecutor(self)

    def describe(self, order: Order) -> str:
        """The patch."""
        verb = "abort" if order.kind == "rollback" else "pause"
        return f"{verb} Rollout {self.namespace}/{self.name}"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The commands of the kubectl plugin, and of plain kubectl."""
        patch = """'{"status":{"abort":true}}'"""
        plain = f"kubectl patch rollout {self.name} -n {self.namespace} --subresource status --type merge -p {patch}"
        return (
            ManualStep(
                "Abort the rollout in progress.",
                f"kubectl argo rollouts abort {self.name} -n {self.namespace}",
            ),
            ManualStep("The same without the plugin.", plain),
            ManualStep(
                f"If the rollout is complete, an abort has no effect: revert version {order.version} in Git, or "
                "go back to the revision before.",
                f"kubectl argo rollouts undo {self.name} -n {self.namespace}",
            ),
        )


class ArgoExecutor:
    """Reads the Rollout, checks that it is rolling out this version, and patches it."""

    def __init__(self, settings: ArgoSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """Abort or pause. An abort of an aborted rollout changes nothing."""
        settings = self._settings
        path = path_of(_GROUP, settings, "rollouts", settings.name)
        with OrderCalls("Argo Rollouts", self.seconds, settings.ca_file) as calls:
            api = KubernetesApi(settings, calls)
            rollout = api.get(path)
            settings.ensure_runs(rollout, order)
            if order.kind == "freeze":
                api.patch(path, MERGE, {"spec": {"paused": True}})
                return f"Rollout {settings.name} is paused"
            if inside(rollout, "status", "abort") is True:
                return f"Rollout {settings.name} was aborted already"
            phase = inside(rollout, "status", "phase")
            if phase not in _IN_PROGRESS:
                msg = f"Rollout {settings.name} is {phase}: no rollout is in progress to abort; revert in Git"
                raise ExecutorError(msg, is_certain=True)
            self._abort(api, path)
            return f"Rollout {settings.name} is aborted"

    @staticmethod
    def _abort(api: KubernetesApi, path: str) -> None:
        change = {"status": {"abort": True}}
        try:
            api.patch(f"{path}/status", MERGE, change)
        except ExecutorError as error:
            if error.code != 404:
                raise
            api.patch(path, MERGE, change)  # the custom resource of older versions has no subresource

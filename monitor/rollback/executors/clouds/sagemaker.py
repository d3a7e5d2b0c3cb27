"""SageMaker: takes the traffic from the variant of a version, or sets the alarm that rolls a deployment back."""

import json
import shlex
import time
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from monitor.config.sections import Secret
from monitor.rollback.executors.calls import OrderCalls
from monitor.rollback.executors.clouds.aws_signature import Credentials, signed_headers
from monitor.rollback.executors.executor import Executor, ExecutorError, ExecutorSettings, ManualStep
from monitor.rollback.order import Order

_JSON = "application/x-amz-json-1.1"
_LONGEST_REASON = 1023  # of SetAlarmState


class SageMakerSettings(ExecutorSettings):
    """An endpoint of SageMaker."""

    repeats_safely: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "With `variants`: sagemaker:DescribeEndpoint and sagemaker:UpdateEndpointWeightsAndCapacities on the ARN of "
        "the endpoint. With `alarm`: cloudwatch:SetAlarmState on the alarm's ARN."
    )

    kind: Literal["sagemaker"] = "sagemaker"
    """An endpoint of SageMaker."""
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """AWS region."""
    endpoint: str = Field(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$")
    """Name of the endpoint."""
    variants: dict[str, str] = {}
    """The production variant of each version, such as `{"7": blue, "8": green}`."""
    alarm: str = Field(default="", max_length=255)
    """Name of the CloudWatch alarm in the deployment's AutoRollbackConfiguration, instead of `variants`."""
    access_key: Secret
    """Access key id."""
    secret_key: Secret
    """Secret access key."""
    session_token: Secret = Secret("")
    """Token of temporary credentials."""
    url: str = ""
    """Another address of the service, such as that of a VPC endpoint."""

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if bool(self.variants) == bool(self.alarm):
            msg = "needs one of `variants` and `alarm`"
            raise ValueError(msg)
        return self

    def make(self) -> Executor:
        """The executor."""
        return SageMakerExecutor(self)

    def describe(self, order: Order) -> str:
        """The call."""
        if self.alarm:
            return f"set the CloudWatch alarm {self.alarm} to ALARM"
        return f"set the weight of variant {self.variants.get(order.version, '?')} of {self.endpoint} to 0"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The commands of the AWS CLI."""
        where = f"--region {self.region} --endpoint-name {self.endpoint}"
        check = ManualStep(
            "Wait until EndpointStatus is InService.", f"aws sagemaker describe-endpoint {where}"
        )
        if self.alarm:
            command = f"aws cloudwatch set-alarm-state --region {self.region} --alarm-name {shlex.quote(self.alarm)}"
            return (
                ManualStep(
                    "Set the alarm: the deployment in progress rolls back.",
                    f"{command} --state-value ALARM --state-reason rollback",
                ),
                check,
            )
        weights = [
            f"VariantName={variant},DesiredWeight={0 if version == order.version else 1}"
            for version, variant in self.variants.items()
            if version in (order.version, order.other)
        ]
        command = f"aws sagemaker update-endpoint-weights-and-capacities {where}"
        return (
            ManualStep(
                "Send all traffic to the other variant.",
                f"{command} --desired-weights-and-capacities {shlex.join(weights)}",
            ),
            check,
        )

    def addresses(self) -> dict[str, str]:
        """The configured address, or that of the service in the region."""
        if self.url:
            return {"url": self.url}
        return {
            "region": f"https://{'monitoring' if self.alarm else 'api.sagemaker'}.{self.region}.amazonaws.com/"
        }

    def version_names(self) -> tuple[str, dict[str, str]]:
        """The variants; none for an alarm."""
        return ("", {}) if self.alarm else ("variants", self.variants)


class SageMakerExecutor:
    """Calls SageMaker or CloudWatch, signed with Signature Version 4."""

    def __init__(self, settings: SageMakerSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """Set the alarm, or the weights. Weights that are set already change nothing."""
        if order.kind == "freeze":
            raise ExecutorError("SageMaker cannot freeze a rollout", is_certain=True)
        with OrderCalls("SageMaker", self.seconds) as calls:
            return self._set_alarm(calls, order) if self._settings.alarm else self._set_weights(calls, order)

    def _set_alarm(self, calls: OrderCalls, order: Order) -> str:
        alarm = self._settings.alarm
        reason = f"Watchkeeper {order.id}: {order.reason}"[:_LONGEST_REASON]
        form = {
            "Action": "SetAlarmState", "Version": "2010-08-01", "AlarmName": alarm, "StateValue": "ALARM",
            "StateReason": reason,
        }  # fmt: skip
        kind = "application/x-www-form-urlencoded; charset=utf-8"
        self._post(calls, "monitoring", urlencode(form).encode(), {"Content-Type": kind})
        return f"the alarm {alarm} is set"

    def _set_weights(self, calls: OrderCalls, order: Order) -> str:
        settings = self._settings
        variant = settings.variants.get(order.version)
        if variant is None:
            raise ExecutorError(f"no variant of version {order.version!r} is configured", is_certain=True)
        endpoint = self._ask(calls, "DescribeEndpoint", {"EndpointName": settings.endpoint})
        status = endpoint.get("EndpointStatus")
        if status != "InService":
            msg = f"the endpoint is {status}: weights can be changed when it is InService"
            raise ExecutorError(msg, is_certain=True)
        weights = {
            str(one.get("VariantName")): float(one.get("CurrentWeight", 0.0))
            for one in endpoint.get("ProductionVariants") or ()
        }
        if variant not in weights:
            raise ExecutorError(f"the endpoint has no variant {variant!r}", is_certain=True)
        desired = _without(weights, variant, settings.variants.get(order.other, ""))
        if desired == weights:
            return f"variant {variant} has no traffic already"
        changes = [{"VariantName": name, "DesiredWeight": weight} for name, weight in sorted(desired.items())]
        body = {"EndpointName": settings.endpoint, "DesiredWeightsAndCapacities": changes}
        self._post(
            calls, "sagemaker", json.dumps(body).encode(), _target("UpdateEndpointWeightsAndCapacities")
        )
        return f"the weight of variant {variant} is set to 0"

    def _ask(self, calls: OrderCalls, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._post(calls, "sagemaker", json.dumps(body).encode(), _target(operation))
            described = json.loads(answer)
        except ExecutorError as error:
            raise ExecutorError(error.message, is_certain=True, code=error.code) from error
        except (ValueError, RecursionError) as error:
            raise ExecutorError(f"{operation} did not return JSON", is_certain=True) from error
        return described if isinstance(described, dict) else {}

    def _post(self, calls: OrderCalls, service: str, body: bytes, headers: dict[str, str]) -> bytes:
        settings = self._settings
        [url] = settings.addresses().values()
        credentials = Credentials(
            settings.access_key.get_secret_value(),
            settings.secret_key.get_secret_value(),
            settings.session_token.get_secret_value(),
        )
        signed = signed_headers(url, body, headers, credentials, settings.region, service, time.time())
        return calls.send("POST", url, signed, body).body


def _target(operation: str) -> dict[str, str]:
    return {"Content-Type": _JSON, "X-Amz-Target": f"SageMaker.{operation}"}


def _without(weights: dict[str, float], variant: str, other: str) -> dict[str, float]:
    """The weights without traffic of a variant. Its weight goes to the other one where no traffic would be left."""
    desired = {**weights, variant: 0.0}
    if any(desired.values()):
        return desired
    others = [name for name in desired if name != variant]
    chosen = other if other in others else others[0] if len(others) == 1 else ""
    if not chosen:
        raise ExecutorError("no other variant is known that could take the traffic", is_certain=True)
    return {**desired, chosen: weights[variant] or 1.0}

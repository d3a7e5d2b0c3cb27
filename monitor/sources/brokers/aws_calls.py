"""Calls of AWS: signed with the credentials that AWS's own tools find, with one deadline and one size limit each.

botocore finds credentials (environment, files, roles of containers and machines) and signs. The call itself is made by
this daemon's own client, since botocore's has no deadline for a whole call.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from monitor import outgoing
from monitor.runtime import call_timeout

MOST_BYTES = 16_000_000
_REGION = re.compile(r"(?:^|\.)([a-z]{2}(?:-[a-z]+)+-\d)\.")
_CREDENTIAL_SECONDS = 5.0


class AwsError(Exception):
    """A call failed. `code` is AWS's name of the error; empty where nothing answered."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AwsCalls:
    """Calls of one service at one address."""

    def __init__(self, service: str, address: str, region: str) -> None:
        parts = urlsplit(address)
        self._url = f"{parts.scheme}://{parts.netloc}/"
        self._service = service
        self._region = region or region_of(parts.hostname or "")
        self._credentials: Any = None

    def call(self, target: str, parameters: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a call, such as `AmazonSQS.ReceiveMessage`.

        Raises:
            AwsError: there is none, or it is an error.
            ImportError: botocore is not installed.
        """
        body = json.dumps(parameters).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
        try:
            signed = call_timeout.within(_CREDENTIAL_SECONDS, self._signer("POST", self._url, body, headers))
            with outgoing.client(seconds, most_bytes=MOST_BYTES) as client:
                response = client.post(self._url, content=body, headers=signed)
        except outgoing.FAILURES as error:
            if isinstance(error, ImportError):
                raise
            raise AwsError(outgoing.reason(error)) from error
        try:
            answer = json.loads(response.content or b"{}")
        except (ValueError, RecursionError) as error:
            raise AwsError(f"HTTP {response.status_code} without JSON") from error
        if not isinstance(answer, dict):
            raise AwsError(f"HTTP {response.status_code} without an object")
        if response.status_code != 200:
            code = str(answer.get("__type", "")).rpartition("#")[2]
            words = str(answer.get("message") or answer.get("Message") or "")[:300]
            raise AwsError(f"{code or f'HTTP {response.status_code}'}: {words}", code)
        return answer

    def _signer(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Callable[[], dict[str, str]]:
        def signed() -> dict[str, str]:
            import botocore.auth
            import botocore.awsrequest
            import botocore.exceptions
            import botocore.session

            try:
                if self._credentials is None:
                    self._credentials = botocore.session.get_session().get_credentials()
                if self._credentials is None:
                    raise AwsError(
                        "there are no AWS credentials in the environment, files or role of this machine"
                    )
                request = botocore.awsrequest.AWSRequest(method, url, data=body, headers=dict(headers))
                frozen = self._credentials.get_frozen_credentials()  # renews those that are about to expire
                botocore.auth.SigV4Auth(frozen, self._service, self._region).add_auth(request)
            except botocore.exceptions.BotoCoreError as error:
                raise AwsError(f"AWS credentials: {error}") from error
            return {str(name): str(value) for name, value in request.headers.items()}

        return signed


def region_of(host: str) -> str:
    """The region that a host name contains; that of most examples without one, as custom servers take any."""
    region = _REGION.search(host)
    return region[1] if region else "us-east-1"

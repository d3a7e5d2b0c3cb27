"""Signature Version 4 of AWS, for requests without a query string."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; `token` is that of temporary credentials, or empty."""

    access_key: str
    secret_key: str
    token: str = ""


def signed_headers(
    url: str,
    body: bytes,
    headers: dict[str, str],
    credentials: Credentials,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """The headers of a POST with its signature. `now` is in seconds since the epoch."""
    moment = datetime.fromtimestamp(now, UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    parts = urlsplit(url)
    everything = {**headers, "Host": parts.netloc, "X-Amz-Date": stamp}
    everything |= {"X-Amz-Security-Token": credentials.token} if credentials.token else {}
    canonical = {name.lower(): " ".join(value.split()) for name, value in everything.items()}
    names = ";".join(sorted(canonical))
    request = "\n".join(
        (
            "POST",
            quote(parts.path or "/", safe="/-_.~"),
            "",
            *(f"{name}:{canonical[name]}" for name in sorted(canonical)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    everything["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return everything

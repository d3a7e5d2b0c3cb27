"""A strict stand-in for Slack's incoming webhooks: it answers as the real one does to what is too long or misshapen."""

import json
from typing import Any

from tests.support.receiver import Receiver

LONGEST = {"header": 150, "section": 3000, "button": 75}
MOST_BLOCKS = 50
LONGEST_BODY = 13_000


class Slack(Receiver):
    """Keeps what it takes; `refused` says why the rest was not taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refused: list[str] = []

    def judge(self, body: bytes) -> int:
        problem = _problem(body)
        if problem:
            self.refused.append(problem)
        return 400 if problem else 200

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was posted, as it would be shown."""
        return [json.loads(request.body) for request in self.requests]


def _problem(body: bytes) -> str:
    try:
        message = json.loads(body)
    except ValueError:
        return "invalid_payload"
    if not isinstance(message, dict) or not message.get("text") or len(body) > LONGEST_BODY:
        return "no_text" if len(body) <= LONGEST_BODY else "msg_too_long"
    blocks = message.get("blocks", [])
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        return "invalid_blocks"
    return next((problem for block in blocks if (problem := _of_block(block))), "")


def _of_block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "header":
        text = block["text"]
        is_fine = text["type"] == "plain_text" and 0 < len(text["text"]) <= LONGEST[kind]
    elif kind == "section":
        fields = block.get("fields", [])
        texts = [*([block["text"]] if "text" in block else []), *fields]
        limits = [LONGEST[kind]] * (len(texts) - len(fields)) + [2000] * len(fields)
        is_fine = (
            len(texts) > 0
            and len(fields) <= 10
            and all(
                text["type"] in ("mrkdwn", "plain_text") and 0 < len(text["text"]) <= longest
                for text, longest in zip(texts, limits, strict=True)
            )
        )
    elif kind == "actions":
        elements = block["elements"]
        is_fine = 0 < len(elements) <= 25 and all(
            e["type"] == "button" and len(e["text"]["text"]) <= 75 and e["url"].startswith("http")
            for e in elements
        )
    else:
        is_fine = kind in ("divider", "context")
    return "" if is_fine else f"invalid_blocks: {kind}"

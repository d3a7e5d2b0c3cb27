"""Answers to those who have not sent the head of a request."""


def _answer(status: bytes, error: bytes) -> bytes:
    body = b'{"error": "%b", "hint": ""}' % error
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, len(body)) + body


TOO_LARGE = _answer(b"431 Request Header Fields Too Large", b"the request head is too large")
TOO_SLOW = _answer(b"408 Request Timeout", b"the request head did not arrive in time")

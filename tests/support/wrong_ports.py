"""Ports at which something else listens than a source expects: an HTTP server, or one with a foreign certificate."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import trustme

Answer = Callable[[socket.socket], None]
NATS_GREETING = b'INFO {"server_id": "s", "max_payload": 1048576, "tls_required": true}\r\n'


@contextmanager
def port(answer: Answer) -> Iterator[int]:
    """A port with a program of its own for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, answer), daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, answer: Answer) -> None:
    while True:
        try:
            line, _ = listening.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_answered, args=(line, answer), daemon=True).start()


def _answered(line: socket.socket, answer: Answer) -> None:
    try:
        with line:
            line.settimeout(300)
            answer(line)
    except OSError:
        return


def of_http(status: str, body: bytes = b"Bad Request", kind: str = "text/plain") -> Answer:
    """Whatever comes is answered as by an HTTP server."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    def answer(line: socket.socket) -> None:
        if asked := line.recv(65_536):
            line.sendall(head.encode() + (b"" if asked.startswith(b"HEAD ") else body))

    return answer


def of_aws(status: str, code: str, words: str) -> Answer:
    """An error as AWS's JSON protocol has it."""
    problem: Mapping[str, str] = {"__type": f"com.amazonaws#{code}", "message": words}
    return of_http(status, json.dumps(problem).encode(), "application/x-amz-json-1.0")


def of_s3(status: str, code: str, words: str) -> Answer:
    """An error as S3 has it: of a HEAD request, without the reason."""
    body = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{words}</Message></Error>'
    return of_http(status, body.encode(), "application/xml")


def with_foreign_certificate(kind: str) -> Answer:
    """A server of this kind with TLS, whose certificate is of an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def answer(line: socket.socket) -> None:
        if kind == "nats":
            line.sendall(NATS_GREETING)
        elif kind == "sql":
            line.recv(8)  # whether it speaks TLS
            line.sendall(b"S")
        with context.wrap_socket(line, server_side=True) as encrypted:
            encrypted.recv(1)

    return answer

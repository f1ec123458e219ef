"""What an operator's conversion webhook is to an API server: an HTTPS server on loopback that
answers ConversionReviews (kubernetes.io, "Versions in CustomResourceDefinitions")."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from lifeboat.ports.cluster import Json
from local.credentials import ensure_credentials

Convert = Callable[[Json, str], Json]
"""The spec of an object at another version, by that version's name."""


class Converter:
    """`asked` counts the objects that were converted; `refuses` is why it converts none."""

    def __init__(self, convert: Convert, port: int, authority: bytes) -> None:
        self.convert = convert
        self.url = f"https://127.0.0.1:{port}/convert"
        self.authority = base64.b64encode(authority).decode()
        self.asked = 0
        self.refuses = ""

    def answer(self, review: Json) -> Json:
        request = review["request"]
        response: Json = {"uid": request["uid"], "result": {"status": "Success"}}
        if self.refuses:
            response["result"] = {"status": "Failure", "message": self.refuses}
        else:
            wanted = request["desiredAPIVersion"]
            self.asked += len(request["objects"])
            response["convertedObjects"] = [
                {
                    **one,
                    "apiVersion": wanted,
                    "spec": self.convert(one["spec"], wanted.rpartition("/")[2]),
                }
                for one in request["objects"]
            ]
        return {**review, "request": None, "response": response}


@contextmanager
def running_converter(convert: Convert, folder: Path) -> Iterator[Converter]:
    """Its certificate, of an authority of its own, lies in `folder`."""
    credentials = ensure_credentials(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(credentials.server_certificate, credentials.server_key)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told = json.dumps(made.answer(json.loads(body))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        made = Converter(convert, server.server_address[1], credentials.ca.read_bytes())
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()

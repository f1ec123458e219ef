"""A thin stand-in before moto's S3, in a process of its own: `python s3_server.py PORT`.

moto speaks S3, versions and Object Lock. It lacks two things, which are played here:
- its create-if-absent looks and then writes, so requests that write are let in one by one;
- it shortens COMPLIANCE retentions: refused with 403, as S3 does.
What it has not: it checks no signature and no right.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

_REFUSAL = (
    b"<Error><Code>AccessDenied</Code><Message>Access Denied by Object Lock</Message></Error>"
)


class Strict:
    """WSGI middleware around moto."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start)
        with self._writing:
            if "retention" in parse_qs(environ["QUERY_STRING"], keep_blank_values=True):
                body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                environ["wsgi.input"] = BytesIO(body)
                if _shortens(environ["PATH_INFO"], body.decode()):
                    start("403 Forbidden", [("Content-Type", "application/xml")])
                    return [_REFUSAL]
            return list(self._app(environ, start))


def _shortens(path: str, body: str) -> bool:
    """Whether a new retention would end before the one in COMPLIANCE mode that is there."""
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
    if found is None or found.lock_until is None or found.lock_mode != "COMPLIANCE":
        return False
    wanted = re.search("<RetainUntilDate>(.*)</RetainUntilDate>", body)
    mode = re.search("<Mode>(.*)</Mode>", body)
    if wanted is None or mode is None:
        return True
    earlier = datetime.fromisoformat(wanted[1]) < datetime.fromisoformat(found.lock_until)
    return earlier or mode[1] != "COMPLIANCE"


def main() -> None:
    """Serves until it is ended."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Strict(DomainDispatcherApplication(create_backend_app))
    make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()

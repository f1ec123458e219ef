"""How a message reaches a receiver: Airflow's notifiers, its own for e-mail, ours for requests.

They are called with what they say, never rendered: a message may hold braces. Addresses of webhooks
are secrets, so no error here has one, nor the answer's body.
"""

from __future__ import annotations

import html
import json
from typing import Any

import urllib3
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import BaseNotifier
from typing_extensions import override
from urllib3.exceptions import HTTPError

from lifeboat.errors import NotDelivered
from lifeboat.pipeline.connections import AirflowConnections
from lifeboat.policy.alerts import Receiver
from lifeboat.report.concerns import Change
from lifeboat.wiring import resolve

_SECONDS = 20.0


class WebhookNotifier(BaseNotifier):
    """A POST with JSON to an address. Also usable in the users' own DAGs.

    Raises NotDelivered, which is retryable, unless the answer is 2xx; redirects are not followed.
    """

    def __init__(self, url: str, document: dict[str, Any]) -> None:
        super().__init__()
        self._url = url
        self._document = document

    @override
    def notify(self, context: Any) -> None:
        headers = {"Content-Type": "application/json"}
        body = json.dumps(self._document).encode()
        try:
            with urllib3.PoolManager(retries=False) as pool:
                answer = pool.request(
                    "POST", self._url, body=body, headers=headers, timeout=_SECONDS
                )
        except (HTTPError, ValueError) as error:  # their own words quote the url
            raise NotDelivered(f"nobody took the request: {type(error).__name__}") from None
        if not 200 <= answer.status < 300:
            raise NotDelivered(f"the request was answered with {answer.status}")


def deliver(receiver: Receiver, changes: list[Change]) -> None:
    """One message with all changes. Raises NotDelivered, or UsageError for what is not set up."""
    entered = sum(change.state == "entered" for change in changes)
    title = f"Lifeboat: {entered} new, {len(changes) - entered} over"
    lines = [change.line for change in changes]
    if receiver.email is not None:
        _mail(receiver, title, lines)
        return
    place = receiver.slack or receiver.webhook
    assert place is not None  # the model sees to it
    document: dict[str, Any] = {"text": "\n".join([title, *lines])}
    if receiver.webhook:
        document["changes"] = [
            {"instance": one.instance, "concern": one.kind, "state": one.state, "text": one.text}
            for one in changes
        ]
    url = resolve(place, AirflowConnections())
    WebhookNotifier(url, document).notify({})


def _mail(receiver: Receiver, title: str, lines: list[str]) -> None:
    email = receiver.email
    assert email is not None
    notifier = SmtpNotifier(
        to=list(email.to),
        from_email=email.sender or None,
        subject=title,
        html_content=f"<pre>{html.escape(chr(10).join(lines))}</pre>",
        smtp_conn_id=email.connection,
    )
    try:
        notifier.notify({})
    except Exception as error:  # whatever smtplib, the hook and Airflow raise: one mail failed
        raise NotDelivered(f"the mail was not taken: {type(error).__name__}") from None

"""One HTTP answer as a value, so that everything but sending it can be decided without a server.

Above: the server and the endpoints. Below: faults that spoil one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from airflow_provider_braze.sandbox.traffic.faults import Fault
from airflow_provider_braze.sandbox.traffic.rate import RateLimit

JSON = "application/json"
HTML = "text/html"


@dataclass(slots=True)
class HttpAnswer:
    """A status, a body and headers; ``value`` is the body's JSON where it has one."""

    status: int
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    text: bytes | None = None
    content_type: str = JSON

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        return msgspec.json.encode(self.value) if self.text is None else self.text


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> HttpAnswer:
    """Return an answer that holds nothing but a message."""
    return HttpAnswer(status, {"message": message}, headers or {})


def spoilt(answer: HttpAnswer | None, fault: Fault, limit: RateLimit) -> HttpAnswer:
    """Return the answer that a fault makes of the right one, which is None when the request was not processed."""
    if fault.kind == "queued":
        return HttpAnswer(202, {"message": "queued"}, limit.headers())
    if fault.kind in ("status", "redirect") or answer is None:
        return _refused(fault, limit)
    if fault.kind == "invalid_json":
        return HttpAnswer(answer.status, headers=answer.headers, text=answer.body[:-2] + b",")
    if isinstance(answer.value, dict):
        _spoil_value(answer.value, fault.kind)
    return answer


def _spoil_value(value: dict[str, Any], kind: str) -> None:
    if kind == "wrong_counts":
        for name in value:
            if name.endswith("_processed"):
                value[name] = max(0, value[name] - 1)
    elif kind == "errors_without_index":
        value.setdefault("errors", []).append({"type": "EMAIL_BAD_FORMAT", "input_array": "attributes"})
    elif kind == "errors_unknown_row":
        entry = {"type": "EMAIL_BAD_FORMAT", "input_array": "attributes", "index": 99_999}
        value.setdefault("errors", []).append(entry)


_BODILESS = frozenset({204, 205, 304})
"""Answers that HTTP allows no body."""


def _refused(fault: Fault, limit: RateLimit) -> HttpAnswer:
    headers = {}
    if fault.status == HTTPStatus.TOO_MANY_REQUESTS:
        headers = limit.refusal_headers(fault.rate_headers, fault.retry_after)
    if fault.kind == "redirect":
        headers["Location"] = fault.location
    headers |= fault.headers
    phrase = HTTPStatus(fault.status).phrase if fault.status in set(HTTPStatus) else "Error"
    if fault.status in _BODILESS:
        return HttpAnswer(fault.status, headers=headers, text=b"")
    if fault.text is not None:
        return HttpAnswer(fault.status, headers=headers, text=fault.text.encode())
    if fault.body == "empty":
        return HttpAnswer(fault.status, headers=headers, text=b"")
    if fault.body == "html":
        page = (
            f"<html><head><title>{fault.status} {phrase}</title></head><body><h1>{phrase}</h1></body></html>"
        )
        return HttpAnswer(fault.status, headers=headers, text=page.encode(), content_type=HTML)
    message = "Rate Limited" if fault.status == HTTPStatus.TOO_MANY_REQUESTS else phrase
    return refusal(fault.status, message, headers)

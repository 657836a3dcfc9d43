"""What an answer to one of the hook's calls says: the typed error of trouble, and never a key or a value.

Above: the hook's calls. Below: what an answer to a push means, which is said in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from airflow_provider_braze.exceptions import (
    BrazeRateLimitError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeSyncInProgressError,
)
from airflow_provider_braze.hooks.curl_adapter import Bearer, CurlAdapter
from airflow_provider_braze.users_track.batching.batch import ARRAYS
from airflow_provider_braze.users_track.delivery.interpret import (
    counts_fit,
    is_success,
    message_of,
    parse,
    quotable,
    refusal,
)
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import TRACK

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from airflow_provider_braze.users_track.transport.workspace import Workspace

Redact = Callable[[str], str]

_PROBE_SECONDS = 5.0

_IN_PROGRESS = "job is in progress"
"""Of a 429 that is no matter of rate (Braze docs: POST /cdi/integrations/{id}/sync)."""


def check_status(response: Response, redact: Redact) -> None:
    """Raise the typed error of a status that is not 2xx."""
    status = response.status_code
    if 200 <= status < 300:
        return
    answer = parse(response.content)
    if status == 429:
        wait = Limiter(1).ordered_wait(response.headers)
        if _IN_PROGRESS in message_of(answer).casefold():
            raise BrazeSyncInProgressError(
                "Another job of this integration is in progress (429).", status=status, retry_after=wait
            )
        raise BrazeRateLimitError("Braze's rate limit is used up (429).", status=status, retry_after=wait)
    message = quotable(message_of(answer), redact)
    if status >= 500:
        raise BrazeServerError(f"Braze has trouble ({status}). {message}".strip(), status=status)
    if status in (400, 413, 422):
        errors = redacted(answer.get("errors"), redact) if isinstance(answer, dict) else None
        raise BrazeRefusedError(
            f"Braze refuses the request ({status}). {message}".strip(),
            status=status,
            errors=errors if isinstance(errors, list) else None,
        )
    raise refusal(status, message, redact)


def check_success(response: Response, request: PreparedRequest, redact: Redact) -> None:
    """Raise where a 2xx does not say that Braze did what it was asked to.

    Of ``/users/track`` success, a queue, or counts that fit are asked for; another endpoint may answer anything but an
    error, or a message that says something else than success.
    """
    answer, status = parse(response.content), response.status_code
    tracked = urlsplit(request.url or "").path.startswith(TRACK)
    if not isinstance(answer, dict):
        if tracked:
            raise BrazeServerError(f"Braze answered {status} without JSON.", status=status)
        return
    said = answer.get("message")
    spoken = said.strip().casefold() if isinstance(said, str) else ""
    if not answer.get("error"):
        if spoken in ("success", "queued"):
            return
        if counts_fit(answer, _expected(request, answer)) if tracked else not spoken:
            return
    message = quotable(message_of({"message": answer.get("error") or said}), redact)
    quoted = f' Braze said: "{message}"' if message else ""
    raise BrazeServerError(
        f"Braze answered {status}, but not with success: whether it took the request is not known.{quoted}",
        status=status,
    )


def _expected(request: PreparedRequest, answer: dict[str, Any]) -> dict[str, int]:
    """Count the objects that a request to ``/users/track`` held, less those that the answer names an error of."""
    body = parse(request.body.encode() if isinstance(request.body, str) else request.body or b"")
    errors = answer.get("errors")
    named = {
        (entry.get("input_array"), entry.get("index"))
        for entry in (errors if isinstance(errors, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("input_array"), str)
        and type(entry.get("index")) is int
    }
    expected = {}
    for array in ARRAYS:
        rows = body.get(array) if isinstance(body, dict) else None
        sent = len(rows) if isinstance(rows, list) else 0
        expected[array] = sent - sum(1 for other, _ in named if other == array)
    return expected


def is_braze_on_nothing(response: Response) -> bool:
    """Tell whether this is Braze's answer to an empty request: the key may push, and there was nothing to push."""
    answer = parse(response.content)
    if response.status_code == 400:
        return isinstance(answer, dict) and any(
            isinstance(answer.get(name), str) and answer[name] for name in ("message", "error")
        )
    return response.status_code in (200, 201) and is_success(answer)


def knows_key(workspace: Workspace, endpoint: str) -> bool:
    """Ask another endpoint whether it knows a workspace's key."""
    there = replace(workspace, endpoint=endpoint, timeout=_PROBE_SECONDS)
    request = requests.Request("POST", endpoint + TRACK, json={}, auth=Bearer(there.api_key)).prepare()
    adapter = CurlAdapter(there)
    try:
        response = adapter.send(request)
    except requests.RequestException:
        return False
    finally:
        adapter.close()
    return is_braze_on_nothing(response) or (
        response.status_code == 403 and parse(response.content) is not None
    )


def redacted(value: Any, redact: Redact) -> Any:
    """Take the key out of an answer, wherever it stands."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redacted(each, redact) for each in value]
    if isinstance(value, dict):
        return {redacted(key, redact): redacted(each, redact) for key, each in value.items()}
    return value


def no_answer(error: requests.RequestException, endpoint: str) -> str:
    """Say why no answer came."""
    host = urlsplit(endpoint).netloc
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return f"the TLS certificate of {host} is refused ({type(error).__name__})."
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"{host} did not accept a connection in time."
    if isinstance(error, requests.exceptions.Timeout):
        return f"{host} did not answer in time."
    if "resolve host" in text:
        return f"the name {host} does not resolve."
    if "refused" in text:
        return f"{host} refused the connection."
    return f"{host} gave no answer: {text or type(error).__name__}."

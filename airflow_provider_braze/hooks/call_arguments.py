"""What a caller gives the hook, read before anything is sent: what cannot be used is named.

Above: the hook and its calls by subject. Below: what rows may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.parameters import refuse_half_characters
from airflow_provider_braze.pushes.rows.row_values import BadRowError, value_as_json
from airflow_provider_braze.users_track.rules.values import to_json

_MOST_CHARACTERS = 64_000_000
"""Of a body of any endpoint: a file for the media library is more than any request about users."""

_METHOD = re.compile("[A-Za-z]{1,20}")


def given_list(name: str, given: Iterable[Any] | None) -> list[Any]:
    """Read a list, whatever it is to ask whether it is true; of a text it would be the characters, of a dict its keys.

    :raises BrazeSetupError: it is one of these, or has no items.
    """
    if given is None:
        return []
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise BrazeSetupError(f"{name} must be a list, not {type(given).__name__}.")
    return list(given)


def given_value(name: str, value: Any) -> Any:
    """Read what is sent as JSON, as rows of ``BrazeUserTrackOperator`` are read.

    :raises BrazeSetupError: there is no JSON for it, or it is more than anything that Braze takes.
    """
    try:
        return value_as_json(value, _MOST_CHARACTERS)
    except BadRowError as bad:
        raise BrazeSetupError(f"{name} cannot be sent: {bad}.") from None


def json_of(name: str, value: Any) -> bytes:
    """Write what :func:`given_value` reads.

    :raises BrazeSetupError: it cannot be written.
    """
    plain = given_value(name, value)
    try:
        return to_json(plain)
    except Exception as error:
        # Half a character; the text of the error may hold a value.
        raise BrazeSetupError(f"{name} cannot be sent: not JSON: {type(error).__name__}.") from None


def given_method(value: Any) -> str:
    """Read the name of an HTTP method.

    :raises BrazeSetupError: it is none.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not _METHOD.fullmatch(text):
        raise BrazeSetupError(f"method must be an HTTP method such as POST, not {value!r}.")
    return text.upper()


def given_headers(headers: Any) -> dict[str, Any]:
    """Read the headers of one request; a value may be a secret, so that none is quoted.

    :raises BrazeSetupError: they are no dict of texts.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise BrazeSetupError(f"headers must be a dict of texts, not {type(headers).__name__}.")
    for name, value in headers.items():
        if not isinstance(name, str):
            raise BrazeSetupError(f"headers must have texts for names, not {name!r}.")
        # None takes a header away that the session would send.
        if not isinstance(value, str | bytes | None):
            raise BrazeSetupError(f"headers[{name!r}] must be text, not {type(value).__name__}.")
    return dict(headers)


def given_id(name: str, value: Any) -> str:
    """Read an id that must be given.

    :raises BrazeSetupError: it is no text, or blank, or holds half a character.
    """
    if not isinstance(value, str) or not value.strip():
        raise BrazeSetupError(f"{name} must be a text that is not empty, not {value!r}.")
    refuse_half_characters(name, value)
    return value.strip()


def given_data(method: str, data: Any) -> dict[str, Any]:
    """Say which part of a request the data of a call are: its JSON, its body as it is, or for ``GET`` its query.

    :raises BrazeSetupError: they are none of these.
    """
    if data is None:
        return {}
    if isinstance(data, Mapping | list):
        return {"params" if method == "GET" else "json": data}
    # What gives the body piece by piece, such as an open file, is sent as it is.
    if not isinstance(data, str | bytes | Iterator) and not hasattr(data, "read"):
        raise BrazeSetupError(f"data must be a dict, a list or text, not {type(data).__name__}.")
    return {"params" if method == "GET" else "data": data}

"""The Braze workspace a push goes to: endpoint, key and limits, checked before any request.

Above: every push, and the hook. Below: the endpoint, and the limits.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.parameters import is_grouped
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.endpoint import is_loopback, read_endpoint

__all__ = ["BULK", "EXTRAS", "TRACK", "Workspace", "is_loopback", "read_extra"]

TRACK = "/users/track"
BULK = "/users/track/bulk"

EXTRAS = (
    "requests_per_second",
    "max_in_flight",
    "timeout",
    "objects_per_request",
    "partner",
    "allow_http",
    "bulk",
)
"""The connection extras that mean something; every other one is ignored, and never sent."""

CONNECT_TIMEOUT = 5.0
TIMEOUT = 30.0
MAX_IN_FLIGHT = 96
_SHORTEST_RECOGNISED = 12
MOST_IN_FLIGHT = 1000
MOST_SECONDS = 3600
MOST_REQUESTS_PER_SECOND = 1_000_000
MOST_OBJECTS = 3 * limits.OBJECTS_PER_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where and how fast to send.

    :param endpoint: REST endpoint without a trailing slash, such as ``https://rest.iad-01.braze.com``.
    :param api_key: REST API key; never part of the repr.
    :param requests_per_second: no 3 s window ever holds more than three times as many requests (default 1000).
    :param max_in_flight: most requests in flight (default 96).
    :param connect_timeout: seconds to connect (default 5).
    :param timeout: seconds for a whole attempt (default 30).
    :param objects_per_request: most attributes, events and purchases together in one request (default 75).
    :param partner: partner name that Braze assigned, sent with every request (default none).
    :param shards: how many shards of one push send at the same time (default 1); each keeps to its part of
        ``requests_per_second`` until Braze's answers show room for more.
    :param bulk: send to ``/users/track/bulk`` (default false: to ``/users/track``).
    """

    endpoint: str
    api_key: str = field(repr=False)
    requests_per_second: float = limits.REQUESTS_PER_SECOND
    max_in_flight: int = MAX_IN_FLIGHT
    connect_timeout: float = CONNECT_TIMEOUT
    timeout: float = TIMEOUT
    objects_per_request: int = limits.OBJECTS_PER_REQUEST
    partner: str | None = None
    shards: int = 1
    bulk: bool = False

    @property
    def path(self) -> str:
        """Where objects are sent to: ``/users/track``, or ``/users/track/bulk``."""
        return BULK if self.bulk else TRACK

    @property
    def permission(self) -> str:
        """What the key needs for that."""
        return "users.track.bulk" if self.bulk else "users.track"

    @property
    def bytes_per_request(self) -> int:
        """Bytes of the largest body that goes there."""
        return limits.BULK_BYTES_PER_REQUEST if self.bulk else limits.BYTES_PER_REQUEST

    @classmethod
    def from_settings(
        cls,
        host: str | None,
        api_key: str | None,
        extras: Mapping[str, Any] | None = None,
        *,
        scheme: str | None = None,
        port: int | None = None,
    ) -> Workspace:
        """Read the fields of a connection as people fill them in; an extra that is None counts as not given.

        :raises BrazeSetupError: the first setting that is wrong, and what to put there.
        """
        _check_key_is_nowhere_else((api_key or "").strip(), {"host": host, **(extras or {})})
        _check_names(extras or {})
        given = {key: value for key, value in (extras or {}).items() if value is not None and value != ""}
        connect_timeout, timeout = _timeouts(given.get("timeout", TIMEOUT))
        partner, bulk = given.get("partner"), _boolean("bulk", given.get("bulk", False))
        pace = limits.BULK_REQUESTS_PER_SECOND if bulk else limits.REQUESTS_PER_SECOND
        return cls(
            endpoint=read_endpoint(
                host, scheme, port, allow_http=_boolean("allow_http", given.get("allow_http", False))
            ),
            api_key=_key(api_key),
            requests_per_second=_positive(
                "requests_per_second", given.get("requests_per_second", pace), MOST_REQUESTS_PER_SECOND
            ),
            max_in_flight=_whole("max_in_flight", given.get("max_in_flight", MAX_IN_FLIGHT), MOST_IN_FLIGHT),
            connect_timeout=connect_timeout,
            timeout=timeout,
            objects_per_request=_objects(given.get("objects_per_request"), bulk=bulk),
            partner=_partner(partner),
            bulk=bulk,
        )

    def for_partner(self, partner: str) -> Workspace:
        """Give the same workspace with another partner name."""
        return replace(self, partner=partner)

    def shared_by(self, shards: int) -> Workspace:
        """Give the same workspace for one of so many shards of a push."""
        return replace(self, shards=shards)

    def redact(self, text: str) -> str:
        """Take the key out of a text: Braze's own 401 echoes it."""
        return text.replace(self.api_key, "***")


def read_extra(text: str | None) -> dict[str, Any]:
    """Read a connection's extra as it was filled in; what cannot be read is never taken for an empty one.

    :raises BrazeSetupError: it is no JSON object, or gives a name twice.
    """
    if not (text or "").strip():
        return {}
    try:
        # What is wrong is not quoted: it may hold a secret.
        extra = json.loads(text or "", object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        where = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise BrazeSetupError(
            f"The Braze connection's extra is not JSON{where}: write it such as "
            '{"requests_per_second": 250}, with double quotes and without a comma at the end.'
        ) from None
    if extra is None:
        return {}
    if not isinstance(extra, dict):
        raise BrazeSetupError(
            f"The Braze connection's extra must be a JSON object such as "
            f'{{"requests_per_second": 250}}, not a {type(extra).__name__}.'
        )
    return extra


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in EXTRAS:
        if names.count(name) > 1:
            raise BrazeSetupError(f"The Braze connection's extra {name} is given twice: leave one out.")
    return dict(pairs)


def _check_names(extras: Mapping[str, Any]) -> None:
    """Refuse a name that was meant to be one of ours: its limit would silently be the default."""
    for name, value in extras.items():
        if name in EXTRAS or value is None:
            continue
        plain = re.sub(r"[\W_]+", "_", str(name).lower().rpartition("__")[2]).strip("_")
        if close := difflib.get_close_matches(plain, EXTRAS, n=1, cutoff=0.8):
            raise BrazeSetupError(
                f"The Braze connection's extra {name!r} means nothing here: write {close[0]}, or remove it."
            )


def _key(api_key: str | None) -> str:
    key = (api_key or "").strip()
    if not key:
        raise BrazeSetupError("The Braze connection has no REST API key: put it in the password field.")
    if key[0] in "\"'" or key[-1] in "\"'":
        raise BrazeSetupError("The Braze connection's REST API key is in quotes: leave them out.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BrazeSetupError(
            "The Braze connection's REST API key has a character that no key has: copy it again."
        )
    return key


def _check_key_is_nowhere_else(key: str, settings: Mapping[str, Any]) -> None:
    # A wrong setting is repeated in what is said of it, so that the key would be shown. A short one is in any word.
    if len(key) < _SHORTEST_RECOGNISED:
        return
    for name, value in settings.items():
        if key.lower() in name.lower():
            raise BrazeSetupError(
                "The name of an extra of the Braze connection holds the REST API key: put it in the password field "
                "only."
            )
        if key.lower() in str(value).lower():
            raise BrazeSetupError(
                f"The Braze connection's {name} holds the REST API key: put it in the password field only."
            )


def _timeouts(value: Any) -> tuple[float, float]:
    """Read ``timeout``: seconds for the whole attempt, or a pair of connect and whole attempt."""
    if isinstance(value, Mapping):
        if not value or set(value) - {"connect", "total"}:
            _refuse_timeout()
        value = [value.get("connect", CONNECT_TIMEOUT), value.get("total", TIMEOUT)]
    if isinstance(value, str) and "," in value:
        value = value.split(",")
    if isinstance(value, list | tuple):
        if len(value) != 2:
            _refuse_timeout()
        connect, total = (_positive("timeout", each, MOST_SECONDS, " seconds") for each in value)
        return connect, total
    total = _positive("timeout", value, MOST_SECONDS, " seconds")
    return min(CONNECT_TIMEOUT, total), total


def _refuse_timeout() -> NoReturn:
    raise BrazeSetupError(
        "The Braze connection's extra timeout must be seconds, or a pair of connect and total seconds, "
        'such as [2, 20] or {"connect": 2, "total": 20}.'
    )


def _positive(name: str, value: Any, most: float | None = None, unit: str = "") -> float:
    """Read a number above 0.

    :param most: the largest that is taken.
    :param unit: what it counts, for the message.
    """
    try:
        number = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be a number above 0, not {value!r}.")
    if number >= 1 and is_grouped(value):
        raise BrazeSetupError(
            f"The Braze connection's extra {name} must be a number without separators between thousands, not {value!r}."
        )
    if most is not None and number > most:
        raise BrazeSetupError(
            f"The Braze connection's extra {name} must be at most {most}{unit}, not {value!r}."
        )
    return number


def _whole(name: str, value: Any, most: int | None = None) -> int:
    number = _positive(name, value, most)
    if number != int(number):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be a whole number, not {value!r}.")
    return int(number)


def _objects(value: Any, *, bulk: bool) -> int:
    if value is None:
        return limits.BULK_OBJECTS_PER_REQUEST if bulk else limits.OBJECTS_PER_REQUEST
    number = _whole("objects_per_request", value)
    if bulk and number > limits.BULK_OBJECTS_PER_REQUEST:
        raise BrazeSetupError(
            f"The Braze connection's extra objects_per_request must be at most {limits.BULK_OBJECTS_PER_REQUEST}, as "
            f"{BULK} allows, not {value!r}."
        )
    if not bulk and number > MOST_OBJECTS:
        raise BrazeSetupError(
            f"The Braze connection's extra objects_per_request must be at most {MOST_OBJECTS}, 75 of each kind as old "
            f"contracts allow, not {value!r}; more need the extra bulk."
        )
    return number


def _partner(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BrazeSetupError(f"The Braze connection's extra partner must be a name, not {value!r}.")
    partner = (value or "").strip()
    if not partner.isprintable():
        raise BrazeSetupError("The Braze connection's extra partner has a character that no name has.")
    return partner or None


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be true or false, not {value!r}.")
    return text == "true"

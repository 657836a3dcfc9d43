"""The Braze workspace a push goes to: endpoint, key and limits, checked before any request."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.users_track import limits

EXTRAS = ("requests_per_second", "max_in_flight", "timeout", "objects_per_request", "partner", "allow_http")
"""The connection extras that mean something; every other one is ignored, and never sent."""

CONNECT_TIMEOUT = 5.0
TIMEOUT = 30.0
MAX_IN_FLIGHT = 96
_DEFAULT_PORTS = {"https": 443, "http": 80}
_SHORTEST_RECOGNISED = 12
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
    """

    endpoint: str
    api_key: str = field(repr=False)
    requests_per_second: float = limits.REQUESTS_PER_SECOND
    max_in_flight: int = MAX_IN_FLIGHT
    connect_timeout: float = CONNECT_TIMEOUT
    timeout: float = TIMEOUT
    objects_per_request: int = limits.OBJECTS_PER_REQUEST
    partner: str | None = None

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
        given = {key: value for key, value in (extras or {}).items() if value is not None and value != ""}
        connect_timeout, timeout = _timeouts(given.get("timeout", TIMEOUT))
        partner = given.get("partner")
        return cls(
            endpoint=_endpoint(
                host, scheme, port, allow_http=_boolean("allow_http", given.get("allow_http", False))
            ),
            api_key=_key(api_key),
            requests_per_second=_positive(
                "requests_per_second", given.get("requests_per_second", limits.REQUESTS_PER_SECOND)
            ),
            max_in_flight=_whole("max_in_flight", given.get("max_in_flight", MAX_IN_FLIGHT)),
            connect_timeout=connect_timeout,
            timeout=timeout,
            objects_per_request=_objects(given.get("objects_per_request", limits.OBJECTS_PER_REQUEST)),
            partner=_partner(partner),
        )

    def for_partner(self, partner: str) -> Workspace:
        """Give the same workspace with another partner name."""
        return replace(self, partner=partner)

    def redact(self, text: str) -> str:
        """Take the key out of a text: Braze's own 401 echoes it."""
        return text.replace(self.api_key, "***")


def _endpoint(host: str | None, scheme: str | None, port: int | None, *, allow_http: bool) -> str:
    text = (host or "").strip()
    if not text:
        raise BrazeSetupError(
            "The Braze connection has no host: put your REST endpoint there, such as https://rest.iad-01.braze.com."
        )
    if "://" not in text:
        text = f"{scheme if scheme in ('http', 'https') else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        name, given_port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise BrazeSetupError(f"The Braze connection's host is not a valid address: {error}.") from None
    if parts.username or parts.password:
        raise BrazeSetupError(
            "The Braze connection's host holds credentials: put the key in the password field only."
        )
    if parts.scheme not in ("http", "https") or not name:
        raise BrazeSetupError(f"The Braze connection's host {host!r} is not an http(s) address.")
    may_be_http = parts.scheme == "http" and (allow_http or is_loopback(name))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise BrazeSetupError(
            f"The Braze connection's host {host!r} has a path: give only the REST endpoint, such as "
            f"{_origin('http' if may_be_http else 'https', name, given_port)}."
        )
    _check_name(name)
    if parts.scheme == "http" and not may_be_http:
        raise BrazeSetupError(
            f"The Braze connection's host {host!r} would send the key unencrypted: use https://, "
            "or set the extra allow_http."
        )
    return _origin(parts.scheme, name, given_port or port)


def _origin(scheme: str, name: str, port: int | None) -> str:
    literal = f"[{name}]" if ":" in name else name
    # The endpoint is compared with those of Braze's clusters, which name no port.
    return (
        f"{scheme}://{literal}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{literal}:{port}"
    )


def _check_name(name: str) -> None:
    if not name.isascii():
        raise BrazeSetupError(
            f"The Braze connection's host {name!r} is not written in ASCII: write it as DNS does, xn--..."
        )
    if name.startswith("sdk."):
        raise BrazeSetupError(
            f"{name} is Braze's SDK endpoint: use the REST endpoint of the same cluster, such as "
            f"{name.replace('sdk.', 'rest.', 1)}."
        )
    if name.startswith("dashboard"):
        raise BrazeSetupError(
            f"{name} is Braze's dashboard: use the REST endpoint of the same cluster, such as https://rest.iad-01.braze.com."
        )


def is_loopback(name: str) -> bool:
    """Tell whether a host name means this very machine."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


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
        if key.lower() in str(value).lower():
            raise BrazeSetupError(
                f"The Braze connection's {name} holds the REST API key: put it in the password field only."
            )


def _timeouts(value: Any) -> tuple[float, float]:
    """Read ``timeout``: seconds for the whole attempt, or a pair of connect and whole attempt."""
    if isinstance(value, Mapping):
        value = [value.get("connect", CONNECT_TIMEOUT), value.get("total", TIMEOUT)]
    if isinstance(value, str) and "," in value:
        value = value.split(",")
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise BrazeSetupError(
                "The Braze connection's extra timeout must be seconds, or a pair of connect and total seconds."
            )
        return _positive("timeout", value[0]), _positive("timeout", value[1])
    total = _positive("timeout", value)
    return min(CONNECT_TIMEOUT, total), total


def _positive(name: str, value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be a number above 0, not {value!r}.")
    return number


def _whole(name: str, value: Any) -> int:
    number = _positive(name, value)
    if number != int(number):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be a whole number, not {value!r}.")
    return int(number)


def _objects(value: Any) -> int:
    number = _whole("objects_per_request", value)
    if number > MOST_OBJECTS:
        raise BrazeSetupError(
            f"The Braze connection's extra objects_per_request must be at most {MOST_OBJECTS}, 75 of each kind as old "
            f"contracts allow, not {value!r}."
        )
    return number


def _partner(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BrazeSetupError(f"The Braze connection's extra partner must be a name, not {value!r}.")
    return value or None


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be true or false, not {value!r}.")
    return text == "true"

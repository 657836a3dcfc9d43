"""The Braze workspace a push goes to: endpoint, key and limits, checked before any request."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from urllib.parse import urlsplit

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.users_track.rules import limits

EXTRAS = ("requests_per_second", "max_in_flight", "timeout", "objects_per_request", "partner", "allow_http")
"""The connection extras that mean something; every other one is ignored, and never sent."""

CONNECT_TIMEOUT = 5.0
TIMEOUT = 30.0
MAX_IN_FLIGHT = 96
_DEFAULT_PORTS = {"https": 443, "http": 80}
_SHORTEST_RECOGNISED = 12
MOST_IN_FLIGHT = 1000
MOST_SECONDS = 3600
_SCHEME = re.compile(r"(?:(https?)(?:[:;.]*[/\\]+|[:;](?=\D))|[:/\\]+)", re.IGNORECASE)
"""A beginning of an address: the right one, or one such as ``https//``, ``https:/`` and ``//``."""
_NAME = re.compile(r"[\w.-]+|[0-9a-f:.]+", re.ASCII)
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
    :param share: part of ``requests_per_second`` that a push begins with, and keeps where Braze's answers tell nothing
        of the limit, above 0 and at most 1 (default 1: all of it).
    """

    endpoint: str
    api_key: str = field(repr=False)
    requests_per_second: float = limits.REQUESTS_PER_SECOND
    max_in_flight: int = MAX_IN_FLIGHT
    connect_timeout: float = CONNECT_TIMEOUT
    timeout: float = TIMEOUT
    objects_per_request: int = limits.OBJECTS_PER_REQUEST
    partner: str | None = None
    share: float = 1.0

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
        partner = given.get("partner")
        return cls(
            endpoint=_endpoint(
                host, scheme, port, allow_http=_boolean("allow_http", given.get("allow_http", False))
            ),
            api_key=_key(api_key),
            requests_per_second=_positive(
                "requests_per_second", given.get("requests_per_second", limits.REQUESTS_PER_SECOND)
            ),
            max_in_flight=_whole("max_in_flight", given.get("max_in_flight", MAX_IN_FLIGHT), MOST_IN_FLIGHT),
            connect_timeout=connect_timeout,
            timeout=timeout,
            objects_per_request=_objects(given.get("objects_per_request", limits.OBJECTS_PER_REQUEST)),
            partner=_partner(partner),
        )

    def for_partner(self, partner: str) -> Workspace:
        """Give the same workspace with another partner name."""
        return replace(self, partner=partner)

    def shared_by(self, pushes: int) -> Workspace:
        """Give the same workspace for one of so many pushes that run at the same time."""
        return replace(self, share=1 / pushes)

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


def _endpoint(host: str | None, scheme: str | None, port: int | None, *, allow_http: bool) -> str:
    text = (host or "").strip()
    if not text:
        raise BrazeSetupError(
            "The Braze connection has no host: put your REST endpoint there, such as https://rest.iad-01.braze.com."
        )
    if "@" in text:
        raise BrazeSetupError(
            "The Braze connection's host holds credentials: put the key in the password field only."
        )
    _check_beginning(host, text)
    if "://" not in text:
        text = f"{scheme if scheme in ('http', 'https') else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        name, given_port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise BrazeSetupError(f"The Braze connection's host is not a valid address: {error}.") from None
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
    if port and not 0 < port < 65536:
        raise BrazeSetupError(f"The Braze connection's port must be from 1 to 65535, not {port}.")
    return _origin(parts.scheme, name, given_port or port)


def _check_beginning(host: str | None, text: str) -> None:
    """Refuse ``https//host`` and the like, which would be read as a path on a host called https."""
    rest, scheme = text, "https"
    while found := _SCHEME.match(rest):
        scheme, rest = (found[1] or scheme).lower(), rest[found.end() :]
    if rest != (text.partition("://")[2] if "://" in text else text):
        name = re.split(r"[/\\?#]", rest)[0]
        raise BrazeSetupError(
            f"The Braze connection's host {host!r} is not an http(s) address: write {scheme}://{name or 'rest...'}."
        )


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
    if not _NAME.fullmatch(name):
        raise BrazeSetupError(f"The Braze connection's host {name!r} has a character that no host name has.")
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
        return _seconds(value[0]), _seconds(value[1])
    total = _seconds(value)
    return min(CONNECT_TIMEOUT, total), total


def _refuse_timeout() -> NoReturn:
    raise BrazeSetupError(
        "The Braze connection's extra timeout must be seconds, or a pair of connect and total seconds, "
        'such as [2, 20] or {"connect": 2, "total": 20}.'
    )


def _seconds(value: Any) -> float:
    number = _positive("timeout", value)
    if number > MOST_SECONDS:
        raise BrazeSetupError(
            f"The Braze connection's extra timeout must be at most {MOST_SECONDS} seconds, not {value!r}."
        )
    return number


def _positive(name: str, value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be a number above 0, not {value!r}.")
    return number


def _whole(name: str, value: Any, most: int | None = None) -> int:
    number = _positive(name, value)
    if number != int(number):
        raise BrazeSetupError(f"The Braze connection's extra {name} must be a whole number, not {value!r}.")
    if most is not None and number > most:
        raise BrazeSetupError(f"The Braze connection's extra {name} must be at most {most}, not {value!r}.")
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

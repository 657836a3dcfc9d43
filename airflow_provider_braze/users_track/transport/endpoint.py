"""The REST endpoint as the host of a connection names it, checked before a key is sent there.

Above: the workspace. Below: only the errors.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from airflow_provider_braze.exceptions import BrazeSetupError

_DEFAULT_PORTS = {"https": 443, "http": 80}
_SCHEME = re.compile(r"(?:(https?)(?:[:;.]*[/\\]+|[:;](?=\D))|[:/\\]+)", re.IGNORECASE)
"""A beginning of an address: the right one, or one such as ``https//``, ``https:/`` and ``//``."""
_NAME = re.compile(r"[\w.-]+|[0-9a-f:.]+", re.ASCII)


_OTHER_SCHEME = re.compile(r"[^./\\]*:[/\\]{2}")


def read_endpoint(host: str | None, scheme: str | None, port: int | None, *, allow_http: bool) -> str:
    """Read the host of a connection as people write it.

    :raises BrazeSetupError: it is no REST endpoint that a key may be sent to.
    """
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
        # What else stands before the slashes is a scheme misspelt, or another one.
        name = re.split(r"[/\\?#]", _OTHER_SCHEME.sub("", rest))[0].strip("'\"<> ")
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

"""What the machine says of the way to Braze, as options of libcurl: its proxy, and the authorities that it trusts.

Above: the client. Below: the workspace.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from urllib.parse import unquote, urlsplit

import pycurl

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.users_track.transport.workspace import is_loopback

_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})

Options = dict[int, object]
"""By option, such as ``pycurl.PROXY``; None puts it back to nothing."""


def proxy(endpoint: str) -> Options:
    """Find the proxy of ``https_proxy``, ``http_proxy`` and ``no_proxy``.

    :raises BrazeSetupError: it cannot be read.
    """
    scheme, host = urlsplit(endpoint).scheme, urlsplit(endpoint).hostname or ""
    address = urllib.request.getproxies().get(scheme)
    if not address or is_loopback(host) or urllib.request.proxy_bypass(host):
        # An empty text means none, whatever libcurl finds in the environment.
        return {pycurl.PROXY: ""}
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port = None, None
    if not name or not name.isascii() or parts.scheme not in _SCHEMES or parts.path.strip("/"):
        # It may hold a password, so it is not shown.
        raise BrazeSetupError(
            f"The proxy in {scheme}_proxy cannot be read: it must be such as http://user:password@host:3128, with "
            "characters like # / @ in the password percent-encoded."
        )
    literal = f"[{name}]" if ":" in name else name
    found: Options = {
        pycurl.PROXY: f"{parts.scheme}://{literal}" + (f":{port}" if port else ""),
        pycurl.NOPROXY: "",
    }
    # Apart from the address, which libcurl quotes in what it says.
    if parts.username is not None:
        found[pycurl.PROXYUSERNAME] = unquote(parts.username).encode()
        found[pycurl.PROXYPASSWORD] = unquote(parts.password or "").encode()
    return found


def trust() -> Options:
    """Find the authorities that Python itself trusts here: the libcurl that comes with pycurl may look elsewhere."""
    paths = ssl.get_default_verify_paths()
    # May be a list of directories, which Python's own check for one does not know.
    directory = os.environ.get(paths.openssl_capath_env) or paths.capath
    return {
        pycurl.CAINFO: paths.cafile,
        pycurl.PROXY_CAINFO: paths.cafile,
        pycurl.CAPATH: directory,
        pycurl.PROXY_CAPATH: directory,
    }

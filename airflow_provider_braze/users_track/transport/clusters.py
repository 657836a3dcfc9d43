"""Braze's REST endpoints (Braze docs: API overview), to tell a wrong key from a key of another cluster.

Above: the operators and forms. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

CLUSTERS: Mapping[str, str] = MappingProxyType(
    {f"US-{number:02}": f"https://rest.iad-{number:02}.braze.com" for number in range(1, 9)}
    | {
        "US-10": "https://rest.us-10.braze.com",
        "EU-01": "https://rest.fra-01.braze.eu",
        "EU-02": "https://rest.fra-02.braze.eu",
        "AU-01": "https://rest.au-01.braze.com",
        "ID-01": "https://rest.id-01.braze.com",
        "JP-01": "https://rest.jp-01.braze.com",
        "KR-01": "https://rest.kr-01.braze.com",
    }
)
"""Cluster name to REST endpoint. A connection may name any other host; this list only serves messages."""


def dashboard_of(endpoint: str) -> str | None:
    """Name the dashboard of a REST endpoint (Braze docs: API and SDK endpoints); None for a host that is not listed."""
    host = urlsplit(endpoint).hostname
    return next((_dashboard(known) for known in CLUSTERS.values() if urlsplit(known).hostname == host), None)


def cluster_of(endpoint: str) -> str | None:
    """Name the cluster of a REST endpoint, such as ``US-01``; None for a host that is not listed."""
    host = urlsplit(endpoint).hostname
    return next((name for name, known in CLUSTERS.items() if urlsplit(known).hostname == host), None)


def _dashboard(endpoint: str) -> str:
    cluster = endpoint.removeprefix("https://rest.")
    place, _, domain = cluster.partition(".")
    if place.startswith(("iad-", "fra-")):
        return f"https://dashboard-{place[-2:]}.{domain}"
    return f"https://dashboard.{cluster}"

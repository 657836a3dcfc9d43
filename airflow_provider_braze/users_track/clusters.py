"""Braze's REST endpoints (Braze docs: API overview), to tell a wrong key from a key of another cluster."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

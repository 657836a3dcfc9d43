"""Names of exports and workspaces in lineage: the storage's own, as whoever else reads or writes there gives them.

Above: assets and facets. Below: nothing; Airflow imports this while it starts.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

WORKSPACE_SCHEME = "braze"
EXPORT_SCHEME = "redpoint"
TRACKED = "users.track"
"""What a push writes to in a workspace."""

_SAME_STORAGE = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "local": "file"}
"""Schemes by which fsspec knows a storage, and the one that OpenLineage names it by."""


class Name(NamedTuple):
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str


def export_name(path: str) -> Name:
    """Name an export, or a folder of exports, by where it lies.

    :param path: path or URL; the Airflow connection in front of a host is no part of the name.
    """
    scheme, separator, rest = path.partition("://")
    if not separator or "/" in scheme or "\\" in scheme:
        return Name("file", path)
    scheme = _SAME_STORAGE.get(scheme.lower(), scheme.lower())
    host, slash, name = rest.partition("/")
    if scheme == "file":
        return Name("file", f"{host}{slash}{name}" if host else f"/{name}")
    host = host.rpartition("@")[2]
    # In an object store a name begins without a slash, on a server it is a path.
    in_bucket = scheme in ("s3", "gs", "abfs", "abfss", "adl", "az", "wasb", "wasbs")
    return Name(f"{scheme}://{host}", name if in_bucket else f"/{name}")


def workspace_name(endpoint: str) -> Name:
    """Name the workspace behind a REST endpoint, such as ``braze://rest.iad-01.braze.com``."""
    return Name(f"{WORKSPACE_SCHEME}://{urlsplit(endpoint).netloc or endpoint}", TRACKED)


def export_uri(path: str) -> str:
    """Give the URI of an asset that is an export or a folder of exports: ``redpoint://s3/bucket/key``.

    :param path: path or URL, as the sensor and the operator take it.
    """
    namespace, name = export_name(path)
    scheme, _, host = namespace.partition("://")
    # Quoted together, so that Airflow's own look at a URI changes nothing: `Braze Append` has a blank.
    return f"{EXPORT_SCHEME}://{scheme}/{quote('/'.join(filter(None, [host, name.lstrip('/')])), safe='/:')}"


def name_of_export_uri(uri: str) -> Name:
    """Read what :func:`export_uri` wrote."""
    parts = urlsplit(uri)
    path = unquote(parts.path).lstrip("/")
    if parts.netloc == "file":
        return Name("file", path if path[1:3] in (":/", ":\\") else f"/{path}")
    host, _, name = path.partition("/")
    return export_name(f"{parts.netloc}://{host}/{name}")

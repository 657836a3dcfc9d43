"""URIs of assets that are exports (``redpoint://``) and workspaces (``braze://``), as Airflow asks for them.

Above: Airflow, by the provider info, and DAG authors. Below: the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_braze.lineage.naming import (
    EXPORT_SCHEME,
    TRACKED,
    WORKSPACE_SCHEME,
    Name,
    export_uri,
    name_of_export_uri,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Spell a URI in one way, so that the same export or workspace is the same asset.

    :raises ValueError: it names none.
    """
    if not uri.netloc:
        example = {
            WORKSPACE_SCHEME: "braze://rest.iad-01.braze.com",
            EXPORT_SCHEME: "redpoint://file/mnt/rpi/Braze%20Append",
        }
        raise ValueError(f"URI format {uri.scheme}:// must name what it is, such as {example[uri.scheme]}.")
    if uri.scheme == EXPORT_SCHEME and uri.path in ("", "/"):
        raise ValueError(
            "URI format redpoint:// must name a storage and a path, such as redpoint://s3/bucket/rpi/Braze%20Append: "
            "export_uri gives it for a path or URL."
        )
    return uri._replace(netloc=uri.netloc.lower())


def create_export_asset(*, path: str, extra: dict[str, Any] | None = None) -> Asset:
    """Make the asset of an export, or of a folder of exports.

    :param path: path or URL.
    """
    from airflow.sdk import Asset

    return Asset(uri=export_uri(path), extra=extra or {})


def create_workspace_asset(*, host: str, extra: dict[str, Any] | None = None) -> Asset:
    """Make the asset of a workspace.

    :param host: REST endpoint of its cluster, with or without ``https://``.
    """
    from airflow.sdk import Asset

    netloc = urlsplit(host if "://" in host else f"//{host}").netloc
    return Asset(uri=f"{WORKSPACE_SCHEME}://{netloc}", extra=extra or {})


def convert_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:  # noqa: ARG001 - Airflow's interface
    """Name an asset of ours as OpenLineage does."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    if parts.scheme == EXPORT_SCHEME:
        namespace, name = name_of_export_uri(asset.uri)
    else:
        namespace, name = Name(f"{WORKSPACE_SCHEME}://{parts.netloc}", TRACKED)
    return Dataset(namespace=namespace, name=name)

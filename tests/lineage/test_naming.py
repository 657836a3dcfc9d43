"""Names of exports and workspaces, and the assets that Airflow makes of them."""

from __future__ import annotations

import warnings

import pytest
from airflow.sdk import Asset

from airflow_provider_braze.lineage.assets import (
    convert_to_openlineage,
    create_export_asset,
    create_workspace_asset,
)
from airflow_provider_braze.lineage.naming import export_name, export_uri, name_of_export_uri, workspace_name

EXPORTS = {
    "/mnt/rpi/Braze Append/Spring/8828/RPI_Export_1.txt": (
        "file",
        "/mnt/rpi/Braze Append/Spring/8828/RPI_Export_1.txt",
    ),
    "file:///mnt/rpi/x.txt": ("file", "/mnt/rpi/x.txt"),
    "local:///mnt/rpi/x.txt": ("file", "/mnt/rpi/x.txt"),
    "s3://aws_default@bucket/rpi/Été à 50 %/x.txt": ("s3://bucket", "rpi/Été à 50 %/x.txt"),
    "s3a://bucket/x.txt": ("s3://bucket", "x.txt"),
    "gs://google@bucket/rpi/x.txt": ("gs://bucket", "rpi/x.txt"),
    "abfs://azure@container/rpi/x.txt": ("abfs://container", "rpi/x.txt"),
    "sftp://rpi_sftp@host:2222/rpi/x.txt": ("sftp://host:2222", "/rpi/x.txt"),
    "ftps://rpi@host/rpi/x.txt": ("ftps://host", "/rpi/x.txt"),
    "smb://rpi_share@host/share/rpi/x.txt": ("smb://host", "/share/rpi/x.txt"),
}


@pytest.mark.parametrize("path", EXPORTS)
def test_an_export_is_named_by_its_storage(path: str) -> None:
    assert export_name(path) == EXPORTS[path]


@pytest.mark.parametrize("path", EXPORTS)
def test_airflows_asset_of_an_export_is_the_same_dataset(path: str) -> None:
    asset = create_export_asset(path=path, extra={"a": 1})

    assert asset.uri == Asset(uri=asset.uri).uri == export_uri(path)
    assert asset.extra == {"a": 1}
    assert name_of_export_uri(asset.uri) == EXPORTS[path]


def test_a_workspace_is_named_by_its_host() -> None:
    assert workspace_name("https://rest.iad-01.braze.com") == ("braze://rest.iad-01.braze.com", "users.track")
    for host in ("https://rest.IAD-01.braze.com", "rest.iad-01.braze.com"):
        assert create_workspace_asset(host=host).uri.rstrip("/") == "braze://rest.iad-01.braze.com"


def test_what_names_nothing_is_said() -> None:
    for uri in ("redpoint://", "redpoint:///x", "redpoint://s3", "braze:///x"):
        with pytest.raises(ValueError, match="URI format"):
            Asset(uri=uri)


def test_airflow_knows_the_schemes() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    manager.initialize_providers_asset_uri_resources()
    with warnings.catch_warnings():
        # Airflow 3.3 has another way to these, which 3.1 has not.
        warnings.simplefilter("ignore")
        for scheme, factory in (("redpoint", create_export_asset), ("braze", create_workspace_asset)):
            assert manager.asset_factories[scheme] is factory
            assert manager.asset_to_openlineage_converters[scheme] is convert_to_openlineage


def test_openlineage_names_an_asset_as_a_push_does() -> None:
    pytest.importorskip("openlineage.client")
    found = convert_to_openlineage(create_export_asset(path="s3://aws@bucket/rpi/x.txt"), None)
    assert (found.namespace, found.name) == ("s3://bucket", "rpi/x.txt")
    found = convert_to_openlineage(create_workspace_asset(host="rest.iad-01.braze.com"), None)
    assert (found.namespace, found.name) == ("braze://rest.iad-01.braze.com", "users.track")

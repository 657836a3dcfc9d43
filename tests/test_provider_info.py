from __future__ import annotations

import json
from importlib import import_module, metadata, resources
from typing import Any

import jsonschema
import pytest

from airflow_provider_braze import __version__
from airflow_provider_braze.get_provider_info import get_provider_info
from airflow_provider_braze.users_track.transport.workspace import EXTRAS

INFO = get_provider_info()
CONNECTION = INFO["connection-types"][0]


def airflow_schema(name: str) -> dict[str, Any]:
    return json.loads((resources.files("airflow") / name).read_text())


def test_entry_point_gives_the_provider_info() -> None:
    (entry_point,) = (
        entry_point
        for entry_point in metadata.entry_points(group="apache_airflow_provider")
        if entry_point.dist is not None and entry_point.dist.name == INFO["package-name"]
    )

    assert entry_point.load()() == INFO


def test_info_is_what_airflow_reads_at_run_time() -> None:
    jsonschema.validate(INFO, airflow_schema("provider_info.schema.json"))


def test_info_has_no_typo_below_its_top_level() -> None:
    """The run-time schema does not look below the top level, so that a typo there would be silent."""
    schema = airflow_schema("provider.yaml.schema.json")
    connection = schema["properties"]["connection-types"]["items"]["properties"]
    if "conn-fields" not in connection:
        pytest.skip("the oldest Airflow does not know the connection form's metadata")

    jsonschema.validate(
        {**INFO, "state": "ready", "source-date-epoch": 0, "versions": [__version__]},
        # What is not in the schema must be a mistake in ours, at every level.
        schema
        | {"properties": schema["properties"] | {"connection-types": _closed(schema, "connection-types")}},
    )


def _closed(schema: dict[str, Any], key: str) -> dict[str, Any]:
    listing = schema["properties"][key]
    return listing | {"items": listing["items"] | {"additionalProperties": False}}


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_every_module_imports(kind: str) -> None:
    for entry in INFO[kind]:
        assert entry["integration-name"] in {
            integration["integration-name"] for integration in INFO["integrations"]
        }
        for module in entry["python-modules"]:
            import_module(module)


def test_connection_type_is_the_hooks() -> None:
    module, _, name = CONNECTION["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)

    assert (hook.conn_type, hook.hook_name) == (CONNECTION["connection-type"], CONNECTION["hook-name"])
    assert (hook.conn_name_attr, hook.default_conn_name) == ("braze_conn_id", "braze_default")


def test_form_has_a_field_for_every_extra_that_means_something() -> None:
    assert set(CONNECTION["conn-fields"]) == set(EXTRAS)


def test_every_field_of_the_form_may_stay_empty() -> None:
    for field in CONNECTION["conn-fields"].values():
        assert "null" in field["schema"]["type"]


def test_airflow_finds_the_filesystems_that_nobody_else_has() -> None:
    from airflow.sdk.io import has_fs

    assert [has_fs(scheme) for scheme in ("ftp", "ftps", "smb")] == [True] * 3
    for module in INFO["filesystems"]:
        assert import_module(module).schemes

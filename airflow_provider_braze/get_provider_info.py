"""What Airflow reads about this provider. Imports nothing: discovery runs while Airflow's settings initialise."""

from __future__ import annotations

import sys
from typing import Any

_DISTRIBUTION = "airflow-provider-braze-redpoint"

_INTEGRATIONS: list[dict[str, Any]] = [
    {
        "integration-name": "Braze",
        "external-doc-url": "https://www.braze.com/docs/api/home",
        "tags": ["service"],
    },
    {
        "integration-name": "Redpoint Interaction",
        "external-doc-url": "https://docs.redpointglobal.com/rpi/",
        "tags": ["service"],
    },
]

_CONFIG: dict[str, Any] = {
    "braze": {
        "description": "The Braze tab on DAG runs and task instances.",
        "options": {
            "rejects_in_ui": {
                "description": (
                    "Let whoever may read a DAG's XComs see the first records of a push's rejects file, "
                    "masked, and download the whole file with its personal data, where the API server can "
                    "read it."
                ),
                "version_added": "0.1.0",
                "type": "boolean",
                "example": "True",
                "default": "False",
            },
        },
    },
}

_CONNECTION_FIELDS: dict[str, Any] = {
    "requests_per_second": {
        "label": "Requests per second",
        "description": "Most requests a second, averaged over 3 seconds; 1000 if empty.",
        "schema": {"type": ["number", "null"], "minimum": 0.01},
    },
    "max_in_flight": {
        "label": "Requests in flight",
        "description": "Most requests that wait for an answer at the same time; 96 if empty.",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "timeout": {
        "label": "Timeout",
        "description": "Seconds that one attempt of a request may take; 30 if empty.",
        "schema": {"type": ["number", "null"], "minimum": 1},
    },
    "objects_per_request": {
        "label": "Objects per request",
        "description": "Most objects together in one request, as your contract allows; 75 if empty, 1000 in bulk.",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000},
    },
    "partner": {
        "label": "Partner",
        "description": "Partner name sent with every request; none if empty.",
        "schema": {"type": ["string", "null"]},
    },
    "bulk": {
        "label": "Bulk endpoint",
        "description": "Send to /users/track/bulk, which Braze must have given you: 1000 objects and 2 MB a request.",
        "schema": {"type": ["boolean", "null"]},
    },
    "allow_http": {
        "label": "Allow plain http",
        "description": "Let the key travel unencrypted to an http:// endpoint elsewhere.",
        "schema": {"type": ["boolean", "null"]},
    },
}

_CONNECTION_TYPES: list[dict[str, Any]] = [
    {
        "connection-type": "braze",
        "hook-class-name": "airflow_provider_braze.hooks.braze.BrazeHook",
        "hook-name": "Braze",
        "ui-field-behaviour": {
            # The port shows because Airflow 3.3.2 refuses to test a connection that has none.
            "hidden-fields": ["login", "schema"],
            # Airflow 3.1 writes "port" where nobody says otherwise.
            "relabeling": {"host": "REST endpoint", "password": "REST API key", "port": "Port"},
            "placeholders": {
                "host": "https://rest.iad-01.braze.com",
                "port": "443; needed by Test on Airflow 3.3.2, else it may stay empty",
                "password": "the key of the workspace, with users.track",
            },
        },
        "conn-fields": _CONNECTION_FIELDS,
    }
]


_OPERATORS = [
    "airflow_provider_braze.operators.braze",
    "airflow_provider_braze.operators.cdi",
    "airflow_provider_braze.operators.users",
]


def _asset_uri(scheme: str, *, factory: str) -> dict[str, Any]:
    assets = "airflow_provider_braze.lineage.assets"
    return {
        "schemes": [scheme],
        "handler": f"{assets}.sanitize_uri",
        "factory": f"{assets}.{factory}",
        "to_openlineage_converter": f"{assets}.convert_to_openlineage",
    }


def _be_found_by_the_distribution() -> None:
    """Have the package imported by the distribution's name, too.

    With ``[core] load_examples``, Airflow 3.3 takes that for the package's, and logs a traceback where there is none.
    Breaks when it reads the package from the metadata: then this can go.
    """
    sys.modules.setdefault(_DISTRIBUTION.replace("-", "_"), sys.modules[__name__.partition(".")[0]])


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, which is also the only source of the connection form in Airflow 3.3."""
    _be_found_by_the_distribution()
    return {
        "package-name": _DISTRIBUTION,
        "name": "Braze",
        "description": "Pushes `Redpoint Interaction` exports to `Braze <https://www.braze.com/>`__ user profiles.",
        "integrations": _INTEGRATIONS,
        "operators": [{"integration-name": "Braze", "python-modules": _OPERATORS}],
        "sensors": [
            {
                "integration-name": "Redpoint Interaction",
                "python-modules": ["airflow_provider_braze.sensors.redpoint"],
            },
            {"integration-name": "Braze", "python-modules": ["airflow_provider_braze.sensors.cdi"]},
        ],
        "hooks": [
            {"integration-name": "Braze", "python-modules": ["airflow_provider_braze.hooks.braze"]},
        ],
        "triggers": [
            {
                "integration-name": "Redpoint Interaction",
                "python-modules": ["airflow_provider_braze.triggers.redpoint"],
            },
            {"integration-name": "Braze", "python-modules": ["airflow_provider_braze.triggers.cdi"]},
        ],
        "task-decorators": [
            {"name": "braze_track", "class-name": "airflow_provider_braze.decorators.braze.braze_track_task"},
        ],
        # What no other provider of Airflow serves.
        "filesystems": [
            "airflow_provider_braze.storage.protocols.ftp",
            "airflow_provider_braze.storage.protocols.ftps",
            "airflow_provider_braze.storage.protocols.smb",
        ],
        "asset-uris": [
            _asset_uri("redpoint", factory="create_export_asset"),
            _asset_uri("braze", factory="create_workspace_asset"),
        ],
        "notifications": ["airflow_provider_braze.notifications.braze.BrazePushNotifier"],
        "extra-links": ["airflow_provider_braze.links.braze.BrazeDashboardLink"],
        "plugins": [
            {
                "name": "airflow_provider_braze",
                "plugin-class": "airflow_provider_braze.plugins.braze_tab.BrazeTabPlugin",
            },
        ],
        "config": _CONFIG,
        "connection-types": _CONNECTION_TYPES,
    }

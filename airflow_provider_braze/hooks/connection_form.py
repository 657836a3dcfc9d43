"""The form of a connection for Airflow 3.1; later versions read the provider info, from which this is made too.

Above: the hook. Below: the provider info.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.get_provider_info import get_provider_info


class ConnectionForm:
    """What Airflow 3.1 asks a hook of its connection's form."""

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the standard fields."""
        behaviour = _connection_type()["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Describe the extras."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import BooleanField, IntegerField, StringField

        def widget(conn_field: Mapping[str, Any]) -> Any:
            kind = conn_field["schema"]["type"]
            if "boolean" in kind:
                return BooleanField(label=conn_field["label"], description=conn_field.get("description"))
            field = IntegerField if "integer" in kind else StringField
            return field(
                label=conn_field["label"],
                description=conn_field.get("description"),
                default=conn_field["schema"].get("default"),
                widget=BS3TextFieldWidget(),
            )

        return {name: widget(conn_field) for name, conn_field in _connection_type()["conn-fields"].items()}


def _connection_type() -> dict[str, Any]:
    found: dict[str, Any] = get_provider_info()["connection-types"][0]
    return found

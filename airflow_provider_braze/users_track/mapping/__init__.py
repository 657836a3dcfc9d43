"""From a record to a profile object."""

from airflow_provider_braze.users_track.mapping.declarations import Identifier, Tag, Type
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping

__all__ = ["ExportMapping", "Identifier", "Tag", "Type"]

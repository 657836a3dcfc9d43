"""The profile object that the baselines send for a record: the same as the product's with its default mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import generate

TRACK = "/users/track"
OBJECTS_PER_REQUEST = 75

STANDARD = ("first_name", "last_name", "email", "country", "dob", "gender", "home_city", "phone")
NESTED = ("education", "income", "marital_status", "zip")
TAGS = {
    "RPContactID": "rpi_contact_ids",
    "ChannelExecutionID": "rpi_channel_exec_ids",
    "output_name": "rpi_audience_outputs",
}


def profile(record: Mapping[str, Any]) -> dict[str, Any]:
    """Map a record; absent and empty values are left out."""
    found: dict[str, Any] = {"external_id": record["external_id"], "_update_existing_only": False}
    found.update((name, record[name]) for name in STANDARD if record.get(name, "") != "")
    nested = {name: record[name] for name in NESTED if record.get(name, "") != ""}
    if nested:
        found["rpi_cdp_attributes"] = nested
        found["_merge_objects"] = True
    found["rpi_offers"] = {"add": [generate.OFFER]}
    for column, attribute in TAGS.items():
        if record.get(column, "") != "":
            found[attribute] = {"add": [record[column]]}
    return found

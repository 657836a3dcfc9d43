"""What must come of the six sample exports when they are pushed in order into an empty workspace.

Written by hand from the exports' text and the documented mapping, not with the code under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTS: dict[int, dict[str, int]] = {
    5719: {"records": 3, "accepted": 3},
    # P0001 stands in two rows: one profile object, the other row is merged into it.
    5720: {"records": 3, "accepted": 2, "merged": 1},
    5721: {"records": 3, "accepted": 3},
    5722: {"records": 3, "accepted": 3},
    # Braze accepts P9999 too, and then ignores it: the profile does not exist and append creates none.
    5723: {"records": 3, "accepted": 2, "merged": 1},
    # A tab made one row too wide, a line break made two narrow rows of another one.
    5724: {"records": 4, "accepted": 1, "invalid": 3},
}
"""Outcome counts by channel execution; what is not named is 0."""

MODES = {5719: "upsert", 5720: "append", 5721: "upsert", 5722: "upsert", 5723: "append", 5724: "upsert"}

REJECTED_LINES = {5724: [3, 4, 5]}
"""Physical lines in the rejects file, by channel execution; no rejects elsewhere."""

OUTCOMES = (
    "accepted",
    "rejected",
    "invalid",
    "unknown",
    "not_sent",
    "merged",
    "not_found",
    "planned",
    "unchanged",
)

EXTERNAL_IDS = {"P0001", "P0002", "P0003", "P0101", "P0102", "0000103", "P0201", "P0202", "P0203", "P0301"}
"""Everybody who has a profile afterwards. Not P9999 (append), not P0302 and P0303 (broken rows)."""

PROFILES: dict[str, dict[str, Any]] = {
    "P0001": {
        "first_name": "José",
        "last_name": 'O"Neill',
        "email": "jose@example.com",
        "country": "ES",
        "dob": "1984-02-29T00:00:00.000Z",
        "gender": "M",
        "home_city": "A Coruña",
        "phone": "+34600000001",
        "custom_attributes": {
            "rpi_contact_ids": ["1000000231", "1000000301", "1000000302", "1000000601", "1000000602"],
            "rpi_channel_exec_ids": ["5719", "5720", "5723"],
            "rpi_audience_outputs": [
                "Email Reachable",
                "High Value, Spain",
                "SMS Reachable",
                "Spring Sale - Test",
            ],
            "rpi_offers": ["Spring Sale", "Spring Welcome"],
            "rpi_cdp_attributes": {
                "education": "Bachelor's",
                "income": "52000",
                "marital_status": "Married",
                "zip": "01520",
            },
        },
    },
    "P0002": {
        "last_name": "Lefèvre",
        "home_city": "Paris, 11e",
        "phone": "0033600000002",
        "custom_attributes": {
            "rpi_contact_ids": ["1000000232", "1000000303"],
            "rpi_channel_exec_ids": ["5719", "5720"],
            "rpi_audience_outputs": ["Email Reachable", "High Value, Spain"],
            "rpi_offers": ["Spring Welcome"],
            "rpi_cdp_attributes": {"marital_status": "Single", "zip": "75011"},
        },
    },
    "P0101": {
        "first_name": "Zoë",
        "custom_attributes": {
            "rpi_contact_ids": ["1000000401"],
            "rpi_channel_exec_ids": ["5721"],
            "rpi_audience_outputs": ["Lapsed 6-12m"],
            "rpi_offers": ["Lapsed Win-back"],
            "rpi_cdp_attributes": {
                "education": "Master\r\nof Arts",
                "income": "61000",
                "marital_status": "Single",
                "zip": "80331",
            },
        },
    },
    "0000103": {
        "first_name": "Bo",
        "home_city": "北京",
        "custom_attributes": {
            "rpi_contact_ids": ["1000000403"],
            "rpi_channel_exec_ids": ["5721"],
            "rpi_audience_outputs": ["Lapsed 6-12m"],
            "rpi_offers": ["Lapsed Win-back"],
            "rpi_cdp_attributes": {
                "education": "PhD",
                "income": "99000.50",
                "marital_status": "Married",
                "zip": "100000",
            },
        },
    },
    "P0203": {
        "first_name": "さくら",
        "last_name": "佐藤",
        "home_city": "大阪市",
        "custom_attributes": {
            "rpi_contact_ids": ["1000000503"],
            "rpi_channel_exec_ids": ["5722"],
            "rpi_audience_outputs": ["Loyalty Silver"],
            "rpi_offers": ["Loyalty"],
            "rpi_cdp_attributes": {
                "education": "Bachelor",
                "income": "35000",
                "marital_status": "Married",
                "zip": "0600000",
            },
        },
    },
}
"""Some of the profiles: every value named here must be there; the order inside an array does not matter."""


def wrong_counts(report: Mapping[str, Any], execution_id: int) -> list[str]:
    """Tell what is wrong in the report of one export, in words."""
    expected = (
        dict.fromkeys(OUTCOMES, 0)
        | COUNTS[execution_id]
        | {"mode": MODES[execution_id], "status": "complete"}
    )
    found = [
        f"{execution_id}: {name} is {report.get(name)!r}, not {value!r}"
        for name, value in expected.items()
        if report.get(name) != value
    ]
    if report["records"] != sum(report[name] for name in OUTCOMES):
        found.append(f"{execution_id}: the outcomes do not add up to {report['records']} records")
    return found


def wrong_profiles(profiles: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Tell what is wrong in a workspace, given by external id, in words."""
    found = []
    if set(profiles) != EXTERNAL_IDS:
        found.append(f"profiles of {sorted(set(profiles) ^ EXTERNAL_IDS)} are missing or too many")
    for external_id, expected in PROFILES.items():
        actual = _flat(profiles.get(external_id, {}))
        found += [
            f"{external_id}: {name} is {actual.get(name)!r}, not {value!r}"
            for name, value in _flat(expected).items()
            if actual.get(name) != value
        ]
    return found


def _flat(profile: Mapping[str, Any]) -> dict[str, Any]:
    values = {**profile, **profile.get("custom_attributes", {})}
    values.pop("custom_attributes", None)
    return {name: sorted(value) if isinstance(value, list) else value for name, value in values.items()}

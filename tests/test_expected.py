"""The demo's and the system tests' yardstick must itself be able to say no."""

from __future__ import annotations

from tests.expected import COUNTS, EXTERNAL_IDS, MODES, OUTCOMES, PROFILES, wrong_counts, wrong_profiles

WORKSPACE = {external_id: PROFILES.get(external_id, {}) for external_id in EXTERNAL_IDS}


def report(execution_id: int, **changed: object) -> dict[str, object]:
    right = dict.fromkeys(OUTCOMES, 0) | COUNTS[execution_id]
    return right | {"mode": MODES[execution_id], "status": "complete"} | changed


def test_what_is_right_passes() -> None:
    assert [
        wrong for execution_id in COUNTS for wrong in wrong_counts(report(execution_id), execution_id)
    ] == []
    assert wrong_profiles(WORKSPACE) == []


def test_a_lost_record_is_seen() -> None:
    assert len(wrong_counts(report(5719, accepted=2), 5719)) == 2


def test_a_lost_zero_a_missing_and_a_surplus_profile_are_seen() -> None:
    short = {"custom_attributes": {"rpi_cdp_attributes": {"zip": "1520"}}}
    others = {external_id: WORKSPACE[external_id] for external_id in EXTERNAL_IDS - {"P0003"}}

    found = wrong_profiles(others | {"P0001": PROFILES["P0001"] | short, "P9999": {}})

    assert any("P0001: rpi_cdp_attributes" in wrong for wrong in found)
    assert any("P0003" in wrong and "P9999" in wrong for wrong in found)

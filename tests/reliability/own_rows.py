"""Rows of one's own with everything that must not be sent twice, and what may have become of each."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.landed import BLOCKED
from tests.reports import OUTCOMES, rejects

TIME = "2026-03-01T12:00:00Z"
_WRITTEN_DOWN = ("rejected", "invalid", "unknown", "not_sent")
_MOST_WORDS = 20
_VISITS = 10
"""Visits of each user before; Braze adds nothing to what is not there."""


@dataclass
class OwnRows:
    """Attributes, some with increments, and events; ``path`` only names them.

    :param records: the rows in the order in which they are sent.
    """

    path: Path
    attributes: list[dict[str, Any]]
    events: list[dict[str, Any]]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [*self.attributes, *self.events]

    def given(self, reports_path: Path) -> dict[str, Any]:
        """Parameters of the operator."""
        return {"attributes": self.attributes, "events": self.events, "reports_path": str(reports_path)}

    def users(self) -> list[dict[str, Any]]:
        """The profiles to be there before."""
        counted = dict.fromkeys(
            row["external_id"] for row in self.attributes if {"visits", "external_id"} <= row.keys()
        )
        return [{"external_id": user, "custom_attributes": {"visits": _VISITS}} for user in counted]

    def outcomes_of(self, report: dict[str, Any]) -> tuple[dict[int, str], list[str]]:
        """The outcome of each row that was read, and what in report and rejects file does not fit."""
        said = []
        written = rejects(report) if report["rejects_path"] else []
        failed = {int(row["_line"]): row["_outcome"] for row in written}
        if len(failed) < len(written):
            said.append("a row is in the rejects file twice")
        outcomes = {n: failed.pop(n, "accepted") for n in range(report["records"])}
        if failed:
            said.append(f"the rejects file has rows that were not read: {sorted(failed)[:5]}")
        if report["status"] == "complete" and report["records"] != len(self.records):
            said.append(f"{report['records']} rows were read of {len(self.records)}")
        counted, rows = Counter(outcomes.values()), self.records
        if sum(report[name] for name in OUTCOMES) != report["records"]:
            said.append("the outcomes do not add up to the rows")
        if counted["accepted"] != report["accepted"] + report["merged"]:
            said.append(
                f"{report['accepted']} accepted and {report['merged']} merged are not {counted['accepted']}"
            )
        said += [
            f"{report[name]} rows are {name}, and {counted[name]} are in the rejects file"
            for name in _WRITTEN_DOWN
            if counted[name] != report[name]
        ]
        said += [
            f"row {n} is {outcome}, and it is {'in' if _invalid(rows[n]) else ''}valid"
            for n, outcome in outcomes.items()
            if (outcome == "invalid") != _invalid(rows[n])
        ]
        return outcomes, said[:_MOST_WORDS]

    def differences(self, report: dict[str, Any], profiles: Mapping[str, dict[str, Any]]) -> list[str]:
        """Say what does not fit, in the workspace too."""
        outcomes, said = self.outcomes_of(report)
        said += self._events(outcomes, profiles)
        said += self._attributes(outcomes, profiles)
        return said[:_MOST_WORDS]

    def _events(self, outcomes: dict[int, str], profiles: Mapping[str, dict[str, Any]]) -> Iterator[str]:
        arrived = Counter(
            event["name"] for profile in profiles.values() for event in profile.get("events_received", ())
        )
        for n, event in enumerate(self.events, start=len(self.attributes)):
            outcome, times = outcomes.get(n, "not_sent"), arrived[event["name"]]
            if times not in {"accepted": (1,), "unknown": (0, 1)}.get(outcome, (0,)):
                yield f"event {n} is {outcome}, and arrived {times} times"

    def _attributes(self, outcomes: dict[int, str], profiles: Mapping[str, dict[str, Any]]) -> Iterator[str]:
        visits: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        tiers: dict[str, Any] = {}
        # What was sent and not answered in time may be processed later than what was sent after it.
        unknown: dict[str, list[Any]] = defaultdict(list)
        for n, row in enumerate(self.attributes):
            outcome, user = outcomes.get(n, "not_sent"), row.get("external_id")
            if outcome not in ("accepted", "unknown") or user is None:
                continue
            visits[user][0] += "visits" in row and outcome == "accepted"
            visits[user][1] += "visits" in row
            if outcome == "accepted":
                tiers[user] = row["tier"]
            else:
                unknown[user].append(row["tier"])
        for user in tiers.keys() | unknown.keys():
            custom = profiles.get(user, {}).get("custom_attributes", {})
            held = [tiers.get(user), *unknown[user]]
            least, most = visits[user]
            if most and not least <= custom.get("visits", 0) - _VISITS <= most:
                yield f"{user} has {custom.get('visits')} visits, not {_VISITS} and {least} to {most}"
            if custom.get("tier") not in held:
                yield f"{user} has the tier {custom.get('tier')}, none of {held}"


def _invalid(row: dict[str, Any]) -> bool:
    return "external_id" not in row or "odd" in row.get("properties", ())


def make(base: Path, count: int, rng: random.Random, *, number: int) -> OwnRows:
    """Make rows: half of them attributes, of which every third user has increments."""
    attributes: list[dict[str, Any]] = []
    for n in range(count // 2):
        user = n if rng.random() > 0.2 else max(0, n - rng.choice([1, 7, 90, 3000]))
        row: dict[str, Any] = {"external_id": f"R{user}", "tier": n}
        if user % 3 == 0:
            row["visits"] = {"inc": 1}
        if rng.random() < 0.01:
            row["external_id"] = rng.choice(BLOCKED)
        elif rng.random() < 0.01:
            del row["external_id"]
        attributes.append(row)
    events: list[dict[str, Any]] = []
    for n in range(count - len(attributes)):
        event: dict[str, Any] = {
            "external_id": f"R{rng.randrange(count)}",
            "name": f"event {n}",
            "time": TIME,
        }
        if rng.random() < 0.01:
            event["properties"] = {"odd": float("inf")}
        elif rng.random() < 0.01:
            event["external_id"] = rng.choice(BLOCKED)
        events.append(event)
    return OwnRows(base / f"rows {number}", attributes, events)

"""A push's report, its rejects file and the workspace afterwards, against what the model makes of the export.

Whatever does not fit is said in words; nothing said is nothing lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests import model
from tests.reliability.landed import BLOCKED, Landed, read
from tests.reports import OUTCOMES, rejects

WRITTEN_DOWN = ("rejected", "invalid", "unknown", "not_sent", "not_found")
_MOST_WORDS = 20


def differences(landed: Landed, report: dict[str, Any], profiles: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say what does not fit."""
    outcomes, said = outcomes_of(landed, report)
    said += _states(landed, outcomes, profiles)
    return said[:_MOST_WORDS]


def outcomes_of(landed: Landed, report: dict[str, Any]) -> tuple[dict[int, str], list[str]]:
    """The outcome of each line that was read, and what in report and rejects file does not fit."""
    outcomes, said = _outcomes(landed, report)
    said += _counts(report, outcomes)
    return outcomes, said[:_MOST_WORDS]


def _outcomes(landed: Landed, report: dict[str, Any]) -> tuple[dict[int, str], list[str]]:
    """The outcome of each line that was read; accepted is what is not in the rejects file."""
    said = []
    written = rejects(report) if report["rejects_path"] else []
    by_line = {int(row["_line"]): row["_outcome"] for row in written}
    if len(by_line) < len(written):
        said.append("a record is in the rejects file twice")
    outcomes = {line: by_line.pop(line, "accepted") for line, _ in landed.records[: report["records"]]}
    if by_line:
        said.append(f"the rejects file has lines that were not read: {sorted(by_line)[:5]}")
    if report["status"] == "complete" and report["records"] != len(landed.records):
        said.append(f"{report['records']} records were read of {len(landed.records)}")
    cells = landed.cells()
    for line, outcome in outcomes.items():
        found = read(cells[line])
        if (outcome == "invalid") != (found is None):
            said.append(
                f"line {line} is {outcome}, and the model says {'invalid' if found is None else 'valid'}"
            )
        elif outcome == "rejected" and (found is None or found[0] not in BLOCKED):
            said.append(f"line {line} is rejected, and its user is not blocked")
    return outcomes, said


def _counts(report: dict[str, Any], outcomes: dict[int, str]) -> Iterator[str]:
    if sum(report[name] for name in OUTCOMES) != report["records"]:
        yield "the outcomes do not add up to the records"
    if report["failed"] != sum(report[name] for name in ("rejected", "invalid", "unknown", "not_sent")):
        yield "failed is not the sum of what failed"
    counted = Counter(outcomes.values())
    for name in WRITTEN_DOWN:
        if counted[name] != report[name]:
            yield f"{report[name]} records are {name}, and {counted[name]} are in the rejects file"
    if counted["accepted"] != report["accepted"] + report["merged"]:
        yield f"{report['accepted']} accepted and {report['merged']} merged are not {counted['accepted']}"


def _states(
    landed: Landed, outcomes: dict[int, str], profiles: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    """Compare profiles: exactly those of accepted records; of unknown ones, with or without their changes."""
    changes: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for line, cells in landed.records:
        outcome = outcomes.get(line)
        if outcome in ("accepted", "unknown") and (found := read(cells)) is not None:
            changes[found[0]].append((outcome, found[1]))
    for user in profiles.keys() - changes.keys():
        yield f"{user} has a profile, and no record that was accepted or may have been"
    for user, made in changes.items():
        problem = _state(made, profiles.get(user))
        if problem:
            yield f"{user}: {problem}"


def _state(made: list[tuple[str, dict[str, Any]]], profile: dict[str, Any] | None) -> str | None:
    if any(outcome == "unknown" for outcome, _ in made):
        return _possible(made, profile)
    if profile is None:
        return "its records were accepted, and there is no profile"
    held, wanted = _held(profile), _flat(_applied([change for _, change in made]))
    return None if held == wanted else f"the profile is {held}, not {wanted}"


def _possible(made: list[tuple[str, dict[str, Any]]], profile: dict[str, Any] | None) -> str | None:
    """Tell what cannot be, whichever of the unknown changes were made."""
    if profile is None:
        accepted = any(outcome == "accepted" for outcome, _ in made)
        return "a record was accepted, and there is no profile" if accepted else None
    held = _held(profile)
    if len(made) == 1:
        wanted = _flat(_applied([made[0][1]]))
        return None if held == wanted else f"the profile is {held}, neither absent nor {wanted}"
    values, tags = _between(made)
    for name in held.keys() | values.keys() | tags.keys():
        value = held.get(name)
        if name in tags:
            certain, perhaps = tags[name]
            if not certain <= (value or frozenset()) <= perhaps:
                return f"{name} is {value}, not between {certain} and {perhaps}"
        elif value not in values.get(name, ()):
            return f"{name} is {value!r}, none of {values.get(name)}"
    return None


Values = dict[str, list[Any]]
Tags = dict[str, tuple[frozenset[str], frozenset[str]]]


def _between(made: list[tuple[str, dict[str, Any]]]) -> tuple[Values, Tags]:
    """Which values an attribute may have, and which tags it must and may have."""
    values: Values = defaultdict(lambda: [None])
    tags: Tags = defaultdict(lambda: (frozenset(), frozenset()))
    for outcome, change in made:
        for name, value in _flat(_applied([change])).items():
            if isinstance(value, frozenset):
                certain, perhaps = tags[name]
                tags[name] = (certain | value if outcome == "accepted" else certain, perhaps | value)
            elif outcome == "accepted":
                values[name] = [value]
            else:
                values[name].append(value)
    return values, tags


def _applied(changes: list[dict[str, Any]]) -> dict[str, Any]:
    expected = model.Expected({"u": model.new_profile()})
    for change in changes:
        model._apply(expected, "u", change)
    return expected.profiles["u"]


def _held(profile: dict[str, Any]) -> dict[str, Any]:
    standard = {name: value for name, value in profile.items() if name in model.STANDARD.values()}
    return _flat({"standard": standard, "custom": profile.get("custom_attributes", {})})


def _flat(profile: dict[str, Any]) -> dict[str, Any]:
    """One level of names; tags as sets."""
    custom = dict(profile["custom"])
    nested = {f"nested {name}": value for name, value in custom.pop("rpi_cdp_attributes", {}).items()}
    tags = {name: frozenset(value) if isinstance(value, list) else value for name, value in custom.items()}
    return {**profile["standard"], **nested, **tags}

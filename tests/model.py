"""What must come of an export, said as simply as can be: record by record, cell by cell, nothing in between.

Written from the documented mapping, without the code under test. It knows only the columns, cells and options that
``tests/test_whole_push_property.py`` makes up.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

STANDARD = {
    "firstname": "first_name",
    "homecity": "home_city",
    "email": "email",
    "phone": "phone",
    "country": "country",
    "dob": "dob",
    "gender": "gender",
    "timezone": "time_zone",
    "emailsubscribe": "email_subscribe",
}
TAGS = {
    "rpcontactid": "rpi_contact_ids",
    "channelexecutionid": "rpi_channel_exec_ids",
    "outputname": "rpi_audience_outputs",
}
TEXT = ("first_name", "home_city", "phone")
GOOD = {
    "country": {"ES": "ES", "United States": "US"},
    "gender": {"F": "F", "P": "P"},
    "time_zone": {"Europe/Madrid": "Europe/Madrid"},
    "email_subscribe": {"opted_in": "opted_in"},
    "dob": {"1984-02-29": "1984-02-29T00:00:00.000Z"},
    "email": {"jo@example.com": "jo@example.com", "Jo@Example.com": "jo@example.com"},
    "integer": {"007": 7, "-12": -12},
    "boolean": {"TRUE": True, "0": False},
    "date": {"2026-09-15": "2026-09-15T00:00:00.000Z"},
    "datetime": {"2026-01-02T03:04:05+02:00": "2026-01-02T01:04:05.000Z"},
    "object": {'{"a": 1}': {"a": 1}, '{"b": {"c": "x"}}': {"b": {"c": "x"}}},
}
"""Of the cells that are made up, those that are good for a field or type, and what Braze then holds."""

WORDS = {
    "country": {"United States": "US", "germany": "DE", "GBR": "GB"},
    "gender": {"Female": "F", "m": "M"},
}
"""Words that become codes, unless the mapping leaves them."""

NULL_WORDS = ("null", "none", "n/a", "nan")

STORED_TIMES = GOOD["date"] | GOOD["datetime"] | {"1984-02-29": "1984-02-29T00:00:00.000Z"}
"""Texts that Braze takes for a time though nobody said so."""


class BadError(Exception):
    """A cell that cannot be sent."""


@dataclass
class Expected:
    """What a push must come to."""

    profiles: dict[str, dict[str, Any]]
    invalid_lines: set[int] = field(default_factory=set)
    omitted: Counter[str] = field(default_factory=Counter)
    trimmed: Counter[str] = field(default_factory=Counter)
    normalised: Counter[str] = field(default_factory=Counter)
    records: int = 0
    users: set[str] = field(default_factory=set)
    by_email: dict[str, set[str]] = field(default_factory=dict)
    """Users who ever had an address: what one says of its subscription, Braze takes for all of them."""
    replaced_tags: dict[str, list[set[str]]] = field(default_factory=dict)
    """By user: the tags of each record that has some; records that are folded into one have theirs united."""


def new_profile() -> dict[str, Any]:
    """What Braze says of a profile that nobody told anything of."""
    return {"standard": {"email_subscribe": "subscribed"}, "custom": {}}


def push(
    expected: Expected, columns: list[str], records: list[tuple[int, list[str]]], options: dict[str, Any]
) -> Expected:
    """Push records (line and cells) onto the profiles that are there."""
    for line, cells in records:
        expected.records += 1
        if len(cells) != len(columns):
            expected.invalid_lines.add(line)
            continue
        record = dict(zip(columns, cells, strict=True))
        trimmed = _cut(record, options)
        omitted: list[str] = []
        try:
            user, change = _read(record, options, omitted)
        except BadError:
            expected.invalid_lines.add(line)
            continue
        expected.omitted.update(omitted)
        expected.trimmed.update(trimmed)
        expected.normalised.update(change["words"])
        expected.users.add(user)
        if user not in expected.profiles:
            if options["mode"] == "append":
                continue
            expected.profiles[user] = new_profile()
        _apply(expected, user, change)
    return expected


def _cut(record: dict[str, str], options: dict[str, Any]) -> list[str]:
    """Cut the blanks of a record's cells; the columns where there were any, of those that are sent."""
    mapping, found = options["mapping"], []
    for column, cell in record.items():
        cut = cell
        while mapping.get("trim", True) and cut != (cut := cut.strip().strip("\u200b\ufeff")):
            pass
        record[column] = cut
        if cut != cell and column not in mapping.get("omit", ()):
            found.append(column)
    return found


def _squash(name: str) -> str:
    return name.replace(" ", "").replace("_", "").lower()


def _read(record: dict[str, str], options: dict[str, Any], omitted: list[str]) -> tuple[str, dict[str, Any]]:
    mapping = options["mapping"]
    token = mapping.get("null_token")
    token_for_all = token if isinstance(token, str) else None
    identifier = options["identifier_column"]
    if record[identifier].strip().lower() in NULL_WORDS and not mapping.get("null_identifiers"):
        raise BadError
    user = _user(record[identifier], options["identifier_kind"], token_for_all)
    change: dict[str, Any] = {
        **{place: {} for place in ("standard", "custom", "nested", "add", "replace")},
        "words": [],
    }
    if options["identifier_kind"] in ("email", "phone"):
        cell = record[identifier]
        change["standard"][options["identifier_kind"]] = cell.lower() if "@" in cell else cell
    if options["offer"] and mapping.get("offer", "rpi_offers"):
        change["add"][mapping.get("offer", "rpi_offers")] = [options["offer"]]
    for column, cell in record.items():
        if column == identifier or column in mapping.get("omit", ()):
            continue
        try:
            _read_cell(column, cell, mapping, token_for_all, change)
        except BadError:
            if mapping.get("bad_values") != "omit":
                raise
            omitted.append(column)
    change["custom"] |= mapping.get("constants", {})
    return user, change | {"path": mapping.get("extra_to", "rpi_cdp_attributes")}


def _user(cell: str, kind: str, token: str | None) -> str:
    if not cell.strip() or cell == token:
        raise BadError
    if kind == "email":
        if cell not in GOOD["email"]:
            raise BadError
        return cell.lower()
    if kind == "phone":
        digits = "".join(each for each in cell if each in "0123456789")
        if not digits:
            raise BadError
        return "1" + digits if len(digits) == 10 and not cell.startswith("+") else digits
    if len(cell.encode()) > (987 if kind == "external_id" else 236):
        raise BadError
    return cell


def _read_cell(
    column: str, cell: str, mapping: dict[str, Any], token_for_all: str | None, change: dict[str, Any]
) -> None:
    tag = mapping.get("tags", {}).get(column) or TAGS.get(_squash(column))
    if tag:
        if cell and cell != token_for_all:
            attribute, action = (tag, "add") if isinstance(tag, str) else (tag["attribute"], tag["action"])
            text = _text(cell)
            change[action].setdefault(attribute, []).append(text)
        return
    declared = mapping.get("types", {}).get(column, "string")
    target = mapping.get("rename", {}).get(column) or STANDARD.get(_squash(column))
    standard = target in STANDARD.values()
    name = target or column.lower().replace(" ", "_")
    nested = not standard and mapping.get("extra_to", "rpi_cdp_attributes")
    place = change["standard" if standard else "nested" if nested else "custom"]
    takes_text = name in TEXT if standard else declared in ("string", {"type": "string", "cut": True})
    rule = _rule(column, cell, mapping, takes_text)
    if nested:
        rule = "omit" if cell in ("", token_for_all) else None
    if rule == "omit":
        return
    if rule is not None:
        place[name] = None if rule == "null" else ""
    elif standard:
        if mapping.get("normalise", True) and cell in WORDS.get(name, {}):
            change["words"].append(column)
            place[name] = WORDS[name][cell]
        else:
            place[name] = _text(cell) if takes_text else _good(name, cell)
    else:
        place[name] = _typed(declared, cell)
        if not nested and isinstance(place[name], str):
            place[name] = STORED_TIMES.get(place[name], place[name])


def _rule(column: str, cell: str, mapping: dict[str, Any], takes_text: bool) -> str | None:
    token, empty = mapping.get("null_token"), mapping.get("empty", "omit")
    if cell:
        mine = token.get(column) if isinstance(token, dict) else token
        return "null" if cell == mine else None
    rule = empty.get(column, "omit") if isinstance(empty, dict) else empty
    return "omit" if rule == "keep" and not takes_text else rule


def _good(name: str, cell: str) -> Any:
    if cell not in GOOD[name]:
        raise BadError
    return GOOD[name][cell]


def _text(cell: str) -> str:
    if len(cell) > 255:
        raise BadError
    return cell


def _typed(declared: Any, cell: str) -> Any:
    if declared == "string":
        return _text(cell)
    if declared == {"type": "string", "cut": True}:
        return cell[:255]
    if isinstance(declared, dict):
        items = [part.strip() for part in cell.split(declared["separator"]) if part.strip()]
        return [_text(item) for item in items]
    return json.loads(json.dumps(_good(declared, cell)))


def _apply(expected: Expected, user: str, change: dict[str, Any]) -> None:
    profile = expected.profiles[user]
    for place in ("standard", "custom"):
        for name, value in change[place].items():
            if value is None:
                profile[place].pop(name, None)
            elif isinstance(value, list):
                profile[place][name] = list(dict.fromkeys(value))
            else:
                profile[place][name] = value
    if email := profile["standard"].get("email"):
        expected.by_email.setdefault(email, set()).add(user)
    if change["nested"]:
        inside = profile["custom"]
        for key in change["path"].split("."):
            inside = inside.setdefault(key, {})
        _merge(inside, change["nested"])
    for name, tags in change["add"].items():
        known = profile["custom"].setdefault(name, [])
        # What is added again moves to the end.
        known[:] = [tag for tag in known if tag not in tags] + list(dict.fromkeys(tags[::-1]))[::-1]
        del known[:-500]
    for name, tags in change["replace"].items():
        profile["custom"][name] = tags
        expected.replaced_tags.setdefault(user, []).append(set(tags))


def _merge(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            _merge(old[name], value)
        else:
            old[name] = value

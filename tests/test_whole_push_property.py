"""Random exports through the operator into a sandbox; what is there afterwards is what the model says.

``make explore`` tries others than the fixed ones, with all property tests.
"""

from __future__ import annotations

import csv
import itertools
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.users_track.batching import merge_window as batches
from tests import model
from tests.connections import connect

OFFER = "Spring Welcome"
SPELLINGS = {
    "external_id": ["external_id", "External ID", "external_Id"],
    "first_name": ["first_name", "First Name", "FIRST_NAME", "FirstName"],
    "home_city": ["home_city", "Home City"],
    "email": ["email", "Email"],
    "country": ["country"],
    "dob": ["dob", "DOB"],
    "gender": ["gender"],
    "time_zone": ["time_zone", "Time Zone"],
    "email_subscribe": ["email_subscribe"],
    "contact": ["RPContactID"],
    "execution": ["ChannelExecutionID", "channelexecutionid"],
    "output": ["output_name", "Output Name"],
    "segment": ["Segment"],
    "zip": ["Zip Code", "zip"],
    "income": ["income"],
    "vip": ["VIP"],
    "since": ["since"],
    "seen": ["seen"],
    "likes": ["likes"],
    "meta": ["meta"],
    "remark": ["remark"],
}
TYPES = {
    "income": "integer",
    "vip": "boolean",
    "since": "date",
    "seen": "datetime",
    "meta": "object",
    "likes": {"type": "array", "separator": "/"},
    "remark": {"type": "string", "cut": True},
}
TOP = ("first_name", "home_city", "email", "country", "dob", "gender", "time_zone", "email_subscribe")
USERS = {
    "external_id": [
        "P1",
        "P2",
        "0003",
        "p1",
        "Ω",
        " ",
        "",
        "NULL",
        "P1\u200b ",
        "\u00a0P2",
        "n/a",
        "x" * 988,
    ],
    "user_alias": ["A1", "a1", " a1", "é", "", "é" * 119],
    "email": ["jo@example.com", "jo@example.com\t", "Jo@Example.com", "nobody", ""],
    "phone": ["+1 555 010 9999", "15550109999", "5550109999", "+34600000001", "none", ""],
}
BLANKS = ["", " ", "\u00a0 ", "\u200b"]
CELLS = st.one_of(
    st.sampled_from(sorted({cell for good in model.GOOD.values() for cell in good})),
    st.sampled_from(
        ["", "", "NULL", " ", "01520", "a/b /", "José", "x" * 256, "🙂" * 130, "true", "t;a,b|c\td"]
    ),
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8),
)
DIALECTS = st.sampled_from(
    [
        {"delimiter": delimiter, "qualifier": qualifier, "encoding": encoding, "line_end": line_end}
        for delimiter in ",\t|;"
        for qualifier in ('"', "'", "")
        for encoding in ("utf-8", "utf-8-sig", "utf-16-le")
        for line_end in ("\r\n", "\n")
    ]
)


@dataclass
class Export:
    columns: list[str]
    records: list[tuple[int, list[str]]]
    """Physical line and cells."""
    content: bytes
    options: dict[str, Any]
    dialect: dict[str, str]
    look_ahead: int
    per_request: int
    seeds: list[dict[str, Any]]


KINDS = st.sampled_from(["external_id", "external_id", "external_id", "user_alias", "email", "phone"])


@st.composite
def exports(draw: st.DrawFn, kinds: st.SearchStrategy[str] = KINDS) -> Export:
    kind = draw(kinds)
    identifier = draw(st.sampled_from(SPELLINGS["external_id"])) if kind == "external_id" else "User"
    taken = {"external_id", "email"} if kind in ("email", "phone") else {"external_id"}
    pool = sorted(SPELLINGS.keys() - taken)
    chosen = draw(
        st.lists(st.sampled_from(pool), unique=True, min_size=draw(st.sampled_from([1, 6])), max_size=12)
    )
    names = {name: draw(st.sampled_from(SPELLINGS[name])) for name in chosen}
    columns = draw(st.permutations([identifier, *names.values()]))
    mapping = draw(mappings(names, kind))
    if kind != "external_id":
        mapping["identifier"] = {"column": identifier, "kind": kind}
    if kind == "user_alias":
        mapping["identifier"]["label"] = "crm"
    dialect = draw(DIALECTS)
    ids = st.sampled_from(USERS[kind])
    fits = {
        column: _fitting(name, mapping["types"].get(column), padded=mapping["trim"])
        for name, column in names.items()
    }
    rows = draw(
        st.lists(
            st.tuples(*(ids if column == identifier else fits[column] for column in columns)).map(list),
            min_size=draw(st.sampled_from([1, 6])),
            max_size=16,
        )
    )
    for row in draw(st.lists(st.sampled_from(range(len(rows))), max_size=1, unique=True)):
        rows[row] = draw(st.sampled_from([rows[row][:-1], [*rows[row], "more"]]))
    records, content = _write(columns, rows, dialect)
    seedable = [cell for cell in USERS[kind] if _can_be_seeded(cell)]
    options = {
        "mode": draw(st.sampled_from(["upsert", "append"])),
        "mapping": mapping,
        "identifier_column": identifier,
        "identifier_kind": kind,
        "offer": OFFER,
    }
    return Export(
        columns,
        records,
        content,
        options,
        dialect,
        look_ahead=draw(st.sampled_from([batches.LOOK_AHEAD_RECORDS, 0, 3])),
        per_request=draw(st.sampled_from([75, 1, 2])),
        seeds=draw(st.lists(st.sampled_from(seedable), unique_by=lambda cell: _key(_seed(cell, kind), kind))),
    )


@st.composite
def mappings(draw: st.DrawFn, names: dict[str, str], kind: str) -> dict[str, Any]:
    mapping: dict[str, Any] = {
        "types": {
            column: TYPES[name] for name, column in names.items() if name in TYPES and draw(st.booleans())
        }
    }
    extra_to = draw(st.sampled_from(["rpi_cdp_attributes", None, "crm.extra"]))
    if extra_to != "rpi_cdp_attributes":
        mapping["extra_to"] = extra_to
    if "segment" in names:
        mapping["tags"] = {
            "Segment": draw(st.sampled_from(["segments", {"attribute": "segments", "action": "replace"}]))
        }
    if "zip" in names and draw(st.booleans()):
        mapping["rename"] = {
            names["zip"]: draw(st.sampled_from(["postcode"] if kind == "phone" else ["postcode", "phone"]))
        }
    if draw(st.booleans()):
        mapping["omit"] = [names[name] for name in names if name in ("vip", "output", "country")]
        mapping["types"].pop("VIP", None)
    left = [column for name, column in names.items() if name in TOP and column not in mapping.get("omit", ())]
    token = draw(st.sampled_from([None, "NULL", "one"]))
    if token:
        mapping["null_token"] = token if token == "NULL" else dict.fromkeys(left[:1], "NULL")
    empty = draw(st.sampled_from(["omit", "null", "keep", "one"]))
    if empty != "omit":
        mapping["empty"] = dict.fromkeys(left[-1:], "null") if empty == "one" else empty
    if draw(st.booleans()):
        mapping["constants"] = {"campaign": "spring", "wave": 3}
    if draw(st.booleans()):
        mapping["offer"] = draw(st.sampled_from([None, "offers"]))
    mapping["bad_values"] = draw(st.sampled_from(["reject", "omit"]))
    for name, default in (("trim", True), ("normalise", True), ("null_identifiers", False)):
        mapping[name] = draw(st.sampled_from([default, default, not default]))
    return mapping


def _fitting(name: str, declared: Any, *, padded: bool) -> st.SearchStrategy[str]:
    """Cells for a column: mostly good ones where few are, so that not every record is invalid."""
    good = model.GOOD.get(declared if isinstance(declared, str) else name)
    cells = [*(good or ()), *model.WORDS.get(name, ())] * 3
    fitting = st.sampled_from([*cells, "", "", "NULL", "bad"]) if good else CELLS
    if good and not padded:
        # Which of them may be padded, if blanks stay, is of no use to anybody.
        return fitting
    blanks = st.sampled_from([*[""] * 9, *BLANKS])
    return st.tuples(blanks, fitting, blanks).map("".join)


def _can_be_seeded(cell: str) -> bool:
    return (
        cell.strip() == cell != ""
        and "\u200b" not in cell
        and len(cell.encode()) <= 236
        and cell not in ("nobody", "none", "NULL", "n/a", "Jo@Example.com")
    )


def _write(
    columns: list[str], rows: list[list[str]], dialect: dict[str, str]
) -> tuple[list[tuple[int, list[str]]], bytes]:
    """Write an export by hand; cells that the dialect cannot hold are changed first."""
    delimiter, qualifier, line_end = dialect["delimiter"], dialect["qualifier"], dialect["line_end"]
    lines, records = [delimiter.join(columns)], []
    for number, row in enumerate(rows, 2):
        cells = row
        if not qualifier:
            cells = [cell.replace(delimiter, "_") for cell in row]
        lines.append(delimiter.join(_qualified(cell, delimiter, qualifier) for cell in cells))
        # A blank line is no record.
        if lines[-1]:
            records.append((number, cells))
    encoding = dialect["encoding"]
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    return records, mark + "".join(line + line_end for line in lines).encode(encoding)


def _qualified(cell: str, delimiter: str, qualifier: str) -> str:
    if not qualifier or not (delimiter in cell or cell.startswith(qualifier)):
        return cell
    return qualifier + cell.replace(qualifier, qualifier * 2) + qualifier


@pytest.fixture(scope="module")
def workspace(sandbox_process):
    logging.disable(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        yield sandbox_process, patch
    logging.disable(logging.NOTSET)


NUMBERS = itertools.count()


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(export=exports())
def test_the_sandbox_holds_what_the_model_says(workspace, tmp_path_factory, export):
    sandbox, patch = workspace
    kind = export.options["identifier_kind"]
    connect(patch, sandbox, objects_per_request=export.per_request)
    patch.setattr(batches, "LOOK_AHEAD_RECORDS", export.look_ahead)
    sandbox.reset()
    sandbox.put_profiles([_seed(cell, kind) for cell in export.seeds])
    expected = model.push(
        model.Expected({_key(_seed(cell, kind), kind): _seeded(cell, kind) for cell in export.seeds}),
        export.columns,
        export.records,
        export.options,
    )
    folder = tmp_path_factory.getbasetemp() / f"export{next(NUMBERS)}" / "Any Channel" / OFFER / "1"
    folder.mkdir(parents=True)
    file = folder / "RPI_Export_7.txt"
    file.write_bytes(export.content)

    report = push(export, file)

    event(f"invalid: {bool(expected.invalid_lines)}, users: {min(len(expected.users), 3)}, kind: {kind}")
    _check_report(report, expected)
    found = {_key(profile, kind): _held(profile) for profile in sandbox.all_profiles()}
    wanted = {user: _shown(profile) for user, profile in expected.profiles.items()}
    for user, all_tags in expected.replaced_tags.items():
        # How many records were folded into one decides how many tags are united; the last one's are always there.
        tags = set(found[user]["custom"].pop("segments"))
        wanted[user]["custom"].pop("segments")
        assert all_tags[-1] <= tags <= set().union(*all_tags)
    # Whose subscription is whose depends on the order of different users, which no push promises.
    for user in set().union(*(users for users in expected.by_email.values() if len(users) > 1)):
        for held in (found[user], wanted[user]):
            held["standard"].pop("email_subscribe", None)
    assert found == wanted
    assert sandbox.stats()["overlapping_users"] == 0


def _check_report(report: dict[str, Any], expected: model.Expected) -> None:
    assert report["records"] == expected.records
    assert report["invalid"] == len(expected.invalid_lines)
    assert report["accepted"] + report["merged"] == expected.records - len(expected.invalid_lines)
    assert report["accepted"] >= len(expected.users)
    assert report["omitted_values"] == expected.omitted
    assert report["trimmed"] == expected.trimmed
    assert report["normalised"] == expected.normalised
    lines = set()
    if report["rejects_path"]:
        with Path(report["rejects_path"].removeprefix("file://")).open(encoding="utf-8", newline="") as file:
            lines = {int(row["_line"]) for row in csv.DictReader(file)}
    assert lines == expected.invalid_lines


SEEDED = {"campaign": "winter", "rpi_audience_outputs": ["Old"]}


def push(export: Export, file: Path, **given: Any) -> dict[str, Any]:
    """Push an export as it was drawn, whatever is rejected."""
    return BrazeUserTrackOperator(
        task_id="push",
        export=str(file),
        mode=export.options["mode"],
        mapping=json.loads(json.dumps(export.options["mapping"])),
        dialect=export.dialect,
        max_rejected=1000,
        **given,
    ).execute({})


def _seed(cell: str, kind: str) -> dict[str, Any]:
    known: dict[str, Any] = {"first_name": "Old", "custom_attributes": SEEDED}
    if kind == "external_id":
        return known | {"external_id": cell}
    if kind == "user_alias":
        return known | {"user_aliases": [{"alias_name": cell, "alias_label": "crm"}]}
    return known | {kind: cell}


def _seeded(cell: str, kind: str) -> dict[str, Any]:
    contact = {kind: cell} if kind in ("email", "phone") else {}
    new = model.new_profile()["standard"]
    return {"standard": {**new, "first_name": "Old", **contact}, "custom": json.loads(json.dumps(SEEDED))}


def _key(profile: dict[str, Any], kind: str) -> str:
    if kind == "user_alias":
        return str(profile["user_aliases"][0]["alias_name"])
    if kind == "phone":
        digits = "".join(each for each in profile["phone"] if each.isdigit())
        return "1" + digits if len(digits) == 10 and not profile["phone"].startswith("+") else digits
    return str(profile[kind])


def _held(profile: dict[str, Any]) -> dict[str, Any]:
    standard = {name: value for name, value in profile.items() if name in model.STANDARD.values()}
    return {"standard": standard, "custom": profile.get("custom_attributes", {})}


def _shown(profile: dict[str, Any]) -> dict[str, Any]:
    # An export of a profile leaves empty fields out.
    standard = {name: value for name, value in profile["standard"].items() if value != ""}
    return {"standard": standard, "custom": profile["custom"]}

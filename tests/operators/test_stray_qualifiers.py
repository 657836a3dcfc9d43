"""Stray qualifiers through the operator into a sandbox: no text of one person is ever in another's profile."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.redpoint.reading.export_reader import HEAD_BYTES
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

NAMES = ["RPContactID", "ChannelExecutionID", "external_id", "nickname", "home_city"]


@pytest.mark.parametrize("beyond", [False, True], ids=["within 64 KiB", "beyond 64 KiB"])
@pytest.mark.parametrize(("delimiter", "qualifier"), [("\t", '"'), (",", "'"), ("|", '"'), (";", "'")])
@pytest.mark.parametrize(
    ("encoding", "line_end", "columns"),
    [("utf-8", "\r\n", None), ("utf-16", "\n", None), ("utf-8", "\r", NAMES)],
)
def test_nobody_is_in_another_profile(
    beyond: bool,
    delimiter: str,
    qualifier: str,
    encoding: str,
    line_end: str,
    columns: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: SandboxProcess,
) -> None:
    connect(monkeypatch, sandbox)
    people = [f"N{n}" for n in range(3_200 if beyond else 12)]
    people[-8], people[-5], people[-2] = f"{qualifier}Jim", f"Bob{qualifier}", f"{qualifier}Eve"
    rows = [[str(n), "7", f"P{n}", name, "Boise"] for n, name in enumerate(people)]
    text = "".join(delimiter.join(row) + line_end for row in ([] if columns else [NAMES]) + rows)
    assert (len(text) > HEAD_BYTES) is beyond
    path = tmp_path / "RPI_Export_7.txt"
    path.write_bytes(text.encode(encoding))

    report = BrazeUserTrackOperator(
        task_id="push",
        export=str(path),
        reports_path=str(tmp_path / "_braze"),
        mode="upsert",
        mapping={"extra_to": None},
        dialect={"columns": columns},
        max_rejected=100,
    ).execute({})

    held = {each["external_id"]: each["custom_attributes"]["nickname"] for each in sandbox.all_profiles()}
    sent = {f"P{n}": name for n, name in enumerate(people)}
    in_doubt = set()
    if report["invalid"]:
        with Path(report["rejects_path"].removeprefix("file://")).open(encoding="utf-8", newline="") as file:
            rejects = list(csv.DictReader(file))
        assert all("dialect.qualifier" in row["_reason"] for row in rejects)
        in_doubt = {f"P{int(row['_line']) - 1 - (not columns)}" for row in rejects}
        assert not beyond
        assert in_doubt <= {"P4", "P7", "P10"}
    assert held == {user: name for user, name in sent.items() if user not in in_doubt}


@pytest.mark.parametrize(
    ("names", "mapping"),
    [
        (["external_id"], {}),
        (["ExternalID"], {}),
        (["external-id"], {}),
        ([" External_Id "], {}),
        (["braze_id"], {}),
        (["user_alias_name", "user_alias_label"], {}),
        (["cust_key"], {"rename": {"cust_key": "external_id"}}),
        (["cust_key"], {"identifier": "Cust-Key"}),
        (["email"], {"identifier": {"column": "email", "kind": "email"}}),
        (["phone"], {"identifier": {"column": "phone", "kind": "phone"}}),
        (["cust_key"], {"identifier": {"column": "cust_key", "kind": "user_alias", "label": "crm"}}),
    ],
    ids=lambda given: " ".join(given),
)
def test_nobody_is_in_another_profile_whatever_identifies_them(
    names: list[str],
    mapping: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: SandboxProcess,
) -> None:
    connect(monkeypatch, sandbox)
    kind = {"email": "p{}@example.org", "phone": "+1555010{}"}.get(names[0], "P{}")
    people = [["crm"] * (len(names) - 1) for _ in range(10, 22)]
    rows = [[kind.format(n), *rest, f"N{n}", "Boise", "Idaho"] for n, rest in enumerate(people, 10)]
    at = len(names)
    rows[3][at], rows[8][at] = '"Jim', 'Bob"'
    header = [*names, "nickname", "home_city", "state"]
    path = tmp_path / "RPI_Export_7.txt"
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)), "utf-8")

    report = BrazeUserTrackOperator(
        task_id="push",
        export=str(path),
        reports_path=str(tmp_path / "_braze"),
        mode="upsert",
        mapping={"extra_to": None, **mapping},
        max_rejected=100,
    ).execute({})

    assert (report["records"], report["accepted"], report["invalid"]) == (12, 10, 2)
    if names == ["braze_id"]:  # Braze makes no profile of one that it does not know
        return
    held = sorted(each["custom_attributes"]["nickname"] for each in sandbox.all_profiles())
    assert held == [f"N{n}" for n in range(10, 22) if n not in (13, 18)]

"""Series of pushes with only_changed end as the same series without it: what looks alike, every way to change a value.

Of each series it is written down how many values were left out, so that sending everything does not pass, either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.memory_parameters import names
from tests.operators.test_list import Share, connection, share
from tests.sandbox_process import SandboxProcess

__all__ = ["connection", "share"]

MERGED = {"_merge_objects": True}
HEADER = "external_id,tier,score,First-Name\n"
OF_MEMORY = ("only_changed", "always_send", "refresh_after", "memory")


def row(**content: Any) -> dict[str, Any]:
    return {"attributes": [{"external_id": "U1", **content}]}


def merged(**content: Any) -> dict[str, Any]:
    return row(o=content, **MERGED)


def export(
    line: str = "U1,A,1,", *, header: str = HEADER, given: Any = None, **mapping: Any
) -> dict[str, Any]:
    return {"text": f"{header}{line}\n", "mapping": {"offer": None, **mapping}, **(given or {})}


ALIKE = (1, 1.0, True, "1", 1, 0, -0.0, False, "", "null", "é", "e\u0301", "é")
DATES = ("2026-01-02", "2026-01-02T00:00:00Z", {"$time": "2026-01-02"}, "2026-01-02")

SERIES: dict[str, tuple[list[dict[str, Any]], int]] = {
    "equal in Python, not in JSON": ([row(x=value) for value in ALIKE], 0),
    "likewise inside an object": ([merged(k=value) for value in ALIKE], 0),
    "likewise as tags": ([row(t={"add": [value]}) for value in (1, 1.0, True, "1", 1)], 1),
    "dates in several spellings": ([row(d=value) for value in DATES], 0),
    "an empty object, merged and alone": ([merged(a=1), merged(), row(o={}), row(o={})], 1),
    "merged, replaced, merged": (
        [merged(a=1), row(o={"a": 1}), merged(b=1), row(o={"a": 1}), merged(a=1)],
        0,
    ),
    "objects inside objects": (
        [merged(a={"p": 1}), merged(a={"q": 1}), merged(a={"p": 1}), merged(a={"p": 1})],
        1,
    ),
    "an object, a text, null": ([merged(k="a"), row(o="a"), merged(k="a"), row(o=None), merged(k="a")], 0),
    "nulls inside an object": (
        [merged(k="A", m=None), merged(k="A"), merged(k="A", m=None), merged(k="A")],
        0,
    ),
    "an increment": ([row(n=5), row(n={"inc": 1}), row(n={"inc": 1}), row(n=5), row(n=5)], 1),
    "an array, added to, taken from": (
        [row(t=["a"]), row(t={"add": ["b"]}), row(t={"remove": ["b"]}), row(t=["a"]), row(t={"add": ["b"]})],
        0,
    ),
    "an object with a key that is called add": (
        [
            row(o={"add": ["a"], "k": 1}, **MERGED),
            row(o={"add": ["a"]}),
            row(o={"add": ["a"], "k": 1}, **MERGED),
        ],
        0,
    ),
    "spaces at the ends of a name": ([row(**{"x ": 1}), row(x=1), row(**{" x": 2}), row(x=1), row(x=1)], 1),
    "by e-mail in between": (
        [
            row(email="a@example.com", x="A"),
            {"attributes": [{"email": "a@example.com", "x": "B"}]},
            row(email="a@example.com", x="A"),
        ],
        0,
    ),
    "append before upsert": ([{**row(x="A"), "mode": mode} for mode in ("append", "upsert", "append")], 1),
    "a column under another name": (
        [export(), export(rename={"tier": "level"}), export("U1,B,1,"), export()],
        3,
    ),
    "a column of another type": ([export(), export(types={"score": "integer"}), export()], 2),
    "another object for the rest": ([export(), export(extra_to="o.p"), export(extra_to="o"), export()], 2),
    "empty cells that unset": (
        [export("U1,A,1,Ann"), export("U1,,,", empty="null"), export("U1,A,1,Ann")],
        2,
    ),
    "blanks that are kept": ([export("U1, A ,1,"), export("U1, A ,1,", trim=False), export("U1,A,1,")], 2),
}


def outcome(
    sandbox: SandboxProcess, folder: Path, steps: list[dict[str, Any]], *, only_changed: bool
) -> tuple[list[Any], int]:
    """Push a series into an empty workspace; what it holds after each push, and how many values were left out."""
    sandbox.reset()
    held, saved = [], 0
    for number, step in enumerate(steps):
        given = dict(step)
        if "text" in given:
            given["export"] = Share(folder).land(number, given.pop("text"))
        report = BrazeUserTrackOperator(
            task_id="push",
            reports_path=str(folder / "reports"),
            only_changed=only_changed,
            max_rejected=10,
            **given,
        ).execute({})
        held.append({user: _values(profile) for user, profile in sandbox.profiles().items()})
        saved += report.get("values_saved", 0)
    return held, saved


def _values(profile: dict[str, Any]) -> dict[str, Any]:
    custom = profile.get("custom_attributes") or {}
    return {name: profile.get(name) for name in ("email", "first_name")} | {
        name: sorted(value, key=repr) if isinstance(value, list) else value for name, value in custom.items()
    }


@pytest.mark.parametrize("name", list(SERIES))
def test_it_ends_as_when_everything_is_sent(sandbox: SandboxProcess, tmp_path: Path, name: str) -> None:
    steps, left_out = SERIES[name]
    held, saved = outcome(sandbox, tmp_path / "changed", steps, only_changed=True)
    # Written as JSON: to Python, 1 and True are one.
    assert repr(held) == repr(outcome(sandbox, tmp_path / "all", steps, only_changed=False)[0])
    assert saved == left_out


@pytest.mark.parametrize(
    ("always_send", "sent"),
    [
        ("First-Name", {"first_name": 1}),
        ("tier", {"rpi_cdp_attributes": 1}),
        (["Ti_Er"], {"rpi_cdp_attributes": 1}),
        ("rpi_cdp_attributes.Tier, score", {"rpi_cdp_attributes": 2}),
    ],
)
def test_a_column_is_always_sent_however_the_header_writes_it(
    sandbox: SandboxProcess, share: Share, tmp_path: Path, always_send: Any, sent: dict[str, int]
) -> None:
    path = share.land(1, f"{HEADER}U1,A,1,Ann\n")

    def push(**given: Any) -> dict[str, Any]:
        return BrazeUserTrackOperator(
            task_id="push", export=path, only_changed=True, mapping={"offer": None}, **given
        ).execute({})

    push()
    assert push(always_send=always_send)["data_points_by_attribute"] == sent


def test_a_column_inside_a_deeper_object_is_always_sent(share: Share) -> None:
    path = share.land(1, f"{HEADER}U1,A,1,Ann\n")
    for sent in ({"o": 2, "first_name": 1}, {"o": 2}):
        report = BrazeUserTrackOperator(
            task_id="push",
            export=path,
            only_changed=True,
            mapping={"offer": None, "extra_to": "o.p"},
            always_send=["Tier"],
        ).execute({})
        assert report["data_points_by_attribute"] == sent


@pytest.mark.parametrize(
    "text", ["a, b c", " a ,b c,", '["a", "b c"]', "['a', 'b c']", "('a', 'b c')", "{'a', 'b c'}"]
)
def test_names_as_a_template_writes_them(text: str) -> None:
    assert names("always_send", text) == {"a", "b c"}


@pytest.mark.parametrize("text", ['["a"', "['a", "[a]", "{'a': 1}", "[1]", "[['a']]", "('a')"])
def test_a_text_that_only_looks_like_a_list_is_refused(text: str) -> None:
    """Taken letter by letter it would name nothing that is there, and what it names would be left out."""
    with pytest.raises(BrazeSetupError, match="always_send must be a list of columns"):
        names("always_send", text)

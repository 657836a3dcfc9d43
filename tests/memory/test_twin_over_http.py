"""Real pushes over real HTTP, each in a process of its own that may be killed, into a sandbox; beside it a model, which
is told everything. After each push, however it ended, the sandbox holds what the model does.

The model is told of a user what the push said whenever a request about them arrived. Of whom none arrived, in a push
that is complete, it was left out: so it must be what the model held already when the push began.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.memory.relay import Relay, relay
from tests.sandbox_process import ROOT, SandboxProcess
from tests.waiting import until

PATIENCE = 120.0
OFFER = "Spring Welcome"

SCALARS = st.sampled_from(["A", "B", 1, True, None])
KEYS = st.dictionaries(st.sampled_from("kl"), st.sampled_from(["A", "B", {"n": 1}, {"m": 2}]), min_size=1)
TAGS = st.lists(st.sampled_from("tu"), min_size=1, max_size=2, unique=True)
CHANGES = st.one_of(TAGS, TAGS.map(lambda tags: {"add": tags}), TAGS.map(lambda tags: {"remove": tags}))
ROW = st.fixed_dictionaries(
    {},
    optional={
        "x": SCALARS,
        "o": st.one_of(KEYS, st.none()),
        "t": st.one_of(CHANGES, st.none()),
        "first_name": st.sampled_from(["Ada", "Bob", None]),
        "_merge_objects": st.booleans(),
        "_update_existing_only": st.booleans(),
    },
)
ROWS = st.dictionaries(st.sampled_from("ab"), ROW, min_size=1).map(
    lambda users: {"rows": [{"external_id": user, **row} for user, row in users.items()]}
)
MAPPINGS: list[dict[str, Any]] = [
    {},
    {"rename": {"tier": "level"}},
    {"types": {"score": "integer"}},
    {"extra_to": None},
    {"extra_to": "other"},
]
CELLS = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from(["A", "B", ""]),
    st.sampled_from("01"),
    st.sampled_from(["Ada", ""]),
)
EXPORTS = st.fixed_dictionaries(
    {"mapping": st.sampled_from(MAPPINGS), "lines": st.lists(CELLS, min_size=1, max_size=4)}
)
WISHES: Any = st.sampled_from(
    [
        *[{"only_changed": True}] * 4,
        {},
        {"only_changed": True, "ignore": True},
        {"only_changed": True, "refresh_after": 0},
    ]
)
FAULTS = [
    {"kind": "drop", "processed": True},
    {"kind": "drop", "processed": False},
    {"kind": "queued", "processed": True},
    {"kind": "invalid_json", "processed": True},
    {"status": 500, "processed": True},
    {"status": 503, "processed": False},
    {"status": 429, "retry_after": 0, "processed": False},
    {"status": 400, "processed": False},
]
ON_THE_WAY = st.fixed_dictionaries(
    {"at": st.integers(1, 3), "kind": st.sampled_from([*FAULTS, *["kill before", "kill after"] * 3])}
)
DEATHS = st.tuples(st.integers(1, 8), st.sampled_from(["before", "after"]))


def steps_of(said: list[dict[str, Any]]) -> st.SearchStrategy[list[Any]]:
    """Push a few things again and again: what Braze holds may be told once more, or taken back."""
    push = st.fixed_dictionaries(
        {
            "what": st.sampled_from(said),
            "wish": WISHES,
            "trouble": st.one_of(st.none(), st.none(), ON_THE_WAY),
            "dies": st.one_of(st.none(), st.none(), DEATHS),
            "resumes": st.booleans(),
        }
    )
    two = st.tuples(push, push, st.integers(1, 3), st.booleans())
    return st.lists(st.one_of(push, push, two), min_size=3, max_size=6)


STEPS = st.lists(st.one_of(ROWS, ROWS, EXPORTS), min_size=2, max_size=2).flatmap(steps_of)


class Model:
    """What Braze must hold: a dictionary of each user."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}

    def tell(self, row: dict[str, Any]) -> None:
        """Take one object as Braze does."""
        user = row["external_id"]
        if row.get("_update_existing_only") is True and user not in self.users:
            return
        held = self.users.setdefault(user, {})
        for name, value in row.items():
            if name == "external_id" or name.startswith("_"):
                continue
            if value is None:
                held.pop(name, None)
            elif isinstance(value, dict) and value.keys() <= {"add", "remove"}:
                held[name] = self._changed(held.get(name), value)
            elif isinstance(value, dict):
                merges = row.get("_merge_objects") is True and isinstance(held.get(name), dict)
                held[name] = self._merged(held[name], value) if merges else deepcopy(value)
            else:
                held[name] = sorted(value) if isinstance(value, list) else value
        # Of an array without elements nobody knows whether it is there.
        self.users[user] = {name: value for name, value in held.items() if value != []}

    @staticmethod
    def _changed(held: Any, change: dict[str, list[str]]) -> list[str]:
        tags = set(held) if isinstance(held, list) else set()
        return sorted((tags | set(change.get("add", ()))) - set(change.get("remove", ())))

    @classmethod
    def _merged(cls, held: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        found = dict(held)
        for key, item in value.items():
            both = isinstance(item, dict) and isinstance(held.get(key), dict)
            found[key] = cls._merged(held[key], item) if both else item
        return found

    def with_told(self, rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Give what it would hold."""
        other = Model()
        other.users = deepcopy(self.users)
        for row in rows:
            other.tell(row)
        return other.users


def rows_of(what: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a push says, object by object; of an export, by its mapping."""
    if "rows" in what:
        return list(what["rows"])
    mapping, found = what["mapping"], []
    for user, tier, score, first_name in what["lines"]:
        extra = {
            mapping.get("rename", {}).get("tier", "tier"): tier,
            "score": int(score) if "types" in mapping else score,
        }
        extra = {name: value for name, value in extra.items() if value != ""}
        target = mapping.get("extra_to", "rpi_cdp_attributes")
        found.append(
            {
                "external_id": user,
                "_merge_objects": True,
                "rpi_offers": {"add": [OFFER]},
                **({"first_name": first_name} if first_name else {}),
                **({target: extra} if target else extra),
            }
        )
    return found


def held_by(sandbox: SandboxProcess) -> dict[str, dict[str, Any]]:
    found = {}
    for user, profile in sandbox.profiles().items():
        held = profile.get("custom_attributes", {})
        held = {name: sorted(value) if isinstance(value, list) else value for name, value in held.items()}
        held = {name: value for name, value in held.items() if value != []}
        found[user] = held | ({"first_name": profile["first_name"]} if profile.get("first_name") else {})
    return found


class Pusher:
    """A process that pushes one thing after the other, each in a child of its own, through a relay.

    :param way: the relay.
    """

    def __init__(self, way: Relay) -> None:
        self.way = way
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.memory.pusher"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.runs = False
        self._said: Queue[str] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)

    def start(self, asked: dict[str, Any], trouble: dict[str, Any] | None) -> None:
        self.way.begin(asked["name"], trouble)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**asked, "url": self.way.url}) + "\n")
        self._process.stdin.flush()
        self.runs = True
        self.way.is_of(int(self._said.get(timeout=PATIENCE)))

    @property
    def has_ended(self) -> bool:
        """Whether the push that was started has ended."""
        return not self._said.empty()

    def wait(self) -> int:
        """Wait for the end of a push; how it ended."""
        status = int(self._said.get(timeout=PATIENCE))
        self.runs = False
        return status

    def give_up(self) -> None:
        """End a push that a failure has left alone."""
        self.way.let_go.set()
        if self.runs:
            self.way.kill()
            self.wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


@dataclass
class Begun:
    """A push that was begun.

    :param said: what it says.
    :param before: what the model held then.
    """

    asked: dict[str, Any]
    said: list[dict[str, Any]]
    before: Model


@dataclass
class World:
    """A sandbox, a model, two pushers, and a folder for one series of pushes."""

    sandbox: SandboxProcess
    pushers: list[Pusher]
    arrived: list[tuple[str, str]]
    folder: Path
    share: bool
    model: Model = field(default_factory=Model)
    numbers: Iterator[int] = field(default_factory=count)
    noted: int = 0
    begun: dict[str, Begun] = field(default_factory=dict)

    def begin(self, pusher: int, push: dict[str, Any], trouble: dict[str, Any] | None) -> Begun:
        number = next(self.numbers)
        name = f"push-{number}"
        export = ""
        if "lines" in push["what"]:
            lines = [",".join(cells) for cells in push["what"]["lines"]]
            path = self.folder / "rpi" / "Braze Onboarding and Upsert" / OFFER / "8828" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(["external_id,tier,score,first_name", *lines, ""]))
            export = str(path)
        asked = {
            "name": name,
            "run": name,
            "token": name,
            "key": self.sandbox.key,
            "reports": str(self.folder / "_braze"),
            "scratch": str(self.folder),
            "share": self.share,
            "rows": push["what"].get("rows"),
            "mapping": push["what"].get("mapping"),
            "export": export,
            "wish": push["wish"],
            "dies": push["dies"],
            "checkpoint": str(self.folder / f"{name}.checkpoint"),
            "report": str(self.folder / f"{name}.report"),
        }
        self.begun[name] = begun = Begun(asked, rows_of(push["what"]), deepcopy(self.model))
        self.pushers[pusher].start(asked, trouble)
        return begun

    def end(self, pusher: int, begun: Begun) -> bool:
        """Wait for the end of a push; whether it lived to see it."""
        status = self.pushers[pusher].wait()
        assert status in (0, -signal.SIGKILL)
        if status == 0:
            report = json.loads(Path(begun.asked["report"]).read_text())
            if report["status"] == "complete" and not report["failed"]:
                self._check_left_out(begun)
        return status == 0

    def is_unheard(self, push: dict[str, Any]) -> bool:
        """Tell whether nobody hears of a push if it is killed: docs/data-points.md says so."""
        return self.share and not push["wish"] and not list(self.folder.rglob("memory.sqlite"))

    def _check_left_out(self, begun: Begun) -> None:
        name = begun.asked["name"]
        sent = {user for push, user in self.arrived if push == name}
        left = [row for row in begun.said if row["external_id"] not in sent]
        assert begun.before.with_told(left) == begun.before.users

    def compare(self, quiet: Iterable[int] = (0, 1)) -> None:
        """Tell the model what has arrived, and compare.

        :param quiet: the pushers that have ended.
        """
        for each in quiet:
            self.pushers[each].way.settle()
        for name, user in self.arrived[self.noted :]:
            for row in self.begun[name].said:
                if row["external_id"] == user:
                    self.model.tell(row)
        self.noted = len(self.arrived)
        self.sandbox.clear_faults()
        assert held_by(self.sandbox) == self.model.users

    def push(self, push: dict[str, Any]) -> None:
        begun = self.begin(0, push, push["trouble"])
        lived = self.end(0, begun)
        self.compare()
        if not lived and push["resumes"]:
            self.pushers[0].start({**begun.asked, "dies": None}, None)
            assert self.end(0, begun)
            self.compare()

    def two(self, first: dict[str, Any], second: dict[str, Any], at: int, dies: bool) -> None:
        """Push two at once: while a request of the first is under way, the second runs from beginning to end.

        :param dies: the first is killed when its request has arrived, later than all of the second.
        """
        pusher = self.pushers[0]
        kind = "hold and kill" if dies and not self.is_unheard(first) else "hold"
        one = self.begin(0, first, {"at": at, "kind": kind})
        try:
            until(lambda: pusher.way.held.is_set() or pusher.has_ended, PATIENCE)
            self.compare(quiet=(1,))
            other = self.begin(1, second, second["trouble"])
            self.end(1, other)
            self.compare(quiet=(1,))
        finally:
            pusher.way.let_go.set()
        self.end(0, one)
        self.compare()


@contextmanager
def world(
    sandbox: SandboxProcess, pushers: list[Pusher], arrived: list[tuple[str, str]], *, share: bool
) -> Iterator[World]:
    sandbox.reset()
    arrived.clear()
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        try:
            yield World(sandbox, pushers, arrived, Path(folder), share)
        finally:
            for each in pushers:
                each.give_up()


@pytest.fixture(scope="module")
def arrived() -> list[tuple[str, str]]:
    return []


@pytest.fixture(scope="module")
def pushers(sandbox_process: SandboxProcess, arrived: list[tuple[str, str]]) -> Iterator[list[Pusher]]:
    with ExitStack() as stack:
        found = [Pusher(stack.enter_context(relay(sandbox_process, arrived))) for _ in range(2)]
        for each in found:
            stack.callback(each.close)
        yield found


@pytest.mark.hypothesis
@pytest.mark.parametrize("place_of", ["disk", "share"])
def test_the_sandbox_holds_what_it_must(
    sandbox: SandboxProcess, pushers: list[Pusher], arrived: list[tuple[str, str]], place_of: str
) -> None:
    # Each takes a second: what fails is short enough as it is.
    @settings(max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
    @given(STEPS)
    def series(steps: list[Any]) -> None:
        with world(sandbox, pushers, arrived, share=place_of == "share") as each:
            for step in steps:
                if isinstance(step, dict):
                    each.push(step)
                else:
                    each.two(*step)

    series()


ONLY_CHANGED = {"only_changed": True}


def saying(value: str, *, wish: dict[str, Any] = ONLY_CHANGED, **given: Any) -> dict[str, Any]:
    """A push of one value of two users."""
    rows = [{"external_id": user, "x": value} for user in "ab"]
    return {"what": {"rows": rows}, "wish": wish, "trouble": None, "dies": None, "resumes": False, **given}


@pytest.mark.parametrize("place_of", ["disk", "share"])
def test_a_push_that_is_killed_anywhere(
    sandbox: SandboxProcess, pushers: list[Pusher], arrived: list[tuple[str, str]], place_of: str
) -> None:
    """What Braze held before is told again, whatever of the other value has arrived."""
    kills: list[dict[str, Any]] = [
        {"trouble": {"at": at, "kind": kind}} for at in (1, 2) for kind in ("kill before", "kill after")
    ]
    kills += [{"dies": (at, when)} for at in range(1, 6) for when in ("before", "after")]
    with world(sandbox, pushers, arrived, share=place_of == "share") as each:
        each.push(saying("A"))
        for killed in kills:
            each.push(saying("B", **killed))
            each.push(saying("A"))
            assert held_by(sandbox) == {"a": {"x": "A"}, "b": {"x": "A"}}


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize(("at", "then"), [(1, "A"), (2, "B")])
@pytest.mark.parametrize("first", [{}, ONLY_CHANGED], ids=["plain", "only_changed"])
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("place_of", ["disk", "share"])
def test_while_a_request_is_on_its_way_another_push_comes_and_goes(
    sandbox: SandboxProcess,
    pushers: list[Pusher],
    arrived: list[tuple[str, str]],
    place_of: str,
    begun: bool,
    first: dict[str, Any],
    at: int,
    then: str,
    dies: bool,
) -> None:
    """The request arrives later than all of the other push, and its worker may be killed before it can say so."""
    with world(sandbox, pushers, arrived, share=place_of == "share") as each:
        if begun:
            each.push(saying("A"))
        each.two(saying("B", wish=first), saying("A"), at, dies)
        each.push(saying(then))
        assert held_by(sandbox) == {"a": {"x": then}, "b": {"x": then}}

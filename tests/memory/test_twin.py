"""A workspace that is told only what changed ends as one that is told everything: series of pushes, with all that can
go wrong between them.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.memory import opening
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.persistence import place
from airflow_provider_braze.memory.persistence.opened import close_all
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore as Profiles
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object, kill

SCALARS = st.sampled_from(["A", "B", "", 1, 2, True, None])
KEYS = st.dictionaries(st.sampled_from("kl"), st.sampled_from(["A", "B", 1, {"n": 1}, {"m": 2}]), min_size=1)
TAGS = st.lists(st.sampled_from("tuv"), min_size=1, max_size=3, unique=True)
CHANGES = st.one_of(TAGS, TAGS.map(lambda tags: {"add": tags}), TAGS.map(lambda tags: {"remove": tags}))
VALUES = {
    "x": SCALARS,
    "n": st.one_of(st.integers(0, 2), st.just({"inc": 1}), st.none()),
    "o": st.one_of(KEYS, st.none(), st.just({"k": None})),
    "t": st.one_of(CHANGES, st.none(), st.just({"add": ["t"], "remove": ["u"]})),
    "first_name": st.sampled_from(["Ada", "Bob", None]),
    "language": st.sampled_from(["en", "de"]),
    "_merge_objects": st.booleans(),
    "_update_existing_only": st.booleans(),
}
OBJECTS = st.fixed_dictionaries({}, optional=VALUES)
KINDS = st.sampled_from(["external_id", "external_id", "external_id", "email"])
WISHES = st.sampled_from(
    [
        ONLY_CHANGED,
        ONLY_CHANGED,
        ONLY_CHANGED,
        Wish(),
        Wish(only_changed=True, ignore=True),
        Wish(only_changed=True, refresh_after=0),
    ]
)
ENDS = st.sampled_from(["accepted", "accepted", "accepted", "lost on its way", "answer lost", "killed"])
PUSHES = st.lists(
    st.tuples(
        WISHES, ENDS, st.lists(st.tuples(KINDS, st.sampled_from("ab"), OBJECTS), min_size=1, max_size=3)
    ),
    min_size=2,
    max_size=6,
)


def told(profiles: Profiles, content: dict[str, Any]) -> bool:
    return not profiles.track({"attributes": [content]}).refusals


def shape(profiles: Profiles) -> list[Any]:
    """Profiles without what only tells when; the order of tags is no value below the cap."""
    found = []
    for profile in profiles.readable():
        custom = profile.get("custom_attributes", {})
        for name, value in custom.items():
            if isinstance(value, list):
                custom[name] = sorted(value)
        kept = {name: profile.get(name) for name in ("external_id", "email", "first_name", "language")}
        found.append({**kept, "custom_attributes": custom})
    return sorted(found, key=repr)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(PUSHES)
def test_profiles_equal_the_twins(pushes: list[Any]) -> None:
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        desk, twin = Desk(Path(folder) / "reports"), Profiles()
        for wish, end, people in pushes:
            opened = desk.begin(wish)
            memory = opened if isinstance(opened, Memory) else None
            for kind, user, content in people:
                name = f"{user}@example.com" if kind == "email" else user
                item = an_object(name, kind=kind, **content)
                whole = item.content
                changed = memory.reduce([item]).changed if memory else [item]
                if end == "lost on its way":
                    continue
                assert told(twin, whole)
                for each in changed:
                    assert told(desk.profiles, each.content)
                    if memory and end == "accepted":
                        memory.accepted([each.told])
            if memory:
                (kill if end == "killed" else Memory.close)(memory)
            elif opened:
                opened.close()
            assert shape(desk.profiles) == shape(twin)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["push", "push", "push", "unheard", "end", "die"]),
        st.sampled_from("ab"),
        st.fixed_dictionaries({}, optional={"x": SCALARS, "t": CHANGES}),
    ),
    min_size=4,
    max_size=14,
)


class Several:
    """Three pushes at once: the third is without only_changed."""

    def __init__(self, folder: str) -> None:
        self.desk, self.twin = Desk(Path(folder) / "reports"), Profiles()
        self.running: dict[int, Any] = {}

    def end(self, who: int, *, dies: bool = False) -> None:
        memory = self.running.pop(who, None)
        if dies and isinstance(memory, Memory):
            kill(memory)
        elif isinstance(memory, list):
            close_all(memory)
        elif memory is not None:
            memory.close()

    def push(self, who: int, user: str, content: dict[str, Any], *, heard: bool) -> None:
        if who not in self.running:
            self.running[who] = self.desk.begin(Wish() if who == 2 else ONLY_CHANGED)
        item = an_object(user, **content)
        assert told(self.twin, item.content)
        memory = self._memory(who)
        for each in [item] if memory is None else memory.reduce([item]).changed:
            assert told(self.desk.profiles, each.content)
            if memory is not None and heard:
                memory.accepted([each.told])

    def _memory(self, who: int) -> Memory | None:
        found = self.running[who]
        location = opening.find(Wish(), ReportsFolder.at(str(self.desk.folder)), self.desk.conn_id)
        if found is None and location is not None and place.exists(location):
            # As a push looks that began before there was a memory.
            self.running[who] = place.disbelieve(location, self.desk.warnings.append)
        return found if isinstance(found, Memory) else None


@pytest.mark.hypothesis
@pytest.mark.parametrize("place_of", ["disk", "share"])
def test_several_pushes_at_once_keep_nothing_back(place_of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if place_of == "share":
        monkeypatch.setattr(place, "_OF_THIS_MACHINE", frozenset())

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def several(steps: list[Any]) -> None:
        with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            pushes = Several(folder)
            try:
                for who, step, user, content in steps:
                    if step in ("end", "die"):
                        pushes.end(who, dies=step == "die")
                    else:
                        pushes.push(who, user, content, heard=step == "push")
                    assert shape(pushes.desk.profiles) == shape(pushes.twin)
            finally:
                for who in list(pushes.running):
                    pushes.end(who)

    several()

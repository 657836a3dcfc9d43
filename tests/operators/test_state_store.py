from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from airflow_provider_braze.operators.state_store import StateStore

LOG = logging.getLogger(__name__)


class Store:
    """A task state store that can be slow or broken."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()

    def _called(self, verb: str, key: str, value: Any = None) -> None:
        self.open.wait(10)
        self.calls.append((verb, key, value))
        if self.error is not None:
            raise self.error

    def get(self, key: str) -> Any:
        self._called("get", key)
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self._called("set", key, value)
        self.values[key] = value

    def delete(self, key: str) -> None:
        self._called("delete", key)
        self.values.pop(key, None)


@pytest.fixture
def store() -> Store:
    return Store()


def test_the_latest_value_of_each_key_is_kept(store: Store) -> None:
    state = StateStore(LOG, store)
    store.open.clear()
    for n in range(5):
        state.put("a", n)
        state.put("b", -n)
    store.open.set()
    state.close()
    assert store.values == {"a": 4, "b": -4}
    assert len(store.calls) <= 3, "a value was written that had been overtaken"


def test_a_later_value_is_never_overtaken_by_an_earlier_one(store: Store) -> None:
    state = StateStore(LOG, store)
    for n in range(500):
        state.put("a", n)
    state.put("a", None)
    state.close()
    assert store.values == {}


def test_nothing_is_deleted_that_never_was_there(store: Store) -> None:
    state = StateStore(LOG, store)
    state.put("a", None)
    state.close()
    assert store.calls == []


def test_what_an_earlier_try_left_can_be_read_and_deleted(store: Store) -> None:
    store.values["a"] = {"records": 7}
    state = StateStore(LOG, store)
    assert state.read("a") == {"records": 7}
    assert state.read("b") is None
    state.put("a", None)
    state.close()
    assert store.values == {}


def test_it_can_be_written_after_it_was_closed_once(store: Store) -> None:
    state = StateStore(LOG, store)
    state.put("a", 1)
    state.close()
    state.put("a", 2)
    state.close()
    assert store.values == {"a": 2}


def test_a_broken_store_is_told_of_once_and_stops_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.error = RuntimeError("the key is sandbox-key")
    state = StateStore(LOG, store)
    with caplog.at_level(logging.INFO, LOG.name):
        assert state.read("a") is None
        state.put("a", 1)
        state.close()
        store.error = None
        state.put("a", 2)
        state.close()
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "cannot be read (RuntimeError); the push goes on" in warning
    assert "sandbox-key" not in warning
    assert store.values == {"a": 2}


def test_where_airflow_has_none() -> None:
    state = StateStore(LOG, None)
    state.put("a", 1)
    state.close()
    assert state.read("a") is None

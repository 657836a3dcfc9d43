"""The memory of some users while a push uses it: of each object, what needs not be sent; and what Braze has accepted.

Two rules make it safe. What is about to be sent is forgotten, on disk, before the request goes out; and only what Braze
accepted is remembered. So whatever ends a push, at most too little is known, and too much is sent.

Above: the memory. Below: decisions, and where it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeVar

from airflow_provider_braze.exceptions import describe
from airflow_provider_braze.memory.decisions.decider import Decider, Wish
from airflow_provider_braze.memory.decisions.reducing import Decision, Gathered, Told
from airflow_provider_braze.memory.persistence.opened import DAMAGED, Place, give_up, not_brought_back
from airflow_provider_braze.memory.persistence.store import MemoryStore

T = TypeVar("T")


class Saved(NamedTuple):
    """What a file of the memory has saved.

    :param since: when it began, ISO 8601.
    :param points: data points.
    """

    since: str
    points: int


def saved_in(store: MemoryStore) -> Saved | None:
    """Tell what a file of the memory has saved; None of one that remembers nothing yet, or cannot be read."""
    try:
        since = store.meta("since")
        return None if since is None else Saved(str(since), sum(store.saved().values()))
    except DAMAGED:
        return None


class Bucket:
    """
    One file of the memory, while one push uses it.

    :param place: where it is kept.
    :param wish: what the push asks of it.
    :param push: the push's number, the same in each of its tries.
    :param say: takes a warning.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        place: Place,
        wish: Wish,
        push: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place, self._say = place, say
        self._store: MemoryStore = place.store
        self._decider = Decider(self._store, wish, push, clock)
        self._given_up = False

    @property
    def is_believed(self) -> bool:
        """Whether anything is left out, or remembered, by what it knows."""
        return not self._given_up

    def decide(self, objects: Gathered, *, confirmed: bool) -> list[Decision] | None:
        """Decide of each object, and forget what is to be sent; None where the file is not believed.

        :param objects: of its users.
        :param confirmed: Braze is known to have a profile of each user.
        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        return self._done(lambda: self._decider.decide(objects, confirmed=confirmed))

    def forget_for_all(self, attributes: Collection[str]) -> None:
        """Forget attributes of all users, and remember nothing of them while the push runs.

        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        self._done(lambda: self._decider.forget_for_all(attributes))

    def _done(self, what: Callable[[], T]) -> T | None:
        """Do something in one transaction; None where the file is not believed, then or from then on."""
        if self._given_up:
            return None
        met = False
        found: T | None = None
        try:
            with self._store.transaction():
                met = self._place.is_met()
                if not met:
                    found = what()
        except (*DAMAGED, OSError) as error:
            self._give_up(f"it cannot be used ({describe(error)})", forget=True)
            return None
        if met:
            self._give_up("another push came while this one used it", forget=False)
            return None
        return found

    def accepted(self, told: Collection[Told]) -> None:
        """Remember what Braze has accepted, with the next writing."""
        if not self._given_up:
            self._decider.accepted.update({each.user: each.row for each in told})

    def forget(self, external_ids: Collection[str]) -> None:
        """Forget users whom Braze does not know."""
        if self._given_up:
            return
        try:
            with self._store.transaction():
                self._decider.forget(external_ids)
        except (*DAMAGED, OSError) as error:
            self._give_up(f"it cannot be used ({describe(error)})", forget=True)

    def flush(self) -> None:
        """Write what Braze has accepted so far."""
        if self._given_up or not self._decider.accepted:
            return
        try:
            with self._store.transaction():
                self._decider.write_accepted()
        except (*DAMAGED, OSError) as error:
            self._give_up(f"it cannot be written ({describe(error)})", forget=False)

    def _give_up(self, why: str, *, forget: bool) -> None:
        """Use it no longer; everything is sent from here on.

        :param forget: something could not be forgotten that is about to be sent, so that nobody may believe it.
        """
        self._given_up = True
        self._decider.accepted.clear()
        give_up(self._place, why, self._say, must=forget)

    def saved(self) -> Saved | None:
        """Tell what it has saved; None where that cannot be read."""
        return saved_in(self._store)

    def end(self, about: dict[str, Any], saved: dict[str, int]) -> None:
        """Note what a push did that is over for good.

        :param about: what ``memory show`` says of the last push.
        :param saved: data points that it saved, by attribute.
        """
        if self._given_up:
            return
        try:
            with self._store.transaction():
                self._decider.write_accepted()
                self._store.add_saved(saved)
                if about:
                    self._store.put_meta("last_push", about)
        except (*DAMAGED, OSError) as error:
            self._give_up(f"it cannot be written ({describe(error)})", forget=False)

    def close(self) -> None:
        """Write what is left, and let the next push have it."""
        self.flush()
        self._given_up = True
        try:
            self._place.close()
        except Exception as error:
            self._say(not_brought_back(error))

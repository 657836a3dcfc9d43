"""The memory of one push: of each object, what needs not be sent; and what Braze has accepted, for the next push.

Two rules make it safe. What is about to be sent is forgotten, on disk, before the request goes out; and only what Braze
accepted is remembered. So whatever ends a push, at most too little is known, and too much is sent.

Above: a push. Below: comparing, the file, and where it is kept.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.exceptions import describe
from airflow_provider_braze.memory.deciding import Decider, Wish
from airflow_provider_braze.memory.opened import MemoryUnwritableError, Place
from airflow_provider_braze.memory.reducing import (
    Decision,
    Reduced,
    Sifted,
    Told,
    applied,
    gathered,
    is_plain,
    sifted,
)
from airflow_provider_braze.memory.store import MemoryStore
from airflow_provider_braze.users_track.batching.batch import Part, size
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject

__all__ = ["Memory", "Reduced", "Wish"]


class Memory:
    """
    The memory while one push uses it.

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
        self._place, self._wish, self._say, self._clock = place, wish, say, clock
        self._store: MemoryStore = place.store
        self._decider = Decider(self._store, wish, push, clock)
        self._given_up = False
        if wish.only_changed:
            with self._store.transaction():
                self._store.begin_push(
                    push, datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
                )

    def reduce(self, items: Sequence[ProfileObject], *, confirmed: bool = False) -> Reduced:
        """Take out of objects what Braze was told before; what is to be sent is forgotten when this returns.

        :param confirmed: Braze is known to have a profile of each user.
        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        decided = self._decide(items, confirmed=confirmed)
        # Only now, when all is on disk, are the objects themselves changed.
        return Reduced(list(items)) if decided is None else applied(items, decided)

    def sift(self, parts: Sequence[Part]) -> list[Sifted | None]:
        """Take out of objects what Braze was told before, as :meth:`reduce` does; of each part what becomes of it.

        :return: None of a part that is to be sent as it is.
        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        decided = self._decide(parts, confirmed=False)
        if decided is None:
            return [None] * len(parts)
        found, at = [], 0
        for part in parts:
            found.append(sifted(part, decided[at : at + size(part)]))
            at += size(part)
        return found

    def _decide(self, parts: Sequence[Part], *, confirmed: bool) -> list[Decision] | None:
        """Decide of each object, and forget what is to be sent; None where the memory is not believed."""
        if self._given_up:
            return None
        met = False
        decided: list[Decision] = []
        try:
            with self._store.transaction():
                met = self._place.is_met()
                if not met:
                    decided = self._decider.decide(gathered(parts), confirmed=confirmed)
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be used ({describe(error)})", forget=True)
            return None
        if met:
            self._give_up("another push came while this one used it", forget=False)
            return None
        return decided

    def accepted(self, told: Any) -> None:
        """Remember what Braze has accepted, with the next writing."""
        if isinstance(told, Told) and not self._given_up:
            self._decider.accepted[told.user] = told.row

    def absent(self, items: Sequence[ProfileObject]) -> None:
        """Forget users whom Braze does not know."""
        if self._given_up:
            return
        try:
            with self._store.transaction():
                self._decider.forget(str(item.identity[1]) for item in items if is_plain(item))
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be used ({describe(error)})", forget=True)

    def flush(self) -> None:
        """Write what Braze has accepted so far."""
        if self._given_up or not self._decider.accepted:
            return
        try:
            with self._store.transaction():
                self._decider.write_accepted()
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be written ({describe(error)})", forget=False)

    def _give_up(self, why: str, *, forget: bool) -> None:
        """Use it no longer; everything is sent from here on.

        :param forget: something could not be forgotten that is about to be sent, so that nobody may believe it.
        """
        self._given_up = True
        self._decider.accepted.clear()
        self._say(f"The memory of what Braze was told is set aside, and everything is sent: {why}.")
        try:
            self._place.disbelieve()
        except Exception as error:
            if forget:
                raise MemoryUnwritableError(
                    f"The memory of what Braze was told can neither be written nor set aside ({describe(error)}): "
                    "delete it, make room, or set memory_path to another folder."
                ) from error

    def since(self) -> dict[str, Any]:
        """Say since when it remembers, and what it has saved since; nothing once it was given up."""
        if self._given_up:
            return {}
        return {
            "memory_since": self._store.meta("since"),
            "data_points_saved_since": sum(self._store.saved().values()),
        }

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
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be written ({describe(error)})", forget=False)

    def close(self) -> None:
        """Write what is left, and let the next push have it."""
        self.flush()
        self._given_up = True
        try:
            self._place.close()
        except Exception as error:
            self._say(
                f"The memory of what Braze was told could not be brought back ({describe(error)}): the next push "
                "sends everything."
            )

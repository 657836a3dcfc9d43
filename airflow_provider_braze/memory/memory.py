"""The memory of one push: its users are parted into buckets, each of which is used, met and set aside for itself.

A bucket is opened when the first user of it comes, before anything is sent to them, and held until the push ends.

What is sent to a user who is named by an e-mail address or the like may change anybody's profile. So the attributes are
forgotten in every bucket before, and every bucket is held until the push ends: whoever uses one then is met there, and
whoever comes meanwhile finds it in use. Nobody remembers what may be changed by a request on its way.

Above: a push. Below: the buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_braze.memory import rules
from airflow_provider_braze.memory.bucket import Bucket, Saved
from airflow_provider_braze.memory.decisions.decider import Wish
from airflow_provider_braze.memory.decisions.reducing import (
    AS_IT_IS,
    Decision,
    Reduced,
    Sifted,
    Told,
    applied,
    gathered,
    is_plain,
    sifted,
)
from airflow_provider_braze.memory.persistence.buckets import BUCKETS, by_bucket
from airflow_provider_braze.memory.persistence.in_place import Guest
from airflow_provider_braze.memory.persistence.opened import Place, close_all
from airflow_provider_braze.memory.persistence.store import bucket_of_number
from airflow_provider_braze.users_track.batching.batch import Part, size
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject, from_json

__all__ = ["Memory", "Reduced", "Wish"]

Opens = Callable[[int], "Bucket | Guest | Place | None"]
"""Opens a bucket: as a guest where another push uses it; None where there is none, and none is to be made."""


class Memory:
    """
    The memory while one push uses it.

    :param opens: opens a bucket.
    :param saved: tells of a bucket that is not opened what :meth:`Bucket.saved` does; None where nothing is to be told.
    :param buckets: those that the push's users may be in.
    """

    def __init__(
        self,
        opens: Opens,
        saved: Callable[[int], Saved | None] = lambda _: None,
        buckets: Iterable[int] = (),
    ) -> None:
        self._opens, self._saved, self._buckets = opens, saved, buckets
        self._opened: dict[int, Bucket | Guest | Place | None] = {}
        self._shared: set[str] = set()

    def _bucket(self, number: int) -> Bucket | None:
        """Give a bucket, opened now if it is not yet; None where nothing is left out by it."""
        if number not in self._opened:
            self._opened[number] = self._opens(number)
        found = self._opened[number]
        return found if isinstance(found, Bucket) else None

    def believed(self) -> list[Bucket]:
        """Give the buckets by which anything is left out."""
        return [each for each in self._opened.values() if isinstance(each, Bucket) and each.is_believed]

    def reduce(self, items: Sequence[ProfileObject], *, confirmed: bool = False) -> Reduced:
        """Take out of objects what Braze was told before; what is to be sent is forgotten when this returns.

        :param confirmed: Braze is known to have a profile of each user.
        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        # Only now, when all is on disk, are the objects themselves changed.
        return applied(items, self._decide(items, confirmed=confirmed))

    def sift(self, parts: Sequence[Part]) -> list[Sifted | None]:
        """Take out of objects what Braze was told before, as :meth:`reduce` does; of each part what becomes of it.

        :return: None of a part that is to be sent as it is.
        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        decided = self._decide(parts, confirmed=False)
        found, at = [], 0
        for part in parts:
            found.append(sifted(part, decided[at : at + size(part)]))
            at += size(part)
        return found

    def _decide(self, parts: Sequence[Part], *, confirmed: bool) -> list[Decision]:
        """Decide of each object, and forget what is to be sent."""
        if len(self._opened) == BUCKETS and not self.believed():
            return [AS_IT_IS] * sum(map(size, parts))
        objects = gathered(parts)
        self._forget_shared(objects.shared)
        decided = [AS_IT_IS] * len(objects.bodies)
        for number, indexes in by_bucket(objects.users).items():
            bucket = self._bucket(number)
            found = bucket and bucket.decide(objects.of(indexes), confirmed=confirmed)
            for at, decision in zip(indexes, found or (), strict=False):
                decided[at] = decision
        return decided

    def _forget_shared(self, bodies: Iterable[bytes]) -> None:
        """Forget for all users what is sent to one of whom nobody knows which bucket is theirs."""
        new: set[str] = set()
        for body in bodies:
            new |= rules.attributes_of(from_json(body)) - self._shared
        if not new:
            return
        for number in range(BUCKETS):
            bucket = self._bucket(number)
            if bucket is not None:
                bucket.forget_for_all(new)
        self._shared |= new

    def accepted(self, several: Iterable[Any]) -> None:
        """Remember what Braze has accepted, with the next writing.

        :param several: what :meth:`reduce` and :meth:`sift` told of objects; None where nothing is remembered of one.
        """
        parted: dict[int, list[Told]] = {}
        for told in several:
            if told is not None:
                parted.setdefault(bucket_of_number(told.user), []).append(told)
        for number, its_own in parted.items():
            bucket = self._opened.get(number)
            if isinstance(bucket, Bucket):
                bucket.accepted(its_own)

    def absent(self, items: Sequence[ProfileObject]) -> None:
        """Forget users whom Braze does not know."""
        users = [str(item.identity[1]) for item in items if is_plain(item)]
        for number, indexes in by_bucket(users).items():
            if (bucket := self._bucket(number)) is not None:
                bucket.forget([users[at] for at in indexes])

    def flush(self) -> None:
        """Write what Braze has accepted so far."""
        for bucket in self.believed():
            bucket.flush()

    def since(self) -> dict[str, Any]:
        """Say since when it remembers, and what it has saved since; nothing once it was given up."""
        believed = self.believed()
        if self._opened and not believed:
            return {}
        others = (self._saved(number) for number in self._buckets if number not in self._opened)
        found = [each for each in (*(bucket.saved() for bucket in believed), *others) if each is not None]
        if not found:
            return {}
        return {
            "memory_since": min(each.since for each in found),
            "data_points_saved_since": sum(each.points for each in found),
        }

    def end(self, about: dict[str, Any], saved: dict[str, int]) -> None:
        """Note what a push did that is over for good.

        :param about: what ``memory show`` says of the last push.
        :param saved: data points that it saved, by attribute.
        """
        for bucket in self.believed():
            bucket.end(about, saved)
            if bucket.is_believed:
                # Once is enough: what was saved is summed over all buckets, and the others write when they are closed.
                break

    def close(self) -> None:
        """Write what is left, and let the next push have it."""
        opened, self._opened, self._opens = self._opened, {}, _none
        close_all(each for each in opened.values() if each is not None)


def _none(_: int) -> None:
    """Open no bucket any more."""

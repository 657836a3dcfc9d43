"""Shards: a push parted by user among several tasks, so that each user is in exactly one of them.

Of whom a record tells is what merging goes by, so whatever is merged is in one shard. The shard of a user depends on
nothing else: no try, no worker, no version of Python finds another one.

Above: a push, and what it reads. Below: nothing but the identity of a user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory.persistence.buckets import (
    buckets_between,
    first_of,
    indexes_between,
    position,
)
from airflow_provider_braze.parameters import as_optional_text, as_whole_number
from airflow_provider_braze.users_track.batching.profile_object import Identity
from airflow_provider_braze.users_track.mapping.identities import digits_of

MOST_SHARDS = 100
"""Beyond, each would send less than a request a second of Braze's default limit, and read all for a hundredth of it."""

_WRITTEN = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the parts of a push.

    :param number: which one, from 1 on.
    :param of: how many there are; 1 is everything.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, name: str, value: Any) -> Shard:
        """Read ``k/n`` as a template or an author gives it; unset is everything.

        :raises BrazeSetupError: it is none.
        """
        text = as_optional_text(name, value)
        if text is None:
            return EVERYTHING
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise BrazeSetupError(
                f"{name} must be k/n, such as 1/2 for the first of two shards, not {value!r}."
            )
        number, of = int(found[1]), int(found[2])
        if of > MOST_SHARDS:
            raise BrazeSetupError(
                f"{name} {text!r} asks for more than {MOST_SHARDS} shards, each of which reads the whole export: use "
                "about as many as there are cores for them."
            )
        if not 1 <= number <= of:
            count = max(of, 1)
            raise BrazeSetupError(
                f"{name} must be one of 1/{count} to {count}/{count}, not {text!r}: k counts from 1 up to n."
            )
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def is_everything(self) -> bool:
        """Whether there is no other shard."""
        return self.of == 1

    @property
    def text(self) -> str | None:
        """It as reports name it; None where there is no other."""
        return None if self.is_everything else str(self)

    def takes(self, identity: Identity | None) -> bool:
        """Tell whether a record belongs to it.

        :param identity: whom the record is about; None where it tells nobody, which belongs to the first shard.
        """
        if identity is None:
            return self.number == 1
        first, beyond = self._bounds
        return first <= position(map(_spelt, identity)) < beyond

    def taken(self, kind: str, ids: Sequence[bytes]) -> list[int]:
        """Give the indexes of those users that belong to it.

        :param kind: how all of them are identified: by one text, which is compared as it is.
        :param ids: those texts in UTF-8.
        """
        return indexes_between(kind, ids, *self._bounds)

    @property
    def buckets(self) -> range:
        """Those parts of the memory of what Braze was told that its users may be in."""
        return buckets_between(*self._bounds)

    @property
    def _bounds(self) -> tuple[int, int]:
        """Its first position, and the first beyond it."""
        return first_of(self.number - 1, self.of), first_of(self.number, self.of)


EVERYTHING = Shard()


def every_shard(name: str, value: Any) -> list[str]:
    """Give all shards of so many, for ``.expand(shard=...)``; of one, ``1/1`` is everything.

    :param name: what the number is called, for messages.
    :param value: how many, as a number or as text.
    :raises BrazeSetupError: it is no whole number from 1 to 100.
    """
    try:
        of = as_whole_number(name, value, default=1, minimum=1)
    except BrazeSetupError:
        of = 0
    if not 1 <= of <= MOST_SHARDS:
        raise BrazeSetupError(
            f"{name} must be a whole number of shards from 1 to {MOST_SHARDS}, not {value!r}."
        )
    return [f"{number}/{of}" for number in range(1, of + 1)]


def same_for_all_spellings(identity: Identity) -> Identity:
    """Give a user whom an author's own row names in the spelling that the shards go by: of a phone, its digits."""
    if identity[0] != "phone" or identity[1] is None:
        return identity
    try:
        return ("phone", digits_of(identity[1]))
    except ValueError:
        return identity


def _spelt(part: str | None) -> str:
    return part or ""

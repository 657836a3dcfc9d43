"""Buckets: all users, parted by a stable hash into fixed parts, of which each has a memory file of its own.

Their edges lie wherever a push of up to eight shards is parted. So such a shard is some whole buckets, and two that run
at once have no file in common, whatever the number of shards was before. Of more shards, neighbours share a bucket.

The edges are part of the memory's format, and the hash is part of what shards mean: no try, no worker, no version of
Python finds a user elsewhere.

Above: shards, and the memory. Below: nothing.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, pairwise, repeat
from zlib import crc32

MOST_APART = 8
"""Up to so many shards, each has buckets of its own."""

_BITS = 32
_MIX, _WORD = 2654435761, (1 << _BITS) - 1
"""A multiplier that spreads neighbouring check sums (Knuth), and 32 bits."""

_BETWEEN = "\0"

_SURELY, _MAYBE = 1, 2

_TOP = 3 if sys.byteorder == "little" else 4
"""Where the highest of the four bytes of a position stands among the eight of a product."""


def first_of(number: int, of: int) -> int:
    """Give the first position of the part after so many of equal parts, of all positions up to 2 ** 32."""
    return -((-number << _BITS) // of)


_FIRSTS = sorted({first_of(number, of) for of in range(1, MOST_APART + 1) for number in range(of)})
"""The first position of each bucket."""

_INNER = _FIRSTS[1:]

BUCKETS = len(_FIRSTS)


def position(parts: Iterable[str]) -> int:
    """Give the number by which a user is parted, from 0 up to below 2 ** 32.

    :param parts: of an identity: its kind first.
    """
    return crc32(_bytes(_BETWEEN.join(parts))) * _MIX & _WORD


def positions(kind: str, ids: Iterable[bytes]) -> list[int]:
    """Give the same as :func:`position` of many users who are identified in the same way, by one text each.

    :param ids: as :func:`encoded` gives them.
    """
    return [found * _MIX & _WORD for found in _check_sums(kind, ids)]


def indexes_between(kind: str, ids: Sequence[bytes], first: int, beyond: int) -> list[int]:
    """Give the indexes of those users whose :func:`positions` are from one up to below another.

    It takes two thirds of looking at each position: of all users at once, one byte tells of nearly each.
    """
    sums = array("Q", _check_sums(kind, ids)).tobytes()
    # Of two numbers of 32 bits the product has 64: so one multiplication does all, and none reaches into the next.
    products = (int.from_bytes(sums, sys.byteorder) * _MIX).to_bytes(len(sums), sys.byteorder)
    whether = products[_TOP::8].translate(_between(first, beyond))
    each = memoryview(products).cast("Q")
    met = compress(range(len(ids)), whether)
    return [at for at in met if whether[at] == _SURELY or first <= each[at] & _WORD < beyond]


@lru_cache(maxsize=8)
def _between(first: int, beyond: int) -> bytes:
    """Tell of each highest byte of a position whether that is from one up to below another: 0 where it is not."""
    lowest = [top << _BITS - 8 for top in range(257)]
    return bytes(
        _SURELY if first <= low and high <= beyond else _MAYBE if first < high and low < beyond else 0
        for low, high in pairwise(lowest)
    )


def encoded(ids: Sequence[str]) -> list[bytes]:
    """Give texts as bytes, those too that are no UTF-8."""
    try:
        return [*map(str.encode, ids)]
    except UnicodeEncodeError:
        return [*map(_bytes, ids)]


def buckets_between(first: int, beyond: int) -> range:
    """Give the buckets that some positions, one after the other, meet."""
    return range(bisect_right(_INNER, first), bisect_left(_INNER, beyond) + 1)


def bucket_of(external_id: str) -> int:
    """Give the bucket of a user, from 0 on."""
    return bisect_right(_INNER, position(("external_id", external_id)))


def by_bucket(external_ids: Sequence[str | None]) -> dict[int, list[int]]:
    """Part users by bucket: of each bucket their indexes, in order; None is in no bucket."""
    found: list[list[int]] = [[] for _ in range(BUCKETS)]
    known = [at for at, user in enumerate(external_ids) if user is not None]
    users = [user for user in external_ids if user is not None]
    for at, place in zip(known, positions("external_id", encoded(users)), strict=True):
        found[bisect_right(_INNER, place)].append(at)
    met = [number for number, indexes in enumerate(found) if indexes]
    # In the order in which they are met first, as they will be opened: one that is new takes after those before it.
    return {number: found[number] for number in sorted(met, key=lambda number: found[number][0])}


def _check_sums(kind: str, ids: Iterable[bytes]) -> Iterator[int]:
    """Go on from the check sum of what all of them have in front."""
    return map(crc32, ids, repeat(crc32(_bytes(f"{kind}{_BETWEEN}"))))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

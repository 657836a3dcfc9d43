"""An event loop whose time passes at once: what waits for hours is tested in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_braze.users_track.transport.limiter import Limiter

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Instead of waiting, lets the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits for something that never comes"
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in order, without waiting between them."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now() -> float:
    """The virtual time, in seconds."""
    return asyncio.get_running_loop().time()


_TURNS: WeakKeyDictionary[Limiter, asyncio.Lock] = WeakKeyDictionary()


async def acquire(under: Limiter, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Wait until a limiter lets a request go, one after the other, as the loop of a push does."""
    async with _TURNS.setdefault(under, asyncio.Lock()):
        while (wait := under.ready_in()) != 0:
            await sleep(0.001 if wait is None else min(wait, 0.1))
        under.take()

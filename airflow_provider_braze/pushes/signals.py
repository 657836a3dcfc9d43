"""What the handlers of signals raise, remembered: a library that calls back into Python may swallow it.

Airflow ends a task that takes too long by raising in a handler, wherever Python is just then. Within a callback of
libcurl or of the event loop, nobody would hear of it, and the push would go on.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_Handler = Callable[[int, FrameType | None], object]


@contextmanager
def remembered() -> Iterator[list[BaseException]]:
    """Give what handlers have raised since, in a list that grows; elsewhere than in the main thread, nothing is."""
    raised: list[BaseException] = []
    theirs = _handlers() if threading.current_thread() is threading.main_thread() else {}
    ours = {number: _remembering(handler, raised) for number, handler in theirs.items()}
    for number, handler in ours.items():
        signal.signal(number, handler)
    try:
        yield raised
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, theirs[number])


def _handlers() -> dict[int, _Handler]:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    # Python's own for Ctrl-C is left to asyncio, which cancels instead.
    return {
        number: handler
        for number, handler in handlers.items()
        if callable(handler) and handler is not signal.default_int_handler
    }


def _remembering(handler: _Handler, raised: list[BaseException]) -> _Handler:
    def handle(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    return handle

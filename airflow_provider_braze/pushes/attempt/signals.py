"""Handlers of signals that raise, kept from doing so while a push runs: it is stopped instead.

Airflow ends a task that takes too long by raising in a handler, wherever Python is just then. Within a callback of
libcurl that would be swallowed, and between two steps of counting a record would have no outcome.

Above: what runs a push. Below: only Python's signals.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

_Handler = Callable[[int, FrameType | None], object]

_SIGNALS = (signal.SIGALRM, signal.SIGTERM, signal.SIGINT)
"""Of a task's timeout, of its end from outside, and of Ctrl-C."""


@contextmanager
def held_back(stop: Callable[[BaseException], None], patience: float) -> Iterator[list[BaseException]]:
    """Call a function in place of raising what a handler raises. Outside the main thread nothing is ever raised.

    :param stop: ends what the ``with`` block does, and soon.
    :param patience: seconds after which it is raised after all, should the block still last, as on the next signal.
    :return: what was raised, in a list that grows.
    """
    raised: list[BaseException] = []
    if threading.current_thread() is not threading.main_thread():
        yield raised
        return
    # Its put may come from a handler, whatever the thread is doing.
    came: SimpleQueue[int | None] = SimpleQueue()

    def hold(handler: _Handler) -> _Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                raised.append(error)
                if len(raised) > 1:
                    raise
                came.put(number)
                stop(error)

        return handle

    found = {number: signal.getsignal(number) for number in _SIGNALS}
    theirs = {number: handler for number, handler in found.items() if callable(handler)}
    ours = {number: hold(handler) for number, handler in theirs.items()}
    reminder = threading.Thread(target=_remind, args=(came, patience), daemon=True)
    reminder.start()
    for number, handler in ours.items():
        signal.signal(number, handler)
    try:
        yield raised
    finally:
        came.put(None)
        reminder.join()
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, theirs[number])


def _remind(came: SimpleQueue[int | None], patience: float) -> None:
    """Interrupt the main thread once more, be it in a read that does not end."""
    number = came.get()
    main = threading.main_thread().ident
    if number is None or main is None:
        return
    try:
        came.get(timeout=patience)
    except Empty:
        signal.pthread_kill(main, number)

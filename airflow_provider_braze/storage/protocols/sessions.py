"""Storages that are reached through a session: FTP, SFTP and SMB, behind the interface of an fsspec filesystem.

A session carries one thing at a time: who reads a file keeps one for as long as it is open, and everything else takes
one for one question. So a reader and a writer never share one. One that broke is left, and the question is asked again
through a new one, a bounded number of times; what the server itself answered is never asked again.

Above stand the files of :mod:`storage.files`; FTP, SFTP and SMB, which speak the protocols, stand beside it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from airflow_provider_braze.exceptions import BrazeError

T = TypeVar("T")
Info = dict[str, Any]
"""What fsspec calls an info: ``name`` (whole path), ``type`` (file, directory, link, other), ``size``, ``mtime``
(seconds since the epoch, or None); ``exact`` is False where that time does not tell two states of a file apart."""

PAUSES = (0.1, 1.0, 4.0, 10.0)
"""Seconds before the second and each further try: long enough for a server to be restarted."""

IDLE_SECONDS = 20.0
"""A session that lay idle for longer is not used again: servers and firewalls end such without a word."""

TIMEOUT = 60.0
"""Seconds that a server may take for an answer, unless the connection says otherwise."""

GIVE_UP_AFTER = 120.0
"""Seconds after which nothing is asked again: a server that takes connections and never answers costs its whole time
limit with each try. Two of them fit, for one session that was dropped without a word and one that was opened anew."""

REST_SECONDS = 10.0
"""For so long after a storage was given up nothing is asked at all: a push that ends because of it has some twenty
things to ask and to write there, each of which would wait as long."""

_ANSWERS = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY}
    | {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTSUP}
)


class ServerRefusedError(OSError):
    """The server understood and refused: asking again through another session would not change that."""


_ANSWERS_BY_CLASS = (
    BrazeError,
    ServerRefusedError,
    FileNotFoundError,
    PermissionError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    UnicodeError,
)


class LostSessionError(ConnectionError):
    """No session could be opened, or each broke."""


class FileReader(Protocol):
    """One file that is read through a session of its own."""

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; none at the end.

        :raises EOFError: it ended before the server had sent all of it.
        """

    def close(self) -> None:
        """Leave it, read to its end or not."""


class Session(Protocol):
    """One connection to a server, logged in. Every method raises an OSError with the ``errno`` of the server's answer,
    :class:`ServerRefusedError`, or whatever tells that the session broke.
    """

    def entries(self, path: str) -> list[Info]:
        """Say what lies in a folder, in one round trip where the protocol allows it."""

    def info(self, path: str) -> Info:
        """Say what lies at a path, links followed."""

    def real_path(self, path: str) -> str:
        """Say where a path leads, as far as the server tells.

        :raises ExportRefusedError: through a link, to where it does not say.
        """

    def make_folder(self, path: str) -> None:
        """Make one folder; it may be there already."""

    def remove(self, path: str) -> None:
        """Delete a file."""

    def remove_folder(self, path: str) -> None:
        """Delete an empty folder."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; one that has it is replaced."""

    def read_from(self, path: str, offset: int) -> FileReader:
        """Open a file for reading."""

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Write into a file; at 0 it is made, or emptied. It is written when this returns."""

    def close(self) -> None:
        """End it, without waiting for anybody."""


def is_answer(error: Exception) -> bool:
    """Whether an error is what the server answered, and not that it could not be asked."""
    if isinstance(error, ssl.SSLError):  # its numbers are not those of the system
        return False
    if isinstance(error, _ANSWERS_BY_CLASS):  # some filesystems leave out the number
        return True
    return isinstance(error, OSError) and error.errno in _ANSWERS


def persist(
    name: str, ask: Callable[[bool], T], leave: Callable[[], None], pauses: Sequence[float] | None = None
) -> T:
    """Ask until there is an answer, a bounded number of times and for a bounded time.

    :param name: of the storage, for the message.
    :param ask: takes whether it was asked before.
    :param leave: gives up the session, before it is asked again or an answer is passed on.
    :param pauses: seconds before each further try (default: :data:`PAUSES`).
    :raises LostSessionError: there was none.
    """
    again, until = False, time.monotonic() + GIVE_UP_AFTER
    for pause in (*(PAUSES if pauses is None else pauses), None):
        try:
            return ask(again)
        except Exception as error:
            leave()
            if is_answer(error):
                raise
            if pause is None or time.monotonic() > until:
                raise LostSessionError(
                    errno.ECONNABORTED, f"{name} does not answer ({type(error).__name__}: {error})"
                ) from error
            time.sleep(pause)
            again = True
    raise AssertionError("the last try raises")


class Rest:
    """The moment after a storage was given up.

    :param name: of the storage, for the message.
    """

    def __init__(self, name: str) -> None:
        self._name, self._until = name, float("-inf")

    def begin(self) -> None:
        """Say that it was given up."""
        self._until = time.monotonic() + REST_SECONDS

    def check(self) -> None:
        """Go on where it may be asked.

        :raises LostSessionError: it was given up just now.
        """
        if time.monotonic() < self._until:
            raise LostSessionError(errno.ECONNABORTED, f"{self._name} did not answer just now")


class Sessions:
    """The sessions with one server, as one user.

    :param name: of the storage, for messages.
    :param connect: opens a session, from any thread.
    """

    def __init__(self, name: str, connect: Callable[[], Session]) -> None:
        self.name = name
        self._connect = connect
        self._lock = threading.Lock()
        self._keep([])
        self.is_lost = False
        """Whether it was given up, and has not answered since."""
        self.rest = Rest(name)

    def _keep(self, idle: list[tuple[float, Session]]) -> None:
        """Keep the sessions that lie idle in a list; whoever is forgotten with some in it leaves none of them open.

        A filesystem is replaced once a minute, maybe while it is used, and the thread of a session keeps that alive.
        """
        self._idle, self._process = idle, os.getpid()
        weakref.finalize(self, _end, idle, self._process).atexit = False

    def take(self, *, new: bool = False) -> Session:
        """Get a session that nobody else uses.

        :param new: none that lay idle: the one before broke, and those beside it may have, too.
        """
        new = new or self.is_lost
        with self._lock:
            if self._process != os.getpid():
                # What another process goes on using is not ours to close.
                self._keep([])
            waiting = [*self._idle]
            oldest = float("inf") if new else time.monotonic() - IDLE_SECONDS
            usable = [each for each in waiting if each[0] >= oldest]
            taken = usable.pop()[1] if usable else None
            self._idle[:] = usable
        for since, session in waiting:
            if since < oldest:
                close_quietly(session)
        return taken or self._connect()

    def give(self, session: Session) -> None:
        """Give back a session that is as good as new."""
        with self._lock:
            if self._process == os.getpid():
                self._idle.append((time.monotonic(), session))

    def close(self) -> None:
        """End those that nobody uses."""
        with self._lock:
            idle, self._idle[:] = [*self._idle], []
        for _, session in idle:
            close_quietly(session)

    def ask(self, question: Callable[[Session, bool], T]) -> T:
        """Ask a question; its second parameter is whether it was asked before, and may have been heard."""
        taken: list[Session] = []

        def once(again: bool) -> T:
            taken.append(self.take(new=again))
            try:
                answer = question(taken[-1], again)
            except Exception as error:
                if is_answer(error):
                    self.give(taken.pop())
                raise
            self.give(taken.pop())
            return answer

        def leave() -> None:
            while taken:
                close_quietly(taken.pop())

        return self.persist(once, leave)

    def persist(self, ask: Callable[[bool], T], leave: Callable[[], None]) -> T:
        """Ask as :func:`persist` does; a server that was given up is left alone for a moment, and then asked once only,
        until it answers again.
        """
        self.rest.check()
        # So it is, too, where something else ends the wait, such as the time limit of a task.
        lost = True
        try:
            found = persist(self.name, ask, leave, () if self.is_lost else None)
            lost = False
        except LostSessionError:
            self.rest.begin()
            raise
        except Exception:
            lost = False
            raise
        finally:
            self.is_lost = lost
        return found


def _end(idle: list[tuple[float, Session]], process: int) -> None:
    # What another process goes on using is not ours to close.
    if process == os.getpid():
        for _, session in idle:
            close_quietly(session)


@contextlib.contextmanager
def ended_after(seconds: float, end: Callable[[], object]) -> Iterator[None]:
    """End a session from another thread, should this last longer: what waits for its server raises then."""
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def bound_sending(connection: Any, seconds: float) -> None:
    """Have the system give up a connection whose other end takes nothing any more, where the system can.

    Some clients send without a time limit, and wait for ever where the other end neither reads nor goes away.
    """
    if isinstance(connection, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def close_quietly(session: Session | FileReader) -> None:
    """Close what may be broken."""
    with contextlib.suppress(Exception):
        session.close()

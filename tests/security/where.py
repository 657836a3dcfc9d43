"""Where a secret could have got to: everything that a push says, writes or leaves behind."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def texts_of(error: BaseException | None) -> Iterator[str]:
    """All that an exception says, those it was raised from, and those it was raised while handling."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield f"{error} {error!r} {error.args!r} {vars(error)!r}"
        for value in [*error.args, *vars(error).values()]:
            # A request is an attribute of what requests raises, and holds its headers.
            yield f"{value!r} {getattr(value, '__dict__', '')!r}"
        yield "".join(traceback.format_exception(error))
        pending += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def files_with(secret: str, *folders: Path) -> list[Path]:
    """The files below some folders that hold a secret, in what they hold or in their names."""
    found = [path for folder in folders for path in folder.rglob("*")]
    return [
        path
        for path in found
        if secret in str(path) or (path.is_file() and secret.encode() in path.read_bytes())
    ]


def process_texts() -> str:
    """What other users of the machine see of this process."""
    own = Path("/proc/self")
    if not own.exists():
        return ""
    shown = [(own / "cmdline").read_bytes()]
    for thread in (own / "task").iterdir():
        # A thread may end between being listed, opened and read.
        with suppress(FileNotFoundError, ProcessLookupError):
            shown.append((thread / "comm").read_bytes())
    return b" ".join(shown).decode(errors="replace")


class Everything(logging.Handler):
    """Keeps every log record, with its arguments and exceptions, before anything can mask it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said: list[Any] = [record.getMessage(), record.args, record.name]
        self.texts.append(" ".join(map(repr, said)))
        if record.exc_info:
            self.texts += texts_of(record.exc_info[1])

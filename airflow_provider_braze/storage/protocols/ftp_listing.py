"""What the lines of an FTP listing tell: facts (RFC 3659), or what ``ls`` and Windows print.

Above: a session with an FTP server. Below: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from airflow_provider_braze.storage.protocols.sessions import Info

_UNIX = re.compile(
    r"(?P<kind>[-dlbcps])[-rwxsStTlL]{9}[.+@]?\s+\d+\s+\S+\s+(?:\S+\s+)?(?P<size>\d+)(?:,\s*\d+)?\s+"
    r"(?P<when>[A-Za-z]{3}\s+\d{1,2}\s+(?:\d{1,2}:\d{2}|\d{4})"
    r"|\d{4}-\d{2}-\d{2}\s+\d{1,2}:\d{2}(?::\d{2})?"  # ls --time-style=long-iso
    r"|(?:\S+\s+\d{1,2}\.?|\d{1,2}\.?\s+\S+)\s+(?:\d{1,2}:\d{2}|\d{4}))"  # a month in another language
    r" (?P<name>.+)$"
)
_WINDOWS = re.compile(
    r"(?P<when>\d{2}-\d{2}-(?:\d{2}|\d{4})\s+\d{2}:\d{2}\s*(?:[AP]M)?)"
    r"\s+(?:<(?P<kind>DIR|JUNCTION|SYMLINKD?)>|(?P<size>\d+))"
    r" +(?P<name>.+)$"
)
_UNIX_LINK = re.compile(r"l[-rwxsStTlL]{9}")
_KINDS = {"-": "file", "d": "directory", "l": "link"}
_WINDOWS_KINDS = {None: "file", "DIR": "directory"}
_WINDOWS_TIMES = ("%m-%d-%y %I:%M%p", "%m-%d-%Y %I:%M%p", "%m-%d-%y %H:%M", "%m-%d-%Y %H:%M")


def moment(text: str) -> float | None:
    """Read a time as RFC 3659 writes it, in UTC, with or without a fraction of a second."""
    try:
        whole = datetime.strptime(text.strip()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return whole.timestamp()
    except ValueError:
        return None


def facts_of(line: str) -> tuple[str, Info] | None:
    """Read a line of ``MLSD`` or ``MLST``; None for the folder itself, its parent, and what is no such line."""
    written, blank, name = line.partition(" ")
    facts = {
        key.lower(): value
        for key, found, value in (fact.partition("=") for fact in written.split(";"))
        if found
    }
    kind = facts.get("type", "").lower()
    if not blank or not name or kind == "pdir" or (kind == "cdir" and "/" not in name):
        return None
    if "link" in kind:  # OS.unix=slink:<target> and the like
        kind = "link"
    kind = {"dir": "directory", "cdir": "directory"}.get(kind, kind or "other")
    modified = moment(facts.get("modify", ""))
    size = facts.get("size", "0")
    info: Info = {
        "type": kind,
        "size": int(size) if size.isdecimal() else 0,
        "mtime": modified,
    }
    if modified is None:
        info["exact"] = False
    return name.rsplit("/", 1)[-1], info


def parse_line(line: str, now: datetime | None = None) -> tuple[str, Info] | None:
    """Read a line of ``LIST``. Its time has whole minutes, or no hour at all: good for an age, and no more."""
    if found := _UNIX.match(line):
        kind = _KINDS.get(found["kind"], "other")
        name = found["name"].split(" -> ")[0] if kind == "link" else found["name"]
        when = _unix_time(found["when"], now or datetime.now(UTC))
    elif found := _WINDOWS.match(line):
        kind, name = _WINDOWS_KINDS.get(found["kind"], "link"), found["name"]
        when = _windows_time(found["when"])
    else:
        return None
    if name in (".", ".."):
        return None
    return name, {"type": kind, "size": int(found["size"] or 0), "mtime": when, "exact": False}


def target_in_facts(line: str) -> str | None:
    """Tell from a line of ``MLST`` where a link leads: ``""`` where that is not said, None where it is no link."""
    facts = line.strip().partition(" ")[0]
    kind = next((fact[5:] for fact in facts.split(";") if fact.lower().startswith("type=")), "")
    # OS.unix=slink:<target>, OS.unix=symlink
    return kind.partition(":")[2] if "link" in kind.partition(":")[0].lower() else None


def links_in(lines: Iterable[str]) -> list[str]:
    """Give of the lines of ``LIST`` that tell of a link what comes after the time: ``<name> -> <target>``, or a name.

    Where the name ends cannot be told from that alone, since one may hold an arrow: :func:`target_among` is told it.
    A line that is not understood, with a month in another language, is given from a blank on.
    """
    found = []
    for line in lines:
        if unix := _UNIX.match(line):
            found += [unix["name"]] * (unix["kind"] == "l")
        elif windows := _WINDOWS.match(line):
            found += [windows["name"]] * (windows["kind"] not in _WINDOWS_KINDS)
        elif _UNIX_LINK.match(line):
            found += [line[at + 1 :] for at, character in enumerate(line) if character == " "]
    return found


def target_among(links: Iterable[str], name: str) -> str | None:
    """Tell where the link of a name leads: ``""`` where that is not said, None where it is no link.

    :param links: as :func:`links_in` gives them.
    """
    for link in links:
        if link.startswith(f"{name} -> "):
            return link[len(name) + 4 :]
        if link == name or (link.startswith(f"{name} [") and link.endswith("]")):
            return ""
    return None


def _unix_time(text: str, now: datetime) -> float | None:
    try:
        if text[:4].isdigit():
            return datetime.fromisoformat(" ".join(text.split())).replace(tzinfo=UTC).timestamp()
        month, day, last = text.split()
        if ":" not in last:
            return datetime.strptime(f"{month} {day} {last}", "%b %d %Y").replace(tzinfo=UTC).timestamp()
        when = datetime.strptime(f"{month} {day} {now.year} {last}", "%b %d %Y %H:%M").replace(tzinfo=UTC)
    except ValueError:  # a month in another language, or the 29th of February of the year before
        return None
    if when > now + timedelta(days=1):
        when = when.replace(year=now.year - 1)
    return when.timestamp()


def _windows_time(text: str) -> float | None:
    written = re.sub(r"\s+(?=[AP]M)", "", " ".join(text.split()))
    for form in _WINDOWS_TIMES:
        try:
            return datetime.strptime(written, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None

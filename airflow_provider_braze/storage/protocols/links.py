"""Where a path leads on a server that follows links, but has no word of its own for the end of the way.

Above: sessions that can tell of one path whether it is a link. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_braze.exceptions import ExportRefusedError

_MOST_LINKS = 40
"""Links on one way, as an operating system counts them; more are a circle."""


def followed(path: str, target_of: Callable[[str], str | None]) -> str:
    """Follow the links on a path, one component after the other.

    :param path: absolute.
    :param target_of: tells of a path, on which no component above the last is a link, where it leads: None where it is
        no link as far as the server tells, ``""`` where it is one and nobody says to where.
    :raises ExportRefusedError: a link leads to where nobody says, or in a circle.
    """
    left = _names(path)
    done: list[str] = []
    links = 0
    while left:
        name = left.pop()
        if name == ".":
            continue
        if name == "..":
            del done[-1:]
            continue
        here = "/" + "/".join([*done, name])
        target = target_of(here)
        if target is None:
            done.append(name)
            continue
        links += 1
        if not target or links > _MOST_LINKS:
            raise ExportRefusedError(
                f"{path!r} is reached through the link {here!r}, of which the server does not say where it leads, "
                "and is not read: put the file itself there."
            )
        if target.startswith("/"):
            done.clear()
        left += _names(target)
    return "/" + "/".join(done)


def _names(path: str) -> list[str]:
    """Give the components of a path, the first at the end."""
    return [name for name in path.split("/") if name][::-1]

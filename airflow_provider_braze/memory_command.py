"""`python -m airflow_provider_braze memory show|forget|check`: what Braze was told, seen and deleted in a terminal.

Above: the command line. Below: the memory; Airflow's connections only where Braze is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory import inspecting
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.users_track.rules.standard_fields import FIELDS

DEFAULT_CONN_ID = "braze_default"

_MOST_AT_ONCE = 50
"""Users of one request to /users/export/ids."""

Folder = Callable[[argparse.Namespace], str]


def add_options(command: argparse.ArgumentParser) -> None:
    """Add what names a memory elsewhere than in the reports folder, or one of several."""
    command.add_argument("--memory-path", metavar="PATH", help="the operator's memory_path, where it has one")
    command.add_argument("--conn-id", metavar="ID", help="only the memory of this connection")


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_folder: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add the command and its three parts."""
    memory = commands.add_parser("memory", help="see, forget or check what Braze was told (only_changed)")
    parts = memory.add_subparsers(dest="part", required=True, metavar="PART")
    shown = parts.add_parser("show", help="since when it remembers, how much, and what it saved")
    shown.add_argument("--json", action="store_true", help="print it as JSON")
    forgets = parts.add_parser("forget", help="forget users, attributes, or all")
    forgets.add_argument("--user", action="append", default=[], metavar="ID", help="an external id")
    forgets.add_argument("--attribute", action="append", default=[], metavar="NAME", help="for all users")
    forgets.add_argument("--all", action="store_true", help="all users")
    checks = parts.add_parser("check", help="compare some users with their profiles at Braze")
    checks.add_argument("--user", action="append", required=True, metavar="ID", help="an external id")
    for part in (shown, forgets, checks):
        add_options(part)
        add_folder(part)


def run(parsed: argparse.Namespace, folder: Folder) -> int:
    """Run one part.

    :return: 0 when all is well; 1 when what Braze holds is not what it was told, or a file cannot be read.
    :raises BrazeSetupError: there is no memory, or a push uses it.
    """
    found = memories(parsed, folder)
    if not found:
        raise no_memory(parsed, folder)
    return {"show": _show, "forget": _forget, "check": _check}[parsed.part](parsed, found)


def memories(parsed: argparse.Namespace, folder: Folder) -> list[Location]:
    """Find the memories that are meant."""
    wanted = parsed.conn_id
    return [each for each in _all(parsed, folder) if wanted in (None, _connection_of(each))]


def no_memory(parsed: argparse.Namespace, folder: Folder) -> BrazeSetupError:
    """Say that the memory which is asked for is not there, and which are."""
    if others := ", ".join(map(_connection_of, _all(parsed, folder))):
        return BrazeSetupError(
            f"There is no memory of the connection {parsed.conn_id!r}; there are those of {others}."
        )
    return BrazeSetupError("There is no memory: no push with only_changed has run through this folder.")


def _all(parsed: argparse.Namespace, folder: Folder) -> list[Location]:
    path = parsed.memory_path
    return inspecting.memories(None if path else folder(parsed), path)


def _connection_of(memory: Location) -> str:
    return memory.path.rsplit("/", 1)[1]


def _show(parsed: argparse.Namespace, found: Sequence[Location]) -> int:
    shown = [inspecting.show(each) for each in found]
    if parsed.json:
        print(json.dumps(shown, indent=2))
        return _say(problem for each in shown for problem in each["unreadable"])
    for each in shown:
        last = each["last_push"] or {}
        print(each["memory"])
        print(f"  remembers since {each['since']}: {each['users']:,} users, {each['bytes']:,} bytes")
        print(f"  last push: {last.get('at', 'none that has ended')} {last.get('run_id') or ''}".rstrip())
        print(f"  data points saved: {each['data_points_saved']:,}")
        for attribute, points in each["data_points_saved_by_attribute"].items():
            print(f"    {ascii(attribute)[1:-1]}: {points:,}")
    return _say(problem for each in shown for problem in each["unreadable"])


def _say(problems: Iterable[str]) -> int:
    """Name what cannot be read; the exit code."""
    code = 0
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
        code = 1
    return code


def _forget(parsed: argparse.Namespace, found: Sequence[Location]) -> int:
    if not (parsed.user or parsed.attribute or parsed.all):
        raise BrazeSetupError("Say what to forget: --user, --attribute or --all.")
    for each in found:
        warnings: list[str] = []
        known = inspecting.forget(
            each, warnings.append, users=parsed.user, attributes=parsed.attribute, everything=parsed.all
        )
        for warning in dict.fromkeys(warnings):
            print(warning, file=sys.stderr)
        print(f"{each.url}: {known:,} forgotten.")
    return 0


def _check(parsed: argparse.Namespace, found: Sequence[Location]) -> int:
    # Imported here: the other parts need no Airflow.
    from airflow_provider_braze.hooks.braze import BrazeHook

    if len(found) > 1:
        raise BrazeSetupError("There are several memories: name one with --conn-id.")
    conn_id = parsed.conn_id or found[0].path.rsplit("/", 1)[1]
    drift: Counter[str] = Counter()
    with inspecting.Glimpses(found[0]) as glimpses:
        known: set[str] = set().union(*glimpses.all(inspecting.attributes_of))
        standard = known & FIELDS.keys()
        fields = ["external_id", "custom_attributes", *sorted(standard)]
        for start in range(0, len(parsed.user), _MOST_AT_ONCE):
            some = parsed.user[start : start + _MOST_AT_ONCE]
            profiles = {
                str(profile.get("external_id")): profile
                for profile in BrazeHook(conn_id).export_users(some, fields_to_export=fields)["users"]
            }
            for number, user in enumerate(some, start=start + 1):
                profile = profiles.get(user, {})
                told = glimpses.of(user, partial(inspecting.drift, user=user, profile=profile))
                if told is None:
                    why = "nothing is remembered" if glimpses.can_read(user) else "the file cannot be read"
                    print(f"user {number}: {why}")
                elif user not in profiles:
                    print(f"user {number}: Braze has no profile; forget the user")
                    drift["no profile"] += 1
                else:
                    drift += told
    for attribute, count in drift.most_common():
        print(f"{ascii(attribute)[1:-1]}: {count:,} values that Braze does not hold as it was told")
    print(f"{len(parsed.user):,} users checked, {sum(drift.values()):,} values differ.")
    return max(_say(glimpses.problems), 1 if drift else 0)

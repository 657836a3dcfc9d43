"""What may be imported and called by users, as the code has it: each name with its parameters and their defaults.

``python -m tests.public_api`` writes it into docs/api.md; ``--released`` keeps it as what the last release had, which
is for the moment of a release. tests/test_public_api.py compares.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE, RELEASED = ROOT / "docs" / "api.md", ROOT / "tests" / "data" / "public_api.json"
PACKAGE = "airflow_provider_braze"

NAMES = {
    "operators.braze": ["BrazeUserTrackOperator"],
    "operators.users": ["BrazeUsersOperator"],
    "operators.cdi": ["BrazeCdiSyncOperator"],
    "sensors.redpoint": ["RedpointExportSensor"],
    "sensors.cdi": ["BrazeCdiSyncSensor"],
    "triggers.redpoint": ["RedpointExportTrigger"],
    "decorators.braze": ["braze_track_task"],
    "notifications.braze": ["BrazePushNotifier"],
    "hooks.braze": ["BrazeHook"],
    "users_track.mapping": ["ExportMapping", "Identifier", "Tag", "Type"],
    "redpoint.dialect": ["Dialect"],
    "lineage.assets": ["create_export_asset", "create_workspace_asset"],
    "redpoint.discovery.offers": ["left_to_push"],
    "pushes.rejects_by_id": ["find_rejects"],
    "report": ["Report", "Mode"],
    "storage.tidying": ["tidy"],
    "sandbox.testing": ["SandboxProcess", "running_sandbox"],
    "exceptions": [],
    "forms": [],
}
"""Modules and their public names; of a module without names, all that it defines."""

_AIRFLOWS = {
    "get_conn",
    "get_ui_field_behaviour",
    "get_connection_form_widgets",
    "execute",
    "execute_complete",
    "poke",
    "serialize",
}
"""Methods that Airflow calls, and users do not."""

_OURS = {
    "answer_to",
    "check_response",
    "describe",
    "newest_cdi_syncs",
    "post",
    "read",
    "answer_with_headers",
    "url_of",
}
"""What only our own modules call, though it has no underscore."""


def public_api() -> dict[str, dict[str, str]]:
    """Give every public name with its parameters: name to default, ``required``, or ``...`` for any further ones."""
    return {name: given for module in NAMES for name, given in _of_module(module)}


def _of_module(module: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        imported = importlib.import_module(f"{PACKAGE}.{module}")
    except ModuleNotFoundError:
        return
    own = [
        name
        for name, each in vars(imported).items()
        if getattr(each, "__module__", "") == imported.__name__ and not name.startswith("_")
    ]
    for name in NAMES[module] or sorted(own):
        found = getattr(imported, name, None)
        if found is not None and name not in _OURS:
            yield from _of_name(f"{module}.{name}", found)


def _of_name(name: str, found: Any) -> Iterator[tuple[str, dict[str, str]]]:
    if typing.is_typeddict(found) or not callable(found) or _is_error(found):
        yield name, {}
        return
    yield name, _parameters(found)
    if not inspect.isclass(found) or dataclasses.is_dataclass(found):
        return
    for method, each in inspect.getmembers(found, inspect.isfunction):
        ours = each.__module__.startswith(PACKAGE)
        if ours and not method.startswith("_") and method not in _AIRFLOWS | _OURS:
            yield f"{name}.{method}", _parameters(each)


def _is_error(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, BaseException)


def _parameters(found: Any) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, each in inspect.signature(found).parameters.items():
        if name == "self":
            continue
        if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
            given["*" * (2 if each.kind is each.VAR_KEYWORD else 1) + name] = "..."
        else:
            # An address in a default would differ from run to run.
            default = re.sub(r" at 0x[0-9a-f]+", "", repr(each.default))
            given[name] = "required" if each.default is each.empty else default
    return given


def table() -> str:
    """Write the table of docs/api.md."""
    rows = ["| name | parameters |", "|---|---|"]
    for name, given in public_api().items():
        parameters = ", ".join(
            f"`{one}`" if value in ("required", "...") else f"`{one}={value}`" for one, value in given.items()
        )
        rows.append(f"| `{name}` | {parameters.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def write() -> None:
    """Write the table into the page."""
    text = PAGE.read_text("utf-8")
    head, rest = text.split("<!-- api: begin -->\n")
    _, tail = rest.split("<!-- api: end -->")
    PAGE.write_text(f"{head}<!-- api: begin -->\n{table()}\n<!-- api: end -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    if "--released" in sys.argv:
        RELEASED.write_text(json.dumps(public_api(), indent=1) + "\n", encoding="utf-8")
    else:
        write()

"""The documentation says what the code does: no link, parameter, default or example is out of date."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_braze.__main__ import _parser
from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.get_provider_info import get_provider_info
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.notifications.braze import BrazePushNotifier
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.sandbox.__main__ import parser as sandbox_parser
from airflow_provider_braze.sensors.cdi import BrazeCdiSyncSensor
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping, Identifier, Tag, Type
from airflow_provider_braze.users_track.transport.workspace import EXTRAS, Workspace
from tests import samples
from tests.connections import connect
from tests.docs.messages import texts
from tests.docs.pages import DOCS, PAGES, README, ROOT, blocks, options, prose
from tests.sandbox_process import SandboxProcess

EVENT = {"external_id": "P0001", "name": "conversation_ended", "time": "2026-03-01T12:00:00Z"}

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as MkDocs makes them."""
    found = [re.sub(r"[^\w\s-]", "", name).strip().lower() for name in _HEADING.findall(prose(page))]
    return {re.sub(r"[\s-]+", "-", name) for name in found}


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_python_example_parses(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            try:
                ast.parse(block.text)
            except SyntaxError as error:
                pytest.fail(f"{page.name}, line {block.line}: {error}")


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_nothing_is_installed_by_a_name_that_anybody_could_take(page: Path) -> None:
    """It is on no package index yet."""
    assert not re.search(r"(?:pip|uv|pipx) \w+[^\n]*airflow-provider-braze-redpoint", page.read_text("utf-8"))


def _is_dag(text: str) -> bool:
    return "with DAG(" in text and "import" in text


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{page.name}, line {block.line}")
        for page in [README, *PAGES]
        for block in blocks(page)
        if block.language == "python" and _is_dag(block.text)
    ],
)
def test_every_dag_example_makes_a_dag(block: Any) -> None:
    if "RetryRule" in block.text and importlib.util.find_spec("airflow.sdk.definitions.retry_policy") is None:
        pytest.skip("retry policies came with Airflow 3.3")

    exec(compile(block.text, "example", "exec"), {"__name__": "example"})


def _signature(cls: type) -> dict[str, inspect.Parameter]:
    found = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    return {name: each for name, each in found.items() if name not in ("self", "kwargs")}


def _default(parameter: inspect.Parameter) -> str | None:
    return None if parameter.default is inspect.Parameter.empty else repr(parameter.default)


@pytest.mark.parametrize(
    ("page", "cls"),
    [
        ("operator.md", BrazeUserTrackOperator),
        ("sensor.md", RedpointExportSensor),
        ("users.md", BrazeUsersOperator),
        ("cdi.md", BrazeCdiSyncOperator),
    ],
)
def test_every_parameter_is_documented_with_its_default_and_templating(page: str, cls: Any) -> None:
    documented, actual = options(DOCS / page), _signature(cls)

    assert documented.keys() == actual.keys()
    assert {name: each.default for name, each in documented.items()} == {
        name: _default(each) for name, each in actual.items()
    }
    assert {name for name, each in documented.items() if each.templated} == set(cls.template_fields)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_example_gives_parameters_that_exist(page: Path) -> None:
    ours = (
        BrazeUserTrackOperator,
        BrazeUsersOperator,
        BrazeCdiSyncOperator,
        BrazeCdiSyncSensor,
        RedpointExportSensor,
        ExportMapping,
        Identifier,
        Tag,
        Type,
        Dialect,
    )
    for block in blocks(page):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).split(".")[0]
                for cls in (cls for cls in ours if cls.__name__ == name):
                    known = {*_signature(cls), *_signature(BaseSensorOperator), *_signature(BaseOperator)}
                    known.add("retry_policy")  # Airflow 3.3
                    given = {each.arg for each in node.keywords if each.arg}
                    assert given <= known, f"{page.name}, line {block.line}"


@pytest.mark.parametrize(
    "page", [README, DOCS / "index.md", DOCS / "operator.md"], ids=lambda page: page.name
)
def test_the_first_example_names_where_mapping_and_dialect_are(page: Path) -> None:
    text = page.read_text("utf-8")
    beginning = text[: text.index("\n## ", text.index("BrazeUserTrackOperator("))]

    for cls in (ExportMapping, Dialect):
        found = re.search(rf"(airflow_provider_braze[\w.]*?)(?: import |\.){cls.__name__}\b", beginning)
        assert found is not None
        assert getattr(importlib.import_module(found[1]), cls.__name__) is cls


def test_every_parameter_of_the_trigger_is_documented_with_its_default() -> None:
    text = (DOCS / "sensor.md").read_text("utf-8")

    for name, each in _signature(RedpointExportTrigger).items():
        if name != "parameters":
            assert re.search(
                rf"^\| `{name}` \|.*\| `{re.escape(str(_default(each)))}` \|$", text, re.MULTILINE
            ), name


def test_every_parameter_of_the_notifier_is_documented_with_its_default() -> None:
    text = (DOCS / "recipes.md").read_text("utf-8")

    for name, each in _signature(BrazePushNotifier).items():
        default = _default(each)
        written = "required" if default is None else f"`{default}`"
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(written)} \|$", text, re.MULTILINE), name


def test_every_field_of_a_report_is_documented(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect(monkeypatch, sandbox)
    export = str(samples.EXPORTS[0].land(tmp_path))
    reports = [
        BrazeUserTrackOperator(task_id="push", **given).execute({})
        for given in ({"export": export}, {"export": export, "dry_run": True}, {"events": [EVENT]})
    ]
    documented = {name for line in _rows(DOCS / "outcomes.md") for name in re.findall(r"`(\w+)`", line)}

    assert {name for report in reports for name in report} <= documented


def _rows(page: Path) -> list[str]:
    """The first cells of a page's tables."""
    return [line.split(" | ")[0] for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]


def test_every_field_of_the_mapping_is_documented_with_its_default() -> None:
    defaults = ExportMapping()
    documented = options(DOCS / "mapping.md")

    assert documented.keys() == ExportMapping.__dataclass_fields__.keys()
    for name, each in documented.items():
        assert each.default is not None, name
        given = getattr(defaults, name)
        assert ast.literal_eval(each.default) == (dict(given) if hasattr(given, "keys") else given), name


@pytest.mark.parametrize(
    ("page", "cls"),
    [
        ("mapping.md", Identifier),
        ("mapping.md", Type),
        ("mapping.md", Tag),
        ("operator.md", Dialect),
    ],
)
def test_every_option_in_a_table_is_documented(page: str, cls: Any) -> None:
    text = (DOCS / page).read_text("utf-8")

    for name in cls.__dataclass_fields__:
        assert f"\n| `{name}` |" in text, name


def test_every_extra_of_the_connection_is_documented_with_its_default() -> None:
    documented = options(DOCS / "connection.md")
    defaults = Workspace(endpoint="https://x", api_key="k")

    assert documented.keys() == set(EXTRAS)
    assert set(EXTRAS) == get_provider_info()["connection-types"][0]["conn-fields"].keys()
    for name, each in documented.items():
        assert each.default == repr(getattr(defaults, name, False)), name


def test_every_option_of_airflows_configuration_is_documented() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)

    for section, content in get_provider_info()["config"].items():
        for name in content["options"]:
            assert f"`[{section}] {name}`" in text


def test_every_argument_of_the_hook_is_documented() -> None:
    text = (DOCS / "connection.md").read_text("utf-8")

    for method in _own_methods(BrazeHook):
        names = [
            name
            for name, each in inspect.signature(method).parameters.items()
            if name != "self" and each.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        assert f"| `{method.__name__}({', '.join(names)})` |" in text


_FOR_AIRFLOW = {"get_conn", "get_ui_field_behaviour", "get_connection_form_widgets"}
_FOR_THE_OTHERS = {"url_of", "check_response", "read", "answer_with_headers"}


def _own_methods(cls: type) -> list[Any]:
    """The public methods that our code gives a class."""
    named = [name for name in dir(cls) if not name.startswith("_")]
    found = [getattr(cls, name) for name in named if inspect.isfunction(getattr(cls, name))]
    ours = [each for each in found if each.__module__.startswith("airflow_provider_braze.")]
    return [each for each in ours if each.__name__ not in _FOR_AIRFLOW | _FOR_THE_OTHERS]


def test_every_option_of_the_command_lines_is_documented() -> None:
    subcommands = _parser()._subparsers
    assert subcommands is not None
    plan = next(action.choices["plan"] for action in subcommands._group_actions if action.choices)
    for page, parser in (("recipes.md", plan), ("sandbox.md", sandbox_parser())):
        text = (DOCS / page).read_text("utf-8")
        for action in parser._actions:
            for flag in action.option_strings:
                assert flag in ("-h", "--help") or re.search(rf"`{flag}[` ]", text), f"{page}: {flag}"


def test_every_outcome_and_exception_is_documented() -> None:
    outcomes = (DOCS / "outcomes.md").read_text("utf-8")
    for name in OUTCOMES:
        assert f"| `{name}` |" in outcomes, name
    pages = "".join(page.read_text("utf-8") for page in PAGES)

    def children(cls: type[BrazeError]) -> list[type[BrazeError]]:
        return [cls, *(each for child in cls.__subclasses__() for each in children(child))]

    for cls in children(BrazeError):
        if cls.__module__ == "airflow_provider_braze.exceptions":
            assert f"`{cls.__name__}`" in pages, cls.__name__


def test_every_message_that_is_explained_is_one_of_the_code() -> None:
    pages = (DOCS / "troubleshooting.md").read_text("utf-8")
    known = "\n".join(texts())

    for message in re.findall(r"^\| `([^`]+)` \|", pages, re.MULTILINE):
        pattern = ".*".join(map(re.escape, message.split("…")))
        assert re.search(pattern, known), f"no text of the code says {message!r}"


def test_every_dependency_has_its_reason() -> None:
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    required = re.search(r"install_requires =\n((?:    .+\n)+)", setup)
    assert required is not None
    text = (DOCS / "dependencies.md").read_text("utf-8")

    for line in required[1].split():
        assert f"| `{re.split('[><=]', line)[0]}` |" in text, line


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed here")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "index.html").exists()

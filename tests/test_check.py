"""The contributor's door: what `make check` runs, and hooks that say what `make lint` says."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check", ROOT / ".ci" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_module_has_the_tests_that_import_it(check: ModuleType) -> None:
    tests = check.tests_of({"airflow_provider_braze/users_track/delivery/interpret.py"})
    assert "tests/users_track/delivery/test_interpret.py" in tests
    assert "tests/redpoint/discovery/test_listing.py" not in tests


def test_so_has_one_that_is_imported_from_its_package(check: ModuleType) -> None:
    tests = check.tests_of({"airflow_provider_braze/users_track/transport/network.py"})
    assert "tests/users_track/transport/test_client.py" in tests


def test_a_helper_of_tests_has_them_too(check: ModuleType) -> None:
    assert "tests/users_track/transport/test_client.py" in check.tests_of({"tests/users_track/answering.py"})


def test_what_changed_itself_is_run_though_it_is_slow(check: ModuleType) -> None:
    assert check.tests_of({"tests/docs/test_pages.py", "README.md"}) == ["tests/docs/test_pages.py"]
    assert check.tests_of({"README.md"}) == []


def test_the_hooks_run_what_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    lint = [line.strip().removeprefix("@").replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [hook["entry"] for hook in config["repos"][0]["hooks"]] == lint


def test_what_the_contributing_page_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"make ([a-z][a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in set(
        re.findall(r"`((?:tests|docs|\.ci|airflow_provider_braze|requirements)/[\w/.-]*)`", text)
    ):
        assert (ROOT / path).exists(), path


def test_what_the_architecture_page_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    package = ROOT / "airflow_provider_braze"
    named = set(re.findall(r"`([a-z_]+/[\w/]*(?:\.py)?)`", text))
    assert len(named) > 20
    missing = [path for path in named if not (package / path).exists() and not (ROOT / path).exists()]
    assert missing == []


def test_every_room_and_module_of_the_heart_is_on_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    package = ROOT / "airflow_provider_braze"
    rooms = [folder for folder in package.iterdir() if (folder / "__init__.py").is_file()]
    assert [room.name for room in rooms if f"`{room.name}/" not in text] == []


def test_a_module_has_a_name_of_its_own() -> None:
    package = ROOT / "airflow_provider_braze"
    # These have Airflow's names for what they are about: hooks/braze.py, operators/braze.py.
    named_by_airflow = {"hooks", "operators", "sensors", "triggers", "decorators", "notifications", "links"}
    modules = [path.relative_to(package) for path in package.rglob("*.py") if not path.stem.startswith("__")]
    named = Counter(path.stem for path in modules if path.parts[0] not in named_by_airflow)
    assert [name for name, count in named.items() if count > 1] == []


def test_what_the_architecture_page_says_is_somewhere_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (?:[^|]+) \| ([^|]+) \| ([^|]+) \|$", text.split("\n## ")[1], re.MULTILINE)[1:]
    assert len(rows) > 10
    for where, names in rows:
        files = re.findall(r"`([\w/]+\.py)`", where)
        code = "\n".join((ROOT / "airflow_provider_braze" / file).read_text("utf-8") for file in files)
        for name in re.findall(r"`(\w+)`", names):
            defined = re.search(rf"^ *(?:class|def) {name}\b|^ *{name}\b.* = ", code, re.MULTILINE)
            assert defined, f"{name} in {where}"

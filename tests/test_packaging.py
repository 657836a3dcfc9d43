from __future__ import annotations

import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze import __version__

_RELATIVE = re.compile(r'(?:\]\(|src(?:set)?=")(?!https?:|#)[^)"]+')
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is in the repository, so that nothing is left in it."""
    folder = tmp_path_factory.mktemp("source")
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def build(source: Path, out: Path) -> dict[str, bytes]:
    """Build wheel and source archive as a release does."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return build(source, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built: dict[str, bytes]) -> zipfile.ZipFile:
    (content,) = (content for name, content in built.items() if name.endswith(".whl"))
    return zipfile.ZipFile(io.BytesIO(content))


def test_airflow_finds_the_example_dags(caplog: pytest.LogCaptureFixture) -> None:
    manager = pytest.importorskip("airflow.dag_processing.bundles.manager")
    if not hasattr(manager, "_add_provider_example_dags_to_bundle"):
        pytest.skip("Airflow looks for the example DAGs of providers from 3.3 on")
    bundles: list[Any] = []
    manager._add_provider_example_dags_to_bundle(bundles)
    (ours,) = [each for each in bundles if each.name == "airflow-provider-braze-redpoint-example-dags"]
    assert Path(ours.kwargs["path"]) == ROOT / "airflow_provider_braze" / "example_dags"
    assert "airflow_provider_braze" not in caplog.text


def test_what_is_built_again_elsewhere_is_the_same_bytes(
    source: Path, built: dict[str, bytes], tmp_path: Path
) -> None:
    shutil.copytree(source, tmp_path / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))

    again = build(tmp_path / "source", tmp_path / "built")

    assert again.keys() == built.keys()
    assert [name for name in built if again[name] != built[name]] == []


def test_the_source_archive_has_the_package_the_docs_the_locks_and_no_tests(built: dict[str, bytes]) -> None:
    (content,) = (content for name, content in built.items() if name.endswith(".tar.gz"))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "README.md", "CHANGELOG.md", "docs/index.md", "requirements/airflow-3.3.txt"} <= names
    assert {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "airflow_provider_braze").rglob("*.py")
    } <= names
    assert not {name for name in names if name.startswith(("tests", "build", ".venv"))}


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_every_version_of_a_lock_has_its_hashes(lock: Path) -> None:
    pins = re.split(r"\n(?=\S)", lock.read_text("utf-8").strip())

    assert [pin for pin in pins if "==" not in pin or " --hash=sha256:" not in pin.replace("\n", "")] == []


def test_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert tops == {"airflow_provider_braze", f"airflow_provider_braze_redpoint-{__version__}.dist-info"}


def test_wheel_holds_every_module_and_the_type_marker(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "airflow_provider_braze"
    modules = {str(path.relative_to(ROOT)) for path in package.rglob("*.py")}

    assert modules | {"airflow_provider_braze/py.typed"} <= set(wheel.namelist())


def test_a_package_index_shows_no_link_that_leads_nowhere(wheel: zipfile.ZipFile) -> None:
    """It has the text alone: there is no file beside it to link to."""
    metadata = wheel.read(f"airflow_provider_braze_redpoint-{__version__}.dist-info/METADATA").decode()

    assert "What became of each record" in metadata
    assert _RELATIVE.findall(metadata) == []


def test_links_and_pictures_are_absolute_once_there_is_a_place_for_them() -> None:
    described = runpy.run_path(str(ROOT / "setup.py"), run_name="read")["described"]
    readme = (ROOT / "README.md").read_text("utf-8")

    assert _RELATIVE.findall(readme)
    text = described(readme, "https://pages.example.com/v1/", "https://pictures.example.com/v1/")
    assert _RELATIVE.findall(text) == []
    assert "](https://pages.example.com/v1/docs/operator.md)" in text
    assert 'src="https://pictures.example.com/v1/docs/images/braze-tab-run.png"' in text
    assert "](https://pictures.example.com/v1/docs/images/way.svg)" in text


def test_wheel_names_its_licence_and_entry_point(wheel: zipfile.ZipFile) -> None:
    folder = f"airflow_provider_braze_redpoint-{__version__}.dist-info"
    metadata = wheel.read(f"{folder}/METADATA").decode()

    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Dist: apache-airflow>=3.1" in metadata
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()
    assert "[apache_airflow_provider]" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_airflow_lists_the_provider(tmp_path: Path) -> None:
    listed = airflow(tmp_path, "providers", "list", "--output", "plain")

    assert "airflow-provider-braze-redpoint" in listed.stdout


def test_airflow_knows_the_connection_type(tmp_path: Path) -> None:
    hooks = airflow(tmp_path, "providers", "hooks", "--output", "plain")

    (line,) = (line for line in hooks.stdout.splitlines() if line.startswith("braze "))
    assert line.split()[1:] == [
        "airflow_provider_braze.hooks.braze.BrazeHook",
        "braze_conn_id",
        *line.split()[3:],
    ]


def airflow(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Airflow's command line with a home of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"AIRFLOW_HOME": str(home), "COLUMNS": "300"}
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_the_package_root_imports_nothing_of_airflow() -> None:
    """Discovery imports it while Airflow's own settings are still initialising."""
    script = "import sys, airflow_provider_braze.get_provider_info; sys.exit('airflow' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")

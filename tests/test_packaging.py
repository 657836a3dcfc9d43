from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_provider_braze import __version__

_RELATIVE = re.compile(r'(?:\]\(|src(?:set)?=")(?!https?:|#)[^)"]+')
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of what is in the repository, so that nothing is left in it."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), files):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = built.iterdir()
    return zipfile.ZipFile(path)


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


def test_the_source_archive_is_the_same_whenever_and_wherever_it_is_built(tmp_path: Path) -> None:
    archives = []
    for turn in ("first", "second"):
        folder = tmp_path / turn
        (folder / "package").mkdir(parents=True)
        for name in ("b.py", "a.py"):
            (folder / "package" / name).write_text(name)
            os.utime(folder / "package" / name, (1, len(archives)))
        archive = runpy.run_path(str(ROOT / "setup.py"), run_name="read")["SameEachTime"].make_archive
        archives.append(
            Path(archive(None, str(folder / "made"), "gztar", str(folder), "package")).read_bytes()
        )

    assert archives[0] == archives[1]


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

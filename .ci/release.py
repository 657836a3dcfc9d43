"""Everything before an upload: build from a clean checkout, twice, and install what came of it wherever it must work.

``python .ci/release.py`` builds into ``dist/``; ``--short`` only builds and looks, ``--airflow 3.3 --python 3.12``
installs only there. An upload is made by a person, of exactly these files.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK, DIST = ROOT / "build" / "release", ROOT / "dist"
UV = ROOT / ".venv" / "bin" / "uv"
PACKAGE = "airflow_provider_braze"

TOOLS = ("build==1.6.1", "setuptools==84.2.1", "twine==7.0.0", "readme-renderer[md]==46.0")
"""What builds and checks; the versions decide the bytes too."""

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOCKED = ("3.1", "3.2", "3.3")
NEXT = "next"
"""The newest pre-release of Airflow, resolved anew each time."""


def main() -> None:
    """Build, look, install; stop at the first thing that is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="only build and look at it")
    parser.add_argument(
        "--airflow", action="append", choices=[*LOCKED, NEXT], help="only this one; can be repeated"
    )
    parser.add_argument("--python", action="append", help="only this one, such as 3.12; can be repeated")
    options = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    source = check_out()
    tools = environment("tools", sys.executable)
    run(UV, "pip", "install", "--quiet", "--python", tools, *TOOLS)
    built = build_twice(source, tools)
    for path in built:
        look_into(path, source)
    run(tools, "-m", "twine", "check", "--strict", *built)
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for path in built:
        shutil.copy(path, DIST)
        say(f"dist/{path.name}  sha256 {digest(path)}")
    if options.short:
        return
    wheel = next(path for path in built if path.suffix == ".whl")
    seen = []
    for airflow in options.airflow or [*LOCKED, NEXT]:
        for python in options.python or PYTHONS:
            if (interpreter := find(python)) is None:
                say(f"Python {python} is not to be had on this machine: NOT seen with Airflow {airflow}")
                continue
            seen.append(install(airflow, python, interpreter, wheel))
    say("\n".join(["", "Seen:", *seen, "", "Nothing was uploaded: twine upload dist/*"]))


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def run(*command: object, cwd: Path = WORK, **variables: str) -> str:
    """Run a command, with its output where it fails."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHONPATH"))
    }
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def check_out() -> Path:
    """Clone what is committed: nothing that lies about may get into a release."""
    if (
        dirty := run("git", "status", "--porcelain", cwd=ROOT)
        if (ROOT / ".git").exists()
        else "no repository"
    ):
        sys.exit(f"A release is built of what is committed; there is more here:\n{dirty}")
    source = WORK / "source"
    WORK.mkdir(parents=True)
    run("git", "clone", "--quiet", "--no-local", ROOT, source)
    return source


def environment(name: str, python: str | Path) -> Path:
    """Make an empty environment, and return its Python."""
    run(UV, "venv", "--quiet", "--python", python, WORK / name)
    return WORK / name / "bin" / "python"


def build_twice(source: Path, tools: Path) -> list[Path]:
    """Build wheel and source archive twice, the second time elsewhere and later: they must be the same bytes."""
    epoch = run("git", "log", "-1", "--format=%ct", cwd=source)
    turns = []
    for turn, seed in (("first", "1"), ("second", "2")):
        copy = WORK / turn / "source"
        shutil.copytree(source, copy, symlinks=True)
        out = WORK / turn / "dist"
        variables = {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": seed}
        run(tools, "-m", "build", "--no-isolation", "--outdir", out, copy, **variables)
        turns.append(sorted(out.iterdir()))
    for one, other in zip(*turns, strict=True):
        if (one.name, digest(one)) != (other.name, digest(other)):
            sys.exit(f"Not reproducible: {one} and {other} differ")
    return turns[0]


def digest(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def look_into(path: Path, source: Path) -> None:
    """Hold what is in an archive against what must be in it, and must not."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            names = {name for name in wheel.namelist() if not name.endswith("/")}
            described = next(
                wheel.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")
            )
        if relative := re.findall(r"\]\((?!https?:|#)[^)]*\)", described):
            sys.exit(f"{path.name}: links that lead nowhere on a package index: {relative}")
    else:
        with tarfile.open(path) as archive:
            names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    needed = {str(each.relative_to(source)) for each in (source / PACKAGE).rglob("*") if each.is_file()}
    missing = {name for name in needed if "__pycache__" not in name} - names
    strange = {name for name in names if re.search(r"__pycache__|\.pyc$|\.venv|^tests/|^build/", name)}
    licence = [name for name in names if name.split("/")[-1] == "LICENSE"]
    if missing or strange or not licence:
        sys.exit(f"{path.name}: missing {sorted(missing)}, strange {sorted(strange)}, licence {licence}")
    say(f"{path.name}: {len(names)} files, every one of the package, its DAGs and the licence")


def find(python: str) -> str | None:
    """Find an interpreter of a version: on the path, of pyenv, or of uv."""
    found = shutil.which(f"python{python}")
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [found, *sorted(map(str, home.glob(f"versions/{python}.*/bin/python")), reverse=True)]
    managed = subprocess.run(
        [UV, "python", "find", "--managed-python", "--no-python-downloads", python],
        capture_output=True,
        text=True,
        check=False,
    )
    candidates.append(managed.stdout.strip())
    for each in filter(None, candidates):
        tried = subprocess.run([each, "-c", ""], capture_output=True, check=False)
        if not tried.returncode:
            return each
    return None


def install(airflow: str, python: str, interpreter: str, wheel: Path) -> str:
    """Install the wheel into an empty environment with a lock's versions and hashes, and use it there."""
    say(f"Airflow {airflow}, Python {python} ...")
    inside = environment(f"airflow-{airflow}-python-{python}", interpreter)
    lock = ROOT / "requirements" / f"airflow-{airflow}.txt"
    if airflow == NEXT:
        lock = WORK / f"airflow-next-{python}.txt"
        wanted = WORK / "next.in"
        wanted.write_text("apache-airflow\n", encoding="utf-8")
        compile_ = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes")
        run(
            UV,
            *compile_,
            "--prerelease=allow",
            "--python",
            inside,
            "--output-file",
            lock,
            ROOT / "setup.cfg",
            wanted,
        )
    run(UV, "pip", "install", "--quiet", "--python", inside, "--require-hashes", "--requirement", lock)
    run(UV, "pip", "install", "--quiet", "--python", inside, "--no-deps", wheel)
    run(UV, "pip", "check", "--quiet", "--python", inside)
    told = run(inside, ROOT / ".ci" / "installed.py", HOME=str(WORK)).splitlines()[-1]
    say(told)
    return told


if __name__ == "__main__":
    main()

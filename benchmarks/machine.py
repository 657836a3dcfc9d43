"""What the measurement ran on."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measure import ROOT

_PACKAGES = (
    "apache-airflow-core",
    "apache-airflow-providers-http",
    "aiohttp",
    "msgspec",
    "requests",
    "pycurl",
    "pyreqwest",
)


def describe() -> dict[str, str]:
    """Describe processor, memory, system and packages."""
    return {
        "processor": f"{_value('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {platform.machine()}",
        "memory": f"{int(_value('/proc/meminfo', 'MemTotal').split()[0]) / 1024 / 1024:.1f} GiB",
        "system": f"{_value('/etc/os-release', 'PRETTY_NAME', '=')}, Linux {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
    }


class Others:
    """What everything else on this machine uses meanwhile: its presence decides whether a measurement is one."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), _busy(), _own()

    def cores(self) -> float:
        """Cores that were used by others, on average since this was made."""
        others = (_busy() - self._busy) - (_own() - self._own)
        return max(0.0, others / (time.monotonic() - self._started))


def _busy() -> float:
    """CPU seconds this machine has worked; what the host took away for other guests is work of others too."""
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """CPU seconds of this process and of all that it has reaped."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def commit() -> str:
    """Name the commit that is measured, or say that there is none."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return f"commit {done.stdout.strip()}"


def _value(path: str, name: str, separator: str = ":") -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip().strip('"')
    return "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

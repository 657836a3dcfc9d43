"""Ask for known vulnerabilities of what CI installs, and say plainly what could not be asked.

Fails only where a vulnerability is known: that the advisory service does not answer says nothing about a package.
"""

from __future__ import annotations

import json
import subprocess
import sys

_SECONDS = 180


def main(requirements: str, service: str = "pypi") -> int:
    """Audit a lock, whose versions are all pinned."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", requirements, "--no-deps", "--disable-pip"]
    command += [
        "--vulnerability-service",
        service,
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--timeout",
        "10",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"NOT AUDITED: the advisory service ({service}) did not answer within {_SECONDS} s.")
        return 0
    except (ValueError, KeyError):
        print(f"NOT AUDITED: the advisory service ({service}) cannot be reached: {_last_line(done.stderr)}")
        return 0
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    found = [(package, each) for package in packages for each in package.get("vulns", ())]
    for package, each in found:
        fixed = ", ".join(each["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}")
    asked = len(packages) - len(skipped)
    print(
        f"{requirements}: {asked} of {len(packages)} packages audited by {service}, {len(found)} known vulnerabilities."
    )
    if skipped and not asked:
        print("NOT AUDITED: the service answers, and knows none of these versions.")
    elif skipped:
        named = ", ".join(skipped[:10]) + (" ..." if len(skipped) > 10 else "")
        print(f"NOT AUDITED, because the service does not know these versions: {named}")
    return 1 if found else 0


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1][:300]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

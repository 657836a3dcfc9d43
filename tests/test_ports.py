"""A port is given once: two servers of tests that run side by side never want the same one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import ports
from tests.sandbox_process import ROOT

OTHER = """
from tests import ports
ports._FIRST, ports._LAST = {first}, {last}
print(ports.free_port(), flush=True)
input()
"""


def test_no_port_is_given_twice_here_or_in_a_process_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.free_port()
    last = first + 40
    monkeypatch.setattr(ports, "_FIRST", first)
    monkeypatch.setattr(ports, "_LAST", last)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER.format(first=first, last=last)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        given = [first, theirs, *(ports.free_port() for _ in range(18))]
        other.communicate("\n")
    assert len(set(given)) == len(given)

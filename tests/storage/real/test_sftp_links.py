"""Links on an SFTP server: the server tells where a path leads, and what leads out of the base path is not read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import check_plain, open_private
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push
from tests.storage.real.ssh_and_smb import Sftp

NAME = "RPI_Export_1.txt"


@pytest.fixture
def sftp(opened: Callable[[type[Door]], Door]) -> Sftp:
    door = opened(Sftp)
    assert isinstance(door, Sftp)
    return door


@pytest.fixture
def base(sftp: Sftp, request: pytest.FixtureRequest) -> str:
    return new_base(sftp, f"links {request.node.name}")


def test_an_export_that_is_a_link_out_of_the_base_path_is_neither_found_nor_read(
    sftp: Sftp, base: str, sandbox: SandboxProcess
) -> None:
    url = f"{base}/{CHANNEL}/Offer/1/{NAME}"
    sftp.put(url, export(3))
    (item,) = items(base)
    secret = sftp.home / "secret"
    secret.write_bytes(export(5))
    sftp.local(url).unlink()
    sftp.local(url).symlink_to(secret)
    found = poll(ExportSearch.read(base_path=base, settle_seconds=0), PollState())
    assert found.items == []
    assert any("link that leads out of base_path" in text for text in found.warnings)
    with pytest.raises(ExportRefusedError, match="leads out of"):
        push(item, sandbox)
    assert sandbox.profiles() == {}


def test_a_link_below_the_base_path_is_followed(sftp: Sftp, base: str, sandbox: SandboxProcess) -> None:
    url = f"{base}/{CHANNEL}/Offer/1/{NAME}"
    sftp.put(f"{base}/{CHANNEL}/Offer/2/other", export(3))
    sftp.local(url).parent.mkdir(parents=True)
    sftp.local(url).symlink_to(sftp.local(f"{base}/{CHANNEL}/Offer/2/other"))
    # It is opened where it led when it was checked, whatever its name leads to by then.
    opened_at = check_plain(locate(url), locate(base)).path
    assert opened_at == str(sftp.local(f"{base}/{CHANNEL}/Offer/2/other"))
    item = {"path": url, "base_path": base, "mode": "upsert"}
    check(push(item, sandbox), status="complete", records=3, accepted=3)


@pytest.mark.parametrize("name", ["rejects.csv", "report.json", "folder"])
def test_rejects_and_their_report_are_not_read_through_one(
    sftp: Sftp, base: str, sandbox: SandboxProcess, name: str
) -> None:
    url = f"{base}/{CHANNEL}/Offer/1/{NAME}"
    sftp.put(url, export(10, invalid_every=5))
    (item,) = items(base)
    report = push(item, sandbox)
    rejects = sftp.local(report["rejects_path"])
    moved = rejects.parent if name == "folder" else rejects.with_name(name)
    elsewhere = sftp.home / f"elsewhere {name}"
    moved.rename(elsewhere)
    moved.symlink_to(elsewhere)
    with pytest.raises((BrazeSetupError, ExportRefusedError), match=r"link|cannot be read|no column"):
        push(report["rejects_path"], sandbox, run="again", mode="upsert")


def test_nothing_is_written_through_one(sftp: Sftp, base: str, tmp_path: Path) -> None:
    location = locate(f"{base}/file")
    path, victim = sftp.local(f"{base}/file"), tmp_path / "victim"
    path.parent.mkdir(parents=True)
    victim.write_text("as it was")
    path.symlink_to(victim)
    with open_private(location) as file:
        file.write(b"x" * 3_000_000)
    assert (victim.read_text(), path.is_symlink(), path.stat().st_size) == ("as it was", False, 3_000_000)
    with open_private(replace(location)) as file:
        file.write(b"again")
    assert path.read_bytes() == b"again"


def test_a_pipe_is_refused_without_a_wait(sftp: Sftp, base: str, sandbox: SandboxProcess) -> None:
    url = f"{base}/{CHANNEL}/Offer/1/{NAME}"
    sftp.local(url).parent.mkdir(parents=True)
    os.mkfifo(sftp.local(url))
    with pytest.raises(ExportRefusedError, match="is a pipe"):
        push({"path": url, "base_path": base, "mode": "upsert"}, sandbox)

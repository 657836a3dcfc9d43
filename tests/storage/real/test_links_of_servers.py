"""Links on FTP servers and Samba, as far as the server tells of them: what leads out of the base path is not read."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import check_plain, lies_below, open_private
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import DiskDoor, Door
from tests.storage.real.ftp_doors import ExplicitFtps, Ftp, FtpWithoutTimes, ImplicitFtps
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push
from tests.storage.real.ssh_and_smb import Sftp, Smb

NAME = "RPI_Export_1.txt"

FTP_DOORS = (Ftp, ExplicitFtps, ImplicitFtps, FtpWithoutTimes)
"""vsftpd has no MLSD; pyftpdlib has it, and tells there what a link leads to, unless it shall not know it."""


@pytest.fixture(params=[pytest.param(door, marks=pytest.mark.xdist_group(door.name)) for door in FTP_DOORS])
def ftp(request: pytest.FixtureRequest, opened: Callable[[type[Door]], Door]) -> DiskDoor:
    door = opened(request.param)
    assert isinstance(door, DiskDoor)
    return door


@pytest.fixture
def base(ftp: DiskDoor, request: pytest.FixtureRequest) -> str:
    return new_base(ftp, f"links {zlib.crc32(request.node.name.encode())}")


def link(door: DiskDoor, url: str, target: str) -> None:
    """Make a link to what lies below the same folder, by a relative way: a server may have a root of its own."""
    place = door.local(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(door.local(target), place.parent))
    door.allow(place.parent)


@pytest.mark.parametrize("name", [NAME, "a -> b.txt", "x [y].txt", "Ünï.txt"])
def test_an_export_that_is_a_link_out_of_the_base_path_is_neither_found_nor_read(
    ftp: DiskDoor, base: str, sandbox: SandboxProcess, name: str
) -> None:
    url, secret = f"{base}/{CHANNEL}/Offer/1/{name}", f"{ftp.root.rstrip('/')}/secret of another"
    ftp.put(secret, export(5))
    link(ftp, url, secret)
    found = poll(ExportSearch.read(base_path=base, settle_seconds=0, file_pattern="*"), PollState())
    # A server with MLSD may list it as the file that it leads to; then it is the push that refuses it.
    assert found.items == [] or ftp.name == "ftps_implicit"
    with pytest.raises(ExportRefusedError, match="leads out of"):
        push({"path": url, "base_path": base, "mode": "upsert"}, sandbox)
    assert sandbox.profiles() == {}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_so_is_one_in_a_folder_that_is_a_link(
    ftp: DiskDoor, base: str, sandbox: SandboxProcess, depth: int
) -> None:
    parts = [CHANNEL, "Offer", "1"]
    outside = f"{base}-elsewhere"
    ftp.put("/".join([outside, *parts[depth + 1 :], NAME]), export(5))
    link(ftp, "/".join([base, *parts[: depth + 1]]), outside)
    url = "/".join([base, *parts, NAME])
    with pytest.raises(ExportRefusedError, match="leads out of"):
        push({"path": url, "base_path": base, "mode": "upsert"}, sandbox)
    assert sandbox.profiles() == {}


def test_a_link_below_the_base_path_is_followed(ftp: DiskDoor, base: str, sandbox: SandboxProcess) -> None:
    url, other = f"{base}/{CHANNEL}/Offer/1/{NAME}", f"{base}/{CHANNEL}/Offer/2/other"
    ftp.put(other, export(3))
    link(ftp, url, other)
    assert check_plain(locate(url), locate(base)).path == locate(other).path
    check(push({"path": url, "base_path": base, "mode": "upsert"}, sandbox), records=3, accepted=3)


def test_links_in_a_circle_and_to_nowhere_lead_nowhere(ftp: DiskDoor, base: str) -> None:
    url = f"{base}/{CHANNEL}/Offer/1/{NAME}"
    link(ftp, url, url)
    assert not lies_below(locate(base), locate(url))
    link(ftp, f"{url}2", f"{base}/nothing")
    with pytest.raises((OSError, ExportRefusedError)):
        check_plain(locate(f"{url}2"), locate(base))


@pytest.mark.parametrize("name", ["rejects.csv", "report.json", "folder"])
def test_rejects_and_their_report_are_not_read_through_one(
    ftp: DiskDoor, base: str, sandbox: SandboxProcess, name: str
) -> None:
    url = f"{base}/{CHANNEL}/Offer/1/{NAME}"
    ftp.put(url, export(10, invalid_every=5))
    (item,) = items(base)
    report = push(item, sandbox, run=name)
    moved_url = (
        report["rejects_path"].rpartition("/")[0]
        if name == "folder"
        else (f"{report['rejects_path'].rpartition('/')[0]}/{name}")
    )
    elsewhere = f"{base}-elsewhere"
    ftp.local(moved_url).rename(ftp.local(elsewhere))
    link(ftp, moved_url, elsewhere)
    with pytest.raises((BrazeSetupError, ExportRefusedError), match=r"link|cannot be read|no column"):
        push(report["rejects_path"], sandbox, run="again", mode="upsert")


def test_markers_are_not_read_through_one(ftp: DiskDoor, base: str) -> None:
    ftp.put(f"{base}/victim", Marker(report="of somebody else").written())
    link(ftp, f"{base}/_braze/pushed/b/f", f"{base}/victim")
    for reports in (ReportsFolder.at(f"{base}/_braze", base), ReportsFolder.at(f"{base}/_braze")):
        assert reports.markers("b", {"f"}).get("f", Marker()) == Marker()


def test_nothing_is_written_through_one(ftp: DiskDoor, base: str) -> None:
    victim = f"{ftp.root.rstrip('/')}/victim"
    ftp.put(victim, b"as it was")
    link(ftp, f"{base}/file", victim)
    with open_private(locate(f"{base}/file")) as file:
        file.write(b"x" * 3_000_000)
    path = ftp.local(f"{base}/file")
    assert (ftp.read(victim), path.is_symlink(), path.stat().st_size) == (b"as it was", False, 3_000_000)


@pytest.mark.parametrize("kind", [Sftp, Ftp, ImplicitFtps])
def test_nothing_is_written_into_a_reports_folder_that_leads_out_of_the_base_path(
    opened: Callable[[type[Door]], Door], kind: type[Door]
) -> None:
    door = opened(kind)
    assert isinstance(door, DiskDoor)
    base, outside = new_base(door, "reports"), f"{door.root.rstrip('/')}/reports elsewhere"
    door.put(f"{outside}/x", b"")
    link(door, f"{base}/_braze", outside)
    with pytest.raises(BrazeSetupError, match="leads out of"):
        ReportsFolder.at(f"{base}/_braze", base).check_writable()
    assert [path.name for path in door.local(outside).iterdir()] == ["x"]
    # Chosen by an author, it may lie anywhere; and one that is not there yet leads nowhere else.
    ReportsFolder.at(f"{base}/_braze").check_writable()
    ReportsFolder.at(f"{base}/other", base).check_writable()


def test_samba_follows_no_link_out_of_its_share(
    opened: Callable[[type[Door]], Door], sandbox: SandboxProcess
) -> None:
    smb = opened(Smb)
    assert isinstance(smb, Smb)
    base = new_base(smb, "links")
    url, secret = f"{base}/{CHANNEL}/Offer/1/{NAME}", smb.home / "secret"
    secret.write_bytes(export(5))
    smb.local(url).parent.mkdir(parents=True)
    smb.local(url).symlink_to(secret)
    assert items(base) == []
    with pytest.raises((OSError, ExportRefusedError)):
        check_plain(locate(url), locate(base))

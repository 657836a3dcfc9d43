"""The example that decrypts exports, with Debian's GnuPG and a key of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push
from tests.reports import check
from tests.sandbox_process import ROOT, SandboxProcess

needs_gpg = pytest.mark.skipif(
    shutil.which("gpg") is None and os.environ.get("CI") != "true", reason="apt-get install gnupg"
)
EXPORT = "RPContactID,ChannelExecutionID,external_id,first_name\n1,5719,U1,Ann\n2,5719,U2,Bo\n"
PLACE = "Braze Onboarding and Upsert/Offer/1"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "encrypted_exports", ROOT / "docs/examples/encrypted_exports.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Short: GnuPG's agent listens on a socket in it, whose name may have 107 characters.
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    monkeypatch.setenv("GNUPGHOME", str(home))
    identity = "RPI exports <exports@example.org>"
    gpg("--passphrase", "", "--quick-generate-key", identity, "default", "default", "1d")
    yield home
    subprocess.run(["gpgconf", "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)


def gpg(*arguments: str) -> None:
    command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def encrypt(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    gpg("--trust-model", "always", "-r", "exports@example.org", "-o", str(target), "--encrypt", str(source))


@needs_gpg
def test_what_it_decrypts_is_found_and_pushed_once(
    example: ModuleType, keyring: Path, tmp_path: Path, sandbox: SandboxProcess
) -> None:
    plain, share, private = tmp_path / "plain.txt", tmp_path / "share", tmp_path / "private"
    plain.write_text(EXPORT)
    encrypted = share / PLACE / "RPI_Export_5719.txt.pgp"
    encrypt(plain, encrypted)
    assert example.decrypt(share, private, settled_seconds=3600) == []
    (made,) = example.decrypt(share, private, settled_seconds=0)
    assert example.decrypt(share, private, settled_seconds=0) == []
    assert made.read_text() == EXPORT
    assert int(made.stat().st_mtime) == int(encrypted.stat().st_mtime)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.stat().st_mode) == 0o600

    search = ExportSearch.read(base_path=str(private), settle_seconds=0)
    (item,) = poll(search, PollState()).items
    workspace = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    report = export_push(workspace=workspace, braze_conn_id="braze_default", run="r", export=item).execute()
    check(report, status="complete", records=2, accepted=2)
    assert poll(search, PollState()).items == []

    plain.write_text(EXPORT.replace("Ann", "Eve"))
    encrypted.unlink()
    encrypt(plain, encrypted)
    os.utime(encrypted, (made.stat().st_mtime - 60,) * 2)
    assert example.decrypt(share, private, settled_seconds=0) == [made]
    assert "Eve" in made.read_text()
    assert len(poll(search, PollState()).items) == 1

    example.decrypt(share, private, settled_seconds=0, keep_seconds=-1)
    assert not made.exists()


@needs_gpg
def test_what_is_encrypted_is_refused_and_names_the_recipe(
    keyring: Path, tmp_path: Path, sandbox: SandboxProcess
) -> None:
    plain, encrypted = tmp_path / "plain.txt", tmp_path / "share" / PLACE / "RPI_Export_1.txt"
    plain.write_text(EXPORT)
    encrypt(plain, encrypted)
    workspace = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    push = export_push(workspace=workspace, braze_conn_id="braze_default", run="r", export=str(encrypted))
    with pytest.raises(ExportRefusedError, match=r"decrypt it in a task .*Encrypted exports") as refused:
        push.execute()
    assert "switch off" not in str(refused.value)


@needs_gpg
def test_nothing_is_left_of_what_cannot_be_decrypted(
    example: ModuleType, keyring: Path, tmp_path: Path
) -> None:
    plain, broken = tmp_path / "plain.txt", tmp_path / "share" / PLACE / "RPI_Export_1.txt.pgp"
    plain.write_text(EXPORT + "".join(f"{n},5719,U{n},{n * 7919 % 104729}\n" for n in range(30_000)))
    encrypt(plain, broken)
    whole = broken.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (b"\x85 no message", whole[:middle], whole[:-1], flipped):
        broken.write_bytes(content)
        with pytest.raises(subprocess.CalledProcessError):
            example.decrypt(tmp_path / "share", tmp_path / "private", settled_seconds=0)
        assert not [path for path in (tmp_path / "private").rglob("*") if path.is_file()]

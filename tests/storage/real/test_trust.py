"""Nobody in between, and no other server, is taken for the right one unless the connection says so."""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import socket
import subprocess
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from airflow.sdk import Connection, ObjectStoragePath

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.files.filesystems import SESSION_SCHEMES
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.protocols import sessions
from airflow_provider_braze.storage.protocols.ftp_client import FtpServer
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door
from tests.storage.real.ftp_doors import ExplicitFtps, Ftp, ImplicitFtps
from tests.storage.real.process import PASSWORD
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push
from tests.storage.real.ssh_and_smb import Sftp, Smb

Opened = Callable[[type[Door]], Door]
Other = Callable[..., str]
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PAUSES", (0.1,))


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Other:
    """Give the URL of the same server through a connection that differs."""

    def define(door: Door, **changes: Any) -> str:
        connection = door.connection() | changes
        # Each its own: what a connection said is taken for true for a minute.
        conn_id = f"other_{next(_numbers)}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return door.root.replace(door.conn_id, conn_id)

    return define


def exists(url: str) -> bool:
    return locate(url).exists()


@pytest.mark.parametrize("kind", [ExplicitFtps, ImplicitFtps])
class TestCertificate:
    def test_a_self_signed_one_is_refused(self, opened: Opened, other: Other, kind: type[Door]) -> None:
        door = opened(kind)
        extra = {name: value for name, value in door.connection()["extra"].items() if name != "ca_file"}
        with pytest.raises(BrazeSetupError, match=r"certificate .* is not trusted .*ca_file"):
            exists(other(door, extra=extra))
        assert exists(other(door, extra={**extra, "verify": "false"}))

    def test_one_for_another_name_is_refused(self, opened: Opened, other: Other, kind: type[Door]) -> None:
        # 127.0.0.1 in other words, which the certificate does not have.
        with pytest.raises(BrazeSetupError, match="is not trusted"):
            exists(other(opened(kind), host="127.1"))

    def test_tls_is_never_left_out(self, opened: Opened, other: Other, kind: type[Door]) -> None:
        with pytest.raises((BrazeSetupError, OSError)):
            exists(other(opened(kind), extra={"timeout": 1}).replace("ftps://", "ftp://"))


def test_a_server_without_tls_is_refused(opened: Opened, other: Other) -> None:
    with pytest.raises(BrazeSetupError, match="refused"):
        exists(other(opened(Ftp)).replace("ftp://", "ftps://"))


class TestHostKey:
    def test_an_unknown_one_is_refused(self, opened: Opened, other: Other) -> None:
        extra = opened(Sftp).connection()["extra"]
        key = {"private_key": extra["private_key"]}
        with pytest.raises(BrazeSetupError, match=r"host key of .* is not known.*host_key"):
            exists(other(opened(Sftp), extra=key))

    def test_it_is_not_asked_for_where_the_connection_says_so(self, opened: Opened, other: Other) -> None:
        extra = opened(Sftp).connection()["extra"]
        key = {"private_key": extra["private_key"], "no_host_key_check": "true"}
        assert exists(other(opened(Sftp), extra=key))

    def test_another_one_is_refused(self, opened: Opened, other: Other) -> None:
        door = opened(Sftp)
        wrong = (door.home / "client_key.pub").read_text().rsplit(" ", 1)[0]
        extra = {**door.connection()["extra"], "host_key": wrong}
        with pytest.raises(BrazeSetupError, match="not the one that is known"):
            exists(other(door, extra=extra))


@pytest.mark.parametrize("kind", [Ftp, ExplicitFtps])
def test_an_active_server_connects_back(opened: Opened, other: Other, kind: type[Door]) -> None:
    door = opened(kind)
    door.put(f"{door.root}/for the active.txt", b"hello")
    folder = locate(other(door, extra={**door.connection()["extra"], "passive": "false"}))
    file = folder.child("for the active.txt")
    assert file.path in folder.fs.ls(folder.path, detail=False)
    assert file.fs.cat_file(file.path) == b"hello"
    folder.fs.pipe_file(folder.child("by the active.txt").path, b"hello, too")
    assert door.read(f"{door.root}/by the active.txt") == b"hello, too"


def test_a_key_may_be_a_file_and_have_a_passphrase(opened: Opened, other: Other) -> None:
    door = opened(Sftp)
    key = door.home / "locked_key"
    if not key.exists():
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "throw-away", "-f", str(key)]
        subprocess.run(made, check=True)
        with (door.home / "client_key.pub").open("a") as allowed:
            allowed.write(key.with_suffix(".pub").read_text())
    extra = {"key_file": str(key), "host_key": door.connection()["extra"]["host_key"]}
    assert exists(other(door, extra={**extra, "private_key_passphrase": "throw-away"}))
    text = {"private_key": key.read_text(), "host_key": extra["host_key"]}
    assert exists(other(door, extra={**text, "private_key_passphrase": "throw-away"}))
    assert exists(other(door, extra=extra, password="throw-away")), "as Airflow's own hook takes it"
    with pytest.raises(BrazeSetupError, match=r"refused the login|cannot be used") as refused:
        exists(other(door, extra={**extra, "private_key_passphrase": "not-the-passphrase"}))
    assert "not-the-passphrase" not in str(refused.value)


@pytest.mark.parametrize("extra", [{"encrypt": "true"}, {"auth_protocol": "ntlm"}])
def test_a_share_takes_encryption_and_the_protocol_that_the_connection_names(
    opened: Opened, other: Other, extra: dict[str, str]
) -> None:
    assert exists(other(opened(Smb), extra=extra))


@pytest.mark.parametrize(("extra", "compressed"), [({}, False), ({"compress": "true"}, True)])
def test_sftp_is_compressed_where_the_connection_says_so(
    opened: Opened, other: Other, extra: dict[str, Any], compressed: bool
) -> None:
    door = opened(Sftp)
    sessions_of = locate(other(door, extra={**door.connection()["extra"], **extra})).fs.sessions
    session = sessions_of.take()
    try:
        assert (session._client.get_transport().remote_compression != "none") is compressed
    finally:
        session.close()


@pytest.mark.parametrize(
    ("kind", "changes"), [(ImplicitFtps, {}), (Smb, {}), (Sftp, {"login": "nobody-here"})]
)
def test_a_refused_login_names_the_connection_and_no_password(
    opened: Opened, other: Other, kind: type[Door], changes: dict[str, Any]
) -> None:
    with pytest.raises(BrazeSetupError, match="refused the login of connection 'other_") as refused:
        exists(other(opened(kind), password="not-the-password", **changes))
    assert "not-the-password" not in str(refused.value)


@pytest.mark.parametrize("kind", [Sftp, Ftp, ExplicitFtps, ImplicitFtps, Smb])
def test_a_connection_may_be_a_uri(opened: Opened, monkeypatch: pytest.MonkeyPatch, kind: type[Door]) -> None:
    door = opened(kind)
    told = door.connection()
    conn_id = f"uri_{door.name}"
    uri = Connection(conn_id=conn_id, **told | {"extra": json.dumps(told.get("extra", {}))}).get_uri()
    assert uri.startswith(f"{told['conn_type']}://")
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", uri)
    assert exists(door.root.replace(door.conn_id, conn_id))


def test_a_disabled_account_of_a_share_is_named_at_once(opened: Opened, other: Other) -> None:
    door = opened(Smb)
    user = "nobody"
    config = ["smbpasswd", "-c", str(door.home / "smb.conf")]
    password = f"{PASSWORD}\n{PASSWORD}\n".encode()
    for arguments in (["-s", "-a", user], ["-d", user]):
        subprocess.run([*config, *arguments], input=password, check=True, capture_output=True)
    with pytest.raises(
        BrazeSetupError, match=r"refused the login of connection 'other_.*: the account is disabled"
    ):
        exists(other(door, login=user))


@pytest.mark.parametrize("kind", [Sftp, Ftp, ImplicitFtps, Smb])
def test_who_is_forgotten_leaves_no_session_open(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, kind: type[Door]
) -> None:
    door = opened(kind)
    fs = importlib.import_module(SESSION_SCHEMES[door.root.partition(":")[0]]).get_fs(door.conn_id)
    sessions_of = fs.sessions
    sessions_of.close()
    fs.isdir(f"/{door.root.split('/', 3)[3]}")
    closed: list[object] = []
    ((_, idle),) = sessions_of._idle
    close = type(idle).close
    monkeypatch.setattr(type(idle), "close", lambda self: (closed.append(self), close(self)))
    del fs, sessions_of
    gc.collect()
    assert closed == [idle]


def test_a_server_that_has_no_room_for_a_session_is_asked_again(opened: Opened) -> None:
    for said in ("530 Sorry, the maximum number of clients (1) are already connected", "530 Too many users"):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def refuse(listener: socket.socket = listener, said: str = said) -> None:
                client, _ = listener.accept()
                with client:
                    client.sendall(b"220 hello\r\n")
                    client.recv(100)
                    client.sendall(f"{said}\r\n".encode())

            thread = threading.Thread(target=refuse, daemon=True)
            thread.start()
            server = FtpServer("x", "127.0.0.1", listener.getsockname()[1], "a", "b", True, "utf-8", 60.0)
            with pytest.raises(ConnectionAbortedError):
                server.connect()
            thread.join()


@pytest.mark.parametrize("scheme", ["ftp", "ftps", "sftp", "smb"])
def test_a_connection_is_needed(scheme: str) -> None:
    with pytest.raises(BrazeSetupError, match=f"write {scheme}://<connection id>@"):
        locate(f"{scheme}://host/folder")
    with pytest.raises(BrazeSetupError, match="There is no connection 'nobody'"):
        locate(f"{scheme}://nobody@host/folder")


@pytest.mark.parametrize("kind", [Ftp, ExplicitFtps, ImplicitFtps, Smb])
def test_an_author_reaches_it_through_airflows_own_paths(opened: Opened, kind: type[Door]) -> None:
    door = opened(kind)
    if door.root.startswith("ftps:") and version("universal-pathlib").startswith("0.2."):
        pytest.skip(
            "what the oldest Airflow comes with has no path for ftps://, which the provider's own do not need"
        )
    door.put(f"{door.root.rstrip('/')}/of an author.txt", b"hello")
    path = ObjectStoragePath(f"{door.root.rstrip('/')}/of an author.txt")
    assert path.exists()
    assert path.read_bytes() == b"hello"
    (path.parent / "written.txt").write_text("by an author")
    assert door.read(f"{door.root.rstrip('/')}/written.txt") == b"by an author"


def test_a_share_that_is_read_only_is_named_at_once(opened: Opened, sandbox: SandboxProcess) -> None:
    door = opened(Smb)
    base = new_base(door, "read only")
    door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(2))
    (item,) = items(base)
    read_only = base.replace("/share/", "/readonly/")
    with pytest.raises(BrazeSetupError, match="cannot be written"):
        push(item, sandbox, reports_path=f"{read_only}/_braze")
    assert sandbox.stats()["requests"] == 0

"""sshd and smbd of Debian."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.storage.real.doors import DiskDoor, need, need_module
from tests.storage.real.process import PASSWORD, Server


class Sftp(DiskDoor):
    """Debian's openssh-server: a key of its own, and a client key that lies in the connection."""

    name = "sftp"

    def _server(self) -> Server:
        need_module("paramiko", "apache-airflow-providers-sftp")
        sshd, keygen = need("sshd", "openssh-server"), need("ssh-keygen", "openssh-client")
        for key in ("host_key", "client_key"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(self.home / key)], check=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        port = free_port()
        config = self.home / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {self.home}/host_key\n"
            f"AuthorizedKeysFile {self.home}/client_key.pub\nStrictModes no\nPidFile none\n"
            "PasswordAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
            "MaxStartups 100\nUseDNS no\n"
        )
        command = self.seeing_mounts([sshd, "-D", "-e", "-f", str(config)])
        return Server(command, port, self.home / "log")

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "sftp",
            "host": "127.0.0.1",
            "port": self.server.port,
            "login": getpass.getuser(),
            "extra": {
                "private_key": (self.home / "client_key").read_text(),
                "host_key": (self.home / "host_key.pub").read_text().rsplit(" ", 1)[0],
            },
        }

    @property
    def root(self) -> str:
        return f"sftp://{self.conn_id}@127.0.0.1{self.folder}"


class Smb(DiskDoor):
    """Debian's samba, with one share and one user."""

    name = "smb"
    awkward = "Ünï %41#x [a]"  # a backslash parts segments on a share
    impossible = '\\:*?"<>|'

    def _server(self) -> Server:
        need_module("smbclient", "apache-airflow-providers-samba")
        smbd, smbpasswd = need("smbd", "samba"), need("smbpasswd", "samba")
        port = free_port()
        state = self.home / "state"
        state.mkdir()
        config = self.home / "smb.conf"
        kinds = (
            "private dir",
            "ncalrpc dir",
            *(f"{kind} directory" for kind in ("lock", "state", "cache", "pid")),
        )
        places = "\n".join(f"{kind} = {state}" for kind in kinds)
        config.write_text(
            f"[global]\nserver role = standalone server\nsmb ports = {port}\ninterfaces = 127.0.0.1\n"
            f"bind interfaces only = yes\ndisable netbios = yes\nload printers = no\nprinting = bsd\n{places}\n"
            "smb3 unix extensions = no\nmap to guest = never\nserver min protocol = SMB3\n"
            f"[share]\npath = {self.folder}\nread only = no\nmangled names = no\ncreate mask = 0644\n"
            f"[readonly]\npath = {self.folder}\nread only = yes\nmangled names = no\n"
        )
        user = getpass.getuser()
        subprocess.run(
            [smbpasswd, "-c", str(config), "-s", "-a", user],
            input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
            check=True,
            capture_output=True,
        )
        command = [smbd, "--foreground", "--no-process-group", "--debug-stdout", "-s", str(config)]
        return Server(self.seeing_mounts(command), port, self.home / "log")

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "samba",
            "host": "127.0.0.1",
            "port": self.server.port,
            "login": getpass.getuser(),
            "password": PASSWORD,
            "schema": "share",
        }

    @property
    def root(self) -> str:
        return f"smb://{self.conn_id}@127.0.0.1/share"

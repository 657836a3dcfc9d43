"""vsftpd of Debian, plain and with explicit TLS, and pyftpdlib with implicit TLS."""

from __future__ import annotations

import os
import pwd
import signal
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.storage.real.doors import DiskDoor, need, need_module, python
from tests.storage.real.process import PASSWORD, Server


def certificate(home: Path) -> tuple[Path, Path]:
    """A key, and a certificate for loopback that only who is given it trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    key_file, cert_file = home / "key.pem", home / "cert.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return key_file, cert_file


class Ftp(DiskDoor):
    """Debian's vsftpd without TLS. It has no ``MLSD``; its anonymous user writes into a folder below a root of his."""

    name = "ftp"
    secure = False

    def _server(self) -> Server:
        vsftpd = need("vsftpd", "vsftpd")
        if os.geteuid() == 0:
            self._user = pwd.getpwnam("ftp" if _has_user("ftp") else "nobody")
        else:
            self._user = pwd.getpwuid(os.geteuid())
        # Its root may not be writable; the folder for exports below it is.
        self.jail = self.home / "jail"
        self.jail.mkdir(mode=0o755)
        self.folder.rmdir()
        self.folder = self.jail / "in"
        self.folder.mkdir(mode=0o755)
        self.allow(self.folder)
        empty = self.home / "empty"
        empty.mkdir(mode=0o555)
        port = free_port()
        config = self.home / "vsftpd.conf"
        settings = {
            "listen": "YES",
            "listen_address": "127.0.0.1",
            "listen_port": port,
            "background": "NO",
            "anonymous_enable": "YES",
            "no_anon_password": "YES",
            "anon_root": self.jail,
            "ftp_username": self._user.pw_name,
            "write_enable": "YES",
            "anon_upload_enable": "YES",
            "anon_mkdir_write_enable": "YES",
            "anon_other_write_enable": "YES",
            "anon_world_readable_only": "NO",
            "anon_umask": "022",
            "secure_chroot_dir": empty,
            "seccomp_sandbox": "NO",
            "isolate_network": "NO",
            "xferlog_enable": "NO",
            "run_as_launching_user": "NO" if os.geteuid() == 0 else "YES",
            **self._tls(),
        }
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return Server(self.seeing_mounts([vsftpd, str(config)]), port, self.home / "log")

    def _tls(self) -> dict[str, Any]:
        return {}

    def allow(self, path: Path) -> None:
        if os.geteuid() == 0:
            for each in [path, *path.parents]:
                if each == self.jail:
                    break
                os.chown(each, self._user.pw_uid, self._user.pw_gid)

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "ftp",
            "host": "127.0.0.1",
            "port": self.server.port,
            "login": "anonymous",
            "password": "nobody",
            "extra": {"timeout": 20},
        }

    @property
    def root(self) -> str:
        return f"ftp://{self.conn_id}@127.0.0.1/in"


class ExplicitFtps(Ftp):
    """The same with ``AUTH TLS``, and the demand that data connections go on with the session."""

    name = "ftps"

    def _tls(self) -> dict[str, Any]:
        key, self.certificate = certificate(self.home)
        return {
            "ssl_enable": "YES",
            "allow_anon_ssl": "YES",
            "force_anon_data_ssl": "YES",
            "force_anon_logins_ssl": "YES",
            "require_ssl_reuse": "YES",
            "ssl_ciphers": "HIGH",
            "rsa_cert_file": self.certificate,
            "rsa_private_key_file": key,
        }

    def connection(self) -> dict[str, Any]:
        plain = super().connection()
        return plain | {"extra": {**plain["extra"], "ca_file": str(self.certificate)}}

    @property
    def root(self) -> str:
        return f"ftps://{self.conn_id}@127.0.0.1/in"


class ImplicitFtps(DiskDoor):
    """pyftpdlib, TLS from the first byte, which takes no data connection without."""

    name = "ftps_implicit"

    def _server(self) -> Server:
        need_module("pyftpdlib", "pyftpdlib")
        need_module("OpenSSL", "pyopenssl")
        key, self.certificate = certificate(self.home)
        port = free_port()
        arguments = (str(port), str(self.folder), str(key), str(self.certificate))
        command = python("tests.storage.real.implicit_ftps", *arguments)
        return Server(self.seeing_mounts(command), port, self.home / "log")

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "ftp",
            "host": "127.0.0.1",
            "port": self.server.port,
            "login": "rpi",
            "password": PASSWORD,
            "extra": {"tls": "implicit", "ca_file": str(self.certificate), "timeout": 20},
        }

    @property
    def root(self) -> str:
        return f"ftps://{self.conn_id}@127.0.0.1/"

    def drop_sessions(self) -> None:
        self.server.tell(signal.SIGUSR1)


class FtpWithoutTimes(DiskDoor):
    """pyftpdlib as an old server: neither ``MLSD`` nor ``MDTM``, only the whole minutes of ``LIST``."""

    name = "ftp_without_times"

    def _server(self) -> Server:
        need_module("pyftpdlib", "pyftpdlib")
        port = free_port()
        arguments = (str(port), str(self.folder), "MLSD", "MLST", "MDTM")
        command = python("tests.storage.real.plain_ftp", *arguments)
        return Server(self.seeing_mounts(command), port, self.home / "log")

    def connection(self) -> dict[str, Any]:
        return {
            "conn_type": "ftp",
            "host": "127.0.0.1",
            "port": self.server.port,
            "login": "rpi",
            "password": PASSWORD,
        }

    @property
    def root(self) -> str:
        return f"ftp://{self.conn_id}@127.0.0.1/"


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True

"""An FTP server with implicit TLS, as a process: port, folder, key, certificate. SIGUSR1 drops its sessions."""

from __future__ import annotations

import signal
import sys
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.log import logger
from pyftpdlib.servers import FTPServer

from tests.storage.real.process import PASSWORD

dropped = False


class Unbuffered(AbstractedFS):  # type: ignore[misc]
    """Writes at once: what a buffer cannot write any more when its file is closed leaves this server without a word."""

    def open(self, filename: str, mode: str) -> Any:
        return open(filename, mode, buffering=0)


class Speaking(TLS_DTPHandler):  # type: ignore[misc]
    """Says what was wrong with the disk; pyftpdlib 2.2's own fails over that, and the client waits for ever."""

    def handle_error(self) -> None:
        error = sys.exc_info()[1]
        reason = getattr(error and error.__cause__, "strerror", None)
        if reason is None:
            super().handle_error()
        else:
            self._resp = (f"426 {reason}; transfer aborted.", logger.debug)
            self.close()


class ImplicitHandler(TLS_FTPHandler):  # type: ignore[misc]
    """Speaks TLS before it says a word."""

    tls_control_required = True
    tls_data_required = True
    use_sendfile = False
    abstracted_fs = Unbuffered
    dtp_handler = Speaking

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)
        super().handle()


def note(*_: object) -> None:
    global dropped
    dropped = True


def main() -> None:
    global dropped
    port, folder, key, certificate = sys.argv[1:]
    authorizer = DummyAuthorizer()
    authorizer.add_user("rpi", PASSWORD, folder, perm="elradfmwMT")
    ImplicitHandler.authorizer = authorizer
    ImplicitHandler.keyfile, ImplicitHandler.certfile = key, certificate
    server = FTPServer(("127.0.0.1", int(port)), ImplicitHandler, ioloop=IOLoop())
    signal.signal(signal.SIGUSR1, note)
    while True:
        server.ioloop.loop(timeout=0.05, blocking=False)
        if dropped:
            dropped = False
            for each in [*server.ioloop.socket_map.values()]:
                if each is not server:
                    each.close()


if __name__ == "__main__":
    main()

"""An FTP server of pyftpdlib as a process: port, folder, and the commands that it shall not know."""

from __future__ import annotations

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

from tests.storage.real.process import PASSWORD


def main() -> None:
    port, folder, *unknown = sys.argv[1:]
    authorizer = DummyAuthorizer()
    authorizer.add_user("rpi", PASSWORD, folder, perm="elradfmwMT")
    FTPHandler.authorizer = authorizer
    FTPHandler.use_sendfile = False
    FTPHandler.proto_cmds = {
        name: told for name, told in FTPHandler.proto_cmds.items() if name not in unknown
    }
    FTPServer(("127.0.0.1", int(port)), FTPHandler).serve_forever()


if __name__ == "__main__":
    main()

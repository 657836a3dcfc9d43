"""The client against real sockets: what counts as sent, and what is never followed, trusted or believed."""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pycurl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_braze.exceptions import BrazeSetupError, BrazeUnreachableError
from airflow_provider_braze.users_track.delivery import sender
from airflow_provider_braze.users_track.transport import network
from airflow_provider_braze.users_track.transport.client import Answer, Client, NoAnswerError
from tests.sandbox_process import ROOT, SandboxProcess
from tests.users_track import posting
from tests.users_track.answering import SUCCESS, Answering, http, listening
from tests.users_track.pushing import KEY, event, people, run, workspace


def post(url: str, body: bytes = b"{}", times: int = 1, **settings: object) -> Answer:
    with Client(workspace(url, **settings)) as client:
        for _ in range(times - 1):
            posting.post(client, "/users/track", body)
        return posting.post(client, "/users/track", body)


def refused(url: str, times: int = 1, **settings: object) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        post(url, times=times, **settings)
    assert KEY not in repr(
        (caught.value, caught.value.reason, caught.value.__cause__, caught.value.__context__)
    )
    return caught.value


class TestRequest:
    def test_what_is_sent(self) -> None:
        with Answering(lambda body: http(201, {"got": len(body)})) as server:
            answer = post(server.url, b'{"attributes":[]}')
            head = server.heads[0].decode()
        assert (answer.status, json.loads(answer.body)) == (201, {"got": 17})
        lines = head.split("\r\n")
        assert lines[0] == "POST /users/track HTTP/1.1"
        assert f"Authorization: Bearer {KEY}" in lines
        assert "Content-Type: application/json" in lines
        assert any(line.startswith("User-Agent: airflow-provider-braze") for line in lines)
        assert "cookie" not in head.lower()
        assert "content-encoding" not in head.lower()

    def test_connections_are_reused(self) -> None:
        made = []

        class Counting(Answering):
            pass

        def handle(connection: socket.socket) -> None:
            made.append(1)
            for _ in range(5):
                connection.recv(65536)
                connection.sendall(SUCCESS)

        with listening(handle) as port:
            post(f"http://127.0.0.1:{port}", times=5)
        assert len(made) == 1

    def test_a_body_that_libcurl_has_taken_is_let_go_of_before_the_answer(self) -> None:
        class Body(bytes):
            def __del__(self) -> None:
                gone.set()

        gone, answer = threading.Event(), threading.Event()

        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            answer.wait(30)
            connection.sendall(SUCCESS)

        with listening(handle) as port, Client(workspace(f"http://127.0.0.1:{port}")) as client:
            client.start("/users/track", Body(b"{}" * 100), None)
            while not gone.is_set():
                assert not [*client.finished()]
                client.wait(0.1)
            answer.set()
            while not (ended := [*client.finished()]):
                client.wait(0.1)
        assert isinstance(ended[0][1], Answer)

    def test_headers_are_found_in_any_case(self) -> None:
        with Answering(lambda _: http(429, {}, "x-ratelimit-retry-after: 3\r\n")) as server:
            assert post(server.url).headers.get("X-Ratelimit-Retry-After") == "3"

    def test_a_compressed_answer_is_read(self) -> None:
        packed = gzip.compress(b'{"message":"success"}')
        with Answering(lambda _: http(201, packed, "Content-Encoding: gzip\r\n")) as server:
            assert post(server.url).body == b'{"message":"success"}'

    def test_cookies_are_not_kept(self) -> None:
        with Answering(lambda _: http(201, {}, "Set-Cookie: a=b\r\n")) as server:
            post(server.url, times=2)
            assert b"ookie" not in server.heads[1]

    def test_redirects_are_not_followed(self) -> None:
        with Answering(lambda _: SUCCESS) as other:
            with Answering(lambda _: http(307, {}, f"Location: {other.url}/users/track\r\n")) as server:
                assert post(server.url).status == 307
            assert other.requests == 0

    def test_used_outside_its_block_it_says_so(self) -> None:
        with pytest.raises(RuntimeError):
            Client(workspace("http://127.0.0.1:1")).start("/", b"", None)


class TestEnvironment:
    def test_netrc_does_not_replace_the_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        with Answering(lambda _: SUCCESS) as server:
            post(server.url)
            assert f"Bearer {KEY}".encode() in server.heads[0]

    def test_loopback_needs_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with Answering(lambda _: SUCCESS) as server:
            assert post(server.url).status == 201

    def test_elsewhere_the_machines_proxy_is_used_with_its_own_credentials(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with Answering(lambda _: SUCCESS) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://us%40er:pa%3Ass@"))
            assert post("http://braze.invalid").status == 201
            head = proxy.heads[0].decode()
        assert head.startswith("POST http://braze.invalid/users/track")
        assert "Proxy-Authorization: Basic dXNAZXI6cGE6c3M=" in head
        assert f"Authorization: Bearer {KEY}" in head

    def test_no_proxy_is_obeyed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "braze.invalid")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert network.proxy("http://braze.invalid") == {pycurl.PROXY: ""}

    @pytest.mark.parametrize(
        ("address", "url"),
        [("proxy.example:3128", "http://proxy.example:3128"), ("http://[::1]:3128", "http://[::1]:3128")],
    )
    def test_a_proxy_may_be_written_in_several_ways(
        self, monkeypatch: pytest.MonkeyPatch, address: str, url: str
    ) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", address)
        assert network.proxy("https://rest.iad-01.braze.com")[pycurl.PROXY] == url

    @pytest.mark.parametrize(
        "address",
        [
            "http://me:pa#secret-word@proxy.example:3128",
            "http://me:pa/secret-word@proxy.example:3128",
            "http://me:secret-word@proxy.example:99999",
            "http://me:secret-word@",
            "gopher://me:secret-word@proxy.example",
            "http://me:secret-word@pröxy.example",
        ],
    )
    def test_a_proxy_that_cannot_be_read_is_named_before_anything_is_sent(
        self, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", address)
        with pytest.raises(BrazeSetupError, match="The proxy in https_proxy cannot be read") as caught:
            Client(workspace("https://braze.invalid"))
        assert "secret-word" not in f"{caught.value}"

    def test_a_proxy_that_is_not_there_is_named_without_its_password(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", "http://mé:secret word@no-such-proxy.invalid:3128")
        error = refused("https://braze.invalid")
        assert not error.sent
        assert error.reason == "Could not resolve proxy: no-such-proxy.invalid"

    def test_a_proxy_that_does_not_connect_to_the_host_sent_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with Answering(lambda _: http(407, b"")) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://me:secret-word@"))
            error = refused("https://braze.invalid")
            assert proxy.heads[0].startswith(b"CONNECT braze.invalid:443 ")
            assert KEY.encode() not in proxy.heads[0]
        assert not error.sent
        assert "secret-word" not in error.reason


class TestNoAnswer:
    def test_a_port_that_nobody_listens_on(self) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            error = refused(f"http://127.0.0.1:{bound.getsockname()[1]}")
        assert (error.sent, error.untrusted) == (False, False)

    def test_a_name_that_does_not_resolve(self) -> None:
        error = refused("http://no-such-host.invalid")
        assert (error.sent, error.untrusted) == (False, False)

    def test_a_host_that_does_not_take_the_connection(self) -> None:
        # A full backlog: the kernel leaves further connections unanswered.
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            address = server.getsockname()
            fillers = []
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            error = refused(f"http://127.0.0.1:{address[1]}", connect_timeout=0.3)
            for filler in fillers:
                filler.close()
        assert not error.sent

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 201 Cre",
            b"HTTP/1.1 201 Created\r\nContent-Le",
            b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{",
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            b"HTTP/1.1 201 Created\r\nContent-Length: many\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x16\x03\x01\x02\x00",
            b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhtml",
            b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 100_000,
        ],
        ids=range(11),
    )
    def test_an_answer_that_breaks_off_or_is_none(self, answer: bytes) -> None:
        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(answer)

        with listening(handle) as port:
            error = refused(f"http://127.0.0.1:{port}", timeout=5)
        assert error.sent

    @pytest.mark.parametrize("pieces", [[], [b"HTTP/1.1 201 Created\r\n"] + [b"X: y\r\n"] * 100])
    def test_an_answer_that_never_ends(self, pieces: list[bytes]) -> None:
        ended = threading.Event()

        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
                ended.wait(0.02)
            ended.wait(5)

        with listening(handle) as port:
            error = refused(f"http://127.0.0.1:{port}", timeout=0.4)
            ended.set()
        assert error.sent
        assert error.reason == "no answer within 0.4 s"

    @pytest.mark.parametrize("packed", [False, True])
    def test_an_answer_without_bounds(self, packed: bool) -> None:
        body = gzip.compress(bytes(50_000_000)) if packed else bytes(5_000_000)
        extra = "Content-Encoding: gzip\r\n" if packed else ""
        with Answering(lambda _: http(201, body, extra)) as server:
            error = refused(server.url)
        assert error.sent
        assert "4000000 bytes" in error.reason

    def test_a_reset(self) -> None:
        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

        with listening(handle) as port:
            assert refused(f"http://127.0.0.1:{port}").sent


class TestReusedConnection:
    def test_a_request_that_may_have_arrived_is_not_sent_again_by_itself(self) -> None:
        bodies: list[bytes] = []

        def handle(connection: socket.socket) -> None:
            while data := connection.recv(65536):
                bodies.append(data.partition(b"\r\n\r\n")[2])
                if len(bodies) == 2:
                    return
                connection.sendall(SUCCESS)

        with listening(handle) as port:
            error = refused(f"http://127.0.0.1:{port}", times=2)
        assert error.sent
        assert "closed" in error.reason
        assert bodies == [b"{}", b"{}"]

    def test_after_an_answer_a_host_that_is_gone_got_nothing(self) -> None:
        server = Answering(lambda _: http(201, {}, "Connection: close\r\n"))
        server.__enter__()
        with Client(workspace(server.url)) as client:
            assert posting.post(client, "/", b"{}").status == 201
            server.__exit__(None, None, None)
            with pytest.raises(NoAnswerError) as caught:
                posting.post(client, "/", b"{}")
        assert not caught.value.sent

    @pytest.mark.parametrize("tls", [False, True])
    def test_a_connection_that_was_closed_while_it_waited_is_not_used(
        self, tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serving = None
        if tls:
            pem, key = certificate(tmp_path)
            monkeypatch.setenv("SSL_CERT_FILE", pem)
            serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            serving.load_cert_chain(pem, key)

        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(SUCCESS)

        closed = threading.Semaphore(0)
        with listening(handle, serving, closed.release) as port:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            with Client(workspace(url, timeout=30)) as client:
                for _ in range(4):
                    assert posting.post(client, "/", b"{}").status == 201
                    assert closed.acquire(timeout=30)
                    time.sleep(0.05)  # for the kernel, which brings the end to the client's socket

    def test_a_host_that_closes_connections_after_some_answers_loses_no_event(self) -> None:
        answers: list[int] = []

        def handle(connection: socket.socket) -> None:
            for n in range(3):
                head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                while head and len(body) < length:
                    body += connection.recv(65536)
                answers.append(n)
                # The last answer and the end leave in one packet: what the client sends between the two is lost to
                # any client, and unknown.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, n == 2)
                connection.sendall(SUCCESS)
            connection.shutdown(socket.SHUT_WR)

        with listening(handle) as port:
            pushed = run(
                [event(f"u{n}", n) for n in range(2, 902)],
                workspace(f"http://127.0.0.1:{port}", max_in_flight=1),
            )
        assert pushed.counts == {"accepted": 900}
        assert answers == [0, 1, 2] * 4

    def test_what_is_still_under_way_at_the_end_is_let_go(self) -> None:
        ended = threading.Event()
        with Answering(lambda _: http(201, {"waited": ended.wait(30)})) as server:
            with Client(workspace(server.url)) as client:
                client.start("/", b"slow", None)
                assert not list(client.finished())
            ended.set()

    def test_another_thread_wakes_whoever_waits(self) -> None:
        ended = threading.Event()
        with Answering(lambda _: http(201, {"waited": ended.wait(30)})) as server:
            with Client(workspace(server.url)) as client:
                client.start("/", b"slow", None)
                for _ in range(100_000):
                    # Also when nobody waits yet, and when the pipe is full.
                    client.wake()
                client.wait(60)
                ended.set()
            client.wake()

    def test_interim_answers_are_passed_over(self) -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nX-RateLimit-Limit: 1\r\n\r\n"
        with Answering(lambda _: interim + http(201, {})) as server:
            answer = post(server.url)
        assert (answer.status, answer.headers.get("X-RateLimit-Limit")) == (201, None)


def certificate(folder: Path, host: str = "127.0.0.1", days: int = 30) -> tuple[str, str]:
    """A certificate that no authority vouches for; with negative days an expired one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    alternative: x509.GeneralName = (
        x509.IPAddress(IPv4Address(host)) if host[0].isdigit() else x509.DNSName(host)
    )
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(paths[0]), str(paths[1])


PUSH = """
import sys
from tests.users_track.pushing import people, run, workspace
pushed = run(people(200), workspace(sys.argv[1]))
print(pushed.counts, pushed.ledger.requests, type(pushed.error).__name__, pushed.error)
"""


class TestTrust:
    def test_what_python_trusts_libcurl_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pem, _ = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", pem)
        monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:/somewhere/else")
        options = network.trust()
        assert options[pycurl.CAINFO] == options[pycurl.PROXY_CAINFO] == pem
        assert options[pycurl.CAPATH] == options[pycurl.PROXY_CAPATH] == f"{tmp_path}:/somewhere/else"

    def test_where_python_trusts_nobody_nobody_is_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            monkeypatch.setenv(name, "/no/such/place")
        assert network.trust()[pycurl.CAINFO] is None


class TestTls:
    @pytest.mark.parametrize(
        ("host", "days", "trusted", "said"),
        [
            ("127.0.0.1", 30, True, "{'accepted': 200} 3 NoneType"),
            ("127.0.0.1", 30, False, "self-signed certificate"),
            ("127.0.0.1", -1, True, "certificate has expired"),
            ("braze.example", 30, True, "no alternative certificate subject name matches"),
        ],
    )
    def test_certificates_are_verified_before_anything_is_sent(
        self, tmp_path: Path, host: str, days: int, trusted: bool, said: str
    ) -> None:
        pem, key = certificate(tmp_path, host, days)
        # Trust is read when the process starts.
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"SSL_CERT_FILE": pem} if trusted else {})
        with SandboxProcess("--tls-certificate", pem, "--tls-key", key) as sandbox:
            assert sandbox.url.startswith("https://")
            command = [sys.executable, "-c", PUSH, sandbox.url]
            done = subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
            )
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
        if "accepted" not in said:
            assert done.stdout.startswith("{'not_sent': 200} 0 BrazeRefusedError The host's TLS certificate")

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    def test_trouble_in_the_handshake_may_pass_and_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch, answer: bytes
    ) -> None:
        monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.001)
        tries = []

        def handle(connection: socket.socket) -> None:
            tries.append(1)
            connection.recv(65536)
            connection.sendall(answer)

        with listening(handle) as port:
            pushed = run(people(2), workspace(f"https://127.0.0.1:{port}"))
        assert isinstance(pushed.error, BrazeUnreachableError)
        assert pushed.error.retryable
        assert pushed.counts == {"not_sent": 2}
        assert len(tries) == 6

"""tls13 serve --workers: many processes that are one server to everybody outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tls13
from tls13 import NamedGroup
from tls13.cli import main
from tls13.cli.shared_store import Answers, SharedStore
from tls13.errors import StoreUnavailable
from tls13.explain.pcap import read_capture
from tls13.resumption.stores import MemoryStore

SECONDS = 30
ROW = re.compile(r"( {8}client +server *|.{11}\|.*\|| *|worker \d+, connection \d+|tls13 serve: .*)\n")
"""What a trace consists of."""


class Crew:
    """A running `tls13 serve --workers`. What it says is read from its pipe until nobody has the other end any more:
    when `wait` returns, no worker is left. reads_on: False to close the pipe once they are there."""

    def __init__(self, directory: Path, count: int, *arguments: str, reads_on: bool = True) -> None:
        self._reads_on = reads_on
        self.ca = directory / "ca.pem"
        options = ("--port", "0", "--ca-out", str(self.ca), "--workers", str(count), *arguments)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tls13", "serve", *options], stderr=subprocess.PIPE, text=True
        )
        self.said: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = int(re.search(r":(\d+);", self.wait_for("listening on"))[1])
        self.pids = [int(one) for one in self.wait_for(" workers: processes").split("processes ")[1].split(", ")]
        self.config = tls13.ClientConfig(trust=tls13.TrustStore.from_file(self.ca), sessions=tls13.SessionCache())

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._news:
                self.said.append(line)
                self._news.notify_all()
            if "listening on" in line and not self._reads_on:
                break
        self.process.stderr.close()

    def wait_for(self, text: str, times: int = 1) -> str:
        """The line that has it."""
        with self._news:
            assert self._news.wait_for(lambda: self._lines(text) >= times, SECONDS), self.said
            return next(line for line in self.said if text in line)

    def _lines(self, text: str) -> int:
        return sum(text in line for line in self.said)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def connect(self, **more) -> tls13.TLSSocket:
        config = more.pop("config", self.config.replace(sessions=tls13.SessionCache()))
        return tls13.connect(("127.0.0.1", self.port), config, server_hostname="localhost", timeout=SECONDS, **more)

    def talk(self, _: object = None) -> None:
        with self.connect() as tls:
            tls.sendall(b"x")
            assert tls.recv() == b"x"

    def session(self) -> tls13.StoredSession:
        with self.connect(config=self.config) as tls:
            while not len(self.config.sessions):
                tls.sendall(b"?")
                assert tls.recv(1) == b"?"
            return tls.stored_sessions[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.wait()

    def wait(self) -> int:
        """For the end of all of them; the exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert not self._reader.is_alive(), "a worker is left"
        return code


def workers_of(text: str) -> list[str]:
    """Who told of the connections, one entry for each connection."""
    return [who.split(",")[0] for who in set(re.findall(r"^(worker \d+, connection \d+)$", text, re.MULTILINE))]


# --- one server ------------------------------------------------------------------------------------------------------


def test_connections_are_spread_and_of_each_every_line_is_told(tmp_path) -> None:
    """Also when many are told of at once: whole lines, and each under the name of its connection."""
    with Crew(tmp_path, 2, "--trace") as crew, ThreadPoolExecutor(8) as threads:
        list(threads.map(crew.talk, range(48)))
    told = workers_of(crew.text)
    assert len(told) == 48
    assert min(told.count("worker 1"), told.count("worker 2")) >= 5
    assert [line for line in crew.said if not ROW.fullmatch(line)] == []
    by_connection: dict[str, str] = {}
    for name, words in re.findall(r"^(worker .*)\n((?:(?!worker ).*\n)*)", crew.text, re.MULTILINE):
        by_connection[name] = by_connection.get(name, "") + words
    for words in by_connection.values():
        assert [words.count(f" {one} ") for one in ("ClientHello", "CertificateVerify", "Finished")] == [1, 1, 2]
    assert crew.text.count("tls13 serve: bye\n") == 1


def test_a_ticket_of_one_worker_resumes_at_the_others(tmp_path) -> None:
    with Crew(tmp_path, 3, "--trace") as crew:
        session = crew.session()
        for _ in range(15):
            with crew.connect(session=session) as tls:
                assert tls.session.resumed
                tls.sendall(b"x")
                assert tls.recv() == b"x"
    assert len(set(workers_of(crew.text))) > 1


def test_of_many_replays_at_once_one_is_taken(tmp_path) -> None:
    """Section 8.2, across workers: of the same first flight, sent forty times, one has its early data accepted."""
    with Crew(tmp_path, 3, "--early-data", "1000", "--trace") as crew:
        session = crew.session()
        config = crew.config.replace(sessions=tls13.SessionCache())
        client = tls13.ClientConnection(config, server_hostname="localhost", session=session, early_data=b"pay 100")
        flight = client.data_to_send()
        everybody = threading.Barrier(40)

        def replay(_: int) -> bool:
            with socket.create_connection(("127.0.0.1", crew.port), SECONDS) as sock:
                everybody.wait(SECONDS)
                sock.sendall(flight)
                return bool(sock.recv(5))  # a ServerHello: the handshake goes on either way

        with ThreadPoolExecutor(40) as threads:
            assert all(threads.map(replay, range(40)))
    assert crew.text.count("that the server takes the early data") == 1
    assert len(workers_of(crew.text)) == 41
    assert len(set(workers_of(crew.text))) > 1


def test_any_worker_finishes_what_another_began_with_a_cookie(tmp_path) -> None:
    """Section 4.3.2: the key of the HelloRetryRequest's cookie is the same in all of them. The second ClientHello is
    sent on another connection, in two of three cases to another worker."""
    with Crew(tmp_path, 3) as crew:
        config = crew.config.replace(sessions=None, groups=[NamedGroup.x25519], key_shares=[])
        for _ in range(10):
            client = tls13.ClientConnection(config, server_hostname="localhost")
            for _answer in ("HelloRetryRequest", "ServerHello"):
                with socket.create_connection(("127.0.0.1", crew.port), SECONDS) as sock:
                    sock.sendall(client.data_to_send())
                    while not (client.wants_send or client.handshake_complete):
                        client.receive_data(sock.recv(2**14))
                        list(client.events())
            assert client.handshake_complete
            assert client.session.hello_retry_request


def test_what_must_be_fresh_is_fresh_in_every_worker(tmp_path) -> None:
    """A fork has its parent's memory: a random generator in it would say the same in all of them."""
    seen: list[bytes] = []

    class Watcher:
        def message(self, sent: bool, raw: bytes, epoch: object) -> None:
            if not sent and raw[0] == 2:
                seen.append(raw[6:38])  # ServerHello.random
                seen.append(raw[-38:-6])  # and a piece of what follows: its key share, or part of it

        def __getattr__(self, name: str):
            return lambda *_: None

    with Crew(tmp_path, 3) as crew:
        for _ in range(30):
            config = crew.config.replace(sessions=None, groups=[NamedGroup.x25519])
            with crew.connect(config=config, tracer=Watcher()) as tls:
                seen.append(tls.export_keying_material(b"EXPERIMENTAL x", b"", 32))
    assert len(seen) == len(set(seen)) == 90


def test_key_log_and_capture_have_every_connection_whole(tmp_path) -> None:
    keys, capture = tmp_path / "keys", tmp_path / "capture.pcapng"
    with (
        Crew(tmp_path, 2, "--keylog", str(keys), "--pcapng", str(capture)) as crew,
        ThreadPoolExecutor(8) as threads,
    ):
        list(threads.map(crew.talk, range(40)))
    lines = keys.read_text().splitlines()
    assert all(re.fullmatch(r"[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64}", line) for line in lines)
    assert len(lines) == len(set(lines)) == 40 * 5
    found = read_capture(capture.read_bytes(), None)
    assert len(found) == 40
    assert {secret.hex() for one in found for secrets in one.secrets.values() for secret in secrets} == {
        line.split()[2] for line in lines
    }


def test_files_are_served_by_all(tmp_path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.txt").write_text("hello\n")
    with Crew(tmp_path, 2, "--www", str(tmp_path / "www")) as crew:
        for _ in range(6):
            with crew.connect() as tls:
                tls.sendall(b"GET /a.txt HTTP/1.1\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(tls.recv, b"")).endswith(b"\r\n\r\nhello\n")


def test_a_changed_certificate_is_taken_up_by_all(tmp_path, authority) -> None:
    """Also by a worker that takes the place of another since."""
    names = ["localhost"]
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def renew() -> bytes:
        issued = authority.issue(names)
        certificate.write_bytes(issued.pem_chain)
        key.write_bytes(issued.pem_key)
        return issued.identity.chain[0].public_bytes(Encoding.DER)

    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    first = renew()
    with Crew(tmp_path, 2, "--cert", str(certificate), "--key", str(key)) as crew:

        def shown() -> set[bytes]:
            seen = set()
            for _ in range(12):
                with crew.connect() as tls:
                    seen.add(tls.session.peer_certificates[0].public_bytes(Encoding.DER))
            return seen

        assert shown() == {first}
        second = renew()
        assert shown() == {second}
        os.kill(crew.pids[1], signal.SIGKILL)
        crew.wait_for("another takes its place")
        assert shown() == {second}


# --- their lives -----------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_replaced_while_the_others_go_on(tmp_path) -> None:
    with Crew(tmp_path, 2) as crew, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(crew.connect()) for _ in range(20)]
        os.kill(crew.pids[0], signal.SIGKILL)
        crew.wait_for(f"worker 1 (process {crew.pids[0]}) was killed by SIGKILL; another takes its place")
        for _ in range(20):  # a half of these is the new one's
            crew.talk()
        alive = 0
        for tls in clients:
            with contextlib.suppress(tls13.TransportError, tls13.TruncatedStream):
                tls.sendall(b"x")
                alive += tls.recv() == b"x"
        assert 0 < alive < 20
    assert crew.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_is_a_close_notify_for_each_client_of_each_worker(number, tmp_path) -> None:
    with Crew(tmp_path, 2) as crew, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(crew.connect()) for _ in range(12)]
        crew.process.send_signal(number)
        for tls in clients:
            assert tls.recv() == b""
            tls.close()
        assert crew.wait() == 0
    assert crew.said[-1] == "tls13 serve: bye\n"
    for pid in crew.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", crew.port), SECONDS)


def test_ctrl_c_reaches_the_workers_too_and_is_no_accident(tmp_path) -> None:
    """A terminal sends it to all of its processes: none of them may be taken for a worker that has died."""
    with Crew(tmp_path, 2) as crew:
        for pid in (*crew.pids, crew.process.pid):
            os.kill(pid, signal.SIGINT)
        assert crew.wait() == 0
    assert "takes its place" not in crew.text


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path) -> None:
    """Their clients are told as at any other end."""
    with Crew(tmp_path, 2) as crew, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(crew.connect()) for _ in range(6)]
        crew.process.kill()
        assert [tls.recv() for tls in clients] == [b""] * 6
        for tls in clients:
            tls.close()
        assert crew.wait() == -signal.SIGKILL


def test_they_go_on_when_nobody_listens_to_what_they_say(tmp_path) -> None:
    with Crew(tmp_path, 2, "--trace", reads_on=False) as crew:
        for _ in range(10):
            crew.talk()


def test_workers_that_end_at_once_are_given_up_in_a_sentence() -> None:
    program = (
        "import os; from tls13.cli.workers import Workers, WorkersFailed\n"
        "say = lambda text: print(text, flush=True)\n"
        "work = lambda number, link: link.recv(1) if number == 1 else os._exit(7)\n"
        "try: Workers(2, work, say).run(lambda pids: None, [])\n"
        "except WorkersFailed as error: say(f'gave up: {error}')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS)
    assert done.stderr == ""
    *replaced, last = done.stdout.splitlines()
    assert len(replaced) == 4
    assert all(
        re.fullmatch(r"worker 2 \(process \d+\) has ended with 7; another takes its place", one) for one in replaced
    )
    assert re.fullmatch(
        r"gave up: worker 2 \(process \d+\) has ended with 7, the 5th in a row .* within a second of its start", last
    )


def test_a_port_that_other_workers_have_is_not_shared_with_them(tmp_path, capsys) -> None:
    """SO_REUSEPORT would allow it, and each of the two servers would have half of the connections."""
    with Crew(tmp_path, 2) as crew:
        for count in ("1", "2"):
            other = ["serve", "--port", str(crew.port), "--ca-out", str(tmp_path / "other"), "--workers", count]
            assert main(other) == 1
            assert "Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "two", "5000", ""])
def test_a_number_of_workers_is_a_number(count, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", f"--workers={count}"])
    assert caught.value.code == 2
    assert "is not a number of processes from 1 to 1024" in capsys.readouterr().err


# --- what they share -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def answering(store: MemoryStore, count: int):
    """A parent that answers: the workers' ends of so many links."""
    pairs = [socket.socketpair() for _ in range(count)]

    def answer(sock: socket.socket) -> None:
        answers = Answers(sock, store)
        sock.settimeout(None)
        while answers.go_on():
            pass

    threads = [threading.Thread(target=answer, args=(ours,)) for ours, _ in pairs]
    for thread in threads:
        thread.start()
    try:
        yield [theirs for _, theirs in pairs]
    finally:
        for _, theirs in pairs:
            theirs.close()
        for thread in threads:
            thread.join(SECONDS)
        for ours, _ in pairs:
            ours.close()


@contextlib.asynccontextmanager
async def opened(links):
    stores = [SharedStore() for _ in links]
    for store, link in zip(stores, links, strict=True):
        await store.open(link, lambda: None)
    yield stores
    for store in stores:
        store.close()
    await asyncio.sleep(0)  # for the transports to close


def test_of_those_who_add_a_key_at_once_one_gets_it() -> None:
    async def race(links) -> None:
        async with opened(links) as stores:
            assert all(store.shared for store in stores)
            for number in range(20):
                key = b"%d" % number
                added = await asyncio.gather(*(store.add(key, b"%d" % at, 60) for at, store in enumerate(stores * 5)))
                assert added.count(True) == 1
                assert await asyncio.gather(*(store.get(key) for store in stores)) == [b"%d" % added.index(True)] * 3
                popped = await asyncio.gather(*(store.pop(key) for store in stores * 5))
                assert [one for one in popped if one is not None] == [b"%d" % added.index(True)]
                assert await stores[0].get(key) is None

    with answering(MemoryStore(), 3) as links:
        asyncio.run(race(links))


def test_a_full_store_says_so_to_each_worker() -> None:
    async def fill(links) -> None:
        async with opened(links) as (store,):
            assert await store.add(b"a", b"", 60)
            with pytest.raises(StoreUnavailable, match="1 entries"):
                await store.add(b"b", b"", 60)
            assert not await store.add(b"a", b"", 60)

    with answering(MemoryStore(capacity=1), 1) as links:
        asyncio.run(fill(links))


def test_without_the_parent_there_is_no_store() -> None:
    """Then no early data is taken: StoreUnavailable is what the ReplayGuard understands."""

    async def ask(ours: socket.socket, theirs: socket.socket) -> None:
        ended = asyncio.Event()
        store = SharedStore()
        await store.open(theirs, ended.set)
        asked = asyncio.ensure_future(store.add(b"a", b"", 60))
        await asyncio.sleep(0)
        ours.close()
        with pytest.raises(StoreUnavailable):
            await asked
        assert ended.is_set()
        with pytest.raises(StoreUnavailable):
            await store.get(b"a")

    asyncio.run(ask(*socket.socketpair()))


TWO_VOICES = """
import os, sys
from tls13.cli.shared_page import SharedPage, SharedVoices, Turns

page, turn = SharedPage(sys.stdout, Turns()), [os.pipe(), os.pipe()]
here = int(os.fork() == 0)
page.number = here + 1
tell = SharedVoices(page, detail=0)()

def speak(times):
    for _ in range(times):
        tell.alert(False, 0)
    os.write(turn[here][1], b".")

def listen():
    os.read(turn[1 - here][0], 1)

if here:
    listen(); speak(2); listen(); speak(1); os._exit(0)
speak(2); listen(); speak(1); listen()
"""


def test_who_goes_on_after_another_process_says_again_who_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", TWO_VOICES], capture_output=True, text=True, timeout=SECONDS)
    assert done.stderr == ""
    headings = [f"worker {number}, connection 1" for number in (1, 2, 1, 2)]
    assert [line for line in done.stdout.splitlines() if line.startswith("worker")] == headings
    assert done.stdout.count("close_notify") == 6


# --- under load ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_new_connection_is_lost_while_workers_are_killed(tmp_path) -> None:
    """Those that a killed worker had taken are broken off; whoever connects meanwhile waits for its successor."""
    with Crew(tmp_path, 3) as crew:
        counts = {"good": 0, "broken": 0}
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                try:
                    crew.talk()
                    counts["good"] += 1
                except (tls13.TransportError, tls13.TruncatedStream):
                    counts["broken"] += 1

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for round_ in range(1, 6):
            before = counts["good"]
            children = Path(f"/proc/{crew.process.pid}/task/{crew.process.pid}/children").read_text().split()
            os.kill(int(children[round_ % 3]), signal.SIGKILL)
            crew.wait_for("was killed by SIGKILL; another takes its place", times=round_)
            while counts["good"] < before + 300:
                over.wait(0.01)
        over.set()
        for thread in threads:
            thread.join(SECONDS)
    assert counts["good"] >= 1500
    assert counts["broken"] <= 5 * 4  # no more than four connections at a time

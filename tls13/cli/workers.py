"""The parent of `tls13 serve --workers N`: it forks N processes, watches over them, and serves nobody itself.

It opens the sockets, reads certificate and key, and then forks. A fork has everything that its parent had, so no secret
ever stands on a command line, in an environment or in a file. What must be fresh (key shares, randoms, nonces) is made
for each connection, by the operating system or by OpenSSL, which notices a fork. The parent has neither threads nor an
event loop: they would not survive one.

A worker that ends is replaced: at once, but ever more slowly if it ends again as soon as it has begun, and after a few
such starts the parent gives up. It takes note of signals and of ends in one place, between two steps of its loop; a
signal handler does nothing but wake it. The link to each worker is a socketpair: it carries questions to the store that
all share (shared_store.py), and its end tells the worker to end.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from ..errors import TLSError
from ..resumption.stores import MemoryStore
from .shared_store import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Work = Callable[[int, socket.socket], None]
    """What worker number N does until its link to the parent is closed."""

AT_ONCE_SECONDS = 1.0
"""A worker that ends within this time of its start has probably not served anybody."""
ATTEMPTS = 5
"""If it does so this often, one start after the other, there is no point in another."""
PAUSE_SECONDS = 0.1
"""Before the second of these starts; twice as long before the next one, and so on."""
GOODBYE_SECONDS = 5.0
"""How long workers may take to tell their clients of the end. Then they are killed."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)


class WorkersFailed(TLSError):
    """Workers end as soon as they begin."""


class Worker:
    """One of N places, and the process that fills it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 0
        """0: nobody, for the time being."""
        self.link: Answers | None = None
        self.began = self.due = time.monotonic()
        """When this process was started; when the next one may be."""
        self.ended_at_once = 0

    def __str__(self) -> str:
        return f"worker {self.number} (process {self.pid})"

    def note_end(self, now: float) -> None:
        at_once = now - self.began < AT_ONCE_SECONDS
        self.ended_at_once = self.ended_at_once + 1 if at_once else 0
        self.due = now + PAUSE_SECONDS * 2 ** (self.ended_at_once - 1) if at_once else now
        self.pid = 0


class Workers:
    """The parent. `work` is called in each fork; `say` is given sentences for people."""

    def __init__(self, count: int, work: Work, say: Callable[[str], None]) -> None:
        self._work, self._say = work, say
        self._store = MemoryStore()
        self._selector = selectors.DefaultSelector()
        self._places = [Worker(number) for number in range(1, count + 1)]
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._stopping = False

    def run(self, began: Callable[[Sequence[int]], None], listening: Iterable[socket.socket]) -> None:
        """Until SIGINT or SIGTERM. `began` is called with the ids of the processes; the parent's copies of the sockets
        in `listening` are closed when all are to end. Raises WorkersFailed, and OSError if no process can be made."""
        handlers = {number: signal.signal(number, _only_wake) for number in SIGNALS}
        before = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._wakened)
        try:
            self._start_those_due()
            began([worker.pid for worker in self._places])
            while not self._stopping:
                self._step(min((one.due for one in self._places if not one.pid), default=None))
                if not self._stopping:
                    self._start_those_due()
        finally:
            for sock in listening:  # the workers close theirs, and then nobody else connects
                sock.close()
            self._end_all()
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._close()

    def _close(self) -> None:
        self._selector.close()
        self._woken.close()
        self._wake.close()

    # --- what happens -------------------------------------------------------------------------------------------------

    def _step(self, until: float | None) -> None:
        """Wait for a signal or a question, no longer than `until`, and see to it."""
        timeout = None if until is None else max(0.0, until - time.monotonic())
        for key, _ in self._selector.select(timeout):
            key.data()

    def _wakened(self) -> None:
        came = self._woken.recv(4096)
        if signal.SIGINT in came or signal.SIGTERM in came:
            self._stopping = True
        for worker in self._places:
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._ended(worker, _how(status))

    def _ended(self, worker: Worker, how: str) -> None:
        who, now = str(worker), time.monotonic()
        self._unlink(worker)
        worker.note_end(now)
        if self._stopping:
            return
        if worker.ended_at_once >= ATTEMPTS:
            raise WorkersFailed(f"{who} {how}, the {ATTEMPTS}th in a row that did so within a second of its start")
        self._say(f"{who} {how}; another takes its place")

    def _answer(self, worker: Worker) -> None:
        if worker.link is not None and not worker.link.go_on():
            self._unlink(worker)  # and the signal that comes when it has ended says how

    def _unlink(self, worker: Worker) -> None:
        if worker.link is not None:
            self._selector.unregister(worker.link.socket)
            worker.link.socket.close()
            worker.link = None

    def _end_all(self) -> None:
        """A worker whose link is closed says goodbye to its clients, and ends."""
        self._stopping = True
        for worker in self._places:
            self._unlink(worker)
        end = time.monotonic() + GOODBYE_SECONDS
        while any(worker.pid for worker in self._places) and time.monotonic() < end:
            self._step(end)
        for worker in self._places:
            if worker.pid:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)

    # --- forks --------------------------------------------------------------------------------------------------------

    def _start_those_due(self) -> None:
        now = time.monotonic()
        for worker in self._places:
            if not worker.pid and worker.due <= now:
                self._start(worker)

    def _start(self, worker: Worker) -> None:
        worker.began = time.monotonic()
        ours, theirs = socket.socketpair()
        # A signal that comes between the fork and _be would be taken for the parent's.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            worker.pid = os.fork()
            if not worker.pid:
                ours.close()
                self._be(worker, theirs)
        except OSError:  # of the fork: there are too many processes, or too little memory
            ours.close()
            theirs.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        worker.link = Answers(ours, self._store)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._answer(worker))

    def _be(self, worker: Worker, link: socket.socket) -> NoReturn:
        """In the fork: never returns, so that nothing of the parent's is done twice."""
        code = 1
        try:
            self._forget_the_parents()
            self._work(worker.number, link)
            code = 0
        except BaseException:  # noqa: BLE001  # as at the end of any program: nobody is above us
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _forget_the_parents(self) -> None:
        """Ctrl-C reaches every process of a terminal, but ends the workers by way of the parent."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for other in self._places:  # as long as we had the other end of their links, they would not see the parent go
            if other.link is not None:
                other.link.socket.close()
        self._close()


def _only_wake(number: int, frame: object) -> None:
    """Python then writes the signal's number where set_wakeup_fd says."""


def _how(status: int) -> str:
    """From waitpid's status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"has ended with {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"  # a real-time signal has no name

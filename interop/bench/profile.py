"""What each microsecond of a handshake is spent on: `python -m interop.bench --profile`.

Two views that must add up. The primitives are timed one by one (floor.py); and a sampling profiler looks at the
running handshakes every 0.7 ms of CPU time. A signal handler runs when a call into C has returned, so a sample names
the line that made the call: lines that call a primitive are told from the others by their words. Unlike cProfile, which
makes short functions look long, this costs nothing where it does not look.
"""

from __future__ import annotations

import linecache
import re
import signal
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from .floor import pieces
from .stacks import stack_named
from .works import ECDSA, HYBRID, RESUMPTION, RSA, handshakes

if TYPE_CHECKING:
    from types import FrameType

    from .stacks import Setting

ROOT = f"{Path(__file__).parents[2]}/"
OURS = (f"{ROOT}tls13/", f"{ROOT}interop/")
LIBRARY = "/cryptography/"
INTERVAL = 0.0007
SETTINGS = {"ECDSA P-256": ECDSA, "RSA-2048": RSA, "resumption": RESUMPTION, "X25519MLKEM768": HYBRID}

PRIMITIVE = re.compile(
    r"\.(exchange|sign|verify|encapsulate|decapsulate|encrypt(_into)?|decrypt(_into)?|generate|_generate|digest|copy|update"
    r"|from_public_bytes|_load_public|public_bytes_raw|new)\(|hmac\.|urandom|_aead\(|AESGCM\(|load_der"
)
"""Lines whose time is that of `cryptography`, hashlib or the kernel."""


def profile(*, full: bool) -> None:
    """Print both views of each handshake row."""
    for title, setting in SETTINGS.items():
        print(f"## {title}\n")
        _floor(setting, 400 if full else 60)
        _samples(setting, 3000 if full else 800)


def _floor(setting: Setting, count: int) -> None:
    print("primitives, one by one (both sides; medians)")
    total = 0.0
    for name, piece in pieces(setting).items():
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            piece()
            taken.append(time.perf_counter() - start)
        total += median(taken)
        print(f"{median(taken) * 1e6:8.1f} us  {name}")
    print(f"{total * 1e6:8.1f} us  together\n")


class Sampler:
    """Counts where the process is, by the innermost frame of this repository.

    What `cryptography` does in Python of its own (its checks of types, and the abc module that they ask) is the price
    of its primitives, so it is theirs: `beneath` says whether a sample fell there.
    """

    def __init__(self) -> None:
        self.lines: Counter[tuple[str, str, int, bool]] = Counter()

    def __call__(self, _: int, frame: FrameType | None) -> None:
        beneath = False
        while frame is not None and not frame.f_code.co_filename.startswith(OURS):
            beneath = beneath or LIBRARY in frame.f_code.co_filename
            frame = frame.f_back
        if frame is not None:
            code = frame.f_code
            self.lines[code.co_filename, code.co_qualname, frame.f_lineno or 0, beneath] += 1


def _samples(setting: Setting, count: int) -> None:
    work = handshakes(setting)(stack_named("tls13"))
    work(200)
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        work(count)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    each = (time.process_time() - start) / count * 1e6
    share = each / sampler.lines.total()
    primitives: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (file, function, line, beneath), seen in sampler.lines.items():
        module = file.removeprefix(ROOT)
        if beneath or PRIMITIVE.search(linecache.getline(file, line)):
            primitives[module] += seen
        else:
            modules[module] += seen
            functions[f"{module}: {function}"] += seen
    print(f"{each:8.1f} us  a handshake, both sides, by {sampler.lines.total()} samples")
    print(f"{primitives.total() * share:8.1f} us  in primitives, and lines that call them")
    print(f"{modules.total() * share:8.1f} us  in other Python: by module")
    for counted, most in ((modules, 16), (functions, 24)):
        for name, seen in counted.most_common(most):
            print(f"{seen * share:8.1f} us    {name}")
        print()

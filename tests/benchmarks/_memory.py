"""The largest private memory of a process while it works."""

import threading
import time
from pathlib import Path


def watched(function):
    """Wall seconds of one call without arguments, and the peak of private megabytes meanwhile."""
    peak, done = [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(peak, done))
    watch.start()
    start = time.perf_counter()
    try:
        function()
    finally:
        elapsed = time.perf_counter() - start
        done.set()
        watch.join()
    return elapsed, peak[0]


def _watch(peak, done):
    while not done.wait(0.01):
        peak[0] = max(peak[0], private())


def private():
    """Private megabytes of this process: what it holds beyond mapped files, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))

"""What the benchmarks measure with."""

import resource
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Returns how long ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def memory() -> int:
    """Returns the most bytes of memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

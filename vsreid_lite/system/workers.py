"""A function over many inputs in several processes, which end with the run however it ends."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import TypeVar

from tqdm.auto import tqdm

from vsreid_lite.system.interrupts import uninterrupted

Input = TypeVar("Input")
Output = TypeVar("Output")

MOST = 8  # processes that are started unasked: each takes about 0.7 GB


def default_workers() -> int:
    """One process for each core that this one may use, at most eight."""
    return min(MOST, available_cores())


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    function: Callable[[Input], Output], inputs: Iterable[Input], workers: int
) -> Generator[tuple[Input, Output], None, None]:
    """Every input with what `function` returns for it, as they are finished; with one worker, in this process.

    The first exception of `function` ends the rest and is raised here, as is Ctrl-C, at once. Raises ChildProcessError
    when a process was killed from outside. Close the iterator to end the processes early.
    """
    inputs = list(inputs)
    workers = min(workers, len(inputs))
    if workers <= 1:
        yield from ((value, function(value)) for value in inputs)
        return
    with _pool(workers) as pool:
        with uninterrupted():  # Ctrl-C in a terminal is for this process alone
            futures = {pool.submit(function, value): value for value in inputs}
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    threads = max(1, available_cores() // workers)
    context = get_context("spawn")
    started = context.Event()
    pool = ProcessPoolExecutor(workers, context, _prepare, (threads, started))
    try:
        yield pool
    except BrokenProcessPool as error:
        if not started.is_set():
            raise ChildProcessError(
                "no worker process could start: a script that runs several must do so below "
                '`if __name__ == "__main__":`, since each of them loads the script again; or use one worker'
            ) from error
        raise ChildProcessError(
            "a worker process was killed, perhaps because memory ran out; run again with fewer --workers, "
            "finished parts are kept"
        ) from error
    except BaseException:
        for process in list((pool._processes or {}).values()):  # the executor itself would wait for them
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(threads: int, started: Event) -> None:
    """In each new process: its share of the cores, no warnings (the parent gives them), and an end with its parent."""
    started.set()  # the script was loaded; what follows may fail for want of memory
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    warnings.simplefilter("ignore")
    tqdm.set_lock(
        threading.RLock()
    )  # its own is a semaphore of the system, which a process that is ended leaves behind
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

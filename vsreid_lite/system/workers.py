"""Several processes that end with the run however it ends; Ctrl-C held back or taken as a wish; SIGTERM as Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import TypeVar

from vsreid_lite.system.machine import available_cores

Input = TypeVar("Input")
Output = TypeVar("Output")

MOST = 8  # processes that are started unasked: each takes about 0.7 GB


def default_workers() -> int:
    """One process for each core that this one may use, at most eight."""
    return min(MOST, available_cores())


def in_processes(
    function: Callable[[Input], Output], inputs: Iterable[Input], workers: int
) -> Generator[tuple[Input, Output], None, None]:
    """Every input with what `function` returns for it, as they are finished.

    The first exception of `function` ends the rest and is raised here, as is Ctrl-C, at once. Close the iterator to end
    the processes early.

    Args:
        function: of one input; with several workers it must be importable.
        inputs: all of them are taken at once.
        workers: the number of processes; 1 works in this one.

    Raises:
        ChildProcessError: a process was killed from outside, or none could start.
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
    from tqdm.auto import tqdm

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    warnings.simplefilter("ignore")
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which an ended process leaves behind
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the body is through; processes started in it never see Ctrl-C. On Windows, no difference."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interrupt_sets(event: threading.Event) -> Iterator[None]:
    """The first Ctrl-C in the body sets an event and raises nothing; a second one raises KeyboardInterrupt as ever.

    No difference in other threads than the main one, and where Ctrl-C is ignored, as in a shell's background.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        event.set()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stopped_like_interrupted() -> Iterator[None]:
    """SIGTERM, by which queues and containers end a run, raises KeyboardInterrupt in the body, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""Jobs in several processes, here or wherever an executor has them; Ctrl-C held back or taken as a wish."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count, repeat
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vsreid_lite.system.files import PACKAGE, code_of, fingerprint
from vsreid_lite.system.machine import available_cores
from vsreid_lite.system.wording import counted

if TYPE_CHECKING:  # imported late: a tenth of the start-up time of the command line
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.synchronize import Event

Input = TypeVar("Input")
Output = TypeVar("Output")
Workers = int | Executor  # so many processes of this machine, or an executor: those that it has

MOST = 8  # processes that are started unasked: each takes about 0.7 GB
ATTEMPTS = 3  # at a job whose worker dies, or that fails of what another worker may not
FINAL = (ValueError, FileNotFoundError)  # what no other worker would do better
CV2_THREADS = "OPENCV_FOR_THREADS_NUM"
KILLED = (
    "a worker process was killed, perhaps because memory ran out; run again with fewer --workers, "
    "finished parts are kept"
)


def default_workers() -> int:
    """One process for each core that this one may use, at most eight."""
    return min(MOST, available_cores())


def run_jobs(
    function: Callable[[Input], Output],
    inputs: Iterable[Input],
    workers: Workers = 1,
    name: Callable[[Input], str] = str,
) -> Generator[tuple[Input, Output], None, None]:
    """Every input with what `function` returns for it, as they are finished.

    In this process the first exception of `function` ends the rest. Elsewhere a job that fails is tried again twice,
    unless its input is to blame (ValueError, FileNotFoundError); what fails for good ends no other job, and is named
    at the end. Ctrl-C ends all at once, and so does closing the iterator. Of several GPUs each worker takes one.

    Args:
        function: of one input; elsewhere it must be importable, and inputs and outputs are sent as plain data.
        inputs: all of them are taken at once.
        workers: the number of processes of this machine, where 1 is this one; or an executor, as dask's
            `Client.get_executor()`, whose workers are processes that run one job at a time.
        name: what a job is called when it fails.

    Raises:
        ChildProcessError: some jobs failed, after all others; or no worker is left, or none could start.
        Exception: every job failed with this one.
    """
    inputs = list(inputs)
    if isinstance(workers, Executor):
        yield from _run_all(function, inputs, workers, name)
    elif min(workers, len(inputs)) <= 1:
        yield from ((value, function(value)) for value in inputs)
    else:
        with _Processes(min(workers, len(inputs))) as processes:
            yield from _run_all(function, inputs, processes, name)


def _run_all(
    function: Callable[[Input], Output], inputs: Sequence[Input], executor: Executor, name: Callable[[Input], str]
) -> Generator[tuple[Input, Output], None, None]:
    job, done = _Job(function, code_version(), Path.cwd()), SimpleQueue[Future[Output]]()
    pending: dict[Future[Output], tuple[Input, int]] = {}
    failed: list[tuple[str, Exception]] = []

    def submit(value: Input, attempt: int) -> None:
        future = _submitted(executor, job, value)
        pending[future] = value, attempt
        future.add_done_callback(done.put)

    try:
        for value in inputs:
            submit(value, 1)
        while pending:
            future = done.get()
            value, attempt = pending.pop(future)
            try:
                output = future.result()
            except ChildProcessError:
                raise
            except CancelledError as error:  # of dask
                raise ChildProcessError("the scheduler has ended; run again, finished parts are kept") from error
            except Exception as error:
                if attempt == ATTEMPTS or isinstance(error, FINAL) or _is_given_up(error):
                    failed.append((name(value), error))
                else:
                    warnings.warn(f"{name(value)}: {_said(error)}: tried again", stacklevel=1)
                    submit(value, attempt + 1)
            else:
                yield value, output
    finally:
        for future in pending:
            future.cancel()
    if failed:
        raise _failure(failed, len(inputs))


def _submitted(executor: Executor, job: Callable[[Input], Output], value: Input) -> Future[Output]:
    with uninterrupted():  # Ctrl-C in a terminal is for this process alone
        try:
            return executor.submit(job, value)
        except BrokenExecutor as error:  # of an executor that replaces no worker
            raise ChildProcessError(KILLED) from error


def _is_given_up(error: Exception) -> bool:
    """Whether dask's scheduler has tried a job on several workers, all of which died."""
    return type(error).__name__ == "KilledWorker"


def _said(error: Exception) -> str:
    if isinstance(error, BrokenExecutor) or _is_given_up(error):
        return KILLED
    return str(error) if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {error}"


def _failure(failed: Sequence[tuple[str, Exception]], total: int) -> Exception:
    """What is raised for jobs that failed: one error that all have in common, or one line with the name of each."""
    names: dict[str, list[str]] = {}
    for name, error in failed:
        names.setdefault(_said(error), []).append(name)
    if len(failed) == total and len(names) == 1 and KILLED not in names:
        return failed[0][1]
    listed = "; ".join(f"{', '.join(dict.fromkeys(some))}: {said}" for said, some in names.items())
    error = ChildProcessError(f"{len(failed)} of {counted(total, 'job')} failed: {listed}")
    error.__cause__ = failed[0][1]
    return error


@dataclass(frozen=True)
class _Job(Generic[Input, Output]):
    """What a worker is sent: `function`, and the code and the folder that it is meant for."""

    function: Callable[[Input], Output]
    code: str
    folder: Path

    def __call__(self, value: Input) -> Output:
        if self.code != code_version():
            raise OSError(other_version("a worker", code_version(), self.code))  # another one may have it
        become_worker()
        with contextlib.chdir(self.folder):
            return self.function(value)


@cache
def code_version() -> str:
    """The version of the package and a fingerprint of its code: workers with another one give other results."""
    from importlib import metadata

    try:
        version = metadata.version("vsreid-lite")
    except metadata.PackageNotFoundError:
        version = "without installation"
    return f"{version} ({fingerprint(code_of(PACKAGE))[:8]})"


def other_version(worker: str, there: str, here: str) -> str:
    """What is said of a worker with other code."""
    return f"{worker} has vsreid_lite {there}, here is {here}: install the same there, and start it again"


_is_worker = threading.Event()  # set in a process that is one of several on its machine


def become_worker() -> None:
    """This process is one of several that share a machine: it takes a GPU of its own (`own_gpu`)."""
    _is_worker.set()
    if threads := os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]:
        os.environ.setdefault(CV2_THREADS, threads)


def is_worker() -> bool:
    """Whether this process is one of several that share a machine."""
    return _is_worker.is_set()


def own_gpu(number: int) -> int | None:
    """Which of `number` GPUs that this process sees it takes, among several processes; None where it is alone.

    The first of those that fewest processes of this user have. A lock on a file in the temporary folder says so, which
    the system drops when the process ends. CUDA_VISIBLE_DEVICES says what is seen, as ever.
    """
    return _taken_gpu(number) if is_worker() and number else None


@cache
def _taken_gpu(number: int) -> int:
    if sys.platform == "win32":
        return os.getpid() // 4 % number
    import fcntl

    seen = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    for turn, index in map(divmod, count(), repeat(number)):
        name = seen[index] if len(seen) >= number else index
        path = Path(tempfile.gettempdir(), f"vsreid-{os.getuid()}-gpu-{name}-{turn}.lock")
        file = os.open(path, os.O_CREAT | os.O_RDWR)  # stays open until the process ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            break
    return index


class _Processes(Executor):
    """Processes of this machine that share its cores. One that dies loses its job alone, and is replaced."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # each waits for one process
        self._cores = max(1, available_cores() // workers)
        self._idle: list[tuple[ProcessPoolExecutor, Event]] = []
        self._all: list[ProcessPoolExecutor] = []
        self._ended = False

    def submit(self, function: Callable[..., Output], /, *args: Any, **kwargs: Any) -> Future[Output]:
        return self._threads.submit(self._wait_for, function, *args, **kwargs)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._ended = kind is not None
        for process in self._all:
            self._end(process)
        self._threads.shutdown()
        for process in self._all:
            process.shutdown()

    def _wait_for(self, function: Callable[..., Output], *args: Any, **kwargs: Any) -> Output:
        try:
            process, started = self._idle.pop()
        except IndexError:
            process, started = self._start()
        future = process.submit(function, *args, **kwargs)
        self._end(process)
        try:
            output = future.result()
        except BrokenExecutor as error:
            if not started.is_set() and not self._ended:
                raise ChildProcessError(
                    "no worker process could start: a script that runs several must do so below "
                    '`if __name__ == "__main__":`, since each of them loads the script again; or use one worker'
                ) from error
            raise
        except Exception:
            self._idle.append((process, started))
            raise
        self._idle.append((process, started))
        return output

    def _start(self) -> tuple[ProcessPoolExecutor, Event]:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        context = get_context("spawn")
        started = context.Event()
        process = ProcessPoolExecutor(1, context, _prepare, (self._cores, started))
        self._all.append(process)
        return process, started

    def _end(self, process: ProcessPoolExecutor) -> None:
        """Where the run has ended with an exception: the executor itself would wait for its process."""
        if self._ended:
            for one in list((process._processes or {}).values()):
                one.terminate()


def _prepare(threads: int, started: Event) -> None:
    """In each new process: its share of the cores, no warnings (the parent gives them), and an end with its parent."""
    started.set()  # the script was loaded; what follows may fail for want of memory
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is half written goes, as after Ctrl-C
    from tqdm.auto import tqdm

    os.environ["OMP_NUM_THREADS"] = os.environ[CV2_THREADS] = str(threads)  # torch and OpenCV, where they come later
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)
    warnings.simplefilter("ignore")
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which an ended process leaves behind
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def recorded(function: Callable[[Input], Output], value: Input) -> tuple[Output, list[str]]:
    """What `function` returns for `value`, and the texts of our own warnings, for the client to give."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            output = function(value)
        except Exception as failed:
            error: Exception | None = failed
        else:
            error = None
    ours = [one for one in caught if one.category is UserWarning and Path(one.filename).is_relative_to(PACKAGE)]
    texts = [str(one.message) for one in ours]
    if error is None:
        return output, texts
    for text in texts:  # nobody else will
        warnings.warn(text, stacklevel=2)
    raise error


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

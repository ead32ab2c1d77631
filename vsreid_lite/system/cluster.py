"""The workers of a run: processes of this machine, or those of dask's scheduler, here or on many machines."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsreid_lite.system.workers import ATTEMPTS, Workers, code_version, default_workers, other_version, uninterrupted

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"  # a scheduler of its own on this machine
PATIENCE = 10  # seconds, for a scheduler to answer and for the first worker to come


@contextmanager
def open_workers(
    workers: int | None = None, scheduler: str | None = None, unasked: int | None = None
) -> Iterator[Workers]:
    """What `run_jobs` takes as its workers, for the time of the body.

    Args:
        workers: the number of processes of this machine.
        scheduler: the address of a scheduler of dask.distributed, whose workers are taken; or "local".
        unasked: the number of processes where neither is given; one for each core, at most eight, when not given.

    Raises:
        ValueError: dask is missing, the scheduler does not answer or has no worker, or a worker has another version of
            the package, runs several jobs at once, or does not see the folder of this run.
    """
    if scheduler is None:
        yield workers or unasked or default_workers()
        return
    if scheduler != LOCAL and workers is not None:
        raise ValueError(f"--workers {workers}: counts processes of this machine; --scheduler {scheduler} has its own")
    if find_spec("distributed") is None:
        raise ValueError(f"--scheduler {scheduler}: dask is not installed: python -m pip install distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said by `run_jobs`
    with ExitStack() as stack:
        with uninterrupted():  # Ctrl-C in a terminal is for this process alone
            client = _local(stack, workers or default_workers()) if scheduler == LOCAL else _client(stack, scheduler)
        _check_workers(client, scheduler)
        yield client.get_executor(pure=False)


def _local(stack: ExitStack, workers: int) -> Client:
    import dask
    from distributed import Client, LocalCluster

    stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": ATTEMPTS - 1}))
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=":0", silence_logs=logging.CRITICAL
    )
    return stack.enter_context(Client(stack.enter_context(cluster)))


def _client(stack: ExitStack, address: str) -> Client:
    from distributed import Client

    try:
        client = stack.enter_context(Client(address, timeout=PATIENCE))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {address}: no scheduler answers there; start one with `dask scheduler`, or give the address "
            "that it prints, as tcp://HOST:8786"
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise ValueError(
            f"--scheduler {address}: has no workers; start some with `dask worker {address} --nthreads 1`"
        ) from error
    return client


def _check_workers(client: Client, scheduler: str) -> None:
    """That each worker has this code, runs one job at a time and sees the files of this run."""
    here, folder = code_version(), str(Path.cwd())
    versions: Mapping[str, Any] = client.run(code_version, on_error="return")
    for address, there in versions.items():
        if there != here:
            there = "another version or none" if isinstance(there, Exception) else there
            raise ValueError(f"--scheduler {scheduler}: {other_version(f'the worker {address}', there, here)}")
    for address, threads in client.nthreads().items():
        if threads != 1:
            raise ValueError(
                f"--scheduler {scheduler}: the worker {address} runs {threads} jobs at once in one process; start it "
                "with --nthreads 1, and several with --nworkers"
            )
    for address, seen in client.run(os.path.isdir, folder).items():
        if not seen:
            raise ValueError(
                f"--scheduler {scheduler}: the worker {address} does not see the folder {folder}; run in one that all "
                "machines share"
            )

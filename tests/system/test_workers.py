import math
import os
import signal
import subprocess
import sys
import threading

import pytest

from vsreid_lite.system import workers
from vsreid_lite.system.machine import available_cores
from vsreid_lite.system.workers import default_workers, in_processes, interrupt_sets


def test_one_worker_is_this_process_and_keeps_the_order():
    seen = []
    results = list(in_processes(lambda x: seen.append(threading.get_ident()) or x * x, [3, 1, 2], 1))
    assert results == [(3, 9), (1, 1), (2, 4)]
    assert set(seen) == {threading.get_ident()}


def test_nothing_to_do_starts_nothing(monkeypatch):
    monkeypatch.setattr(workers, "ProcessPoolExecutor", None)
    assert list(in_processes(math.sqrt, [], 4)) == []
    assert list(in_processes(math.sqrt, [4.0], 4)) == [(4.0, 2.0)]


def test_the_default_is_a_process_for_each_core_up_to_eight(monkeypatch):
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(workers, "available_cores", lambda: 64)
    assert default_workers() == 8


def test_two_workers_do_all():
    assert sorted(in_processes(math.sqrt, [9.0, 16.0, 25.0], 2)) == [(9.0, 3.0), (16.0, 4.0), (25.0, 5.0)]


def test_a_worker_that_is_killed_is_one_clear_error():
    with pytest.raises(ChildProcessError, match="a worker process was killed.*fewer --workers"):
        list(in_processes(os._exit, [1, 1], 2))


def test_a_script_without_a_guard_is_told_to_have_one(tmp_path):
    """Each process loads the script again, and would start processes itself."""
    script = tmp_path / "script.py"
    script.write_text(
        "import math\nfrom vsreid_lite.system.workers import in_processes\n"
        "print(list(in_processes(math.sqrt, [4.0, 9.0], 2)))\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    told = [line for line in run.stderr.splitlines() if 'below `if __name__ == "__main__":`' in line]
    assert run.returncode == 1 and told and "memory" not in told[-1]


def test_the_first_interrupt_sets_and_the_second_is_raised():
    asked, before = threading.Event(), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), interrupt_sets(asked):
            signal.raise_signal(signal.SIGINT)
            assert asked.is_set()
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_interrupts_are_ignored_they_stay_so():
    """As in the background of a shell that has no jobs: Ctrl-C is for another."""
    asked, before = threading.Event(), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_sets(asked):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not asked.is_set()

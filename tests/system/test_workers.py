import math
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vsreid_lite.system import workers
from vsreid_lite.system.machine import available_cores
from vsreid_lite.system.workers import default_workers, interrupt_sets, run_jobs

ROOT = Path(__file__).parents[2]


def test_one_worker_is_this_process_and_keeps_the_order():
    seen = []
    results = list(run_jobs(lambda x: seen.append(threading.get_ident()) or x * x, [3, 1, 2], 1))
    assert results == [(3, 9), (1, 1), (2, 4)]
    assert set(seen) == {threading.get_ident()}


def test_nothing_to_do_starts_nothing(monkeypatch):
    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", None)
    assert list(run_jobs(math.sqrt, [], 4)) == []
    assert list(run_jobs(math.sqrt, [4.0], 4)) == [(4.0, 2.0)]


def test_the_default_is_a_process_for_each_core_up_to_eight(monkeypatch):
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(workers, "available_cores", lambda: 64)
    assert default_workers() == 8


def falter(job: tuple[Path, int]) -> int:
    """Ends its process in job 1 when it is first run, and in job 2 always; the input of job 3 is bad."""
    folder, number = job
    trials = len(list(folder.glob(f"{number}-*")))
    (folder / f"{number}-{trials}").touch()
    if number == 2 or (number == 1 and not trials):
        os._exit(1)
    if number == 3:
        raise ValueError("three is bad")
    return number


def test_a_worker_that_is_killed_loses_its_job_alone_which_is_tried_twice_more_and_then_named(tmp_path):
    jobs, found = [(tmp_path, number) for number in range(5)], []
    said = "2 of 5 jobs failed: job 3: three is bad; job 2: a worker process was killed.*fewer --workers"
    told = pytest.warns(UserWarning, match="a worker process was killed.*: tried again")
    with told, pytest.raises(ChildProcessError, match=said):
        for (_, number), output in run_jobs(falter, jobs, 2, lambda job: f"job {job[1]}"):
            found.append((number, output))
    assert sorted(found) == [(0, 0), (1, 1), (4, 4)]
    trials = [len(list(tmp_path.glob(f"{number}-*"))) for number in range(5)]
    assert trials == [1, 2, 3, 1, 1]


def test_an_executor_has_its_jobs_and_what_fails_of_one_worker_is_tried_again():
    failures = {4.0: 2}

    def root(x):
        if failures.get(x, 0):
            failures[x] -= 1
            raise RuntimeError("this card is full")
        return math.sqrt(x)

    with ThreadPoolExecutor(2) as executor:
        with pytest.warns(UserWarning, match="4.0: RuntimeError: this card is full: tried again"):
            assert sorted(run_jobs(root, [9.0, 4.0], executor)) == [(4.0, 2.0), (9.0, 3.0)]
        with pytest.raises(ValueError, match="expected a nonnegative input|math domain error"):
            list(run_jobs(root, [-1.0, -1.0], executor))
        with pytest.raises(OSError, match=r"a worker has vsreid_lite .*, here is 0.1: install the same there"):
            workers._Job(root, "0.1", Path.cwd())(9.0)


def test_each_worker_of_a_machine_takes_the_gpu_that_fewest_have(tmp_path):
    """Three processes on a machine whose fifth and sixth card are seen; the last one comes when the second has gone."""
    code = "from vsreid_lite.system import workers as w; w.become_worker(); print(w.own_gpu(2), flush=True); input()"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "4,5", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def start():
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=-1, stdout=-1, text=True)
        return process, process.stdout.readline().strip()

    (first, one), (second, two), (third, three) = start(), start(), start()
    second.communicate("\n")
    fourth, four = start()
    for process in (first, third, fourth):
        process.communicate("\n")
    assert [one, two, three, four] == ["0", "1", "0", "1"]
    assert {path.name.split("gpu-")[1] for path in tmp_path.iterdir()} == {"4-0.lock", "5-0.lock", "4-1.lock"}
    code = "from vsreid_lite.system.workers import own_gpu; raise SystemExit(own_gpu(2) is not None)"
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0  # alone: as torch has it


def test_a_script_without_a_guard_is_told_to_have_one(tmp_path):
    """Each process loads the script again, and would start processes itself."""
    script = tmp_path / "script.py"
    script.write_text(
        "import math\nfrom vsreid_lite.system.workers import run_jobs\n"
        "print(list(run_jobs(math.sqrt, [4.0, 9.0], 2)))\n"
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


def test_a_worker_whose_number_of_threads_nobody_gave_leaves_it_to_opencv(monkeypatch):
    monkeypatch.setattr(workers, "_is_worker", threading.Event())
    for name in ("OMP_NUM_THREADS", workers.CV2_THREADS):
        monkeypatch.delenv(name, raising=False)
    workers.become_worker()
    assert workers.CV2_THREADS not in os.environ  # an empty text there ends OpenCV
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    workers.become_worker()
    assert os.environ[workers.CV2_THREADS] == "4"

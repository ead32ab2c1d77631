"""Damaged files, killed processes and full disks, as `benchmarks/faults.py` has them: a small number of each."""

from pathlib import Path

import cv2
import pytest
import torch

from tests.command_line import small_disk
from vsreid_lite import journal
from vsreid_lite.datasets import mini
from vsreid_lite.evaluation import selection
from vsreid_lite.training import loop
from vsreid_lite.training.stages import STAGES

pytestmark = pytest.mark.filterwarnings("default")  # as a command has them
INPUTS, MEMORY = 200, 200  # of each reader; MiB beside what it takes for a whole file
ANEW = ("state of segment", "adapted network", "candidates")  # what is damaged is computed again
CHANGED = ((journal, "EVERY"), (loop, "CHECKPOINT_SECONDS"), (mini, "mini_video"), (selection, "mini_video"))


@pytest.fixture
def faults(monkeypatch):
    """The benchmark, whose runs fork this process: threads do not survive that."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import faults

    for module, name in CHANGED:  # by the benchmark
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setitem(STAGES, "lite-box", STAGES["lite-box"])
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1), cv2.setNumThreads(1)
    yield faults
    torch.set_num_threads(threads[0]), cv2.setNumThreads(threads[1])


def test_a_damaged_file_is_read_or_refused_in_one_line_that_names_it_without_hanging_or_filling_memory(faults):
    for name in faults.READERS:
        found = list(faults.outcomes(name, INPUTS))
        assert [one.number for one in found] == list(range(INPUTS))
        assert [(name, one) for one in found if one.what not in ("read", "refused")] == []
        refused = sum(one.what == "refused" for one in found)
        assert refused > INPUTS / 20 or name in ANEW, name
        assert max(one.memory for one in found) < MEMORY, name


def test_what_hangs_dies_or_says_nothing_clear_is_told(faults, monkeypatch):
    def make(folder):
        (folder / "a").write_bytes(b"whole" * 40)
        return folder / "a"

    def told(read):
        seen = []  # whole files come first
        monkeypatch.setitem(
            faults.READERS, "bad", faults.Reader(make, lambda p: seen.append(p) or len(seen) > 5 and read(p))
        )
        (one,) = faults.outcomes("bad", 1)
        return one.what

    def spin(_):
        while True:
            pass

    monkeypatch.setattr(faults, "LONGEST", 0.2)
    assert told(spin) == "hangs"
    assert told(lambda _: faults.os._exit(3)) == "dies (3)"
    assert told(lambda _: {}["x"]) == "KeyError: 'x'"
    assert told(lambda path: path.joinpath("b").read_bytes()).startswith("refused")
    assert told(lambda _: int("x")).startswith("unclear: error: invalid literal")


def test_runs_that_are_killed_go_on_to_the_same_result(faults):
    assert faults.kills(3, ("render",)) == []  # the others, which take longer, are killed in their own tests


@pytest.mark.parametrize("name", ["segment", "notebooks"])
def test_a_command_whose_disk_fills_says_so_and_the_next_one_is_whole(faults, tmp_path, name):
    with small_disk(tmp_path / "disk"):  # or the test is skipped
        pass
    assert faults.disks((name,)) == []

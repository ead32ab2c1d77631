"""A run that is killed goes on with the same result; maps that do not fit into memory come back from files."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.command_line import ship_stubs
from tests.engine_runs import CONFIG, assert_equal_runs
from tests.stubs import PixelwiseNetwork, RandomDetector, RandomFlow, RandomIdentification, random_sequence
from vsreid_lite import journal, vsreid
from vsreid_lite.config import AUTHORS, PRINTED, ReidConfig
from vsreid_lite.engine import Engine
from vsreid_lite.geometry import Box, SparseMap
from vsreid_lite.journal import Journal, MapStore, State
from vsreid_lite.networks import Networks, Search

MATCHING = ReidConfig(-0.2, 1.01, 3)
RULES = replace(AUTHORS.release, only_absent=False, spare_others=False, exclusive=False, fill_gap=False)


class Killed(BaseException):
    """As SIGKILL, but for what runs in this process."""


class Mortal(PixelwiseNetwork):
    """Dies at the given call; calls of one process count."""

    def __init__(self, at):
        self.left = at

    def predict(self, *inputs):
        self.left -= 1
        if self.left == 0:
            raise Killed
        return super().predict(*inputs)


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """`segment` by stubs that stand for loaded networks; N_mp dies at the call `dies`, unless that is 0."""
    ship_stubs(monkeypatch, tmp_path / "weights")
    monkeypatch.setattr(journal, "EVERY", 0)
    monkeypatch.setattr(vsreid, "get_flow", lambda *_: RandomFlow(3))

    def run(sequence, config, resume=None, dies=0, detector=None):
        first = RandomDetector(5), RandomIdentification(5)
        more = (Search(RandomDetector(6), RandomIdentification(6)),)
        networks = Networks(Mortal(dies), detector or first[0], first[1], more)
        monkeypatch.setattr(vsreid, "load_networks", lambda _: networks)
        return vsreid.segment(sequence, config, resume=resume)

    return run


@pytest.mark.parametrize(("rules", "cache", "later"), [(PRINTED, None, False), (PRINTED, 0, True), (RULES, 0, True)])
def test_a_run_that_is_killed_goes_on_with_the_same_result(segment, tmp_path, rules, cache, later):
    config = replace(CONFIG, matching=MATCHING, release=rules, cache=cache)
    sequence = random_sequence(3, 7, 2, (16, 20), later)
    whole = segment(sequence, config)
    kills, result = 0, None
    while result is None:
        try:
            result = segment(sequence, config, tmp_path / "state", dies=2 + 5 * kills)
        except Killed:
            kills += 1
    assert kills > 2 and len(whole.rounds) > 2
    assert_equal_runs(result, whole)


class NeverAgain(RandomDetector):
    def __call__(self, frame):
        raise AssertionError("the candidates were found before")


def test_what_is_finished_is_not_done_again(segment, tmp_path):
    config, sequence = replace(CONFIG, matching=MATCHING), random_sequence(3, 8, 3, (16, 20))
    whole = segment(sequence, config, tmp_path / "state")
    assert_equal_runs(segment(sequence, config, tmp_path / "state", dies=1, detector=NeverAgain(0)), whole)


@pytest.mark.parametrize("other", ["settings", "weights", "frames or masks"])
@pytest.mark.filterwarnings("default")
def test_a_folder_of_another_run_is_cleared_with_one_line(segment, tmp_path, monkeypatch, other):
    config, sequence = replace(CONFIG, matching=MATCHING), random_sequence(3, 6, 2, (16, 20))
    segment(sequence, config, tmp_path / "state")
    (tmp_path / "state" / "photo.png").touch()
    if other == "settings":
        config = replace(config, seed=1)
    elif other == "weights":
        ship_stubs(monkeypatch, tmp_path / "weights", seen=("dog",))
    else:
        sequence = random_sequence(4, 6, 2, (16, 20))
    with pytest.warns(UserWarning, match=rf"state: was begun with other {other}; starting anew") as said:
        result = segment(sequence, config, tmp_path / "state")
    assert len(said) == 1 and (tmp_path / "state" / "photo.png").exists()  # what is no file of a run stays
    assert_equal_runs(result, segment(sequence, config))


def test_a_folder_goes_with_the_configurations_own_networks_alone(tmp_path):
    with pytest.raises(ValueError, match="expected no networks, flow, keep_maps or record"):
        vsreid.segment(random_sequence(1, 2, 1, (9, 9)), CONFIG, keep_maps=True, resume=tmp_path / "state")
    assert not list(tmp_path.iterdir())


def test_a_short_run_writes_nothing(segment, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "EVERY", 10.0)
    segment(random_sequence(3, 6, 2, (16, 20)), CONFIG, tmp_path / "state")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("max_bytes", [0, 100, 10**6])
def test_maps_come_back_from_files_as_they_were(max_bytes):
    rng, expected = np.random.default_rng(0), {}
    maps = MapStore(5, 2, (9, 12), torch.device("cpu"), max_bytes, Journal())
    for _ in range(60):
        place = int(rng.integers(5)), int(rng.integers(2))
        box = Box(1, 2, int(rng.integers(2, 9)), int(rng.integers(3, 9)))
        P = SparseMap((9, 12), box, torch.from_numpy(rng.random((box.height, box.width), np.float32)))
        maps[place] = expected[place] = P if rng.random() < 0.8 else SparseMap.empty((9, 12))
        i, k = int(rng.integers(5)), int(rng.integers(2))
        assert torch.equal(maps[i, k].dense(), expected.get((i, k), SparseMap.empty((9, 12))).dense())
    assert maps._bytes <= max(max_bytes, 4 * 8 * 6)


@pytest.mark.parametrize("whole", [False, True], ids=["cut off", "a state that cannot be"])
def test_a_damaged_file_ends_what_is_read(tmp_path, whole):
    folder = tmp_path / "state"
    state = State(np.zeros((3, 1), np.int64), np.zeros((3, 1, 4), np.int64))
    maps = MapStore(3, 1, (4, 4), torch.device("cpu"), 10**6, Journal(folder, {}))
    for i in range(3):
        maps._journal._written = -np.inf
        maps[i, 0] = SparseMap((4, 4), Box(0, 0, 2, 2), torch.full((2, 2), float(i)))
        maps.commit(replace(state, steps=-1 if i == 2 else i))
    if not whole:
        (folder / "maps-000002.safetensors").write_bytes(b"cut off")
    again = MapStore(3, 1, (4, 4), torch.device("cpu"), 10**6, Journal(folder, {}))
    assert again.restore().steps == 1
    assert [float(again[i, 0].dense().sum()) for i in range(3)] == [0, 4, 0]
    assert not (folder / "maps-000002.safetensors").exists(), "what lies behind the last state would be read again"


CHANGES = {
    "boxes beyond the frame": lambda boxes, similarity, template: boxes[..., 3].fill_(17),
    "empty boxes": lambda boxes, similarity, template: boxes[..., 2].fill_(0),
    "a template that is not there": lambda boxes, similarity, template: template.fill_(4),
}
NOTES = {"half a frame": "2.0", "no number": "true", "deep": "[" * 100_000}


@pytest.mark.parametrize("damage", [*CHANGES, "another type", *NOTES])
def test_damaged_candidates_are_made_again(tmp_path, damage):
    kept = Journal(tmp_path, {})
    networks = Networks(PixelwiseNetwork(), RandomDetector(5), RandomIdentification(5))
    run = Engine(random_sequence(3, 7, 2, (16, 20)), networks, CONFIG, RandomFlow(3), False, False, kept)
    found = next(run._searches())
    tensors = {name: torch.from_numpy(getattr(found, name)) for name in ("boxes", "similarity", "template")}
    kept.write("candidates-0", tensors, 7)
    assert run._known_candidates("candidates-0") is not None
    CHANGES.get(damage, lambda **_: None)(**tensors)
    if damage == "another type":
        tensors["template"] = tensors["template"].double()
    save_file(tensors, kept.path("candidates-0"), {"note": NOTES.get(damage, "7")})
    assert run._known_candidates("candidates-0") is None


def test_a_run_whose_folder_another_one_has_taken_over_ends_in_one_line(tmp_path):
    first = Journal(tmp_path / "state", {})
    first.write("maps-000000", {"x": torch.zeros(1)}, {})
    second = Journal(tmp_path / "state", {})
    second.write("maps-000001", {"x": torch.ones(1)}, {})
    with pytest.raises(ValueError, match="another run has begun here"):
        first.write("maps-000001", {"x": torch.zeros(1)}, {})


def test_a_map_that_somebody_holds_is_not_read_again():
    maps = MapStore(3, 1, (4, 4), torch.device("cpu"), 0, Journal())
    held = [SparseMap((4, 4), Box(0, 0, 2, 2), torch.full((2, 2), float(i))) for i in range(3)]
    for i in range(3):
        maps[i, 0] = held[i]
    assert all(maps[i, 0] is held[i] for i in range(3))


def test_a_state_that_cannot_be_written_ends_no_run(tmp_path):
    journal = Journal(tmp_path / "state", {})
    (tmp_path / "state").write_text("a file where the folder should be")
    maps = MapStore(1, 1, (4, 4), torch.device("cpu"), 10**6, journal)
    journal._written = -np.inf
    with pytest.warns(UserWarning, match="a killed run will not go on from here"):
        maps.commit(State(np.zeros((1, 1), np.int64), np.zeros((1, 1, 4), np.int64)))
    maps.commit(State(np.zeros((1, 1), np.int64), np.zeros((1, 1, 4), np.int64)))


KILLED = """
import os, signal, sys, time
from pathlib import Path
import cv2, pytest, torch
from tests.command_line import GuideAsAnswer, main, ship_stubs, write_video_folder
from vsreid_lite import journal

def slowly(self, image, flow, guide):
    time.sleep(0.05)
    return guide[:, 0]

def run(output, files=None):
    if (child := os.fork()) == 0:
        os._exit(main([*clip, "--output", str(root / output)]))
    while files and len(list((root / output / ".unfinished").glob("maps-*"))) < files:
        time.sleep(0.005)
    if files:
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

torch.set_num_threads(1), cv2.setNumThreads(1)  # threads do not survive a fork
root, journal.EVERY, GuideAsAnswer.predict = Path(sys.argv[1]), 0, slowly
ship_stubs(pytest.MonkeyPatch(), root / "weights")
clip = write_video_folder(root, 12)
print([run("out", 2), run("out", 6), run("out"), run("whole")])
"""


def test_a_command_that_is_killed_goes_on_and_leaves_nothing_but_its_masks(tmp_path):
    command, root = [sys.executable, "-c", KILLED, tmp_path], Path(__file__).parents[1]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=True)
    assert said.stdout.splitlines()[-1] == "[-9, -9, 0, 0]" and said.stderr.count("clip: going on after") == 2
    names = [f"{i:05d}.png" for i in range(12)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all((tmp_path / "out" / n).read_bytes() == (tmp_path / "whole" / n).read_bytes() for n in names)

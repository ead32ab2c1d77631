import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vsreid_lite.datasets import composite
from vsreid_lite.datasets.composite import (
    SCRIPTS,
    CompositeVideo,
    Footage,
    Script,
    Way,
    bounce,
    composite_scene,
    composite_videos,
    cut_out,
    read_footage,
    single_instance_sequences,
)
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.datasets.mini import SMALLEST
from vsreid_lite.video.video import Video

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def toy(name: str, shape: tuple[int, int] = (240, 427), N: int = 20, cut_from: int = 18) -> Footage:
    """A disk of one colour that walks over grey; from frame `cut_from` on the border cuts it."""
    frames, coverage = [], []
    for i in range(N):
        mask = np.zeros(shape, np.uint8)
        cv2.circle(mask, (shape[1] if i >= cut_from else 80 + 5 * i, 120), 40, 255, -1)
        frame = np.full((*shape, 3), 128, np.uint8)
        frame[mask > 0] = COLOURS[name]
        frames.append(frame)
        coverage.append(mask)
    return Footage(name, frames, coverage)


def toy_scene(script: str, seed: int = 0) -> CompositeVideo:
    rng = np.random.default_rng(seed)
    return composite_scene(rng, script, [toy("red"), toy("green")], toy("blue"), frames=40)


def areas(sequence: Video) -> np.ndarray:
    """(N, K) pixels."""
    return np.array([np.bincount(m.ravel(), minlength=sequence.K + 1)[1:] for m in sequence.annotations])


@pytest.fixture(scope="module")
def real(davis_root: Path) -> list[CompositeVideo]:
    return composite_videos(davis_root)


def test_the_whole_frames_are_those_that_no_border_cuts():
    assert toy("red").whole() == range(0, 18)
    assert toy("red", cut_from=0).whole() == range(0)
    with pytest.raises(ValueError, match="sequence red: expected frames that show its instance whole"):
        cut_out(toy("red", cut_from=0), 30)


def test_a_cut_out_has_the_size_that_is_asked_for_and_none_of_its_old_background():
    cut = cut_out(toy("red"), 30)
    image, labels = np.zeros((80, 90, 3), np.float32), np.zeros((80, 90), np.uint8)
    cut.draw(image, labels, 7, 4, np.array([45, 40, 1.0]))
    assert np.sqrt((labels == 7).sum()) == pytest.approx(30, abs=1)
    y, x = np.nonzero(labels)
    assert (x.mean(), y.mean()) == pytest.approx((45, 40), abs=1.5)
    assert np.abs(image[labels == 7] / image[labels == 7].max(1, keepdims=True) - (1, 0.15, 0.15)).max() < 0.02


def test_a_cut_out_is_drawn_mirrored_and_scaled_about_its_centre():
    half = toy("red")
    for coverage in half.coverage:
        coverage[120:, :] = 0
        coverage[:, : np.nonzero(coverage)[1].min() + 10] = 0
    cut = cut_out(half, 30)
    drawn = []
    for scale in (1.0, -1.0, 2.0):
        labels = np.zeros((121, 121), np.uint8)
        cut.draw(np.zeros((121, 121, 3), np.float32), labels, 1, 5, np.array([60, 60, scale]))
        drawn.append(labels)
    assert np.mean(drawn[1] == drawn[0][:, ::-1]) > 0.99
    assert drawn[2].sum() == pytest.approx(4 * drawn[0].sum(), rel=0.05)


def test_frames_are_played_forwards_and_backwards():
    assert [bounce(t, 4) for t in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert bounce(5, 1) == 0


@pytest.mark.parametrize("script", SCRIPTS)
def test_labels_are_exactly_the_pixels_that_show_the_instance(script: str):
    sequence = toy_scene(script)
    for frame, labels in zip(sequence.frames, sequence.annotations, strict=True):
        for label, name in enumerate(("red", "green"), start=1):
            core = cv2.erode((labels == label).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
            assert np.abs(frame[core].astype(int) - COLOURS[name]).max(initial=0) <= 2
            shows = np.abs(frame.astype(int) - COLOURS[name]).max(2) <= 2
            assert np.all(labels[shows] == label)


def test_scripts_do_what_their_names_say():
    assert (areas(toy_scene("hide")).min(0) <= 0.1 * areas(toy_scene("hide"))[0]).any()
    for script, leaving in {"exit": 1, "turns": 2, "swap": 2}.items():
        for seed in range(3):
            visible = areas(toy_scene(script, seed)) > 0
            gone_and_back = [k for k in (0, 1) if not visible[:, k].all() and visible[-1, k]]
            assert len(gone_and_back) == leaving
            starts = (visible[:-1] & ~visible[1:]).sum(0)
            assert starts.max() == 1, "it leaves once and never flashes through the frame"


def test_the_same_seed_gives_the_same_composite_and_another_one_another():
    first, again, other = toy_scene("cross"), toy_scene("cross"), toy_scene("cross", seed=1)
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.annotations, again.annotations)
    assert not np.array_equal(first.annotations, other.annotations)


@pytest.fixture
def toy_footage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two frames of each colour are all that there is to read, and a composite has four."""
    monkeypatch.setattr(composite, "read_footage", lambda root, name, year: toy(name, N=2))
    monkeypatch.setattr(composite, "SHORTEST", 2)
    monkeypatch.setattr(composite, "FRAMES", 4)


def test_every_split_and_every_seed_has_draws_of_its_own(toy_footage: None):
    draws = {
        (split, seed): composite_videos("", seed, split, list(COLOURS), count=1)[0].annotations
        for split, seed in [("train", 0), ("val", 0), ("test", 0), ("test", 1)]
    }
    for one, other in itertools.combinations(draws, 2):
        assert not np.array_equal(draws[one], draws[other]), (one, other)


def meeting(after: int) -> Script:
    """Two instances that stand apart; from draw number `after` on they meet, and role 1 is half hidden or more."""
    asked: list[int] = []

    def path(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
        asked.append(role)
        x = 0.25 - 0.5 * role
        return np.array([0.0, 1.0]), np.array([[x, 0, 1], [0 if len(asked) > 2 * after else x, 0, 1]])

    return Script(2, path, remains=0.5)


def of_given_footage() -> CompositeVideo:
    footage = [toy("red", N=2), toy("green", N=2)]
    return composite_scene(np.random.default_rng(0), "meet", footage, toy("blue", N=2), frames=4)


def of_a_folder() -> CompositeVideo:
    return composite_videos("", names=list(COLOURS), count=1)[0]


@pytest.mark.parametrize("make", [of_given_footage, of_a_folder])
@pytest.mark.parametrize("after", [0, 2, 3])
def test_a_composite_follows_its_script_and_is_drawn_again_until_it_does(
    monkeypatch: pytest.MonkeyPatch, toy_footage: None, after: int, make: Callable[[], CompositeVideo]
):
    monkeypatch.setattr(composite, "ATTEMPTS", 3)
    monkeypatch.setattr(composite, "SCRIPTS", {"meet": meeting(after)})
    if after < 3:
        found = areas(make())
        assert (found[-1] <= 0.5 * found[0]).any()
    else:
        with pytest.raises(ValueError, match="composite meet of .*red.*: 3 draws gave none that follows its script"):
            make()


def test_a_composite_lists_the_instances_sources_in_order_and_then_the_backgrounds():
    sequence = toy_scene("cross")
    assert sequence.name == "cross-red-green"
    assert sequence.sources == ("red", "green", "blue")


def test_real_composites_are_exact_benchmark_sequences(real: list[CompositeVideo]):
    assert [s.name.split("-")[0] for s in real] == list(SCRIPTS)
    assert [s.K for s in real] == [script.instances for script in SCRIPTS.values()]
    for sequence in real:
        assert sequence.N == 50
        assert sequence.shape[0] == 240
        assert sequence.labels == tuple(range(1, sequence.K + 1))
        assert max(int(m.max()) for m in sequence.annotations) == sequence.K
        assert areas(sequence)[0].min() >= SMALLEST
        assert len(set(sequence.sources)) == sequence.K + 1
        assert sequence.name == "-".join([sequence.name.split("-")[0], *sequence.sources[:-1]])


def test_real_instances_hide_leave_and_return(real: list[CompositeVideo]):
    by_script = {sequence.name.split("-")[0]: areas(sequence) for sequence in real}
    assert (by_script["hide"].min(0) <= 0.1 * by_script["hide"][0]).any()
    for script, leaving in {"exit": 1, "turns": 3, "swap": 2}.items():
        empty = by_script[script] == 0
        assert empty.any(0).sum() >= leaving
        assert not empty[-1].any()
    assert (by_script["cross"].min(0) <= 0.5 * by_script["cross"][0]).any()


def test_only_the_named_sequences_are_used(davis_root: Path):
    names = single_instance_sequences(davis_root)[:3]
    for sequence in composite_videos(davis_root, seed=3, split="train", names=names[::-1], count=2):
        assert set(sequence.sources) == set(names)


def test_footage_is_shrunk_and_covers_pixels_in_part(davis_root: Path):
    footage = read_footage(davis_root, single_instance_sequences(davis_root)[0], height=120)
    assert footage.shape[0] == 120
    values = np.unique(footage.coverage[0])
    assert values[0] == 0
    assert values[-1] == 255
    assert len(values) > 2


def test_impossible_wishes_are_refused(davis_root: Path):
    with pytest.raises(ValueError, match="expected one of train, val, test, found 'all'"):
        composite_videos(davis_root, split="all")
    names = single_instance_sequences(davis_root)[:2]
    with pytest.raises(ValueError, match="expected at least 3 single-instance sequences to recompose, found 2"):
        composite_videos(davis_root, names=names)


def test_in_davis_2017_sequences_of_several_instances_are_no_source(tmp_path: Path):
    one, two = toy_2017("one", (1,)), toy_2017("two", (1, 2))
    write_benchmark([one, two], tmp_path)
    assert single_instance_sequences(tmp_path, 2017) == ["one"]
    with pytest.raises(ValueError, match="sequence two: expected one instance to cut out, found 2"):
        read_footage(tmp_path, "two", 2017)


def toy_2017(name: str, labels: tuple[int, ...]) -> Video:
    mask = np.zeros((40, 60), np.uint8)
    for label in labels:
        mask[5:15, 20 * label : 20 * label + 10] = label
    return Video(name, [np.zeros((40, 60, 3), np.uint8)] * 2, mask, annotations=[mask, mask])

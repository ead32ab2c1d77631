"""A network that is trained with true masks as guides copies its guide; with deformed ones it looks at the image."""

import numpy as np
import pytest

from vsreid_lite.datasets.textures import fractal_noise
from vsreid_lite.sequence import Sequence
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.collapse import show_collapse
from vsreid_lite.visualization.training_plots import plot_collapse

FRAMES = 6


def crossing(seed, frames):
    """A bright disk that crosses grey noise by five pixels a frame: images and labels."""
    rng = np.random.default_rng(seed)
    grey = (fractal_noise(rng, (64, 96)) * 80 + 60).astype(np.uint8)
    radius, y, x, fall = rng.uniform(8, 12), rng.uniform(20, 44), rng.uniform(12, 20), rng.uniform(-0.8, 0.8)
    colour = rng.integers(0, 2, 3) * 60 + rng.integers(170, 195, 3)
    rows, columns = np.mgrid[:64, :96]
    disks = [(columns - x - 5 * i) ** 2 / 1.3 + (rows - y - fall * i) ** 2 < radius**2 for i in range(frames)]
    images = [np.where(disk[..., None], colour, grey[..., None]).astype(np.uint8) for disk in disks]
    return images, [disk.astype(np.uint8) for disk in disks]


def clip(seed):
    images, labels = crossing(seed, 4)
    return Clip(str(seed), tuple(images), tuple(labels), ((),) * 4, (np.zeros((2, 64, 96), np.float16),) * 4)


def sequence(seed):
    images, labels = crossing(seed, FRAMES + 1)
    return Sequence(str(seed), images, labels[0], annotations=labels)


@pytest.fixture(scope="module")
def collapse():
    videos = [sequence(seed) for seed in range(100, 104)]
    return show_collapse([clip(seed) for seed in range(8)], videos, steps=100, frames=FRAMES, patch=32, width=8)


def test_without_deformation_a_network_learns_to_copy_its_guide(collapse):
    assert collapse.true.guide.mean() > 0.85
    assert np.abs(collapse.true.truth - collapse.still).max() < 0.2  # as good as no network
    assert collapse.true.truth[-1] < 0.2


def test_with_deformed_guides_the_same_network_follows_what_it_sees(collapse):
    assert collapse.deformed.guide.mean() < collapse.true.guide.mean() - 0.1
    assert collapse.deformed.truth[3] > collapse.true.truth[3] + 0.3
    assert collapse.deformed.truth[-1] > collapse.true.truth[-1] + 0.2


def test_the_figure_says_what_became_of_both(collapse):
    figure = plot_collapse(collapse)
    assert f"{collapse.true.truth[-1]:.2f} for one trained with true masks" in figure.get_label()
    lines = figure.axes[0].get_lines()
    assert [line.get_linestyle() for line in lines] == ["-", "--", ":"]  # not by colour alone
    assert np.array_equal(lines[1].get_ydata(), collapse.true.truth)


def test_frames_without_annotation_are_named():
    with pytest.raises(ValueError, match="3: expected annotations of frames 0 to 9, found 7"):
        show_collapse([clip(0)], [sequence(3)], steps=1, frames=9, patch=32, width=8)

"""F: DIS against a known shift, the exact flow of a scene; both on the grid of the target."""

import cv2
import numpy as np
import pytest
import torch

from vsreid_lite.config import Config
from vsreid_lite.datasets.mini import CHALLENGES, mini_video
from vsreid_lite.evaluation.steps import WARPED, one_step_scores
from vsreid_lite.flow import DisFlow, get_flow


def shifted(shape, dx, dy, seed=0):
    """Two smooth frames; what is at (x, y) in the second was at (x + dx, y + dy) in the first."""
    height, width = shape
    noise = np.random.default_rng(seed).integers(0, 255, (height // 4 + 8, width // 4 + 8, 3), dtype=np.uint8)
    large = cv2.resize(noise, (width + 20, height + 20), interpolation=cv2.INTER_CUBIC)
    return [large[10:, 10:][:height, :width].copy(), large[10 + dy :, 10 + dx :][:height, :width].copy()]


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium", "tuned", "far"])
@pytest.mark.parametrize("shape", [(64, 96), (61, 83)])
def test_dis_finds_where_each_pixel_of_the_target_was_in_the_source(preset, shape):
    frames = shifted(shape, dx=2, dy=-1)
    flow = DisFlow(preset)(frames, target=1, source=0)
    assert flow.shape == (2, *shape) and flow.dtype == torch.float32
    assert flow[0].median() == pytest.approx(2, abs=0.1)
    assert flow[1].median() == pytest.approx(-1, abs=0.1)


def test_true_masks_are_carried_better_by_the_tuned_preset_and_best_with_the_search():
    """Every third frame of a sequence of mini-val; measured: gains of 0.17 and 0.11."""
    video = mini_video("val", list(CHALLENGES).index("small-and-fast"))
    medium, tuned, searched = (
        np.nanmean(one_step_scores(video, get_flow(name), {}, Config(device="cpu"), every=3)[WARPED])
        for name in ("dis-medium", "dis-tuned", "dis")
    )
    assert tuned > medium + 0.1 and searched > tuned + 0.05


@pytest.mark.parametrize(("shape", "finest"), [((192, 320), 0), ((480, 854), 1)])
def test_small_frames_get_flow_at_their_own_resolution(shape, finest):
    dis = DisFlow()
    dis(shifted(shape, 1, 0), 1, 0)
    assert dis._dis.getFinestScale() == finest


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (8, 8), (31, 33), (12, 300)])
def test_dis_takes_frames_smaller_than_its_patches(shape):
    flow = DisFlow()(shifted(shape, 1, 0), 1, 0)
    assert flow.shape == (2, *shape) and flow.isfinite().all()


def test_dis_gives_the_same_bits_again():
    frames = shifted((64, 96), 2, 1)
    dis = DisFlow()
    first = dis(frames, 1, 0)
    dis(frames, 0, 1)
    assert torch.equal(dis(frames, 1, 0), first) and torch.equal(DisFlow()(frames, 1, 0), first)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="'slow'.*medium"):
        DisFlow("slow")

"""Algorithm 1: what N_mp is shown, what becomes of its answer, scales and mirror images."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.stubs import SQUARE, CopyGuide, RandomFlow, blank_frames, random_sequence
from vsreid_lite.config import AUTHORS, LITE, PAPER, PropagationConfig, ReleaseRules
from vsreid_lite.geometry import Box, SparseMap, crop, crop_flow, to_image, warp
from vsreid_lite.propagation import (
    UPLOADED,
    FramesOnDevice,
    Region,
    guided_view,
    patch_sizes,
    predict_patches,
    propagate,
    propagate_mask,
    propagation_box,
)

CONFIG = PropagationConfig(patch=16)
FRAME = blank_frames(1)[0]
SHAPE = (20, 30)


def test_a_frame_is_uploaded_once_while_it_is_needed_and_not_at_all_on_a_cpu():
    frames = blank_frames(UPLOADED + 1)
    on_cpu, elsewhere = FramesOnDevice(frames, torch.device("cpu")), FramesOnDevice(frames, torch.device("meta"))
    assert on_cpu[3] is frames[3]
    first = elsewhere[0]
    assert elsewhere[0] is first and first.is_meta and first.shape == (*SHAPE, 3)
    for i in range(1, UPLOADED + 1):
        elsewhere[i]
    assert elsewhere[1] is elsewhere[1] and elsewhere[0] is not first


def square(box=SQUARE):
    P = torch.zeros(SHAPE)
    P[box.y0 : box.y1, box.x0 : box.x1] = 1
    return P


def trace(frame, flow, P, network, config=CONFIG, **rules):
    view = guided_view(frame, flow, SparseMap.from_dense(P), config, ReleaseRules(**rules))
    return propagate([view], network, config, ReleaseRules(**rules))[0]


class Spy:
    """Keeps what N_mp is shown; answers `probability` everywhere, or the guide."""

    def __init__(self, probability=None):
        self.shown, self.probability = [], probability

    def predict(self, image, flow, guide):
        self.shown.append((image, flow, guide))
        return guide[:, 0] if self.probability is None else torch.full_like(guide[:, 0], self.probability)


def test_the_network_sees_the_crops_of_image_flow_and_guided_map():
    frame = random_sequence(0, 1, 1, SHAPE).frames[0]
    flow, P, network = RandomFlow(1)([frame] * 2, 1, 0), square(), Spy()
    made = trace(frame, flow, P, network)
    guided = warp(P, flow)
    box = Box.from_probability(guided).enlarge(0.15, SHAPE)
    image, flow_patch, guide = network.shown[0]
    assert made.box == box and torch.equal(made.guided.dense(), guided)
    assert torch.equal(image[0], crop(to_image(frame), box, 16))
    assert torch.equal(flow_patch[0], crop_flow(flow, box, 16))
    assert torch.equal(guide[0], crop(guided[None], box, 16))


def test_the_answer_fills_the_enlarged_box_and_nothing_else():
    P = propagate_mask(FRAME, torch.zeros(2, *SHAPE), square(), Spy(0.75), CONFIG)
    box = SQUARE.enlarge(0.15, SHAPE)
    assert box != SQUARE and torch.allclose(P, square(box) * 0.75)


@pytest.mark.parametrize("use_box", [True, False])
def test_an_empty_map_stays_empty_without_a_network(use_box):
    network = Spy()
    config = PropagationConfig(patch=16, use_box=use_box)
    made = trace(FRAME, torch.zeros(2, *SHAPE), square() * 0.5, network, config)
    assert made.P.box is None and made.box is None and made.patch is None and not network.shown


def test_the_baseline_sees_the_whole_frame():
    assert propagation_box(SQUARE, SHAPE, PropagationConfig(use_box=False)) == Box.full(SHAPE)
    assert propagation_box(SQUARE, SHAPE, PropagationConfig(enlarge=0.25)) == Box(2, 2, 14, 14)
    assert propagation_box(None, SHAPE, PropagationConfig(use_box=False)) is None


@pytest.mark.parametrize(("truncated_box", "box"), [(False, Box(2, 2, 16, 19)), (True, Box(2, 2, 15, 18))])
def test_row_2_the_margin_is_rounded_or_the_corners_are_truncated(truncated_box, box):
    found = Box(4, 4, 14, 17)  # margins of 1.5 and 1.95
    made = trace(FRAME, torch.zeros(2, *SHAPE), square(found), CopyGuide(), truncated_box=truncated_box)
    assert made.box == made.P.box == box and made.P.values.shape == (box.height, box.width)


@pytest.mark.parametrize("config", [LITE, PAPER, AUTHORS], ids=lambda config: config.preset)
def test_row_2_the_box_grows_by_0_15_of_its_width_and_height_on_each_side(config):
    """The release's margin; the paper says "slightly" (docs/fidelity.md)."""
    assert propagation_box(Box(100, 100, 200, 300), (500, 500), config.propagation) == Box(85, 70, 215, 330)


def test_probabilities_stay_within_0_and_1():
    P = propagate_mask(FRAME, torch.zeros(2, *SHAPE), square(), Spy(1.0), PropagationConfig(patch=13))
    assert P.max() == 1 and P.min() == 0


def test_scales_are_rounded_to_multiples_of_8_and_scale_1_is_the_patch():
    config = PropagationConfig(patch=449, scales=(0.001, 0.01, 0.75, 1.0, 1.25))
    assert patch_sizes(config) == [8, 8, 336, 449, 560]


def region():
    generator = torch.Generator().manual_seed(0)
    return Region(*(torch.rand(c, 10, 12, generator=generator) for c in (3, 2, 1)))


def test_several_scales_are_averaged_as_probabilities():
    class ByScale:
        def predict(self, image, flow, guide):
            return torch.full_like(guide[:, 0], image.shape[-1] / 100)

    config = PropagationConfig(patch=16, scales=(0.5, 1.0, 2.0))
    patch = predict_patches([region()], ByScale(), config)
    assert patch.shape == (1, 16, 16) and torch.allclose(patch, torch.tensor((8 + 16 + 32) / 300))


def test_an_answer_in_bfloat16_is_averaged_in_float32():
    class Answers:
        def __init__(self, then):
            self.then = then

        def predict(self, image, flow, guide):
            return self.then(guide[:, 0].bfloat16())

    config = PropagationConfig(patch=16, scales=(0.5, 1.0))
    halves, floats = (predict_patches([region()], Answers(then), config) for then in (Tensor.bfloat16, Tensor.float))
    assert torch.equal(halves, floats) and halves.dtype == torch.float32


def test_a_mirror_image_has_left_and_right_exchanged_and_dx_negated():
    network = Spy()
    predict_patches([region()], network, PropagationConfig(patch=16, flip=True))
    (image, flow, guide), (image2, flow2, guide2) = network.shown
    assert torch.equal(image2, image.flip(-1)) and torch.equal(guide2, guide.flip(-1))
    assert torch.equal(flow2[:, 0], -flow[:, 0].flip(-1)) and torch.equal(flow2[:, 1], flow[:, 1].flip(-1))


@pytest.mark.parametrize(("unscaled_flow", "scale"), [(False, (16 / 12, 16 / 10)), (True, (1.0, 1.0))])
def test_row_6_displacements_are_in_pixels_of_the_patch_or_of_the_frame(unscaled_flow, scale):
    network, flow = Spy(), torch.ones(2, 10, 12)
    predict_patches([replace(region(), flow=flow)], network, CONFIG, ReleaseRules(unscaled_flow=unscaled_flow))
    shown = network.shown[0][1][0]
    assert torch.allclose(shown, torch.tensor(scale)[:, None, None].expand(2, 16, 16))


def test_a_network_that_does_not_tell_left_from_right_does_not_notice_the_flip():
    plain = predict_patches([region()], CopyGuide(), CONFIG)
    assert torch.equal(predict_patches([region()], CopyGuide(), PropagationConfig(patch=16, flip=True)), plain)


def test_the_batch_does_not_change_the_bits_of_a_region():
    config = PropagationConfig(patch=13, scales=(0.75, 1.0, 1.5), flip=True)
    one = predict_patches([region()], Spy(), config)[0]
    other = Region(*(x * 0.5 for x in (region().image, region().flow, region().guide)))
    for batch in ([region(), other], [other, other, region()]):
        place = 0 if len(batch) == 2 else 2
        assert torch.equal(predict_patches(batch, Spy(), config)[place], one)

"""Online adaptation learns the first frame and leaves the network it started from alone."""

import copy
import io
import re
import signal
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from vsreid_lite import journal
from vsreid_lite.config import AdaptationConfig, Config, PropagationConfig, ReidConfig
from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.journal import Journal
from vsreid_lite.networks.mask_propagation import TwoStreams, lite_streams
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.training import adaptation
from vsreid_lite.training.adaptation import adapt, no_larger_than_needed
from vsreid_lite.training.clips import mask_box
from vsreid_lite.training.propagation_samples import PropagationBatches
from vsreid_lite.training.recomposition import recompose
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import prepare

SHORT = AdaptationConfig(steps=25, batch=4, recompositions=8)
SMALL = PropagationConfig(64)  # whatever is learnt, the size of the patch does not matter


@pytest.fixture(scope="module")
def sequence():
    return mini_video("val", 0)


@pytest.fixture(scope="module")
def one(sequence):
    """The sequence with a single instance, which is quicker to learn."""
    return replace(sequence, labels=(1,), annotations=None)


def first_frame_overlap(network, sequence, k=0):
    """J of one step on the first frame itself, guided by half of the mask."""
    P = sequence.first_probabilities()[k]
    columns = torch.nonzero(P.any(0))[:, 0]
    guide = P.clone()
    guide[:, int(columns.float().mean()) :] = 0
    still = torch.zeros(2, *sequence.shape)
    with torch.inference_mode():
        made = propagate_mask(sequence.frames[0], still, guide, network, PropagationConfig(enlarge=1.0)) > 0.5
    return float((made & (P > 0)).sum() / (made | (P > 0)).sum())


def test_adaptation_learns_the_first_frame_and_changes_only_its_copy(sequence):
    torch.manual_seed(0)
    network = lite_streams().eval()
    before = copy.deepcopy(network.state_dict())
    (adapted, *_), _ = adapt(network, sequence, SHORT, SMALL)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert first_frame_overlap(adapted, sequence) > first_frame_overlap(network, sequence) + 0.1


def test_each_instance_has_a_network_of_its_own_and_the_instances_take_turns(sequence, monkeypatch):
    drawn, draw = [], PropagationBatches.__getitem__
    monkeypatch.setattr(
        PropagationBatches,
        "__getitem__",
        lambda batches, step: drawn.append((batches.label, step)) or draw(batches, step),
    )
    quick, pair = replace(SHORT, steps=2, batch=1, recompositions=2), replace(sequence, labels=(1, 2), annotations=None)
    networks, _ = adapt(lite_streams(), pair, quick, SMALL)
    assert drawn == [(1, 0), (2, 0), (1, 1), (2, 1)]
    heads = [network.rgb.head.weight for network in networks]
    assert len(heads) == 2 and not torch.equal(*heads)


def test_a_share_of_the_weights_before_is_kept_in_the_mean_with_the_learnt_ones(one):
    network, quick = lite_streams().eval(), replace(SHORT, steps=2, batch=1, recompositions=2)
    all_of, half, none = (
        dict(adapt(network, one, replace(quick, kept=share), SMALL)[0][0].named_parameters())
        for share in (1.0, 0.5, None)
    )
    before = dict(network.named_parameters())
    assert all(torch.equal(all_of[name], before[name]) for name in before)
    assert not all(torch.equal(none[name], before[name]) for name in before)
    assert all(torch.allclose(half[name], (none[name] + before[name]) / 2, atol=1e-7) for name in before)


def test_what_is_prepared_for_a_sequence_is_folded_when_it_has_learnt(sequence):
    config = Config(device="cpu", reid=False, adapt=True, adaptation=replace(SHORT, steps=1, batch=1))
    network = prepare(sequence, config)[0].propagation_of(1)
    left = {name for name, layer in network.named_modules() if isinstance(layer, torch.nn.BatchNorm2d)}
    assert left == {"rgb.backbone.norm", "flow.backbone.norm"}


class Killed(BaseException):
    """As SIGKILL, but for what runs in this process."""


@pytest.mark.parametrize(("labels", "steps", "dies"), [((1,), 5, 3), ((1, 2), 2, 3)])
def test_an_adaptation_that_is_killed_goes_on_bit_for_bit(sequence, tmp_path, monkeypatch, labels, steps, dies):
    """Of two instances, the first has had two turns when the process dies in the second one's second."""
    monkeypatch.setattr(journal, "EVERY", 0)
    video = replace(sequence, labels=labels, annotations=None)
    quick, draw, drawn = replace(SHORT, steps=steps, batch=1, recompositions=2), PropagationBatches.__getitem__, []
    network = lite_streams().eval()

    def run(folder, dies=None):
        drawn.clear()

        def counted(batches, step):
            drawn.append((batches.label, step))
            if len(drawn) - 1 == dies:
                raise Killed
            return draw(batches, step)

        monkeypatch.setattr(PropagationBatches, "__getitem__", counted)
        return adapt(network, video, quick, PropagationConfig(64), journal=folder and Journal(folder))[0]

    whole = run(None)
    turns = [*drawn]
    with pytest.raises(Killed):
        run(tmp_path, dies)
    again = run(tmp_path)
    assert drawn == turns[dies:]
    for expected, found in zip(whole, again, strict=True):
        assert all(map(torch.equal, expected.state_dict().values(), found.state_dict().values()))
    Journal(tmp_path).write("adapted", {"state": torch.zeros(9, dtype=torch.uint8)}, 3)
    with pytest.raises(ValueError, match=f"damaged state of a run that was killed; delete {tmp_path} to start anew"):
        run(tmp_path)


def test_a_state_with_a_very_long_name_is_refused_before_torch_loads_it(tmp_path, monkeypatch):
    """Of such names torch's error takes minutes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02c" + b"x" * 400 + b"\ntorch\n.")
    state = torch.frombuffer(bytearray(content.getvalue()), dtype=torch.uint8)
    Journal(tmp_path).write("adapted", {"state": state}, 3)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch was asked to load it"))
    with pytest.raises(ValueError, match="damaged state of a run that was killed"):
        adaptation._resume([], Journal(tmp_path))


@pytest.mark.parametrize(("given", "own", "expected"), [(None, 0.25, 0.25), (0.4, 0.25, 0.4), (None, None, None)])
def test_beside_adapted_networks_a_retrieval_must_improve_on_the_map_and_spare_others(given, own, expected, sequence):
    quick = replace(SHORT, steps=1, batch=1, recompositions=2, improvement=own)
    config = Config(device="cpu", reid=False, adapt=True, adaptation=quick, matching=ReidConfig(improvement=given))
    found, without = prepare(sequence, config)[1], prepare(sequence, replace(config, adapt=False))[1]
    assert (found.matching.improvement, found.release.spare_others) == (expected, True)
    assert (without.matching.improvement, without.release.spare_others) == (given, False)
    config = replace(config, adaptation=replace(quick, spare_others=False))
    assert not prepare(sequence, config)[1].release.spare_others


class Slow(torch.nn.Module):
    """A stream that gets a signal, or several, in its second step."""

    def __init__(self, stream, signals):
        super().__init__()
        self.stream, self.signals, self.asked = stream, signals, 0

    def forward(self, *inputs):
        self.asked += 1
        for _ in range(self.signals if self.asked == 2 else 0):
            signal.raise_signal(signal.SIGINT)
        return self.stream(*inputs)


@pytest.fixture
def terminal():
    """Ctrl-C as in a terminal, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(one, signals, progress=True):
    """A network adapted for twelve steps at most, with Ctrl-C in the second."""
    streams = lite_streams()
    network, quick = TwoStreams(Slow(streams.rgb, signals), streams.flow), replace(SHORT, steps=12, batch=1)
    return adapt(network, one, quick, SMALL, progress=progress)


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_ends_the_adaptation_and_keeps_what_it_has_learnt(one):
    with pytest.warns(UserWarning, match="adaptation stopped after 2 of 12 steps; going on with these"):
        (adapted,), stopped = interrupted(one, 1)
    assert adapted.rgb.asked == 2 and stopped
    with pytest.raises(KeyboardInterrupt):  # as ever again
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("signals", "progress"), [(2, True), (1, False)])
def test_a_second_ctrl_c_and_one_where_nobody_watches_end_the_run(one, signals, progress):
    with pytest.raises(KeyboardInterrupt):
        interrupted(one, signals, progress)


def test_the_expected_time_is_said_once_after_the_first_steps(capsys, one):
    quick = replace(SHORT, steps=6, batch=1, recompositions=2)
    adapt(lite_streams(), one, quick, SMALL)
    assert capsys.readouterr().err == ""
    adapt(lite_streams(), one, quick, SMALL, progress=True)
    said = re.findall(
        r"adapting to \S+: 6 steps, about (\d+) s; Ctrl-C goes on with the steps done by then", capsys.readouterr().err
    )
    assert len(said) == 1


class Counted(torch.nn.Module):
    """A stream that knows how often it was asked, and in which precision it answered last."""

    def __init__(self, stream):
        super().__init__()
        self.stream, self.asked = stream, 0

    def forward(self, *inputs):
        self.asked += 1
        return self.stream(*inputs)


def test_both_streams_learn_in_every_third_step_and_the_image_stream_alone_in_the_others(one):
    streams = lite_streams()
    network = TwoStreams(Counted(streams.rgb), Counted(streams.flow))
    (adapted,), stopped = adapt(network, one, replace(SHORT, steps=6, batch=1, recompositions=2), SMALL)
    assert not stopped and (adapted.rgb.asked, adapted.flow.asked) == (6, 2)
    for before, after in ((network.rgb, adapted.rgb), (network.flow, adapted.flow)):
        assert not torch.equal(before.stream.head.weight, after.stream.head.weight)


@pytest.mark.parametrize(("radius", "expected"), [(40, (480, 854)), (200, (236, 419))])
def test_a_first_frame_is_reduced_as_far_as_the_patches_allow(radius, expected):
    labels = cv2.circle(np.zeros((480, 854), np.uint8), (427, 240), radius, 3, -1)
    frame = np.repeat(labels[..., None] * 80, 3, 2)
    smaller, reduced = no_larger_than_needed(frame, labels, PropagationConfig())
    assert smaller.shape[:2] == reduced.shape == pytest.approx(expected, abs=2)
    box = mask_box(reduced == 3)
    assert 1.3 * min(box.width, box.height) >= min(1.3 * 2 * radius, 1.2 * PropagationConfig().side)
    shown = smaller[..., 0] / 240
    y, x = np.mgrid[: shown.shape[0], : shown.shape[1]]
    for axis in (y, x):  # image and labels lie on each other
        assert (axis * shown).sum() / shown.sum() == pytest.approx(axis[reduced == 3].mean(), abs=0.1)
    assert no_larger_than_needed(frame, labels, PropagationConfig(use_box=False))[1] is labels


def test_an_instance_that_would_vanish_keeps_the_first_frame_as_it_is():
    labels = np.zeros((480, 854), np.uint8)
    labels[40:440:20, [100, 500]] = 1  # forty single pixels
    frame = np.zeros((480, 854, 3), np.uint8)
    assert no_larger_than_needed(frame, labels, PropagationConfig())[1] is labels


@pytest.mark.parametrize(("patch", "expected"), [(None, (236, 419, 3)), (64, (118, 210, 3))])
def test_adaptation_works_on_the_reduced_frame(monkeypatch, patch, expected):
    seen = []
    monkeypatch.setattr(adaptation, "recompose", lambda *given: seen.append(given[0].shape) or recompose(*given))
    labels = cv2.circle(np.zeros((480, 854), np.uint8), (427, 240), 200, 1, -1)
    video = Video("large", [np.repeat(labels[..., None] * 200, 3, 2)] * 3, labels)
    adapt(lite_streams(), video, replace(SHORT, steps=1, patch=patch, recompositions=2), PropagationConfig())
    assert seen == [expected]


def test_adaptation_learns_all_given_masks_in_the_same_number_of_recompositions(monkeypatch, sequence):
    seen = []
    monkeypatch.setattr(adaptation, "recompose", lambda *given: seen.append(given) or recompose(*given))
    later = np.where(sequence.annotations[5] == 1, 1, 0).astype(np.uint8)
    video = replace(sequence, first_mask=later * 0, later_masks={5: later, 3: later}, labels=(1,), annotations=None)
    adapt(lite_streams(), video, replace(SHORT, steps=1, batch=1), PropagationConfig())
    assert [(labels.max(), count, seed) for _, labels, count, seed in seen] == [(1, 2, 3), (1, 2, 5)]
    assert all(np.array_equal(frame, video.frames[seed]) for frame, *_, seed in seen)


def test_a_speck_is_too_small_to_learn_and_says_so(sequence):
    mask = np.zeros(sequence.shape, np.uint8)
    mask[50:54, 60:64] = 1
    network = lite_streams()
    with pytest.warns(UserWarning, match="instance 1: 16 pixels are too small"):
        (adapted,), stopped = adapt(network, replace(sequence, first_mask=mask, labels=(1,)), SHORT, SMALL)
    assert all(torch.equal(a, b) for a, b in zip(adapted.parameters(), network.parameters(), strict=True))


def test_a_loss_that_is_not_finite_stops_with_its_step(sequence):
    network = lite_streams()
    network.rgb.head.bias.data.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match=r"adapting to .*: the gradient is nan at step 0"):
        adapt(network, sequence, SHORT, SMALL)

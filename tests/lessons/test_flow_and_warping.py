"""Notebook 02: exact flow is without error, hidden pixels do not count, untrained networks are marked."""

import numpy as np
import pytest
import torch

from tests.datasets.test_scenes import STILL, disk, hand_made, steady
from tests.plots.figure_checks import assert_fit_to_be_shown
from tests.stubs import blank_frames, square_mask
from vsreid_lite.datasets.mini import mini_scene
from vsreid_lite.flow import ExactFlow
from vsreid_lite.lessons import flow_and_warping
from vsreid_lite.lessons.flow_and_warping import (
    Contender,
    FlowPair,
    compare_flows,
    contenders,
    end_point_error,
    flow_pair,
    flow_table,
    mean_errors,
    plot_flows,
    without_weights,
)


class Missing:
    """A network without weights, which runs on random ones if asked."""

    def __init__(self, *args, untrained=False, **options):
        if not untrained:
            raise FileNotFoundError("weights.pth: put it there")

    def __call__(self, frames, target, source):
        return torch.full((2, *frames[target].shape[:2]), 3.0)


@pytest.fixture
def no_weights(monkeypatch):
    for name in ("RaftFlow", "FlowNet2Flow"):
        monkeypatch.setattr(flow_and_warping, name, Missing)


@pytest.fixture(scope="module")
def pair():
    return flow_pair(mini_scene("val", 2), 20, 19, "crowd")


def constant(dx, dy, shape=(4, 6)):
    return torch.stack([torch.full(shape, float(dx)), torch.full(shape, float(dy))])


def small_pair(seen=None, labels=None):
    frame = np.zeros((4, 6, 3), np.uint8)
    seen = np.ones((4, 6), bool) if seen is None else seen
    return FlowPair("", (frame, frame), constant(1, 2), seen, np.zeros((4, 6), np.uint8) if labels is None else labels)


def test_only_pixels_that_both_frames_show_count_and_instances_apart():
    seen, labels = np.ones((4, 6), bool), np.zeros((4, 6), np.uint8)
    seen[0], labels[:2] = False, 2
    flow = constant(1, 2)
    flow[0, 0], flow[0, 1] = 1000, 1 + 9  # hidden, then in an instance
    everywhere, instances = mean_errors([flow], [small_pair(seen, labels)])
    assert everywhere == pytest.approx(9 * 6 / 18) and instances == pytest.approx(9)
    assert mean_errors([flow], [small_pair()])[1] is None


def test_what_the_source_hides_or_leaves_out_is_not_seen():
    scene = hand_made((disk(1, 1.0, steady((-20, 0, 1, 0), (10, 0, 0, 0))),), STILL)
    made = flow_pair(scene, target=2, source=1)
    before, now = scene.render(1).labels == 1, scene.render(2).labels == 1
    assert np.array_equal(made.seen, ~before | now) and before.any()
    assert np.array_equal(made.labels == 1, now)
    panned = flow_pair(hand_made((), steady((0, 0, 1, 0), (3, 0, 0, 0))), target=2, source=1)
    x = np.arange(64) + np.round(panned.exact[0, 0].numpy())
    assert np.array_equal(panned.seen, np.broadcast_to((x >= 0) & (x <= 63), (48, 64)))
    assert not panned.seen.all()


def test_exact_flow_has_no_error_and_dis_less_than_no_motion_in_instances(pair, no_weights):
    scores = {score.name: score for score in compare_flows([pair], contenders()).scores}
    assert scores["exact"].error == scores["exact"].instance_error == 0
    assert 0 < scores["DIS"].instance_error < 0.5 * scores["no motion"].instance_error
    assert 0 < scores["DIS"].error < 1.2 * scores["no motion"].error  # on plain ground it is rough
    still = end_point_error(torch.zeros_like(pair.exact), pair.exact).numpy()
    assert scores["no motion"].error == pytest.approx(still[pair.seen].mean(), rel=1e-5)
    assert scores["DIS"].seconds > 0 and not scores["DIS"].untrained


def test_exact_flow_no_flow_and_dis_load_no_network(pair, monkeypatch):
    monkeypatch.setattr(flow_and_warping, "_network", None)
    assert [rival.name for rival in without_weights()] == ["exact", "no motion", "DIS"]
    assert compare_flows([pair], without_weights()).scores[0].error == 0


def test_networks_without_weights_are_not_measured_and_say_which_file_is_missing(pair, no_weights):
    comparison = compare_flows([pair], contenders())
    rows = {score.name: score for score in comparison.scores}
    for name in ("RAFT", "RAFT small", "FlowNet2"):
        assert rows[name].error is rows[name].seconds is None
        assert rows[name].missing == "weights.pth: put it there"
    table = flow_table(comparison)
    assert table.count("not measured: weights.pth: put it there") == 3 and "untrained" not in table
    with pytest.raises(ValueError, match=r"FlowNet2: no flow without weights: weights\.pth"):
        contenders()[-1].estimate(pair)


@pytest.mark.parametrize("untrained", [False, True])
@pytest.mark.parametrize("error", [ValueError("weights.pth: damaged"), OSError("cannot write into the folder hub")])
def test_damaged_weights_and_a_folder_that_cannot_be_written_leave_the_others_measured(
    pair, no_weights, monkeypatch, error, untrained
):
    class Refused(Missing):
        def __init__(self, *args, untrained=False, **options):
            if not untrained:
                raise error

    monkeypatch.setattr(flow_and_warping, "RaftFlow", Refused)
    comparison = compare_flows([pair], contenders(untrained=untrained))
    rows = {score.name: score for score in comparison.scores}
    assert rows["DIS"].error is not None and len(rows) == 6
    if untrained and not isinstance(error, ValueError):
        assert rows["RAFT, untrained"].untrained
    else:
        assert rows["RAFT"].missing == str(error) and rows["RAFT"].seconds is None
        assert f"RAFT: not measured: {error}" in flow_table(comparison)


def test_random_weights_run_only_if_asked_and_are_marked_in_every_row(pair, no_weights):
    comparison = compare_flows([pair], contenders(untrained=True))
    rows = [score for score in comparison.scores if score.untrained]
    assert [score.name for score in rows] == ["RAFT, untrained", "RAFT small, untrained", "FlowNet2, untrained"]
    table = flow_table(comparison)
    assert all(f"({score.error:.2f})" in table for score in rows)
    assert "untrained: random weights, whose errors (in brackets) say nothing" in table


def test_the_table_says_how_many_pairs_and_pixels_it_is_about(pair):
    table = flow_table(compare_flows([pair, pair], [Contender("exact", ExactFlow)]))
    assert f"2 pairs of frames; means over the {pair.seen.mean():.1%} of pixels" in table
    without_instances = flow_table(compare_flows([small_pair()], [Contender("exact", ExactFlow)]))
    assert without_instances.splitlines()[1].split()[:3] == ["exact", "0.00", "-"]
    with pytest.raises(ValueError, match="expected at least one pair"):
        compare_flows([], [Contender("exact", ExactFlow)])


# ---- pictures


FLOWS = {"DIS": torch.ones(2, 20, 30), "RAFT, untrained": torch.full((2, 20, 30), 4.0)}


@pytest.fixture
def drawn():
    seen = np.ones((20, 30), bool)
    seen[:, :5] = False
    frames = blank_frames(2)
    return FlowPair("two frames", (frames[0], frames[1]), torch.ones(2, 20, 30), seen, square_mask())


def test_the_figure_is_fit_to_be_shown_and_says_its_errors(drawn):
    assert_fit_to_be_shown(lambda: plot_flows(drawn, FLOWS))
    said = plot_flows(drawn, FLOWS).get_label()
    assert "two frames" in said and "RAFT, untrained: 4.24 px" in said


def test_all_flows_are_drawn_in_the_scale_of_the_exact_one(drawn):
    _, exact, same, longer = plot_flows(drawn, {"same": drawn.exact, "longer": 4 * drawn.exact}).axes[:4]
    images = [np.asarray(axes.images[0].get_array()) for axes in (exact, same, longer)]
    assert np.array_equal(images[0], images[1]) and np.array_equal(images[0], images[2])  # saturated, not rescaled
    short = plot_flows(drawn, {"short": 0.25 * drawn.exact}).axes[2]
    assert np.asarray(short.images[0].get_array()).min() > images[0].min()

"""The five explorers: every control at the ends of its range, and what moves what."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
from ipywidgets import ToggleButtons

from tests.engine_runs import CONFIG, FAR, listed
from tests.stubs import SQUARE, RandomFlow, ZeroFlow, square_mask
from tests.widgets.widget_moves import buttons, ends, inside, is_error
from vsreid_lite.config import PropagationConfig, ReidConfig
from vsreid_lite.evaluation.matches import find_matches, judge
from vsreid_lite.evaluation.metrics import frame_gains, score_frames
from vsreid_lite.flow import ExactFlow
from vsreid_lite.geometry import Box, SparseMap
from vsreid_lite.networks.mask_propagation import Stream, TwoStreams
from vsreid_lite.plots.match_plots import OUTCOMES
from vsreid_lite.reidentification import Outcome
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment
from vsreid_lite.widgets import (
    ablation_browser,
    checkpoint_explorer,
    patches,
    reid_matches,
    warped_maps,
)
from vsreid_lite.widgets.shell import as_image

BOXES = (SQUARE, FAR)
N = 5


def two_instances(name="two", annotated=True, N=N):
    """Two instances at rest, and the networks that find the first again in frame 3, where its map was lost."""
    sequence, networks = listed(N, {(3, 0): 0.9}, {3: [SQUARE]}, BOXES)
    truth = [square_mask(boxes=BOXES)] * N if annotated else None
    return Video(name, sequence.frames, sequence.first_mask, annotations=truth), networks


SEQUENCE, NETWORKS = two_instances()
GONE = [square_mask(boxes=BOXES)] * 2 + [square_mask(boxes=(FAR,), labels=(2,))] * (N - 2)
MAPS = [[SparseMap.from_dense(torch.from_numpy((m == k).astype(np.float32))) for k in (1, 2)] for m in GONE]


class Shift:
    """A scene that knows its motion."""

    def flow(self, target, source):
        return np.full((2, 20, 30), 2.0, np.float32)


def streams(flow=True):
    torch.manual_seed(0)
    return TwoStreams(Stream(width=4), Stream(2, width=4) if flow else None).eval()


def a_result():
    """Of a candidate where the first instance is not: it goes there."""
    _, networks = listed(N, {(3, 0): 0.9}, {3: [Box(0, 12, 8, 20)]}, BOXES)
    return segment(SEQUENCE, CONFIG, networks, ZeroFlow(), keep_maps=True)


def make_maps():
    return warped_maps(SEQUENCE, MAPS, {"random": RandomFlow(0), "exact": ExactFlow(Shift())})


def make_patches():
    return patches(SEQUENCE, MAPS, streams(), RandomFlow(0), PropagationConfig(patch=16))


def make_matches():
    return reid_matches(find_matches(SEQUENCE, NETWORKS, MAPS, ReidConfig()), (0.7, 0.5))


def make_rounds():
    return checkpoint_explorer(SEQUENCE, a_result())


def make_rows():
    other, _ = two_instances("other", N=7)
    masks = {"two": {"+ box": GONE, "+ re-id": SEQUENCE.annotations}}
    masks["other"] = {row: [*found, *found[-2:]] for row, found in masks["two"].items()}
    return ablation_browser([SEQUENCE, other], masks)


EXPLORERS = {
    "maps": make_maps,
    "patches": make_patches,
    "matches": make_matches,
    "rounds": make_rounds,
    "rows": make_rows,
}


@pytest.mark.parametrize("make", EXPLORERS.values(), ids=EXPLORERS)
def test_every_control_works_at_the_ends_of_its_range_and_words_change_with_the_picture(make):
    box = make()
    seen = {}
    for control in box.controls.values():
        for place in ends(control):
            control.value = place
            assert not is_error(box) and "data:image/png" in box.picture.value
            seen.setdefault(box.text.value, box.picture.value)
    values = {name: control.value for name, control in box.controls.items()}
    assert box.picture.value == as_image(box.draw(**values)), "axes that served all of them leave no trace"
    assert len(seen) > 3 and len(set(seen.values())) == len(seen)
    for button in buttons(box).values():
        button.click()
        assert not is_error(box)
    for widget in inside(box):
        if hasattr(widget, "tooltip") and hasattr(widget, "description") and widget._model_name != "HTMLModel":
            assert widget.description and widget.tooltip


def test_an_explorer_opens_on_the_frame_and_the_instance_that_the_text_above_it_shows():
    found = find_matches(SEQUENCE, NETWORKS, MAPS, ReidConfig())
    opened = [
        warped_maps(SEQUENCE, MAPS, {"none": ZeroFlow()}, frame=2, instance=1),
        patches(SEQUENCE, MAPS, streams(), ZeroFlow(), PropagationConfig(patch=16), frame=2, instance=1),
        reid_matches(found, (0.7, 0.5), frame=2, instance=1),
    ]
    assert [(box.controls["frame"].value, box.controls["instance"].value) for box in opened] == [(2, 1)] * 3
    assert all("nstance 2" in box.text.value for box in opened)


def test_warped_maps_offer_the_flows_they_are_given_or_two_of_dis():
    assert list(make_maps().controls["flow"].options) == ["random", "exact"]
    assert list(warped_maps(SEQUENCE, MAPS).controls["flow"].options) == ["dis", "dis-tuned"]
    assert "2.8 px" in _set(make_maps(), flow="exact").text.value  # the exact flow is 2, 2
    sequence, _ = two_instances(annotated=False)
    assert "no true mask" in warped_maps(sequence, MAPS, {"none": ZeroFlow()}).text.value


def test_patches_work_with_one_stream_and_start_at_the_enlargement_of_the_configuration():
    box = patches(SEQUENCE, MAPS, streams(flow=False), ZeroFlow(), PropagationConfig(patch=16, enlarge=0.25))
    assert box.controls["enlarge"].value == 0.25 and "flow stream" not in box.text.value
    assert "box of 8 by 8 pixels, enlarged to 12 by 12" in box.text.value
    assert "enlarged to 8 by 8" in _set(box, enlarge=0).text.value
    assert "there is no box" in _set(box, frame=3).text.value


def test_thresholds_make_retrievals_disappear_and_precision_and_recall_follow():
    box = make_matches()
    matches = find_matches(SEQUENCE, NETWORKS, MAPS, ReidConfig())
    assert judge(matches, 0.7, 0.5).accepted.sum() == 1
    assert "1 retrievals; precision 1.00, recall 0.33 of 3 lost" in box.text.value
    counts = Counter(OUTCOMES[Outcome(one)] for one in judge(matches, 0.7, 0.5).outcome.ravel())
    refused = dict(re.findall(r"\w: ([a-z ]+) \((\d+)\)", box.text.value))
    assert {name: int(count) for name, count in refused.items()} | {"retrieved": 1} == counts
    assert "0 retrievals, 0 new, 1 gone; precision –, recall 0.00" in _set(box, rho_reid=0.95).text.value


OTHER, SHORT = two_instances("other")[0], two_instances(N=1)[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: warped_maps(SHORT, MAPS), "at least two frames"),
        (lambda: patches(SHORT, MAPS, streams()), "at least two frames"),
        (lambda: patches(SEQUENCE, MAPS, NETWORKS.propagation, ZeroFlow()), "expected TwoStreams"),
        (
            lambda: reid_matches(find_matches(SHORT, NETWORKS, MAPS[:1], ReidConfig()), (0.7, 0.5)),
            "a frame to search beside the first",
        ),
        (lambda: checkpoint_explorer(SEQUENCE, segment(SEQUENCE, CONFIG, NETWORKS, ZeroFlow())), "keep_maps=True"),
        (lambda: ablation_browser([SEQUENCE, OTHER], {}), "same rows for every sequence"),
        (lambda: ablation_browser([SEQUENCE, OTHER], {"two": {}}), "same rows for every sequence"),
        (lambda: ablation_browser([SEQUENCE, OTHER], {"two": {"a": GONE}}), "same rows for every sequence"),
    ],
)
def test_what_cannot_be_explored_is_refused_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_frame_follows_the_retrieval_of_a_round_and_can_then_be_moved():
    box = make_rounds()
    result = a_result()
    assert len(result.rounds) == box.controls["number"].max > 0
    buttons(box)["on ▶"].click()
    assert box.controls["frame"].value == result.retrievals[0].frame
    assert f"retrieved in frame {result.retrievals[0].frame}" in box.text.value
    assert "the round left it alone" in _set(box, frame=0).text.value


def test_the_paper_s_figure_3_has_one_round_with_the_repair_and_repeats_itself_without():
    box = make_rounds()
    _set(box, run="Figure 3, with repair R1")
    assert (box.controls["number"].max, box.controls["frame"].max) == (1, 5)
    assert "from 0 (3), 5 (3)" in _set(box, number=1).text.value
    _set(box, run="Figure 3, as printed")
    assert box.controls["number"].max == 3 and box.controls["number"].value == 0
    for number in (1, 2, 3):
        assert "retrieved in frame 5" in _set(box, number=number).text.value
        assert "from 0 (4), 5 (2)" in box.text.value
    assert list(checkpoint_explorer(SEQUENCE, a_result(), toy=False).controls["run"].options) == ["two"]


def test_a_click_on_a_checkpoint_shows_its_map_its_start_and_its_neighbours():
    box, result = make_rounds(), a_result()
    _set(box, number=1)
    rows = [row for row in inside(box) if isinstance(row, ToggleButtons)]
    assert [[int(c) for c, _ in row.options] for row in rows] == result.rounds[0].start.T.tolist()
    r, before = result.retrievals[0], box.picture.value
    rows[1 - r.instance].value = 0
    rows[r.instance].value = r.frame
    assert rows[1 - r.instance].value is None and box.picture.value != before
    assert (box.controls["frame"].value, box.controls["cell"].value) == (r.frame, r.instance)
    assert f"in frame {r.frame} was propagated from frame {r.frame}; its neighbours: frame 2 from" in box.text.value
    _set(box, run="Figure 3, with repair R1")
    assert box.controls["cell"].value == -1 and "before and after" in box.controls["cell"].label


def test_the_browser_opens_where_rows_differ_most_among_the_frames_that_show_something():
    truth = [*SEQUENCE.annotations[:2], *[square_mask(boxes=(FAR,), labels=(2,))] * (N - 2)]
    video = Video("two", SEQUENCE.frames, SEQUENCE.first_mask, annotations=truth)
    late, early = [*truth[:4], truth[0]], [truth[0], truth[2], *truth[2:]]
    box = ablation_browser([video], {"two": {"late": late, "early": early}})
    assert box.controls["frame"].value == 1  # of both frames with a difference of one instance the one in sight
    assert _set(box, instance=0).controls["frame"].value == 1


def test_the_button_goes_to_the_frame_where_two_rows_differ_most():
    box = make_rows()
    scores = [score_frames(SEQUENCE, masks) for masks in (GONE, SEQUENCE.annotations)]
    buttons(box)["where they differ most"].click()
    assert box.controls["frame"].value == frame_gains(*scores, None).argmax() == 2
    assert "+ box: J 0.50, F 0.50; + re-id: J 1.00, F 1.00" in box.text.value


def test_another_sequence_has_its_own_frames_and_instances():
    box = _set(make_rows(), frame=4, instance=1)
    _set(box, sequence="other")
    assert (box.controls["frame"].max, box.controls["frame"].value, box.controls["instance"].value) == (6, 2, -1)
    assert "Sequence other, frame 2, all instances" in box.text.value


def test_scores_that_are_handed_over_are_not_measured_again():
    unscored, _ = two_instances(annotated=False)
    scores = {"two": {"a": score_frames(SEQUENCE, GONE)}}
    assert "J 0.50" in _set(ablation_browser([unscored], {"two": {"a": GONE}}, scores), frame=3).text.value


def _set(box, **values):
    for name, value in values.items():
        box.controls[name].value = value
    return box

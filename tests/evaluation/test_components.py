"""What the learned parts reach on the first sequence of the mini test split."""

from pathlib import Path

import pytest

from vsreid_lite.config import Config


@pytest.fixture(scope="module")
def scores():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        import components

        return components.score_components(Config(device="cpu"), sequences=1)


def test_one_step_with_true_flow_and_true_mask_keeps_the_instance(scores):
    assert scores.one_step_J >= 0.85


def test_the_detector_proposes_nearly_every_visible_instance(scores):
    assert scores.recall >= 0.85


def test_an_instance_is_most_like_its_own_template(scores):
    assert scores.rank1 >= 0.85

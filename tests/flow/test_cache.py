"""CachedFlow: each pair once per direction, bounded memory, checked sizes."""

import threading

import numpy as np
import pytest
import torch

from vsreid_lite.flow import CachedFlow

FRAMES = [np.zeros((4, 6, 3), np.uint8)] * 5
BYTES = 2 * 4 * 6 * 4


class CountingFlow:
    """Constant flows (target, source), with the pairs asked for."""

    def __init__(self, shape=(2, 4, 6)):
        self.pairs, self.shape = [], shape

    def __call__(self, frames, target, source):
        self.pairs.append((target, source))
        return torch.stack([torch.full(self.shape[1:], float(target)), torch.full(self.shape[1:], float(source))])


def test_each_pair_is_computed_once_per_direction():
    F = CountingFlow()
    cache = CachedFlow(F, FRAMES)
    for _ in range(3):
        assert cache.flow(target=1, source=0)[0, 0, 0] == 1
        assert cache.flow(target=0, source=1)[0, 0, 0] == 0
        assert cache.reach(target=1, source=0) == (1, 1, 0, 0)
    assert F.pairs == [(1, 0), (0, 1)]


def test_the_least_recently_used_pair_goes_first():
    F = CountingFlow()
    cache = CachedFlow(F, FRAMES, max_bytes=2 * BYTES)
    for target in (1, 2, 1, 3, 1, 2):
        cache.flow(target, target - 1)
    assert F.pairs == [(1, 0), (2, 1), (3, 2), (2, 1)]


def test_a_cache_too_small_for_one_flow_still_answers():
    cache = CachedFlow(CountingFlow(), FRAMES, max_bytes=0)
    assert [float(cache.flow(i, i - 1)[0, 0, 0]) for i in (1, 2, 1)] == [1, 2, 1]


def test_a_flow_of_another_size_is_refused_with_both_sizes():
    cache = CachedFlow(CountingFlow((2, 64, 64)), FRAMES)
    with pytest.raises(
        ValueError, match=r"flow of frame 1 towards frame 0.*\(2, 4, 6\).*\(2, 64, 64\).*multiple of 64"
    ):
        cache.flow(1, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_flow_that_is_not_finite_is_refused(value):
    flow = torch.zeros(2, 4, 6)
    flow[1, 2, 3] = value
    with pytest.raises(ValueError, match="finite"):
        CachedFlow(lambda frames, target, source: flow, FRAMES).flow(1, 0)


def test_flow_ahead_is_the_same_computed_once_in_a_thread_beside_the_caller():
    F, threads = CountingFlow(), []

    def flow(*arguments):
        threads.append(threading.current_thread())
        return F(*arguments)

    cache = CachedFlow(flow, FRAMES)
    cache.ahead([(1, 0), (0, 1), (1, 0)])
    assert torch.equal(cache.flow(0, 1), CountingFlow()(FRAMES, 0, 1)) and cache.reach(1, 0) == (1, 1, 0, 0)
    cache.ahead([(1, 0)])  # known
    assert F.pairs == [(1, 0), (0, 1)] and threading.current_thread() not in threads


def test_flow_ahead_is_bounded_what_is_not_asked_for_is_given_up():
    begun, go_on, asked = threading.Event(), threading.Event(), []

    def flow(frames, target, source):
        asked.append(target)
        begun.set()
        assert go_on.wait(60)
        return torch.zeros(2, 4, 6)

    cache = CachedFlow(flow, FRAMES)
    cache.ahead([(1, 0), (2, 1)])
    assert begun.wait(60)
    cache.ahead([(3, 2)])  # (1, 0) is being computed, (2, 1) not
    go_on.set()
    cache.flow(3, 2)
    cache.flow(4, 3)
    assert asked == [1, 3, 4]


def test_an_error_of_flow_ahead_is_raised_where_its_pair_is_asked_for():
    cache = CachedFlow(CountingFlow((2, 64, 64)), FRAMES)
    cache.ahead([(1, 0), (2, 1)])
    with pytest.raises(ValueError, match="flow of frame 2 towards frame 1"):
        cache.flow(2, 1)
    with pytest.raises(ValueError, match="flow of frame 1 towards frame 0"):
        cache.flow(1, 0)

"""The scripts of the composite benchmark: who goes where, and when.

A path is (times, points): times (T,) as shares of the sequence, points (T, 3) x, y, scale; x and y from the centre of
the frame as shares of its width and height. `outside` is the |x| at which an instance is out of the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Way = tuple[Points, Points]
ABOVE = -1.5  # y of what is out of the frame
ScriptedPath = Callable[[np.random.Generator, int, int, float], Way]  # rng, role, number of roles, outside


@dataclass(frozen=True)
class Script:
    """instances: how many it is written for. path: the way of each role; role 0 is in front of role 1, and so on.

    remains: the share of its first area that some instance must fall to at least once (0: it leaves or is all hidden).
    """

    instances: int
    path: ScriptedPath
    remains: float


def _cross(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """Through the middle, where all meet, to the other side and back."""
    angle = 2 * np.pi * role / K + rng.uniform(-0.2, 0.2)
    reach = np.array([0.32, 0.24]) * rng.uniform(0.9, 1.1)
    there = np.array([-1, 0, 1, 0, -1])[:, None] * np.array([np.cos(angle), np.sin(angle)]) * reach
    times = np.array([0, 0.28, 0.5, 0.74, 1]) + np.array([0, *rng.uniform(-0.02, 0.02, 3), 0])
    return times, _with_scale(rng, there + rng.uniform(-0.04, 0.04, (5, 2)))


def _hide(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """Role 0 stays near the middle; the others go behind it, wait there, come out on the other side, and go back."""
    times = np.array([0, 0.26, 0.44, 0.66, 0.86, 1])
    if role == 0:
        return times, np.column_stack([rng.uniform(-0.02, 0.02, (6, 2)), np.full(6, 1.5)])
    side = (-1) ** role
    x = np.array([0.36, 0, 0, -0.36, -0.02, 0.12]) * side
    y = np.array([0.12, 0, 0, -0.1, 0, 0.05]) * rng.uniform(-1, 1) + 0.02
    late = np.array([0, 0.02, 0.02, 0.02, 0.02, 0]) * (role - 1)
    return times + late, np.column_stack([x, y, np.full(6, rng.uniform(0.6, 0.7))])


def _exit(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """Role 0 leaves on one side and comes back on either; the others walk."""
    return _leave(rng, 0.34, outside) if role == 0 else _walk(rng, role)


def _turns(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """One leaves after the other, each comes back later."""
    return _leave(rng, 0.24 + 0.33 * role / max(K - 1, 1), outside)


def _swap(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """All leave on their own side at the same time and come back on the opposite one."""
    side = (-1) ** role
    return _away(rng, 0.36, side * np.array([0.2, 0.12]), side * outside, -side * outside, _lane(rng, role, 2))


def _leave(rng: np.random.Generator, start: float, outside: float) -> Way:
    home, lane = rng.uniform(-0.22, 0.22, (2, 2))
    leave, back = rng.choice([-outside, outside], 2)
    return _away(rng, start, home, leave, back, lane)


def _away(rng: np.random.Generator, gone: float, x: Points, leave: float, back: float, y: Points) -> Way:
    """Out of the frame at time `gone` on the side `leave`, in again about a sixth of the sequence later at `back`.

    x, y (2,): two places before it, mirrored after it if the side changes. It goes round the frame, above the image.
    """
    times = np.array([0, gone - 0.2, gone, gone + 0.04, gone + 0.12, gone + 0.16, gone + 0.36, 1.1])
    turn = np.sign(leave * back)
    xs = np.array([*x, leave, leave, back, back, *(turn * x[::-1])])
    ys = np.array([*y, y[1], ABOVE, ABOVE, y[0], *y])
    return times, _with_scale(rng, np.column_stack([xs, ys]))


def _walk(rng: np.random.Generator, role: int) -> Way:
    x = rng.uniform(0.1, 0.3, 4) * (-1) ** role * np.array([1, 1, -1, -1])
    return np.array([0, 0.3, 0.7, 1]), _with_scale(rng, np.column_stack([x, _lane(rng, role, 4)]))


def _lane(rng: np.random.Generator, role: int, steps: int) -> Points:
    return 0.12 * (-1) ** role + rng.uniform(-0.08, 0.08, steps)


def _with_scale(rng: np.random.Generator, points: Points) -> Points:
    return np.column_stack([points, rng.uniform(0.85, 1.15, len(points))])


SCRIPTS = {
    "cross": Script(2, _cross, remains=0.5),
    "hide": Script(2, _hide, remains=0.1),
    "exit": Script(2, _exit, remains=0.0),
    "crowd": Script(3, _cross, remains=0.4),
    "turns": Script(3, _turns, remains=0.0),
    "swap": Script(2, _swap, remains=0.0),
}

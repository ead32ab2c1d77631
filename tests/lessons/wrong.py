"""The mistakes that people make in every exercise."""

import math

import numpy as np

from tests.lessons.right import (
    best_candidate,
    bilinear,
    checkpoints,
    fuse_streams,
    labels,
    means_drawn,
    oim_update,
    one_step,
    overlap,
    patch_box,
    strides,
)
from vsreid_lite.geometry import iou
from vsreid_lite.networks.mask_propagation import fuse

WRONG = {
    "01.1": [
        lambda t, p: (t & p).sum() / max((t | p).sum(), 1),  # empty masks
        lambda t, p: (t & p).sum() / max(t.sum(), 1),
        lambda t, p: 2 * (t & p).sum() / max(t.sum() + p.sum(), 1),  # Dice
        lambda t, p: (t == p).mean(),  # accuracy
    ],
    "01.2": [[2, 17], [3, 17], [3, 8], [18, 3], 3, [3, 18, 8]],
    "01.3": [[0.4, 0.4, 0.4], [0, 0, 0], [1 / 3, 0, 0], [0.4, 0, 1], 0.4],
    "02.1": [
        lambda P, x, y: bilinear(P, y, x),
        lambda P, x, y: bilinear(P, x, y, floor=int),
        lambda P, x, y: bilinear(P, x, y, outside=1.0),
        lambda P, x, y: P[round(y), round(x)] if 0 <= round(y) < 3 and 0 <= round(x) < 3 else 0.0,
        lambda P, x, y: P[int(y), int(x)],
    ],
    "02.2": [[3, -1], [3, 1], [-3, -1], [1, -3], [-3]],
    "02.3": [
        lambda f, e: (f - e).norm(),
        lambda f, e: (f - e).mean((1, 2)).norm(),
        lambda f, e: (f - e).abs().mean(),
        lambda f, e: ((f - e) ** 2).sum(0).mean().sqrt(),
        lambda f, e: (f - e).norm(dim=0),
    ],
    "03.1": [
        lambda P, m: patch_box(P, m, threshold=0.49),
        lambda P, m: patch_box(P, m, end=0),
        lambda P, m: patch_box(P, m, clip=False),
        lambda P, m: patch_box(P, m, mixed=True),
        lambda P, m: patch_box(P, 0),
        lambda P, m: patch_box(P, m) if (P > 0.5).any() else (0, 0, 0, 0),
        lambda P, m: None if (b := patch_box(P, m)) is None else b[[1, 0, 3, 2]],
    ],
    "03.2": [lambda a, b: overlap(a, b, cut_off=-1), lambda a, b: overlap(a, b, enclosing=True), lambda a, b: a == b],
    "03.3": [[1.21, 0.055], [1.1025, 0], [1, 0], 1.1025],
    "04.1": [
        lambda s, k, t, p, d: s // t,
        lambda s, k, t, p, d: (s + 2 * p - k) // t + 1,  # no dilation
        lambda s, k, t, p, d: (s - d * (k - 1) - 1) // t + 1,  # no padding
        lambda s, k, t, p, d: (s + 2 * p - d * (k - 1) - 1) / t + 1,  # not rounded
        lambda s, k, t, p, d: -(-s // t),
    ],
    "04.2": [
        lambda layers: 1 + sum(d * (k - 1) for k, _, d in layers),  # no strides
        lambda layers: 1 + sum(k - 1 for k, _, _ in layers),
        lambda layers: 1 + sum(d * (k - 1) * strides(layers[: i + 1]) for i, (k, _, d) in enumerate(layers)),
        lambda layers: math.prod(k for k, _, _ in layers),
    ],
    "04.3": [
        lambda r, f: fuse([r[None], f[None]], "logits")[0],
        lambda r, f: ((r + f) / 2).softmax(0)[1],
        lambda r, f: (r.sigmoid()[1] + f.sigmoid()[1]) / 2,
        lambda r, f: 1 - fuse_streams(r, f),
        lambda r, f: (r.softmax(0) + f.softmax(0)) / 2,
    ],
    "05.1": [
        lambda P, f, r, wrong=wrong: one_step(P, f, r, wrong)
        for wrong in ("no warp", "direction", "threshold", "whole frame", "none", "outside kept", "no network")
    ],
    "05.2": [range(12), [0, 1, 2, 3], [0, 1, 2, 3, 4, 8, 9, 10, 11], [0, 1, 2, 3, 4, 5], 5, []],
    "06.1": [
        lambda e, t: best_candidate(e, t, "dot"),
        lambda e, t: best_candidate(e, t, "absolute"),
        lambda e, t: best_candidate(e, t) or (0, 0),
        lambda e, t: None if len(e) == 0 else best_candidate(e, t)[0],
        lambda e, t: None if len(e) == 0 else best_candidate(e, t)[::-1],
    ],
    "06.2": [
        lambda s, x, b, r, o: s > r,
        lambda s, x, b, r, o: s >= r and (b is None or iou(x, b) < o),
        lambda s, x, b, r, o: s > r and (b is None or iou(x, b) <= o),
        lambda s, x, b, r, o: s > r and b is not None and iou(x, b) < o,
        lambda s, x, b, r, o: s > r and (b is None or iou(x, b) > o),
        lambda s, x, b, r, o: s > 0.7 and (b is None or iou(x, b) < 0.5),  # the thresholds of most cases
        lambda s, x, b, r, o: "yes",
    ],
    "06.3": [[0.8, 0.8], [0.6, 0.75], [0.75, 3 / 7], [75, 60]],
    "07.1": [
        lambda N, r: checkpoints(N, r, tie=True),
        lambda N, r: checkpoints(N, r, r1=False),
        lambda N, r: [max((s for s in (0, *r) if s <= i), default=0) for i in range(N)],
        lambda N, r: [r[-1] if r and i >= N // 2 else 0 for i in range(N)],
        lambda N, r: checkpoints(N, r)[1:],
        lambda N, r: checkpoints(N, r) + 1,
    ],
    "07.2": [
        lambda P: int(np.argmax(P)) + 1,
        lambda P: int(np.argmax(P)) + 1 if max(P) > 0.5 else 0,
        lambda P: int(np.argmax([math.prod(1 - p for p in P), *P])) - 1,
        lambda P: len(P) - int(np.argmax([*P[::-1], math.prod(1 - p for p in P)])),  # ties to the highest
        lambda P: int(np.argmax([max(1 - sum(P), 0), *P])),
    ],
    "07.3": [[0, 0, 0, 5, 5, 5], [1, 1, 1, 6, 6, 1], [0, 5, 5, 5, 5, 0], [0] * 6, [0, 0, 0, 5, 5]],
    "08.1": [
        lambda *inputs: oim_update(*inputs, normalise=False),
        lambda *inputs: oim_update(*inputs, stranger=False),
        lambda table, x, identity, m: oim_update(table, x, identity, 1 - m),
        lambda table, x, identity, m: table,
        lambda *inputs: oim_update(*inputs)[0],
    ],
    "08.2": [[1, 0.9], [1, 1], [0.818, 1], [1, 0.8]],
    "08.3": [[0.0008, 0.751], [0.018, 0.018], [-0.018, -0.751], [0.982, 0.472]],
    "09.1": [[0.007, 0.122, 0.144], [0.029, 0.144, 0.144], [0.029, 0.122, 0.122], [2.9, 12.2, 14.4]],
    "09.2": [
        lambda b, a, s, d: np.percentile(a - b, [2.5, 97.5]),
        lambda b, a, s, d: np.percentile(means_drawn(a - b, s, d), [97.5, 2.5]),
        lambda b, a, s, d: np.percentile(means_drawn(a - b, s, d), [5, 95]),
        lambda b, a, s, d: np.subtract(*(np.percentile(means_drawn(x, s, d), [2.5, 97.5]) for x in (a, b))),  # unpaired
        lambda b, a, s, d: np.percentile(means_drawn(b - a, s, d), [2.5, 97.5]),
        lambda b, a, s, d: means_drawn(a - b, s, d),
        lambda b, a, s, d: np.percentile((a - b)[d].mean(1), [2.5, 97.5]),  # draws taken for instances
        lambda b, a, s, d: np.percentile((np.bincount(s, a - b) / np.bincount(s))[d].mean(1), [2.5, 97.5]),
    ],
    "10.1": [
        lambda s: np.mean([np.mean(x) for x in s.values()]),
        lambda s: sum(map(sum, s.values())),
        lambda s: {name: np.mean(x) for name, x in s.items()},
    ],
    "10.2": [[300, 69], [297, 70], [297, 99], [99, 69], [297, 40], [297, 297]],
    "10.3": [
        lambda image, palette: image[..., 0],
        lambda image, palette: (image != 0).any(-1).astype(int),
        lambda image, palette: np.array(labels(image, palette)) + 1,
        lambda image, palette: (image[:, :, None, 0] == palette[:, 0]).argmax(-1),  # one channel
        lambda image, palette: np.array(labels(image, palette)).T,
        lambda image, palette: np.ravel(labels(image, palette)),
    ],
}

"""Right answers to every exercise, in other styles than the oracles'; the functions can also be told to be wrong."""

import math
from fractions import Fraction

import numpy as np
import torch

from vsreid_lite.geometry import Box, cut, iou, warp


def one_step(P, flow, refine, wrong=""):
    """Algorithm 1's step in numpy style; `wrong` names one mistake."""
    warped = P if wrong == "no warp" else warp(P, -flow if wrong == "direction" else flow)
    box = Box.from_probability(warped, 0.0 if wrong == "threshold" else 0.5)
    if wrong == "whole frame":
        box = Box.full(tuple(P.shape))
    if box is None:
        return None if wrong == "none" else np.zeros(P.shape)
    result = warped.numpy().copy() if wrong == "outside kept" else np.zeros(P.shape)
    result[box.y0 : box.y1, box.x0 : box.x1] = cut(warped, box) if wrong == "no network" else refine(cut(warped, box))
    return result


def bilinear(P, x, y, outside=0.0, floor=math.floor):
    """One sum over the four pixels around a point."""
    x0, y0 = floor(x), floor(y)
    value = 0.0
    for column, row in ((x0, y0), (x0 + 1, y0), (x0, y0 + 1), (x0 + 1, y0 + 1)):
        inside = 0 <= row < P.shape[0] and 0 <= column < P.shape[1]
        pixel = P[row, column] if inside else outside
        value += pixel * (1 - abs(x - column)) * (1 - abs(y - row))
    return value


def patch_box(P, margin, threshold=0.5, end=1, clip=True, mixed=False):
    rows, columns = np.nonzero(P.numpy() > threshold)
    if len(rows) == 0:
        return None
    x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + end, rows.max() + end
    dx, dy = int(margin * (x1 - x0) + 0.5), int(margin * (y1 - y0) + 0.5)
    dx, dy = (dy, dx) if mixed else (dx, dy)
    box = np.array([x0 - dx, y0 - dy, x1 + dx, y1 + dy])
    return np.clip(box, 0, [P.shape[1], P.shape[0]] * 2) if clip else box


def overlap(a, b, cut_off=0, enclosing=False):
    width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    if cut_off == 0:
        width, height = max(width, 0), max(height, 0)
    around = (max(a.x1, b.x1) - min(a.x0, b.x0)) * (max(a.y1, b.y1) - min(a.y0, b.y0))
    return width * height / (around if enclosing else a.area + b.area - width * height)


def means_drawn(gains, sequence, draws):
    """The mean over the instances of each draw of sequences."""
    return np.array([np.mean([gain for number in draw for gain in gains[sequence == number]]) for draw in draws])


def checkpoints(N, retrievals, tie=False, r1=True, first=1):
    c = np.zeros(N, int)
    for found in retrievals:
        for i in range(first, N):
            nearer = abs(c[i] - i) >= abs(found - i) if tie else abs(c[i] - i) > abs(found - i)
            if nearer and (r1 or i != found):
                c[i] = found
    return c


def strides(layers):
    return math.prod(stride for _, stride, _ in layers)


def fuse_streams(rgb, flow):
    return torch.stack([rgb, flow]).double().softmax(1)[:, 1].mean(0)


def best_candidate(embeddings, template, score="cosine"):
    if len(embeddings) == 0:
        return None
    product = (embeddings.numpy() * template.numpy()).sum(1)
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(template)
    scores = {"cosine": product / lengths, "dot": product, "absolute": abs(product / lengths)}[score]
    return np.argmax(scores), max(scores)


def oim_update(table, x, identity, momentum, normalise=True, stranger=True):
    rows = [row.clone() for row in table]
    if identity >= 0 or not stranger:
        rows[identity] = momentum * rows[identity] + (1 - momentum) * x
        rows[identity] /= rows[identity].norm() if normalise else 1
    return rows


def labels(image, palette):
    known = [tuple(colour) for colour in palette.tolist()]
    return [[known.index(tuple(pixel)) for pixel in row] for row in image.tolist()]


RIGHT = {
    "01.1": [lambda t, p: 1 if not (t.any() or p.any()) else np.float32(np.logical_and(t, p).sum()) / (t | p).sum()],
    "01.2": [(3.0, 18.0), np.array([[3, 18]], np.uint8)],
    "01.3": [[Fraction(2, 5), 0, False], torch.tensor([0.4, 0, 0], dtype=torch.bfloat16)],
    "02.1": [bilinear, lambda P, x, y: torch.tensor([bilinear(P, x, y)], dtype=torch.float16)],
    "02.2": [(-3.0, 1), torch.tensor([-3, 1], dtype=torch.int8)],
    "02.3": [lambda f, e: np.hypot(*(f - e).numpy()).mean(), lambda f, e: ((f - e) ** 2).sum(0).sqrt().mean()],
    "03.1": [patch_box, lambda P, m: None if (b := patch_box(P, m)) is None else Box(*map(int, b))],
    "03.2": [overlap, iou],
    "03.3": [[1.1, 0.055], (1.1025, 11 / 200)],
    "04.1": [lambda s, k, t, p, d: math.floor((s + 2 * p - d * (k - 1) - 1) / t + 1)],
    "04.2": [lambda layers: 1 + sum(d * (k - 1) * strides(layers[:i]) for i, (k, _, d) in enumerate(layers))],
    "04.3": [fuse_streams, lambda r, f: fuse_streams(r, f).numpy().tolist()],
    "05.1": [one_step, lambda *inputs: torch.as_tensor(one_step(*inputs)).requires_grad_()],
    "05.2": [range(5), {0, 1, 2, 3, 4}, (4, 3, 2, 1, 0), np.arange(5.0)],
    "06.1": [best_candidate, lambda e, t: None if len(e) == 0 else torch.tensor(best_candidate(e, t))],
    "06.2": [
        lambda s, x, b, r, o: np.bool_(s > r and not (b and iou(x, b) >= o)),
        lambda s, x, b, r, o: int(s > r and (not b or iou(x, b) < o)),
    ],
    "06.3": [(0.75, 0.6), [Fraction(3, 4), np.float16(0.6)]],
    "07.1": [checkpoints, lambda N, r: tuple(min((0, *r), key=lambda s: abs(s - i)) if i else 0 for i in range(N))],
    "07.2": [lambda P: torch.tensor([np.prod([1 - p for p in P]), *P]).argmax()],
    "07.3": [np.array([0, 0, 0, 5, 5, 0]), (0, 0, 0, 5.0, 5.0, 0)],
    "08.1": [oim_update, lambda *inputs: torch.stack(oim_update(*inputs)).half()],
    "08.2": [[1, 0.818], (1.0, Fraction(9, 11))],
    "08.3": [[0.0185, 0.751], torch.tensor([0.01848, 0.75125])],
    "09.1": [[0.029, 0.122, 0.144], np.float32([0.029, 0.122, 0.144])],
    "09.2": [
        lambda b, a, s, d: np.quantile(means_drawn(a - b, s, d), [0.025, 0.975]).tolist(),
        lambda b, a, s, d: torch.tensor(means_drawn(a - b, s, d)).quantile(torch.tensor([0.025, 0.975]).double()),
    ],
    "10.1": [lambda s: sum(map(sum, s.values())) / sum(map(len, s.values()))],
    "10.2": [(297, 69), np.array([297.0, 69.0])],
    "10.3": [labels, lambda image, palette: np.array(labels(image, palette), np.uint8)],
}  # fmt: skip

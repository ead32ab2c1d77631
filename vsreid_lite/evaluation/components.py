"""Each learned part on its own: what it reaches when everything around it is perfect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from vsreid_lite.config import Config
from vsreid_lite.datasets.frozen import mini_test
from vsreid_lite.datasets.mini import mini_scene
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.geometry import Box, iou
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import load_networks
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.reidentification import cosine_similarity
from vsreid_lite.video.video import Video

SMALLEST = 60  # visible pixels of an instance that a part is asked for


@dataclass(frozen=True)
class ComponentScores:
    """The three figures of the networks, all in [0, 1].

    one_step_J: mean J of one step of N_mp with the true flow and the true previous mask. recall and rank1: as
    `detector_recall` and `identification_rank1`.
    """

    one_step_J: float
    recall: float
    rank1: float


@torch.inference_mode()
def score_components(config: Config) -> ComponentScores:
    """The three figures of the networks of `config` on the mini test split."""
    networks = load_networks(config)
    sequences = mini_test()
    steps = [J for index, sequence in enumerate(sequences) for J in _one_step_J(index, sequence, networks, config)]
    return ComponentScores(
        float(np.mean(steps)), detector_recall(sequences, networks), identification_rank1(sequences, networks)
    )


def detector_recall(sequences: Iterable[Video], networks: Networks) -> float:
    """Share of visible instances that one of N_det's proposals covers with an IoU of at least 0.5."""
    return float(np.mean([hit for sequence in sequences for hit in _detections(sequence, networks)]))


def identification_rank1(sequences: Iterable[Video], networks: Networks) -> float:
    """Share of visible instances whose true box N_reid gives to the right one of their sequence's templates."""
    return float(np.mean([right for sequence in sequences for right in _first_ranks(sequence, networks)]))


def _one_step_J(index: int, sequence: Video, networks: Networks, config: Config) -> Iterator[float]:
    scene = mini_scene("test", index)
    device = next(networks.propagation.parameters()).device  # type: ignore[attr-defined]
    for i in range(1, sequence.N):
        before, now = _labels(sequence, i - 1), _labels(sequence, i)
        flow = torch.from_numpy(scene.flow(i, i - 1)).to(device)
        for label in sequence.labels:
            if min((before == label).sum(), (now == label).sum()) < SMALLEST:
                continue
            P = torch.from_numpy((before == label).astype(np.float32)).to(device)
            made = propagate_mask(sequence.frames[i], flow, P, networks.propagation, config.propagation, config.release)
            yield region(now == label, (made > 0.5).cpu().numpy())


def _detections(sequence: Video, networks: Networks) -> Iterator[bool]:
    assert networks.detector is not None
    for i in range(sequence.N):
        boxes = _boxes(sequence, i)
        proposals = networks.detector(sequence.frames[i]) if boxes else []
        for box in boxes.values():
            yield any(iou(box, proposal) >= 0.5 for proposal in proposals)


def _first_ranks(sequence: Video, networks: Networks) -> Iterator[bool]:
    assert networks.identification is not None
    first = _boxes(sequence, 0)
    templates = networks.identification.embed(sequence.frames[0], list(first.values()))
    for i in range(1, sequence.N):
        boxes = {label: box for label, box in _boxes(sequence, i).items() if label in first}
        if boxes:
            embedded = networks.identification.embed(sequence.frames[i], list(boxes.values()))
            nearest = cosine_similarity(embedded, templates).argmax(1)
            yield from (list(first)[j] == label for j, label in zip(nearest, boxes, strict=True))


def _labels(sequence: Video, i: int) -> np.ndarray:
    assert sequence.annotations is not None
    labels = sequence.annotations[i]
    assert labels is not None
    return labels


def _boxes(sequence: Video, i: int) -> dict[int, Box]:
    labels = _labels(sequence, i)
    masks = {label: labels == label for label in sequence.labels}
    boxes = {k: Box.from_probability(torch.from_numpy(m)) for k, m in masks.items() if m.sum() >= SMALLEST}
    return {label: box for label, box in boxes.items() if box is not None}

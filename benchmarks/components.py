"""The three learned parts, each on its own: the table of components in docs/results.md.

    .venv/bin/python benchmarks/components.py [--weights lite] [--root DAVIS]

N_det and N_reid also on 24 sequences of mini-val and on composites of real video, other draws than the benchmark's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vsreid_lite.config import Config
from vsreid_lite.datasets.composite import composite_videos
from vsreid_lite.datasets.mini import mini_scene, mini_test, mini_video
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.geometry import Box, iou
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import load_networks, with_stored_settings
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
def score_components(config: Config, sequences: int | None = None) -> ComponentScores:
    """The three figures of the networks of `config` on the mini test split, or on its first `sequences`."""
    networks, config = load_networks(config), with_stored_settings(config)
    videos = mini_test()[:sequences]
    steps = [J for index, video in enumerate(videos) for J in _one_step_J(index, video, networks, config)]
    return ComponentScores(
        float(np.mean(steps)), detector_recall(videos, networks), identification_rank1(videos, networks)
    )


def detector_recall(videos: Iterable[Video], networks: Networks) -> float:
    """Share of visible instances that one of N_det's proposals covers with an IoU of at least 0.5."""
    return float(np.mean([hit for video in videos for hit in _detections(video, networks)]))


def identification_rank1(videos: Iterable[Video], networks: Networks) -> float:
    """Share of visible instances whose true box N_reid gives to the right one of their video's templates."""
    return float(np.mean([right for video in videos for right in _first_ranks(video, networks)]))


def _one_step_J(index: int, video: Video, networks: Networks, config: Config) -> Iterator[float]:
    scene = mini_scene("test", index)
    device = next(networks.propagation.parameters()).device  # type: ignore[attr-defined]
    for i in range(1, video.N):
        before, now = _labels(video, i - 1), _labels(video, i)
        flow = torch.from_numpy(scene.flow(i, i - 1)).to(device)
        for label in video.labels:
            if min((before == label).sum(), (now == label).sum()) < SMALLEST:
                continue
            P = torch.from_numpy((before == label).astype(np.float32)).to(device)
            made = propagate_mask(video.frames[i], flow, P, networks.propagation, config.propagation, config.release)
            yield region(now == label, (made > 0.5).cpu().numpy())


def _detections(video: Video, networks: Networks) -> Iterator[bool]:
    assert networks.detector is not None
    for i in range(video.N):
        boxes = _boxes(video, i)
        proposals = networks.detector(video.frames[i]) if boxes else []
        for box in boxes.values():
            yield any(iou(box, proposal) >= 0.5 for proposal in proposals)


def _first_ranks(video: Video, networks: Networks) -> Iterator[bool]:
    assert networks.identification is not None
    first = _boxes(video, 0)
    templates = networks.identification.embed(video.frames[0], list(first.values()))
    for i in range(1, video.N):
        boxes = {label: box for label, box in _boxes(video, i).items() if label in first}
        if boxes:
            embedded = networks.identification.embed(video.frames[i], list(boxes.values()))
            nearest = cosine_similarity(embedded, templates).argmax(1)
            yield from (list(first)[j] == label for j, label in zip(nearest, boxes, strict=True))


def _labels(video: Video, i: int) -> np.ndarray:
    assert video.annotations is not None
    labels = video.annotations[i]
    assert labels is not None
    return labels


def _boxes(video: Video, i: int) -> dict[int, Box]:
    labels = _labels(video, i)
    masks = {label: labels == label for label in video.labels}
    boxes = {k: Box.from_probability(torch.from_numpy(m)) for k, m in masks.items() if m.sum() >= SMALLEST}
    return {label: box for label, box in boxes.items() if box is not None}


def main() -> None:
    """Print the figures beside their goals; without DAVIS 2016 not those of composites."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="lite")
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    options = parser.parse_args()
    config = Config(weights=options.weights, device="cpu")
    scores = score_components(config)
    print(f"weights {options.weights}, mini test split            measured  goal")
    print(f"N_mp, one step, true flow, true mask: mean J    {scores.one_step_J:.3f}  0.85")
    print(f"N_det, recall at IoU 0.5, 20 proposals          {scores.recall:.3f}  0.85")
    print(f"N_reid, rank 1 among the sequence's instances   {scores.rank1:.3f}  0.85")
    others = {"mini-val": [mini_video("val", index) for index in range(24)]}
    if options.root.is_dir():
        others["composites"] = list(composite_videos(options.root, split="val"))
    networks = load_networks(config)
    for name, sequences in others.items():
        recall, rank1 = detector_recall(sequences, networks), identification_rank1(sequences, networks)
        print(f"{name}: N_det {recall:.3f}, N_reid {rank1:.3f}")


if __name__ == "__main__":
    main()

"""F, optical flow behind one call, and the cache that makes each pair of frames cost once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor

from vsreid_lite.config import check_flow_name
from vsreid_lite.flow.dis import DIS_PRESETS, FAR, TUNED, DisFlow
from vsreid_lite.flow.known import ExactFlow, FloFolder, read_flo, write_flo
from vsreid_lite.flow.learned import FLOWNET2_FILE, RAFT_SIZES, FlowNet2Flow, RaftFlow
from vsreid_lite.geometry import Reach, flow_reach
from vsreid_lite.networks.interfaces import batched
from vsreid_lite.system.downloads import hub_file
from vsreid_lite.video.masks import Frame

__all__ = [
    "CachedFlow",
    "DisFlow",
    "ExactFlow",
    "FloFolder",
    "FlowEstimator",
    "FlowNet2Flow",
    "RaftFlow",
    "flow_file",
    "get_flow",
    "read_flo",
    "write_flo",
]

DIS = {"dis": FAR, **{f"dis-{preset}": preset for preset in (TUNED, *DIS_PRESETS)}}
RAFT = {"raft": "large", "raft-small": "small"}
CACHE_BYTES = 384 * 2**20  # about 120 flows of 480 x 854

Pair = tuple[int, int]  # of frames, target and source
Found = dict[Pair, tuple[Tensor, Reach]]


class FlowEstimator(Protocol):
    """F (section 3.1)."""

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels (dx, dy): for each pixel of frame `target`, where it was in frame `source`.

        So warp(P of source, flow) lands on the grid of the target (R3).
        """
        ...


class CachedFlow:
    """The flows of one video, each pair computed once per direction, on demand; the least recently used go first.

    Args:
        estimator: F.
        frames: N frames (H, W, 3).
        max_bytes: What the cache may hold; at least the latest flow is kept.
        device: Where the flows lie.
        batch: How many pairs `prefetch` computes at once, if the estimator can.
    """

    def __init__(
        self,
        estimator: FlowEstimator,
        frames: Sequence[Frame],
        max_bytes: int = CACHE_BYTES,
        device: torch.device | str = "cpu",
        batch: int = 1,
    ) -> None:
        self.estimator, self.frames, self.max_bytes = estimator, frames, max_bytes
        self.device, self.batch = device, batch
        self._entries: OrderedDict[Pair, tuple[Tensor, Reach]] = OrderedDict()
        self._bytes = 0
        self._begun: dict[Pair, Future[Found]] = {}
        self._lock = Lock()  # of the estimator

    def flow(self, target: int, source: int) -> Tensor:
        """(2, H, W): for each pixel of frame `target`, where it was in frame `source`.

        Raises:
            ValueError: The estimator's flow has not the size of the frames, or is not finite.
        """
        return self._entry(target, source)[0]

    def reach(self, target: int, source: int) -> Reach:
        """The extreme displacements of that flow."""
        return self._entry(target, source)[1]

    def prefetch(self, pairs: Iterable[Pair]) -> None:
        """Begin with pairs (target, source) that are likely to be asked for next, in a thread beside the caller.

        Those begun before and not asked for are given up, but for those that are being computed. An error of the
        estimator is raised where its pair is asked for, or another one of the same batch.
        """
        before, wanted = self._begun, [pair for pair in dict.fromkeys(pairs) if pair not in self._entries]
        self._begun = {pair: before[pair] for pair in wanted if pair in before}
        new = [pair for pair in wanted if pair not in before]
        for at in range(0, len(new), self.batch):
            batch = new[at : at + self.batch]
            self._begun |= dict.fromkeys(batch, self._thread.submit(self._compute, batch))
        for future in set(before.values()) - set(self._begun.values()):
            future.cancel()

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        """Ends with this object. On a GPU it uses that of the caller."""
        gpu = torch.device(self.device).type == "cuda"
        set_up = (torch.cuda.set_device, (torch.cuda.current_device(),)) if gpu else (None, ())
        return ThreadPoolExecutor(1, "flow", *set_up)

    def _entry(self, target: int, source: int) -> tuple[Tensor, Reach]:
        pair = (target, source)
        if pair in self._entries:
            self._entries.move_to_end(pair)
            return self._entries[pair]
        begun = self._begun.pop(pair, None)
        flow, reach = (self._compute([pair]) if begun is None else begun.result())[pair]
        self._entries[pair] = flow.to(self.device), reach
        self._bytes += flow.nbytes
        while self._bytes > self.max_bytes and len(self._entries) > 1:
            self._bytes -= self._entries.popitem(last=False)[1][0].nbytes
        return self._entries[pair]

    @torch.no_grad()
    def _compute(self, pairs: list[Pair]) -> Found:
        with self._lock:
            flows = batched(self.estimator, self.estimator, [self.frames] * len(pairs), *zip(*pairs, strict=True))
        return {
            pair: (flow, _check(flow, self.frames[pair[0]], *pair)) for pair, flow in zip(pairs, flows, strict=True)
        }


def _check(flow: Tensor, frame: Frame, target: int, source: int) -> Reach:
    what = f"flow of frame {target} towards frame {source}"
    expected = (2, *frame.shape[:2])
    if tuple(flow.shape) != expected:
        raise ValueError(
            f"{what}: expected {expected}, the size of the frames, found {tuple(flow.shape)}; if the flow was computed "
            "on frames enlarged to a multiple of 64, resize it back and scale its displacements"
        )
    reach = flow_reach(flow)
    if not torch.tensor(reach).isfinite().all():
        raise ValueError(f"{what}: expected finite displacements, found NaN or infinity")
    return reach


def get_flow(name: str, frame_names: Sequence[str] | None = None, device: torch.device | str = "cpu") -> FlowEstimator:
    """The estimator of a name: one of `config.FLOWS`, or a folder of .flo and .rflo files.

    Args:
        name: The name, as `Config.flow`.
        frame_names: The stems of a video's frames, which name the files of a folder.
        device: Where a network runs.

    Raises:
        FileNotFoundError: The weights of a network are not there.
        ValueError: There is no such name, or the weights do not fit.
    """
    check_flow_name(name)
    kind, _, file = name.partition(":")
    if name in DIS:
        return DisFlow(DIS[name])
    if name in RAFT:
        return RaftFlow(RAFT[name], device)
    if name == "flownet2":
        return FlowNet2Flow(device=device)
    if file and kind in ("raft", "flownet2"):
        path = Path(file).expanduser()
        return RaftFlow(path, device) if kind == "raft" else FlowNet2Flow(path, device)
    return FloFolder(name, frame_names)


def flow_file(name: str) -> Path | None:
    """The file that the network of an estimator's name is made from; None for those that have none."""
    kind, _, file = name.partition(":")
    if file and kind in ("raft", "flownet2"):
        return Path(file).expanduser()
    if name in RAFT:
        return hub_file(RAFT_SIZES[RAFT[name]][1].url)
    return hub_file(FLOWNET2_FILE) if name == "flownet2" else None

"""Algorithm 3 as the authors' release runs it: where it leaves the paper, one rule at a time (docs/fidelity.md).

The rules are the fields of `ReleaseRules`; here are those that need several maps of a frame, or change the loop: rows 3
to 6 and 16 to 19. With all of them off this engine has the bits of `Engine`. Rows 13, 14 and 22 are rules of retrieval
(`Candidates`), row 2 is one of the box (`propagation_box`), row 7 of N_mp (`TwoStreams`), row 21 of the networks
(`Search`), and the pixels of the flow (row 6) are those of the patches (`predict_patches`).

Instances meet here, in the merged maps (rows 3 and 4) and as neighbours (rows 18 and 19). So all guided maps of a pair
of frames are made together; the two sweeps of a recovery still never read each other's frames, and stay one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import takewhile

import torch
from torch import Tensor

from vsreid_lite.config import ReleaseRules
from vsreid_lite.engine import Engine, Step
from vsreid_lite.flow import Pair
from vsreid_lite.geometry import Box, SparseMap, probability_boxes, warp_averaged
from vsreid_lite.merging import label_maps, merged_maps
from vsreid_lite.propagation import View, cut_view
from vsreid_lite.reidentification import Boxes, Retrieval, as_row, visible

Sight = tuple[SparseMap, Box | None]  # guided map of an instance, and the box that N_mp sees; None where it is empty


class ReleaseEngine(Engine):
    """As `Engine`; where row 16 kept an instance from a frame, `start` is -N there, farther than any frame."""

    @cached_property
    def label_boxes(self) -> Boxes:
        """(N, K, 4), the boxes of the labels of the merged maps."""
        return self.boxes.copy()

    @cached_property
    def changed(self) -> set[int]:
        """Frames whose `label_boxes` are to be made again."""
        return set(range(self.N))

    def _first_steps(self, i: int, source: int) -> list[Step]:
        """Row 16: what is nearly gone is not propagated; its frames stay empty, for any recovery to fill."""
        steps, present = super()._first_steps(i, source), self._present(source)
        self.start[i, [k for _, _, k in steps if not present[k]]] = -self.N
        return [step for step in steps if present[step[2]]]

    def _visible_boxes(self) -> Boxes:
        """Row 3: an instance is where its label is in the merged map."""
        if not self.config.release.merged_box:
            return self.boxes
        for i in self.changed:
            self.label_boxes[i] = [as_row(box) for box in probability_boxes(self._shapes(i))]
        self.changed.clear()
        return self.label_boxes

    def _store(self, i: int, k: int, P: SparseMap, box: Box | None) -> None:
        super()._store(i, k, P, box)
        self.changed.add(i)

    def _recover(self, retrieval: Retrieval) -> None:
        """Row 19: several passes in the candidate's box, then several with the instances that are there."""
        rules, i, k = self.config.release, retrieval.frame, retrieval.instance
        group = {k} | self._inside(i, k, beyond=1)
        self._clear_others(i, k)
        super()._recover(retrieval)
        for _ in range(rules.passes - 1):
            self._predict_in(retrieval, self.P[i, k], self.P[i, k].region(retrieval.box))
        self._clear_others(i, k)
        group |= self._inside(i, k)
        for _ in range(rules.joint_passes):
            self._propagate([(i, i, l) for l in sorted(group)])

    def _inside(self, i: int, k: int, beyond: int = 0) -> set[int]:
        """Row 19: the instances with pixels in the box that N_mp is shown of instance k.

        beyond: by how many pixels the box grows to the right and downwards.
        """
        shapes = self._shapes(i)
        b = self._box_seen(shapes[k].probability_box())
        if b is None:
            return set()
        wider = Box(b.x0, b.y0, b.x1 + beyond, b.y1 + beyond)
        return {l for l, P in enumerate(shapes) if (i, l) not in self.given and bool((P.region(wider) > 0.5).any())}

    def _clear_others(self, i: int, k: int) -> None:
        """Row 19: the pixels of instance k, above 0.5, are nobody else's."""
        if not self.config.release.clear_others:
            return
        for l, P in enumerate(self.P.of_frame(i)):
            if l != k and P.box is not None and (i, l) not in self.given:
                taken = self.P[i, k].region(P.box) > 0.5
                cleared = SparseMap(P.shape, P.box, P.values.masked_fill(taken, 0))
                self._store(i, l, cleared, cleared.probability_box())

    def _recovery_flow(self, i: int) -> Tensor:
        """Row 6: towards the frame before."""
        return self.flow.flow(i, i - 1) if self.config.release.previous_flow and i else super()._recovery_flow(i)

    def _ways(self, centre: int, k: int) -> tuple[Iterator[int], Iterator[int]]:
        """Row 17: up to the nearest frames where the instance is visible."""
        forward, backward = super()._ways(centre, k)
        if not self.config.release.fill_gap:
            return forward, backward
        seen = visible(self._visible_boxes()[:, k])
        return takewhile(lambda i: not seen[i], forward), takewhile(lambda i: not seen[i], backward)

    def _may_update(self, i: int, centre: int, k: int) -> bool:
        """Row 16: a sweep ends where its instance is nearly gone; the recovered map itself may be as small as it is."""
        source = i - 1 if i > centre else i + 1
        return super()._may_update(i, centre, k) and (source == centre or self._present(source)[k])

    def _sweep_steps(self, targets: list[int], centre: int, k: int) -> list[Step]:
        """Row 18: the instance, and those that touch it and might be updated too; their checkpoints stay."""
        steps = super()._sweep_steps(targets, centre, k)
        if not self.config.release.joint_sweep:
            return steps
        return [
            (j, i, l)
            for j, i, k in steps
            for l, touches in enumerate(self._touching(j, i, k))
            if l == k or (touches and self._may_update(j, centre, l))
        ]

    def _touching(self, j: int, i: int, k: int) -> list[bool]:
        boxes = [box for _, box in self._sights(j, i)]
        return [touch(boxes[k], box) for box in boxes]

    def _present(self, i: int) -> list[bool]:
        """Row 16: whose area in frame i is not below its share of that in the first mask that shows it."""
        share = self.config.release.absent_below
        if share == 0:
            return [True] * self.K
        first = {k: int((P.values > 0.5).sum()) for (_, k), P in reversed(self.given.items())}
        return [int((P.values > 0.5).sum()) >= share * first[k] for k, P in enumerate(self._shapes(i))]

    def _shapes(self, i: int) -> list[SparseMap]:
        return instance_shapes(self.P.of_frame(i), self.config.release)

    def _views(self, steps: list[Step]) -> list[View]:
        pairs = {(j, i): self._sights(j, i) for j, i, _ in steps}
        sights = [pairs[j, i][k] for j, i, k in steps]
        return [
            View(P) if b is None else cut_view(self.images[j], self._flow(j, i), P, b)
            for (j, i, _), (P, b) in zip(steps, sights, strict=True)
        ]

    def _sights(self, j: int, i: int) -> list[Sight]:
        """What N_mp is shown of every instance in frame j, coming from frame i; frame i itself where they are one."""
        rules = self.config.release
        own = merged = self._warp_all(self.P.of_frame(i), j, i)
        if rules.merged_box or rules.merged_guide:
            merged = self._warp_all(merged_maps(self.P.of_frame(i)), j, i)
        shapes = label_maps(merged) if rules.merged_box else own  # row 3
        guides = merged if rules.merged_guide else own  # row 4
        return [(guide, self._box_seen(found)) for guide, found in zip(guides, probability_boxes(shapes), strict=True)]

    def _flows(self, j: int, i: int) -> list[Pair]:
        """Row 5 wants both directions."""
        return [(j, i), (i, j)] if self.config.release.averaged_warp else super()._flows(j, i)

    def _warp_all(self, maps: list[SparseMap], j: int, i: int) -> list[SparseMap]:
        """Row 5."""
        if j == i:
            return maps
        if not self.config.release.averaged_warp:
            return [self._warped(P, j, i) for P in maps]
        dense = torch.stack([P.dense() for P in maps])
        return [SparseMap.from_dense(P) for P in warp_averaged(dense, self.flow.flow(j, i), self.flow.flow(i, j))]

    def _flow(self, j: int, i: int) -> Tensor:
        """What the flow stream sees of frame j, propagated to from frame i."""
        return self._recovery_flow(i) if j == i else self.flow.flow(j, i)


def instance_shapes(maps: Sequence[SparseMap], release: ReleaseRules) -> list[SparseMap]:
    """The K maps of a frame, above 0.5 where their instance is: its own map, or with row 3 its label."""
    return label_maps(merged_maps(maps)) if release.merged_box else list(maps)


def touch(a: Box | None, b: Box | None) -> bool:
    """Whether two boxes overlap or share an edge or a corner."""
    return a is not None and b is not None and a.x0 <= b.x1 and b.x0 <= a.x1 and a.y0 <= b.y1 and b.y0 <= a.y1

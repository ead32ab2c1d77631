"""The benchmarks behind one name each: mini, composite, davis-2016, davis-2017."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vsreid_lite.datasets.composite import CompositeSequence, composite_sequences
from vsreid_lite.datasets.davis import list_sequences, load_davis
from vsreid_lite.datasets.frozen import MINI
from vsreid_lite.sequence import Sequence

DATASETS = ("mini", "composite", "davis-2016", "davis-2017")


@dataclass(frozen=True)
class Benchmark:
    """Which sequences are scored. `load` makes one of them; `sources` names the real sequences that it shows."""

    dataset: str
    root: Path
    names: tuple[str, ...]

    def load(self, name: str) -> Sequence:
        """The sequence `name` with its annotations."""
        if self.dataset == "composite":
            return _composites(self.root)[name]
        return load_davis(self.root, 2016 if self.dataset == "davis-2016" else 2017, name)

    def sources(self, name: str) -> tuple[str, ...]:
        """The real sequences inside `name`: none for mini."""
        if self.dataset == "composite":
            return _composites(self.root)[name].sources
        return () if self.dataset == "mini" else (name,)


def open_benchmark(dataset: str, root: Path | None = None, names: tuple[str, ...] = ()) -> Benchmark:
    """The benchmark `dataset`, all of it or the sequences named.

    root: the folder of a DAVIS data set; mini's own is shipped. Raises ValueError for an unknown data set or sequence,
    or where the root is missing.
    """
    if dataset not in DATASETS:
        raise ValueError(f"dataset: expected one of {', '.join(DATASETS)}, found {dataset!r}")
    if dataset == "mini":
        root = root or MINI
    if root is None:
        raise ValueError(f"--dataset {dataset} needs --root, the folder that holds JPEGImages and Annotations")
    known = _names(dataset, root)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{root}: no sequence {', '.join(unknown)} in {dataset}; there are {', '.join(known)}")
    return Benchmark(dataset, root, names or tuple(known))


def _names(dataset: str, root: Path) -> list[str]:
    if dataset == "composite":
        return list(_composites(root))
    return list_sequences(root, 2016 if dataset == "davis-2016" else 2017, "test" if dataset == "mini" else "val")


@lru_cache(maxsize=1)
def _composites(root: Path) -> dict[str, CompositeSequence]:
    return {sequence.name: sequence for sequence in composite_sequences(root)}

"""davis2017-evaluation's interface, with slow measures of our own behind it."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from tests.evaluation.samples import official_decay, slow_F
from vsreid_lite.evaluation.metrics import boundary_radius, region


def install(monkeypatch):
    """Make the stand-in importable as `davis2017`."""
    for name, content in (("davis2017", {}), ("davis2017.evaluation", {"DAVISEvaluation": DAVISEvaluation})):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


class DAVISEvaluation:
    def __init__(self, davis_root, task, gt_set, sequences="all", codalab=False):
        assert task == "semi-supervised" and gt_set in ("train", "val", "test-dev", "test-challenge") and codalab
        assert Path(davis_root, "ImageSets", "2017", f"{gt_set}.txt").is_file() and isinstance(sequences, list)
        self.truth, self.sequences = Path(davis_root, "Annotations", "480p"), sequences

    def evaluate(self, res_path, metric=("J", "F"), debug=False):
        found = {name: {"M": [], "R": [], "D": [], "M_per_object": {}} for name in metric}
        for sequence in self.sequences:
            files = sorted((self.truth / sequence).glob("*.png"))
            masks = [np.array(Image.open(file)) for file in files]
            truth = np.where(np.equal(masks, 255), 0, masks)
            predicted = [truth[0], *(self._read(Path(res_path, sequence, file.name)) for file in files[1:-1])]
            for k in range(1, truth[0].max() + 1):
                pairs = [(t == k, p == k) for t, p in zip(truth[1:-1], predicted[1:], strict=True)]
                radius = boundary_radius(truth[0].shape)
                values = {"J": [region(*pair) for pair in pairs], "F": [slow_F(*pair, radius) for pair in pairs]}
                for name in metric:
                    of_frames = np.array(values[name])
                    found[name]["M"].append(of_frames.mean())
                    found[name]["R"].append((of_frames > 0.5).mean())
                    found[name]["D"].append(official_decay(of_frames))
        return found

    def _read(self, path):
        if not path.is_file():
            sys.stdout.write(f"{path.parent.name} frame {path.stem} not found!\n")
            sys.exit()
        return np.array(Image.open(path))

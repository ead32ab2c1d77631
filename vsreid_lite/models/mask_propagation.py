"""N_mp, the mask propagation network (section 3.1, Figure 1): the lite RGB stream."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsreid_lite.models.backbone import ASPP, convolution, normalise, stage


class Stream(nn.Module):
    """One stream: image or flow, and the guide, to logits.

    Dilated residual stages at stride 8 and ASPP, as in the paper. Two things are ours (docs/fidelity.md):
    the guide enters by a convolution of its own, added to the first layer's output; and the first layer's features
    (stride 2) are shown once more to the last one, because a 128-pixel patch is 16 x 16 at stride 8.
    """

    def __init__(self, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, 2, 1)
        self.guide = nn.Conv2d(1, width, 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        self.down = convolution(width, 2 * width, 3, 2)
        self.layer1 = stage(2 * width, 2 * width, 1)
        self.layer2 = stage(2 * width, 4 * width, 2, 2)
        self.layer3 = stage(4 * width, 4 * width, 2, 1, 2)
        self.aspp = ASPP(4 * width, 2 * width, (2, 4, 6))
        self.middle = convolution(4 * width, 2 * width, 3)
        self.detail = convolution(3 * width, width, 3)
        self.head = nn.Conv2d(width, 2, 3, padding=1)

    def forward(self, image: Tensor, guide: Tensor) -> Tensor:
        """Image (B, C, S, S), guide (B, 1, S, S) in [0, 1], to logits (B, 2, S, S); channel 0 is the background."""
        size = image.shape[2:]
        fine = F.relu(self.stem_norm(self.stem(image) + self.guide(guide * 2 - 1)))
        middle = self.layer1(F.relu(self.down(fine)))
        coarse = self.aspp(self.layer3(self.layer2(middle)))
        middle = F.relu(self.middle(torch.cat([_resize(coarse, middle), middle], 1)))
        fine = F.relu(self.detail(torch.cat([_resize(middle, fine), fine], 1)))
        return F.interpolate(self.head(fine), size, mode="bilinear", align_corners=False)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


class LiteMaskPropagation(nn.Module):
    """The lite N_mp: its RGB stream. The flow stream comes with the paper's networks."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb = Stream()

    def forward(self, image: Tensor, flow: Tensor | None, guide: Tensor) -> Tensor:
        """Logits (B, 2, S, S) of RGB patches (B, 3, S, S) in [0, 1] and guides (B, 1, S, S)."""
        return self.rgb(normalise(image), guide)

    def predict(self, image: Tensor, flow: Tensor | None, guide: Tensor) -> Tensor:
        """Probability patches (B, S, S) in [0, 1]."""
        logits = self(image, flow, guide)
        return torch.sigmoid(logits[:, 1] - logits[:, 0])

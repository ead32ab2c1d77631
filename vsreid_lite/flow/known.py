"""Flow that is known beforehand, as an F: folders of Middlebury .flo files, and the exact flow of a rendered scene.

The format is little-endian: float32 202021.25 ("PIEH"), int32 width, int32 height, then float32 (u, v) interleaved,
row by row.
`.rflo`, of the authors' release, is the same format: the flow of frame i + 1 towards i, stored under i + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.system.files import write_bytes
from vsreid_lite.video.masks import Frame

MAGIC = b"PIEH"
HEADER = 12  # bytes


def read_flo(path: Path | str, shape: tuple[int, int] | None = None) -> Tensor:
    """The flow (2, H, W), float32, of a .flo or .rflo file.

    Args:
        path: The file.
        shape: The (H, W) that the flow must have; None: any.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is truncated, too long, of another format or of another size.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a .flo or .rflo file, found none")
    size = path.stat().st_size
    with path.open("rb") as file:
        width, height = _read_header(file.read(HEADER), path)
        _check_size(size, width, height, path)
        values = np.frombuffer(file.read(), dtype="<f4").astype(np.float32)
    if shape is not None and (height, width) != tuple(shape):
        raise ValueError(
            f"{path}: expected a flow of {shape[1]} x {shape[0]} pixels (width x height), the size of the frames, "
            f"found {width} x {height}"
        )
    return torch.from_numpy(values.reshape(height, width, 2)).permute(2, 0, 1).contiguous()


def write_flo(path: Path | str, flow: Tensor) -> None:
    """Write a flow (2, H, W), atomically.

    Raises:
        OSError: The file cannot be written.
        ValueError: The flow has another shape.
    """
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise ValueError(f"{path}: expected a flow (2, H, W), found {tuple(flow.shape)}")
    values = flow.detach().cpu().permute(1, 2, 0).contiguous().numpy().astype("<f4")
    header = MAGIC + np.array([flow.shape[2], flow.shape[1]], dtype="<i4").tobytes()
    write_bytes(path, header + values.tobytes())


class FloFolder:
    """A folder of precomputed flows as an F: frame i towards i + 1 in <i>.flo, frame i + 1 towards i in <i + 1>.rflo.

    Args:
        path: The folder.
        frame_names: The stems of the video's frames, which name the files; by default 00000, 00001, ...

    Raises:
        FileNotFoundError: There is no such folder.
    """

    def __init__(self, path: Path | str, frame_names: Sequence[str] | None = None) -> None:
        self.path, self.frame_names = Path(path), frame_names
        if not self.path.is_dir():
            raise FileNotFoundError(f"{self.path}: expected a folder of .flo and .rflo files, found none")

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W) of the file; `source` must be the frame before or after `target`."""
        if abs(target - source) != 1:
            raise ValueError(f"{self.path}: holds flows of neighbouring frames, asked for {target} towards {source}")
        name = f"{target:05d}" if self.frame_names is None else self.frame_names[target]
        suffix = ".flo" if source > target else ".rflo"
        height, width = frames[target].shape[:2]
        return read_flo(self.path / f"{name}{suffix}", (height, width))


class Scene(Protocol):
    """A rendered video that knows its own motion."""

    def flow(self, target: int, source: int) -> NDArray[np.float32] | Tensor:
        """(2, H, W), pixels (dx, dy): for each pixel of frame `target`, where it was in frame `source`."""
        ...


class ExactFlow:
    """The flow that the renderer knows. Computes nothing from the frames."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`."""
        return torch.as_tensor(self.scene.flow(target, source), dtype=torch.float32)


def _read_header(header: bytes, path: Path) -> tuple[int, int]:
    if len(header) < HEADER:
        raise ValueError(f"{path}: truncated, expected a header of {HEADER} bytes, found {len(header)}")
    if header[:4] != MAGIC:
        raise ValueError(f"{path}: expected a .flo file, which starts with {MAGIC!r}, found {header[:4]!r}")
    width, height = (int(value) for value in np.frombuffer(header[4:], dtype="<i4"))
    if width < 1 or height < 1:
        raise ValueError(f"{path}: expected a width and a height of at least 1, found {width} x {height}")
    return width, height


def _check_size(size: int, width: int, height: int, path: Path) -> None:
    expected = HEADER + 8 * width * height
    if size != expected:
        fault = "truncated" if size < expected else "too long"
        raise ValueError(f"{path}: {fault}, expected {expected} bytes for {width} x {height} pixels, found {size}")

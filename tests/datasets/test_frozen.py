from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsreid_lite.datasets.davis import read_benchmark, write_benchmark
from vsreid_lite.datasets.mini import mini_test
from vsreid_lite.video.masks import PALETTE
from vsreid_lite.video.video import Video


def small(name: str, N: int = 3, annotated: bool = True) -> Video:
    rng = np.random.default_rng(N)
    frames = [np.full((24, 32, 3), rng.integers(256, size=3), np.uint8) for _ in range(N)]
    masks = [np.zeros((24, 32), np.uint8) for _ in range(N)]
    for i, mask in enumerate(masks):
        mask[2:9, 3 + i : 11 + i], mask[12:20, 5:15] = 1, 2
    return Video(name, frames, masks[0], annotations=masks if annotated else None)


def test_a_benchmark_is_read_back_with_its_labels_exact_and_in_order(tmp_path: Path):
    written = [small("zebra"), small("ant", N=4)]
    assert write_benchmark(iter(written), tmp_path, "val") == ["zebra", "ant"]
    for sequence, read in zip(written, read_benchmark(tmp_path, "val"), strict=True):
        assert (read.name, read.N, read.labels) == (sequence.name, sequence.N, (1, 2))
        assert np.array_equal(np.stack(read.annotations), np.stack(sequence.annotations))
        assert np.abs(np.stack(read.frames).astype(int) - np.stack(sequence.frames)).max() <= 4


def test_the_files_lie_as_in_davis_2017_with_its_palette(tmp_path: Path):
    write_benchmark([small("ant")], tmp_path)
    assert (tmp_path / "ImageSets/2017/test.txt").read_text() == "ant\n"
    assert sorted(p.name for p in (tmp_path / "JPEGImages/480p/ant").iterdir()) == [f"0000{i}.jpg" for i in range(3)]
    with Image.open(tmp_path / "Annotations/480p/ant/00001.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[: 3 * 3] == PALETTE[:3].ravel().tolist()


def test_without_annotations_the_first_mask_is_written_alone(tmp_path: Path):
    write_benchmark([small("ant", annotated=False)], tmp_path)
    assert [p.name for p in (tmp_path / "Annotations/480p/ant").iterdir()] == ["00000.png"]
    assert read_benchmark(tmp_path)[0].annotations[1:] == [None, None]


def test_writing_again_replaces_but_never_mixes_two_renderings(tmp_path: Path):
    write_benchmark([small("ant", N=4)], tmp_path)
    write_benchmark([small("ant", N=4)], tmp_path)
    with pytest.raises(FileExistsError, match=r"ant: expected an empty or new folder, found 1 files .*00003.jpg"):
        write_benchmark([small("ant", N=3)], tmp_path)


def test_a_missing_mini_split_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="vsreid render mini"):
        mini_test(tmp_path / "nowhere")

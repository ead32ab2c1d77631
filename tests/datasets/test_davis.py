import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsreid_lite.datasets import street_video
from vsreid_lite.datasets.davis import (
    davis_folders,
    list_sequences,
    load_davis,
    read_benchmark,
    render_benchmark,
    write_benchmark,
)
from vsreid_lite.system.files import STREET
from vsreid_lite.video.masks import PALETTE, write_mask
from vsreid_lite.video.video import Video

SHAPE = (6, 8)


def labels(*values):
    result = np.zeros(SHAPE, np.uint8)
    for row, value in enumerate(values):
        result[row, :3] = value
    return result


def write_davis(root, masks, year=2017, listed=None, split="val"):
    """A DAVIS root. masks: for each sequence the list of its masks, None where a frame has none."""
    for name, of_frames in masks.items():
        for i, mask in enumerate(of_frames):
            (root / "JPEGImages" / "480p" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(root / f"JPEGImages/480p/{name}/{i:05d}.jpg")
            if mask is not None:
                write_mask(root / f"Annotations/480p/{name}/{i:05d}.png", mask)
    (root / "ImageSets" / str(year)).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / str(year) / f"{split}.txt").write_text("\n".join(listed or masks) + "\n")
    return root


def test_2017_void_is_background_and_labels_stay(tmp_path):
    root = write_davis(tmp_path, {"judo": [labels(1, 2, 255), labels(2, 255)]})
    sequence = load_davis(root, 2017, "judo")
    assert (sequence.name, sequence.labels, sequence.N) == ("judo", (1, 2), 2)
    np.testing.assert_array_equal(sequence.first_mask, labels(1, 2))
    np.testing.assert_array_equal(sequence.annotations[1], labels(2))


def test_2016_255_is_the_instance(tmp_path):
    root = write_davis(tmp_path, {"cows": [labels(255), labels()]}, year=2016)
    sequence = load_davis(root, 2016, "cows")
    assert sequence.labels == (1,)
    np.testing.assert_array_equal(sequence.first_mask, labels(1))
    assert not sequence.annotations[1].any()


def test_2016_unites_the_instances_of_2017(tmp_path):
    root = write_davis(tmp_path, {"bmx": [labels(1, 2)]}, year=2016)
    np.testing.assert_array_equal(load_davis(root, 2016, "bmx").first_mask, labels(1, 1))


def test_2016_takes_the_rgb_masks_of_its_first_release(tmp_path):
    root = write_davis(tmp_path, {"bear": [labels(255)]}, year=2016)
    Image.fromarray(labels(255)).convert("RGBA").save(root / "Annotations/480p/bear/00000.png")
    np.testing.assert_array_equal(load_davis(root, 2016, "bear").first_mask, labels(1))


def test_test_dev_has_a_mask_for_the_first_frame_only(tmp_path):
    root = write_davis(tmp_path, {"gym": [labels(1), None, None]}, split="test-dev")
    assert list_sequences(root, 2017, "test-dev") == ["gym"]
    sequence = load_davis(root, 2017, "gym")
    np.testing.assert_array_equal(sequence.annotations[0], labels(1))
    assert list(sequence.annotations[1:]) == [None, None]


@pytest.mark.parametrize(
    "place", ["", "DAVIS", "2017", "2017/trainval", "2017/DAVIS", "davis-2017-trainval-480p/DAVIS"]
)
def test_the_layout_is_found_from_the_root(tmp_path, place):
    write_davis(tmp_path / place, {"judo": [labels(1)]})
    assert davis_folders(tmp_path, 2017)[0] == tmp_path / place
    assert list_sequences(tmp_path, 2017) == ["judo"]
    assert load_davis(tmp_path, 2017, "judo").N == 1


def test_trainval_and_test_dev_may_lie_side_by_side(tmp_path):
    write_davis(tmp_path / "2017/trainval", {"judo": [labels(1)]})
    write_davis(tmp_path / "2017/test-dev", {"gym": [labels(1), None]}, split="test-dev")
    assert list_sequences(tmp_path, 2017, "test-dev") == ["gym"]
    assert load_davis(tmp_path, 2017, "gym").N == 2


def test_the_lists_of_the_first_release_hold_paths(tmp_path):
    root = write_davis(tmp_path, {"bear": [labels(255)] * 2}, year=2016)
    (root / "ImageSets/2016").rename(root / "ImageSets/480p")
    lines = [f"/JPEGImages/480p/bear/{i:05d}.jpg /Annotations/480p/bear/{i:05d}.png" for i in range(2)]
    (root / "ImageSets/480p/val.txt").write_text("\n".join(lines))
    assert list_sequences(root, 2016) == ["bear"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "  \n\n", "\r"])
def test_lists_of_any_editor_are_read(tmp_path, encoding, end):
    names = ["my dog", "café", "b b c"]
    root = write_davis(tmp_path, {name: [labels(1)] for name in names})
    (root / "ImageSets/2017/val.txt").write_bytes("".join(name + end for name in names).encode(encoding))
    assert list_sequences(root, 2017) == names


def test_missing_sequences_are_named_and_the_others_offered(tmp_path):
    root = write_davis(tmp_path, {"cows": [labels(1)]}, listed=["bear", "cows", "dog"])
    with pytest.warns(UserWarning, match="2 of 3 sequences are left out.*: bear, dog"):
        assert list_sequences(root, 2017) == ["cows"]


def test_errors_name_path_expected_and_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: expected DAVIS 2017 .* found nothing.*vsreid download"):
        davis_folders(tmp_path / "nowhere", 2017)
    with pytest.raises(ValueError, match="expected DAVIS of 2016 or 2017, found 2018"):
        davis_folders(tmp_path, 2018)
    root = write_davis(tmp_path, {"cows": [labels(1)]})
    with pytest.raises(FileNotFoundError, match="no list at all"):
        list_sequences(root, 2016)
    with pytest.raises(FileNotFoundError, match="dog: expected a sequence of DAVIS 2017.*there are cows"):
        load_davis(root, 2017, "dog")
    (root / "ImageSets/2017/val.txt").write_text("bear\n")
    with pytest.raises(FileNotFoundError, match="expected the sequences of .* found none of 1"):
        list_sequences(root, 2017)


@pytest.mark.parametrize("year", [2016, 2017])
def test_a_mask_of_another_size_is_named(tmp_path, year):
    root = write_davis(tmp_path, {"cows": [labels(1), labels(1)]})
    write_mask(root / "Annotations/480p/cows/00001.png", labels(1)[1:])
    with pytest.raises(ValueError, match=r"00001\.png: expected a mask of 8 x 6 pixels.*found 8 x 5 pixels"):
        load_davis(root, year, "cows")


def test_real_sequences(davis_root):
    names = list_sequences(davis_root, 2016)
    assert "blackswan" in names
    sequence = load_davis(davis_root, 2016, "blackswan")
    assert (sequence.N, sequence.shape, sequence.labels) == (50, (480, 854), (1,))
    assert all(np.array_equal(np.unique(mask), [0, 1]) for mask in sequence.annotations)


# Benchmarks written in its layout


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


def test_a_rendering_that_is_killed_goes_on_behind_what_is_whole(tmp_path: Path):
    asked = []

    def render(index):
        asked.append(index)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return small(f"ant-{index}")

    with pytest.raises(KeyboardInterrupt):
        render_benchmark(render, range(4), tmp_path, "val", "ants")
    assert not (tmp_path / "ImageSets").exists()
    assert render_benchmark(render, range(4), tmp_path, "val", "ants") == [f"ant-{i}" for i in range(4)]
    assert asked == [0, 1, 2, 2, 3] and len(read_benchmark(tmp_path, "val")) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Annotations", "ImageSets", "JPEGImages"]


def test_a_rendering_of_another_split_ends_what_one_had_begun(tmp_path: Path):
    asked = []
    with pytest.raises(LookupError):
        render_benchmark(lambda index: [small("ant-0")][index], range(2), tmp_path, "test", "ants")
    render_benchmark(lambda _: small("ant-0"), range(1), tmp_path, "val", "ants")
    render_benchmark(lambda index: asked.append(index) or small(f"ant-{index}"), range(2), tmp_path, "test", "ants")
    assert asked == [0, 1]


@pytest.mark.parametrize("left", ["{", "[]", '{"made by": "others", "names": {"0": "ant-0"}}', None])
def test_what_another_rendering_has_left_or_lost_is_rendered_anew(tmp_path: Path, left):
    asked = []
    with pytest.raises(LookupError):
        render_benchmark(lambda index: [small("ant-0")][index], range(2), tmp_path, "val", "ants")
    if left is None:
        shutil.rmtree(tmp_path / "Annotations")
    else:
        (tmp_path / ".unfinished").write_text(left)
    render_benchmark(lambda index: asked.append(index) or small(f"ant-{index}"), range(2), tmp_path, "val", "ants")
    assert asked == [0, 1]


def test_the_real_clip_is_small_and_shows_four_people_of_whom_one_has_left_at_the_end():
    video = street_video()
    assert (video.N, video.shape, video.labels) == (60, (320, 576), (1, 2, 3, 4))
    people = {i: set(np.unique(mask)) - {0} for i, mask in enumerate(video.annotations) if mask is not None}
    assert people == {0: {1, 2, 3, 4}, 30: {1, 2, 3, 4}, 50: {1, 2, 3, 4}, 59: {1, 2, 4}}
    assert sum(path.stat().st_size for path in STREET.rglob("*") if path.is_file()) <= 1.5e6


def test_a_part_of_the_real_clip_has_the_frames_and_people_asked_for():
    whole, part = street_video(), street_video(range(30, 60, 10), (2, 4))
    assert (part.labels, list(part.frame_names)) == ((2, 4), ["00030", "00040", "00050"])
    assert all(np.array_equal(part.frames[n], whole.frames[i]) for n, i in enumerate((30, 40, 50)))
    assert part.annotations[1] is None and [set(np.unique(mask)) for mask in part.truth] == [{0, 2, 4}] * 2
    assert np.array_equal(part.first_mask == 2, whole.annotations[30] == 2)
    with pytest.raises(ValueError, match="expected a first frame with a true mask .*, found 1"):
        street_video(range(1, 9))

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vsreid_lite.masks import read_mask, write_mask
from vsreid_lite.sequence import Sequence, frame_files, load_frames, load_sequence
from vsreid_lite.video import write_overlay_video

SHAPE = (9, 13)


def frame(value=0, shape=SHAPE):
    return np.full((*shape, 3), value, np.uint8)


def mask(*labels, shape=SHAPE):
    """Two pixels of each label."""
    result = np.zeros(shape, np.uint8)
    for row, label in enumerate(labels):
        result[row, :2] = label
    return result


def write_frames(folder, names, shape=SHAPE):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.fromarray(frame(10 * i, shape)).save(folder / name)
    return folder


class TestSequence:
    @pytest.mark.parametrize("N", [1, 2, 3])
    @pytest.mark.parametrize("as_array", [True, False])
    def test_it_knows_its_frames_and_instances(self, N, as_array):
        frames = [frame(i) for i in range(N)]
        sequence = Sequence("dog", np.stack(frames) if as_array else frames, mask(7, 2))
        assert (sequence.N, sequence.K, sequence.shape) == (N, 2, SHAPE)
        assert sequence.labels == (2, 7)
        assert sequence.frame_names == [f"{i:05d}" for i in range(N)]

    def test_frames_in_opencvs_order_turned_round_can_be_given_to_torch(self):
        frames = [np.stack([frame(1)[..., 0], frame(2)[..., 0], frame(3)[..., 0]], 2) for _ in range(2)]
        for given in ([image[..., ::-1] for image in frames], np.stack(frames)[..., ::-1]):
            sequence = Sequence("dog", given, mask(1))
            assert all(torch.from_numpy(image)[0, 0].tolist() == [3, 2, 1] for image in sequence.frames)

    def test_the_first_probabilities_are_the_masks_of_the_instances(self):
        P = Sequence("dog", [frame()], mask(7, 2)).first_probabilities()
        assert P.shape == (2, *SHAPE) and P.dtype == torch.float32
        np.testing.assert_array_equal(P[0].numpy(), mask(7, 2) == 2)
        np.testing.assert_array_equal(P[1].numpy(), mask(7, 2) == 7)

    def test_the_truth_is_the_masks_of_the_annotated_frames(self):
        frames, truth = [frame()] * 3, [mask(1), mask(2)]
        assert Sequence("dog", frames, mask(1)).truth == []
        sequence = Sequence("dog", frames, mask(1), annotations=[truth[0], None, truth[1]])
        np.testing.assert_array_equal(sequence.truth, truth)

    def test_twenty_instances_and_one_that_fills_the_frame(self):
        many = mask(*range(1, 21), shape=(20, 4))
        assert Sequence("crowd", [frame(shape=(20, 4))], many).K == 20
        full = np.full(SHAPE, 3, np.uint8)
        assert Sequence("wall", [frame()], full).first_probabilities().min() == 1

    def test_labels_that_are_not_asked_for_are_background(self):
        assert Sequence("dog", [frame()], mask(1, 2, 3), labels=(3, 1)).labels == (1, 3)

    def test_an_instance_absent_from_the_first_mask_is_named(self):
        with pytest.raises(ValueError, match="sequence dog: instance 2 is absent from the first mask"):
            Sequence("dog", [frame()], mask(1, 3), labels=(1, 2, 3))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"frames": []}, "at least one frame"),
            ({"frames": [frame(), frame(shape=(9, 12))]}, "frame 1: expected 13 x 9 pixels .* found 12 x 9 pixels"),
            ({"frames": [frame().astype(float)]}, "frame 0: expected uint8"),
            ({"first_mask": mask(1, shape=(13, 9))}, "expected the first mask as uint8"),
            ({"first_mask": mask(1).astype(int)}, "expected the first mask as uint8"),
            ({"first_mask": mask()}, "no instance"),
            ({"labels": (0, 1)}, "between 1 and 255, found 0"),
            ({"annotations": []}, "expected 1 annotations"),
            ({"annotations": [mask(1, shape=(3, 3))]}, "the annotation of frame 00000"),
            ({"frame_names": ["a", "b"]}, "expected 1 frame names"),
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, changes, message):
        with pytest.raises(ValueError, match=message):
            Sequence(**{"name": "dog", "frames": [frame()], "first_mask": mask(1)} | changes)


class TestFrames:
    def test_they_are_read_in_natural_order(self, tmp_path):
        write_frames(tmp_path, ["2.png", "10.png", "1.png"])
        with pytest.warns(UserWarning, match="3 to 9"):
            assert [f[0, 0, 0] for f in load_frames(tmp_path)] == [20, 0, 10]

    def test_they_may_be_jpeg_of_any_case_and_other_files_are_left_alone(self, tmp_path):
        write_frames(tmp_path, ["00000.jpg", "00001.JPG", "00002.jpeg"])
        (tmp_path / "notes.txt").write_text("")
        (tmp_path / "._00000.jpg").write_text("")
        assert [path.name for path in frame_files(tmp_path)] == ["00000.jpg", "00001.JPG", "00002.jpeg"]

    @pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
    def test_every_8_bit_image_becomes_rgb(self, tmp_path, mode):
        Image.fromarray(frame(255)).convert(mode).save(tmp_path / "0.png")
        np.testing.assert_array_equal(load_frames(tmp_path)[0], frame(255))

    def test_a_16_bit_image_is_refused(self, tmp_path):
        Image.fromarray(np.zeros(SHAPE, np.uint16)).save(tmp_path / "0.png")
        with pytest.raises(ValueError, match=r"0\.png: expected an 8-bit colour image"):
            load_frames(tmp_path)

    def test_gaps_in_the_numbering_are_named(self, tmp_path):
        write_frames(tmp_path, [f"frame_{i:03d}.png" for i in (0, 1, 3, 7)])
        with pytest.warns(UserWarning, match="missing from the numbering: 002, 004 to 006$"):
            load_frames(tmp_path)

    @pytest.mark.parametrize("names", [["5", "6"], ["00", "05", "10"], ["a", "b"], ["cat1", "dog4"], ["0"]])
    def test_numbering_without_a_gap_is_silent(self, tmp_path, names):
        write_frames(tmp_path, [f"{name}.png" for name in names])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(load_frames(tmp_path)) == len(names)

    def test_frames_of_another_size_are_named(self, tmp_path):
        write_frames(tmp_path, ["0.png"])
        write_frames(tmp_path, ["1.png"], shape=(9, 14))
        with pytest.raises(ValueError, match=r"1\.png: expected 13 x 9 pixels .* as 0\.png, found 14 x 9 pixels"):
            load_frames(tmp_path)

    @pytest.mark.parametrize("keep", [0, 100, 700])
    def test_a_truncated_frame_is_named(self, tmp_path, keep):
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "00000.jpg")
        data = (tmp_path / "00000.jpg").read_bytes()
        (tmp_path / "00001.jpg").write_bytes(data[:keep])
        with pytest.raises(ValueError, match=r"00001\.jpg: unreadable or truncated"):
            load_frames(tmp_path)

    def test_masks_among_the_frames_are_refused(self, tmp_path):
        write_frames(tmp_path, ["0.jpg", "0.png"])
        with pytest.raises(ValueError, match="expected frames of one kind"):
            load_frames(tmp_path)

    def test_missing_and_empty_folders_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="expected frames .* found none"):
            load_frames(tmp_path)
        with pytest.raises(FileNotFoundError, match="nowhere: expected a folder of frames .* or a video file"):
            load_frames(tmp_path / "nowhere")

    def test_one_image_is_no_video(self, tmp_path):
        write_frames(tmp_path, ["0.png"])
        with pytest.raises(ValueError, match=r"0\.png: expected a folder .* give its folder"):
            load_frames(tmp_path / "0.png")


class TestLoadSequence:
    def test_a_folder_and_an_indexed_mask(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["007.jpg", "008.jpg"])
        write_mask(tmp_path / "mask.png", mask(4, 9))
        sequence = load_sequence(folder, tmp_path / "mask.png")
        assert (sequence.name, sequence.frame_names, sequence.labels) == ("dog", ["007", "008"], (4, 9))
        assert sequence.annotations is None

    def test_a_video_and_a_grey_mask(self, tmp_path):
        pytest.importorskip("av")
        write_overlay_video(tmp_path / "dog.mp4", [frame(shape=(8, 12))] * 3, [mask(shape=(8, 12))] * 3)
        Image.fromarray(mask(255, shape=(8, 12))).save(tmp_path / "mask.png")
        sequence = load_sequence(tmp_path / "dog.mp4", tmp_path / "mask.png")
        assert (sequence.name, sequence.N, sequence.labels) == ("dog", 3, (1,))
        assert sequence.frame_names == ["00000", "00001", "00002"]

    def test_annotations_go_with_the_names_of_the_frames(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["0.jpg", "1.jpg", "2.jpg"])
        write_mask(tmp_path / "truth" / "0.png", mask(1, 2))
        write_mask(tmp_path / "truth" / "2.png", mask(2, 255))
        sequence = load_sequence(folder, tmp_path / "truth" / "0.png", tmp_path / "truth")
        np.testing.assert_array_equal(sequence.annotations[0], mask(1, 2))
        assert sequence.annotations[1] is None
        np.testing.assert_array_equal(sequence.annotations[2], mask(2))  # 255 is void beside labels

    def test_255_means_the_same_in_the_annotations_as_in_the_first_mask(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["0.jpg", "1.jpg"])
        for name, labels in [("0.png", mask(255)), ("1.png", mask())]:
            write_frames(tmp_path / "truth", [])
            Image.fromarray(labels).save(tmp_path / "truth" / name)
        sequence = load_sequence(folder, tmp_path / "truth" / "0.png", tmp_path / "truth")
        np.testing.assert_array_equal(sequence.annotations[0], mask(1))
        assert not sequence.annotations[1].any()

    def test_missing_annotations_and_a_mask_of_another_size_are_named(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["0.jpg"])
        write_mask(tmp_path / "mask.png", mask(1))
        write_mask(tmp_path / "small.png", mask(1, shape=(3, 4)))
        with pytest.raises(FileNotFoundError, match="nowhere: expected a folder of annotations"):
            load_sequence(folder, tmp_path / "mask.png", tmp_path / "nowhere")
        with pytest.raises(FileNotFoundError, match=r"annotations named as the frames \(0\.png"):
            load_sequence(folder, tmp_path / "mask.png", folder)
        with pytest.raises(ValueError, match=r"small\.png: expected a mask of 13 x 9 pixels"):
            load_sequence(folder, tmp_path / "small.png")

    def test_inputs_stay_untouched(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["0.jpg"])
        write_mask(tmp_path / "mask.png", mask(3))
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
        load_sequence(folder, tmp_path / "mask.png")
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask(3))

import time
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vsreid_lite.video.frame_folders import frame_files
from vsreid_lite.video.masks import write_mask
from vsreid_lite.video.movies import write_video
from vsreid_lite.video.video import Video, load_frames, load_video

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


class TestVideo:
    @pytest.mark.parametrize("N", [1, 2, 3])
    @pytest.mark.parametrize("as_array", [True, False])
    def test_it_knows_its_frames_and_instances(self, N, as_array):
        frames = [frame(i) for i in range(N)]
        sequence = Video("dog", np.stack(frames) if as_array else frames, mask(7, 2))
        assert (sequence.N, sequence.K, sequence.shape) == (N, 2, SHAPE)
        assert sequence.labels == (2, 7)
        assert sequence.frame_names == [f"{i:05d}" for i in range(N)]

    def test_frames_in_opencvs_order_turned_round_can_be_given_to_torch(self):
        frames = [np.stack([frame(1)[..., 0], frame(2)[..., 0], frame(3)[..., 0]], 2) for _ in range(2)]
        for given in ([image[..., ::-1] for image in frames], np.stack(frames)[..., ::-1]):
            sequence = Video("dog", given, mask(1))
            assert all(torch.from_numpy(image)[0, 0].tolist() == [3, 2, 1] for image in sequence.frames)

    def test_the_first_probabilities_are_the_masks_of_the_instances(self):
        P = Video("dog", [frame()], mask(7, 2)).first_probabilities()
        assert P.shape == (2, *SHAPE) and P.dtype == torch.float32
        np.testing.assert_array_equal(P[0].numpy(), mask(7, 2) == 2)
        np.testing.assert_array_equal(P[1].numpy(), mask(7, 2) == 7)

    def test_the_truth_is_the_masks_of_the_annotated_frames(self):
        frames, truth = [frame()] * 3, [mask(1), mask(2)]
        assert Video("dog", frames, mask(1)).truth == []
        sequence = Video("dog", frames, mask(1), annotations=[truth[0], None, truth[1]])
        np.testing.assert_array_equal(sequence.truth, truth)

    def test_labels_that_are_not_asked_for_are_background(self):
        assert Video("dog", [frame()], mask(1, 2, 3), labels=(3, 1)).labels == (1, 3)

    def test_an_instance_absent_from_the_first_mask_is_named(self):
        with pytest.raises(ValueError, match="sequence dog: instance 2 is absent from the first mask"):
            Video("dog", [frame()], mask(1, 3), labels=(1, 2, 3))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"frames": []}, "at least one frame"),
            ({"frames": [frame(), frame(shape=(9, 12))]}, "frame 1: expected 13 x 9 pixels .* found 12 x 9 pixels"),
            ({"frames": [frame().astype(float)]}, "frame 0: expected uint8"),
            ({"first_mask": mask(1, shape=(13, 9))}, "expected the first mask as uint8"),
            ({"first_mask": mask(1).astype(int)}, "expected the first mask as uint8"),
            ({"first_mask": mask()}, "no instance"),
            ({"frames": [frame()] * 3, "later_masks": {3: mask(1)}}, "lies in frame 1 to 2, found one for frame 3"),
            ({"frames": [frame()] * 3, "later_masks": {0: mask(1)}}, "lies in frame 1 to 2, found one for frame 0"),
            ({"frames": [frame()] * 3, "later_masks": {2: mask(1, shape=(3, 3))}}, "expected the mask of frame 2 as"),
            ({"frames": [frame()] * 3, "later_masks": {2: mask()}}, "the mask of frame 2 shows none of the instances"),
            ({"frames": [frame()] * 3, "later_masks": {2: mask(2)}, "labels": (1, 3)}, "shows none of the instances"),
            ({"frames": [frame()] * 3, "later_masks": {2: mask(2)}, "labels": (2, 3)}, "3 is absent from the given"),
            ({"labels": (0, 1)}, "between 1 and 255, found 0"),
            ({"annotations": []}, "expected 1 annotations"),
            ({"annotations": [mask(1, shape=(3, 3))]}, "the annotation of frame 00000"),
            ({"frame_names": ["a", "b"]}, "expected 1 frame names"),
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, changes, message):
        with pytest.raises(ValueError, match=message):
            Video(**{"name": "dog", "frames": [frame()], "first_mask": mask(1)} | changes)

    def test_later_masks_bring_instances_and_each_frame_starts_from_the_nearest(self):
        sequence = Video("dog", [frame()] * 8, mask(2), later_masks={6: mask(1, 2), 3: mask(1)})
        assert sequence.labels == (1, 2) and [*sequence.given] == [0, 3, 6]
        assert sequence.starts[:, 0].tolist() == [3, 3, 3, 3, 3, 6, 6, 6]
        assert sequence.starts[:, 1].tolist() == [0, 0, 0, 0, 6, 6, 6, 6]  # frame 3 is as near to 0, which is earlier
        given = dict(sequence.given_probabilities())
        assert [*given] == [(0, 1), (3, 0), (6, 0), (6, 1)]
        assert all(np.array_equal(P, sequence.given[i] == k + 1) for (i, k), P in given.items())


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

    def test_gaps_in_the_numbering_are_named(self, tmp_path):
        write_frames(tmp_path, [f"frame_{i:03d}.png" for i in (0, 1, 3, 7)])
        with pytest.warns(UserWarning, match="missing from the numbering: 002, 004 to 006$"):
            load_frames(tmp_path)

    @pytest.mark.parametrize("names", [["5", "6"], ["00", "05", "10"], ["a", "b"], ["a1b4", "a3b1"], ["0"]])
    def test_numbering_without_a_gap_is_silent(self, tmp_path, names):
        write_frames(tmp_path, [f"{name}.png" for name in names])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(load_frames(tmp_path)) == len(names)


class TestOtherFilesAmongTheFrames:
    """What lies beside a numbered series is left out with one line; where the series is not plain, it is refused."""

    SERIES = ("00000.png", "00001.png", "00002.png", "00003.png")

    @pytest.mark.parametrize("name", ["mask.png", "a.png", "0_mask.png", "thumb.jpg", "00002.jpg", "z.TIF"])
    @pytest.mark.parametrize("shape", [SHAPE, (5, 5)])
    def test_another_kind_of_name_or_format_is_left_out(self, tmp_path, name, shape):
        write_frames(tmp_path, [name], shape)
        write_frames(tmp_path, self.SERIES)
        with pytest.warns(UserWarning, match=f"left out {name}: the frames are 00000.png to 00003.png") as caught:
            assert [path.name for path in frame_files(tmp_path)] == list(self.SERIES)
        assert len(caught) == 1

    def test_a_first_mask_in_place_of_a_frame_leaves_a_gap(self, tmp_path):
        write_frames(tmp_path, self.SERIES)
        write_mask(tmp_path / "00001.png", mask(1))
        with pytest.warns(UserWarning) as caught:
            assert load_video(tmp_path, tmp_path / "00001.png").N == 3
        assert [str(warning.message).partition(": ")[2] for warning in caught] == [
            "00001.png is the first mask, and no frame",
            "frames are missing from the numbering: 00001",
        ]

    @pytest.mark.parametrize(
        "names",
        [
            ("0.jpg", "1.jpg", "0.png", "1.png"),
            ("0.png", "mask.png"),
            ("a1.png", "a2.png", "b1.png", "b2.png"),
            ("frame_0.png", "frame_1.png", "frame_0_mask.png", "frame_1_mask.png"),
            ("a.png", "b.jpg"),
            ("00000.jpg", "00001.jpg", "00002.jpg", "00003.png"),
            ("0.png", "1.png", "a.png", "b.png", "c.png"),
        ],
    )
    def test_what_cannot_be_decided_is_refused(self, tmp_path, names):
        write_frames(tmp_path, names)
        with pytest.raises(ValueError, match="expected frames of one kind, found .*; keep masks and other pictures in"):
            frame_files(tmp_path)

    @pytest.mark.parametrize("names", [("00000.jpg", "00000.jpeg"), ("0.JPG", "1.jpg", "1.jpeg"), ("1.tif", "1.tiff")])
    def test_two_frames_of_one_mask_are_refused(self, tmp_path, names):
        write_frames(tmp_path, names)
        with pytest.raises(ValueError, match=r"would have one mask, 0*\d\.png; keep one of the two"):
            frame_files(tmp_path)

    def test_the_size_that_most_frames_have_is_expected(self, tmp_path):
        write_frames(tmp_path, self.SERIES)
        write_frames(tmp_path, ["00000.png"], (5, 5))
        with pytest.raises(ValueError, match=r"00000\.png: expected 13 x 9 pixels .* as 00001\.png, found 5 x 5"):
            load_frames(tmp_path)

    @pytest.mark.parametrize("ending", ["heic", "gif", "dng", "txt"])
    def test_a_folder_without_frames_says_what_is_there(self, tmp_path, ending):
        for i in range(3):
            (tmp_path / f"{i}.{ending}").touch()
        with pytest.raises(FileNotFoundError, match=rf"expected frames \(.*\), found 3 \.{ending} files"):
            frame_files(tmp_path)

    def test_pictures_of_a_kind_that_is_not_read_are_pointed_out(self, tmp_path):
        write_frames(tmp_path, self.SERIES)
        (tmp_path / "00004.HEIC").touch()
        with pytest.warns(UserWarning, match=r"left out 00004\.HEIC: frames are read from \.jpg, "):
            assert len(frame_files(tmp_path)) == 4


class TestAnnotationsOfEitherConvention:
    @staticmethod
    def load(tmp_path, first, truth, **options):
        """A sequence of as many frames as there are true masks, None where one is missing."""
        folder = write_frames(tmp_path / "dog", [f"{i}.jpg" for i in range(len(truth))])
        (tmp_path / "truth").mkdir()
        for i, labels in enumerate(truth):
            if labels is not None:
                Image.fromarray(labels).save(tmp_path / "truth" / f"{i}.PNG")
        if first.max() == 255:
            Image.fromarray(first).save(tmp_path / "first.png")
        else:
            write_mask(tmp_path / "first.png", first)
        return load_video(folder, tmp_path / "first.png", tmp_path / "truth", **options)

    @pytest.mark.parametrize("label", [1, 7])
    def test_0_and_255_show_the_instance_of_the_first_mask(self, tmp_path, label):
        sequence = self.load(tmp_path, mask(label), [mask(255), mask(), mask(0, 255)])
        np.testing.assert_array_equal(sequence.annotations, [mask(label), mask(), mask(0, label)])

    def test_the_first_frame_that_is_not_empty_decides(self, tmp_path):
        with pytest.warns(UserWarning, match="truth: masks of 0 and 255 alone beside a first mask with labels: 255 is"):
            sequence = self.load(tmp_path, mask(1), [None, mask(), mask(1, 255), mask(0, 255)])
        np.testing.assert_array_equal(sequence.annotations[2], mask(1))
        assert not sequence.annotations[3].any()

    def test_labels_after_a_true_mask_of_0_and_255_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"2\.PNG: expected 0 and 255 alone, as in the first mask, found labels"):
            self.load(tmp_path, mask(1), [mask(255), mask(), mask(1)])

    def test_labels_beside_a_first_mask_of_0_and_255_are_labels(self, tmp_path):
        sequence = self.load(tmp_path, mask(255), [mask(1), mask(1, 255)])
        np.testing.assert_array_equal(sequence.annotations[1], mask(1))

    @pytest.mark.parametrize(
        ("first", "truth", "message"),
        [
            (mask(1, 2), mask(255), "which holds instances 1, 2, found 0 and 255"),
            (mask(255), mask(1, 2), "which holds 0 and 255, found instances 1, 2"),
            (mask(255), mask(7), "which holds 0 and 255, found instances 7"),
        ],
    )
    def test_what_cannot_be_matched_is_refused_unless_the_year_is_said(self, tmp_path, first, truth, message):
        with pytest.raises(ValueError, match=rf"0\.PNG: .* {message}; with year 2016"):
            self.load(tmp_path, first, [truth, truth])
        (tmp_path / "again").mkdir()
        sequence = self.load(tmp_path / "again", first, [truth, truth], year=2016)
        assert sequence.labels == (1,)
        np.testing.assert_array_equal(sequence.annotations[1], truth > 0)


class TestLoadVideo:
    def test_a_mask_that_is_wrong_is_told_before_the_video_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr("vsreid_lite.video.video.read_frames", None)
        with pytest.raises(FileNotFoundError, match="expected an image file"):
            load_video(tmp_path / "video.mp4", tmp_path / "gone.png")

    def test_a_folder_and_an_indexed_mask(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["007.jpg", "008.jpg"])
        write_mask(tmp_path / "mask.png", mask(4, 9))
        sequence = load_video(folder, tmp_path / "mask.png")
        assert (sequence.name, sequence.frame_names, sequence.labels) == ("dog", ["007", "008"], (4, 9))
        assert sequence.annotations is None

    @pytest.mark.parametrize("wanted", ["img1_007", "007", "7", 7])
    def test_a_later_mask_goes_with_the_frame_of_its_name_or_number(self, tmp_path, wanted):
        folder = write_frames(tmp_path / "dog", [f"img1_{i:03d}.png" for i in range(5, 9)])
        write_mask(folder / "later.png", mask(4))
        write_mask(tmp_path / "mask.png", mask(9))
        with pytest.warns(UserWarning, match=r"later\.png is a later mask, and no frame"):
            sequence = load_video(folder, tmp_path / "mask.png", later_masks={wanted: folder / "later.png"})
        assert sequence.N == 4 and sequence.labels == (4, 9)
        assert {i: mask.max() for i, mask in sequence.given.items()} == {0: 9, 2: 4}

    def test_without_a_first_mask_all_instances_enter_later(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["1a.jpg", "2a.jpg"])
        write_mask(tmp_path / "later.png", mask(4))
        sequence = load_video(folder, None, later_masks={2: tmp_path / "later.png"})
        assert not sequence.first_mask.any() and [*sequence.later_masks] == [1]

    def test_a_number_that_several_names_end_in_is_refused(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["1_1.jpg", "2_1.jpg"])
        write_mask(tmp_path / "later.png", mask(4))
        with pytest.raises(ValueError, match=r"later\.png: is for frame 1, which 2 names have; give the whole name"):
            load_video(folder, None, later_masks={1: tmp_path / "later.png"})

    def test_a_video_and_a_grey_mask(self, tmp_path):
        pytest.importorskip("av")
        write_video(tmp_path / "dog.mp4", [frame(shape=(8, 12))] * 3)
        Image.fromarray(mask(255, shape=(8, 12))).save(tmp_path / "mask.png")
        sequence = load_video(tmp_path / "dog.mp4", tmp_path / "mask.png")
        assert (sequence.name, sequence.N, sequence.labels) == ("dog", 3, (1,))
        assert sequence.frame_names == ["00000", "00001", "00002"]

    def test_annotations_go_with_the_names_of_the_frames(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["0.jpg", "1.jpg", "2.jpg"])
        write_mask(tmp_path / "truth" / "0.png", mask(1, 2))
        write_mask(tmp_path / "truth" / "2.png", mask(2, 255))
        sequence = load_video(folder, tmp_path / "truth" / "0.png", tmp_path / "truth")
        np.testing.assert_array_equal(sequence.annotations[0], mask(1, 2))
        assert sequence.annotations[1] is None
        np.testing.assert_array_equal(sequence.annotations[2], mask(2))  # 255 is void beside labels

    def test_missing_annotations_and_a_mask_of_another_size_are_named(self, tmp_path):
        folder = write_frames(tmp_path / "dog", ["0.jpg"])
        write_mask(tmp_path / "mask.png", mask(1))
        write_mask(tmp_path / "small.png", mask(1, shape=(3, 4)))
        with pytest.raises(FileNotFoundError, match="nowhere: expected a folder of annotations"):
            load_video(folder, tmp_path / "mask.png", tmp_path / "nowhere")
        with pytest.raises(FileNotFoundError, match=r"annotations named as the frames \(0\.png"):
            load_video(folder, tmp_path / "mask.png", folder)
        with pytest.raises(ValueError, match=r"small\.png: expected a mask of 13 x 9 pixels"):
            load_video(folder, tmp_path / "small.png")


def test_a_folder_of_many_frames_and_a_cover_is_listed_at_once(tmp_path):
    for i in range(3000):
        (tmp_path / f"{i:05d}.jpg").touch()
    (tmp_path / "cover.jpg").touch()
    started = time.process_time()
    with pytest.warns(UserWarning, match="left out cover.jpg"):
        assert len(frame_files(tmp_path)) == 3000
    assert time.process_time() - started < 3  # 0.2 s on an idle machine


@pytest.mark.parametrize("side", [20, 40])
def test_a_smaller_second_page_is_a_preview(tmp_path, side):
    pages = [Image.fromarray(np.full((size, size, 3), 90, np.uint8)) for size in (40, side)]
    pages[0].save(tmp_path / "0.tif", save_all=True, append_images=pages[1:])
    if side == 20:
        assert load_frames(tmp_path)[0].shape == (40, 40, 3)
    else:
        with pytest.raises(ValueError, match="expected one picture, found 2 in one file"):
            load_frames(tmp_path)

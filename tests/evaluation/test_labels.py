"""Reading truth and prediction: bad input is one error that names the file, and inputs stay as they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.samples import frames, write
from vsreid_lite.evaluation import evaluate, score_sequence
from vsreid_lite.video.masks import write_mask


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    labels = frames(1, 1, 1, 1)
    return write(tmp_path / "truth", {"a": labels}), write(tmp_path / "predicted", {"a": labels})


def test_missing_files_and_folders_are_named(folders):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        evaluate(folders[0] / "nowhere", folders[1])
    (folders[1] / "a").rename(folders[1] / "b")
    with pytest.raises(FileNotFoundError, match="predicted/a: there is no such folder"):
        evaluate(*folders)
    with pytest.raises(ValueError, match="the prediction has no sequence a, only b"):
        evaluate({"a": frames(1, 1, 1)}, {"b": frames(1, 1, 1)})


def test_too_few_frames(folders):
    for folder in folders:
        (folder / "b").mkdir()
    with pytest.raises(ValueError, match="truth/b: expected the indexed PNGs of one sequence, found none"):
        evaluate(write(folders[0], {"a": frames(1, 1, 1)}), folders[1])
    with pytest.raises(ValueError, match="sequence a: expected 4 predicted frames, found 3"):
        evaluate({"a": frames(1, 1, 1, 1)}, {"a": frames(1, 1, 1)})


@pytest.mark.parametrize("side", [0, 1])
def test_a_wrong_size_is_named(folders, side):
    Image.fromarray(np.zeros((20, 22), dtype=np.uint8)).save(folders[side] / "a" / "00002.png")
    with pytest.raises(ValueError, match=r"a/00002\.png: expected 20 x 20 \(width x height\), found 22 x 20"):
        evaluate(*folders)


def test_arrays_that_hold_no_labels_are_refused():
    with pytest.raises(ValueError, match=r"sequence a: expected integer labels \(N, H, W\), found float64"):
        evaluate({"a": frames(1, 1, 1).astype(float)}, {"a": frames(1, 1, 1)})
    with pytest.raises(ValueError, match="sequence a: expected equal numbers of frames, found 3, 4"):
        score_sequence("a", frames(1, 1, 1), frames(1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"sequence a, frame 1: expected shape \(20, 20\), found \(20, 10\)"):
        score_sequence("a", frames(1, 1, 1), frames(1, 1, 1)[:, :, :10])


def test_frames_are_taken_in_natural_order(tmp_path):
    labels = frames(1, 1, 1, 1)
    write(tmp_path, {"a": labels})
    for old, new in (("00000", "8"), ("00001", "9"), ("00002", "10"), ("00003", "11")):
        (tmp_path / "a" / f"{old}.png").rename(tmp_path / "a" / f"{new}.png")
    (tmp_path / "a" / "9.png").unlink()
    (tmp_path / "empty" / "a").mkdir(parents=True)
    warning = "8.png and 11.png do not count, .* official program sorts names as text and leaves 10.png and 8.png out"
    with pytest.raises(FileNotFoundError, match="10.png"), pytest.warns(UserWarning, match=warning):
        evaluate(tmp_path, tmp_path / "empty", ["a"])


def save(folder, labels, kind, name="{:05d}.png"):
    """Masks as one program or another stores them."""
    folder.mkdir(parents=True)
    for i, frame in enumerate(labels):
        image = Image.fromarray(frame)
        if kind == "P":
            write_mask(folder / name.format(i), frame)
        else:
            image.convert(kind, dither=Image.Dither.NONE).save(folder / name.format(i))


@pytest.mark.parametrize("true_kind", ["P", "L", "RGB"])
@pytest.mark.parametrize("kind", ["P", "L", "RGBA", "1"])
@pytest.mark.parametrize(("true_value", "value"), [(255, 255), (255, 1), (1, 255), (1, 1)])
def test_one_instance_as_255_or_as_1_scores_the_same_on_either_side(tmp_path, true_kind, kind, true_value, value):
    truth, predicted = frames(1, 1, 0, 1, 1), frames(1, 1, 1, 1, 1)
    predicted[:, 5:8] = 0
    expected = evaluate({"a": truth}, {"a": predicted}).to_json()
    value = 255 if kind == "1" else value
    save(tmp_path / "truth" / "a", truth * np.uint8(true_value), true_kind)
    save(tmp_path / "predicted" / "a", predicted * np.uint8(value), kind)
    assert evaluate(tmp_path / "truth", tmp_path / "predicted").to_json() == expected


def test_the_first_true_frame_decides_what_255_means_in_the_others():
    truth, predicted = frames(1, 1, 1, 1), frames(1, 1, 1, 1)
    truth[1] = np.where(truth[1] == 1, 255, 0)  # nothing but void: the instance is hidden
    with pytest.warns(UserWarning, match="sequence a: masks of 0 and 255 alone beside a first mask with labels"):
        assert evaluate({"a": truth}, {"a": predicted}).instances["a_1"].J.tolist() == [0, 1]
    with pytest.raises(ValueError, match="sequence a, frame 1: expected 0 and 255 alone, as in the first mask"):
        evaluate({"a": np.stack([truth[1], truth[2], truth[1]])}, {"a": predicted[:3]})


def test_year_2016_unites_the_instances_of_both_sides():
    truth = np.stack([frames(1, 1, 1)[0] + 2 * np.roll(frames(1, 1, 1)[0], 7, 1)] * 3)
    scores = evaluate({"a": truth}, {"a": (truth > 0) * np.uint8(255)}, year=2016)
    assert list(scores.instances) == ["a_1"] and scores.global_mean == 1
    with pytest.raises(ValueError, match="expected labels 0 to 2, as in the first true frame, found 255"):
        evaluate({"a": truth}, {"a": (truth > 0) * np.uint8(255)})


def test_soft_edges_in_the_truth_are_no_instances(folders):
    soft = np.repeat(np.arange(0, 256, 15, dtype=np.uint8), 20).reshape(-1, 20)
    for i in range(4):
        Image.fromarray(np.vstack([soft, soft[:2]])).save(folders[0] / "a" / f"{i:05d}.png")
    with pytest.raises(ValueError, match=r"truth/a/00000\.png: .*soft edges"):
        evaluate(*folders)


def test_only_the_annotated_frames_count_and_that_is_said(tmp_path):
    truth, predicted = frames(1, 1, 1, 0, 1, 1), frames(1, 0, 1, 1, 0, 1)
    annotated = [truth[0], None, truth[2], truth[3], None, truth[5]]
    with pytest.warns(UserWarning, match="sequence a: 4 of 6 frames have a true mask; these count"):
        sparse = score_sequence("a", annotated, predicted)
    assert sparse["a_1"].J.tolist() == [1, 0] and sparse["a_1"].visible.tolist() == [True, False]
    save(tmp_path / "predicted" / "a", predicted, "P")
    save(tmp_path / "truth" / "a", truth, "P")
    for i in (1, 4):
        (tmp_path / "truth" / "a" / f"{i:05d}.png").unlink()
    with pytest.warns(UserWarning, match="truth: true masks for some predicted frames only: a 4 of 6; these count"):
        assert evaluate(tmp_path / "truth", tmp_path / "predicted").instances["a_1"].J.tolist() == [1, 0]


def test_too_few_annotated_frames_are_refused():
    truth = frames(1, 1, 1, 1)
    with pytest.raises(ValueError, match="sequence a: expected true masks of at least 3 frames, .* found 2"):
        score_sequence("a", [truth[0], None, None, truth[3]], truth)


def test_what_archives_of_macos_add_and_upper_case_endings_change_nothing(folders):
    expected = evaluate(*folders).to_json()
    for folder in folders:
        (folder / "__MACOSX" / "a").mkdir(parents=True)
        (folder / ".cache").mkdir()
        (folder / "a" / "._00000.png").write_bytes(b"\x00\x05\x16\x07")
    for path in (folders[1] / "a").glob("0*.png"):
        path.rename(path.with_suffix(".PNG"))
    (folders[0] / "a" / "00001.png").rename(folders[0] / "a" / "00001.PNG")
    assert evaluate(*folders).to_json() == expected
    (folders[1] / "a" / "00001.png").write_bytes((folders[1] / "a" / "00001.PNG").read_bytes())
    with pytest.raises(ValueError, match="a/00001.*: expected one mask for a frame, found 00001"):
        evaluate(*folders)

"""Reading truth and prediction: bad input is one error that names the file, and inputs stay as they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.samples import frames, write
from vsreid_lite.evaluation import evaluate, score_sequence
from vsreid_lite.evaluation.labels import read_labels


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    labels = frames(1, 1, 1, 1)
    return write(tmp_path / "truth", {"a": labels}), write(tmp_path / "predicted", {"a": labels})


def test_a_larger_label_is_refused_with_its_file(folders):
    frame = frames(1)[0]
    frame[0, :2] = 3, 7
    Image.fromarray(frame).save(folders[1] / "a" / "00002.png")
    with pytest.raises(ValueError, match=r"predicted/a/00002\.png: expected labels 0 to 1, .* found 3, 7$"):
        evaluate(*folders)
    with pytest.raises(ValueError, match=r"sequence a, frame 1: .* found 2$"):
        evaluate({"a": frames(1, 1, 1)}, {"a": frames(1, 1, 1, label=2)})


def test_missing_files_and_folders_are_named(folders):
    (folders[1] / "a" / "00001.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"predicted/a/00001\.png: there is no such frame"):
        evaluate(*folders)
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        evaluate(folders[0] / "nowhere", folders[1])
    with pytest.raises(FileNotFoundError, match="nowhere/a: there is no such folder"):
        evaluate(folders[0], folders[1] / "nowhere")
    with pytest.raises(ValueError, match="a: expected one folder of indexed PNGs for each sequence, found none"):
        evaluate(folders[0] / "a", folders[1])
    with pytest.raises(ValueError, match="the prediction has no sequence a, only b"):
        evaluate({"a": frames(1, 1, 1)}, {"b": frames(1, 1, 1)})


def test_too_few_frames(folders):
    for unwanted in ("00002.png", "00003.png"):
        (folders[0] / "a" / unwanted).unlink()
    with pytest.raises(ValueError, match="truth/a: expected at least 3 frames, .* found 2"):
        evaluate(*folders)
    (folders[0] / "b").mkdir()
    with pytest.raises(ValueError, match="truth/b: expected the indexed PNGs of one sequence, found none"):
        evaluate(write(folders[0], {"a": frames(1, 1, 1)}), folders[1])
    with pytest.raises(ValueError, match="sequence a: expected 4 predicted frames, found 3"):
        evaluate({"a": frames(1, 1, 1, 1)}, {"a": frames(1, 1, 1)})


@pytest.mark.parametrize("side", [0, 1])
def test_a_wrong_size_is_named(folders, side):
    Image.fromarray(np.zeros((20, 22), dtype=np.uint8)).save(folders[side] / "a" / "00002.png")
    with pytest.raises(ValueError, match=r"a/00002\.png: expected 20 x 20 \(width x height\), found 22 x 20"):
        evaluate(*folders)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_an_image_without_labels_is_refused(folders, mode):
    Image.new(mode, (20, 20)).save(folders[1] / "a" / "00001.png")
    with pytest.raises(ValueError, match=rf"a/00001\.png: .*expected an indexed or 8-bit grey PNG, .* mode {mode}"):
        evaluate(*folders)


def test_a_truncated_file_is_refused_at_any_length(tmp_path):
    labels = np.random.default_rng(0).integers(0, 4, (12, 16)).astype(np.uint8)
    path = write(tmp_path, {"a": labels[None]}) / "a" / "00000.png"
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(read_labels(path), labels)  # only the end mark is missing
        except ValueError as error:
            assert str(error).startswith(f"{path}: cannot be read as a label image")
            refused += 1
    assert refused > 0.9 * len(whole) / 7


def test_a_first_frame_without_instance_is_refused(tmp_path):
    empty, davis2016 = frames(0, 1, 1), frames(1, 1, 1, label=255)
    with pytest.raises(ValueError, match="sequence a, frame 0: the first true frame shows no instance$"):
        evaluate({"a": empty}, {"a": empty})
    with pytest.raises(ValueError, match=r"a/00000\.png: .* no instance, and 255 is void \(DAVIS 2016"):
        evaluate(write(tmp_path, {"a": davis2016}), tmp_path)


def test_arrays_that_hold_no_labels_are_refused():
    with pytest.raises(ValueError, match=r"sequence a: expected integer labels \(N, H, W\), found float64"):
        evaluate({"a": frames(1, 1, 1).astype(float)}, {"a": frames(1, 1, 1)})
    with pytest.raises(ValueError, match="sequence a: expected equal numbers of frames, at least 3, found 3, 4"):
        score_sequence("a", frames(1, 1, 1), frames(1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"sequence a, frame 1: expected shape \(20, 20\), found \(20, 10\)"):
        score_sequence("a", frames(1, 1, 1), frames(1, 1, 1)[:, :, :10])


def test_nothing_is_written_into_either_folder(folders):
    before = sorted(path for root in folders for path in root.rglob("*"))
    evaluate(*folders)
    assert sorted(path for root in folders for path in root.rglob("*")) == before


def test_frames_are_taken_in_natural_order(tmp_path):
    labels = frames(1, 1, 1, 1)
    write(tmp_path, {"a": labels})
    for old, new in (("00000", "8"), ("00001", "9"), ("00002", "10"), ("00003", "11")):
        (tmp_path / "a" / f"{old}.png").rename(tmp_path / "a" / f"{new}.png")
    (tmp_path / "a" / "9.png").unlink()
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="10.png"):
        evaluate(tmp_path, tmp_path / "empty")

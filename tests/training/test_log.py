"""The log of a stage: what is written can be read, and a file that is none is named."""

from pathlib import Path

import numpy as np
import pytest

from vsreid_lite.training.log import append_to_log, cut_log, read_log, read_logs


def test_rows_come_back_as_they_were_written(tmp_path):
    log = tmp_path / "new" / "a.csv"
    append_to_log(log, 50, 0.5, 1.25)
    append_to_log(log, 100, 0.25, 2.5)
    assert log.read_text().splitlines()[0] == "step,loss,seconds"
    curve = read_log(log)
    assert curve.steps.tolist() == [50, 100] and curve.loss.tolist() == [0.5, 0.25]
    assert curve.seconds.tolist() == [1.2, 2.5]


def test_a_log_is_cut_behind_a_step_and_a_torn_last_row_goes(tmp_path):
    log = tmp_path / "a.csv"
    for step in (50, 100, 150):
        append_to_log(log, step, 1.0, step)
    with log.open("a") as file:
        file.write("200,0.")
    cut_log(log, 100)
    assert read_log(log).steps.tolist() == [50, 100]
    cut_log(log, 0)
    assert log.read_text() == "step,loss,seconds\n"
    cut_log(tmp_path / "none.csv", 0)
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [("", "found no row"), ("step,loss,seconds\n", "found no row"), ("a,b\n1,2\n", "expected the log of a training")],
)
def test_a_file_that_is_no_log_is_named(tmp_path, content, line):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"a\.csv: .*{line}"):
        read_log(tmp_path / "a.csv")


@pytest.mark.parametrize("row", ["50,x,1", "50", "x,1,1"])
def test_a_row_that_is_none_is_refused(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"step,loss,seconds\n{row}\n")
    with pytest.raises(ValueError, match="expected the log of a training with columns step, loss, seconds"):
        read_log(tmp_path / "a.csv")


def test_logs_come_in_the_order_of_training(tmp_path):
    for name in ("mine", "lite-detector", "lite-stills"):
        append_to_log(tmp_path / f"{name}.csv", 50, 1.0, 1.0)
    assert list(read_logs(tmp_path)) == ["lite-stills", "lite-detector", "mine"]
    assert read_logs(tmp_path / "none") == {}


def test_the_logs_of_the_shipped_weights_are_logs():
    for curve in read_logs(Path(__file__).parents[2] / "data" / "training").values():
        assert (np.diff(curve.steps) > 0).all() and (curve.loss > 0).all()

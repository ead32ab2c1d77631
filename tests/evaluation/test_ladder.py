"""Each row of Table 1 is one configuration with weights of its own, and says what it waits for."""

import re
from dataclasses import replace

import pytest
from torch import nn

from tests.command_line import ship_stubs
from vsreid_lite.config import LITE
from vsreid_lite.evaluation.ladder import ADAPTATION, SCALES, adapted, ladder
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.models.weights import Provenance, save_weights

MADE = "vsreid train lite-davis-propagation --seed 0 --root DAVIS --sequences a,b"


@pytest.fixture
def files(tmp_path, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path / "weights")


def save(path, network="two streams", settings=None):
    save_weights(path, nn.Linear(1, 1), Provenance(network, "", MADE, 0, 0, settings=settings or {}))
    return str(path)


def what(row):
    """What a row sets: box, flow, ReID module, scales, adaptation."""
    config = row.config
    return config.propagation.use_box, config.propagation.use_flow, config.reid, config.propagation.scales, config.adapt


def missing(rows):
    return [bool(row.missing) for row in rows]


def test_each_row_adds_one_thing_to_the_row_before(files):
    rows = ladder(replace(LITE, adapt=True, device="cpu", seed=3))
    assert [row.name for row in rows] == [*(row.name for row in table1()), ADAPTATION]
    assert [what(row) for row in rows] == [
        (False, False, False, (1.0,), False),
        (True, False, False, (1.0,), False),
        (True, True, False, (1.0,), False),
        (True, True, True, (1.0,), False),
        (True, True, True, SCALES, False),
        (True, True, True, SCALES, True),
    ]
    assert not any(missing(rows)) and {(row.config.device, row.config.seed) for row in rows} == {("cpu", 3)}


def test_without_adaptation_there_are_the_papers_rows_alone(files):
    assert [row.name for row in ladder(LITE)] == [row.name for row in table1()]


def test_the_scales_are_those_stored_with_the_weights(files):
    save(files / "lite-propagation.safetensors", settings={"scales": [0.875, 1.0]})
    assert ladder(LITE)[4].config.propagation.scales == (0.875, 1.0)


def test_with_adaptation_everywhere_the_papers_rows_are_as_before_but_adapted(files):
    (files / "lite-box.safetensors").unlink()
    rows = ladder(replace(LITE, adapt=True))
    every = adapted(rows)
    assert [row.name for row in every] == [row.name for row in table1()]
    assert [what(row) for row in every] == [(*what(row)[:4], True) for row in rows[:5]]
    assert every[4].config == rows[5].config  # measured once
    assert missing(every) == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("part", "waiting"),
    [
        ("baseline", [True, False, False, False, False]),
        ("box", [False, True, False, False, False]),
        ("propagation", [False, False, True, True, True]),
        ("detector", [False, False, False, True, True]),
        ("identification", [False, False, False, True, True]),
    ],
)
def test_a_row_without_its_file_says_which_command_makes_it(files, part, waiting):
    (files / f"lite-{part}.safetensors").unlink()
    rows = ladder(LITE)
    assert missing(rows) == waiting
    reasons = {row.missing for row in rows if row.missing}
    assert reasons == {f"not measured: no file lite-{part}; make it: vsreid train lite-{part}"}


def test_a_file_of_ones_own_serves_the_rows_of_two_streams(files, tmp_path):
    own = save(tmp_path / "seven-propagation.safetensors")
    rows = ladder(replace(LITE, weights=own))
    assert missing(rows) == [True, True, False, False, False]
    box = tmp_path / "seven-box.safetensors"
    assert rows[1].missing == (
        f"not measured: no file {box}; make it: vsreid train lite-davis-box --seed 0 --root DAVIS --sequences a,b "
        f"--output {box}"
    )
    save(box, "rgb")
    assert missing(ladder(replace(LITE, weights=own))) == [True, False, False, False, False]


def test_a_file_of_one_stream_serves_none_of_them(files, tmp_path):
    own = save(tmp_path / "seven-propagation.safetensors", "rgb")
    save(tmp_path / "seven-box.safetensors", "rgb")
    rows = ladder(replace(LITE, weights=own))
    assert missing(rows) == [True, False, True, True, True]
    assert rows[2].missing == "not measured: seven-propagation.safetensors has no flow stream"


def test_rows_that_are_not_chosen_are_not_measured(files):
    rows = ladder(LITE, (3, 4))
    assert missing(rows) == [True, True, False, False, True] and rows[0].missing == "not measured: not chosen"


@pytest.mark.parametrize(
    ("chosen", "adapt", "line"),
    [
        ((7,), True, "row 7: expected numbers from 1 to 6, as in Table 1"),
        ((1, 6), False, "row 6: expected numbers from 1 to 5, as in Table 1; 6 is ours, with --adapt"),
        (
            (1,),
            False,
            "weights lite: no row can be measured: no file lite-baseline; make it: vsreid train",
        ),
    ],
)
def test_a_choice_that_cannot_be_measured_is_one_line(files, chosen, adapt, line):
    (files / "lite-baseline.safetensors").unlink()
    with pytest.raises(ValueError, match=re.escape(line)):
        ladder(replace(LITE, adapt=adapt), chosen)

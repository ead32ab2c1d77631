"""Every exercise: quiet until attempted, right for right answers, a hint for every mistake; its oracle is true."""

import numpy as np
import pytest
import torch

from tests.lessons.right import RIGHT
from tests.lessons.wrong import WRONG
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.geometry import Box, warp
from vsreid_lite.lessons import chapters_07_to_10, check, question
from vsreid_lite.lessons.exercises import EXERCISES
from vsreid_lite.lessons.judging import judge
from vsreid_lite.networks.identification import OIMLoss

FUNCTIONS = [name for name, exercise in EXERCISES.items() if exercise.cases]
each_exercise = pytest.mark.parametrize("name", EXERCISES)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def attempts(table):
    return [pytest.param(name, one, id=f"{name}-{i}") for name in table for i, one in enumerate(table[name])]


# ---- the exercises


def test_each_notebook_has_two_or_three_exercises():
    chapters = [name.partition(".")[0] for name in EXERCISES]
    assert sorted(set(chapters)) == [f"{i:02d}" for i in range(1, 11)]
    assert all(2 <= chapters.count(chapter) <= 3 for chapter in chapters)
    assert list(EXERCISES) == sorted(EXERCISES) and RIGHT.keys() == WRONG.keys() == EXERCISES.keys()


@each_exercise
def test_a_question_names_the_function_or_says_what_to_answer_with(name):
    exercise = EXERCISES[name]
    signature = f"`{exercise.oracle.__name__}({', '.join(exercise.parameters)})`"
    assert (signature if exercise.cases else "Answer with ") in " ".join(exercise.question.split())
    assert exercise.hint.endswith((".", "?")) and exercise.hint not in exercise.question


@each_exercise
def test_a_question_is_shown_as_markdown_with_its_number(name, monkeypatch):
    shown = []
    monkeypatch.setattr("vsreid_lite.lessons.exercises.display", lambda data, raw: shown.append(data))
    question(name)
    assert shown[0]["text/markdown"] == f"**Exercise {name}.** {EXERCISES[name].question}"


@pytest.mark.parametrize("ask", [question, lambda name: check(name, None)])
def test_an_unknown_exercise_is_refused_with_those_that_exist(ask):
    with pytest.raises(ValueError, match=r"exercise '11\.1': expected one of 01\.1, "):
        ask("11.1")


def test_table_1_of_the_exercise_is_the_printed_one():
    assert [row.global_mean for row in table1()] == list(chapters_07_to_10.COLUMN)
    assert [row.boost for row in table1()[1:]] == list(chapters_07_to_10.BOOSTS)


def test_the_direction_of_the_exercise_is_the_one_that_warps_a_square_to_where_it_went():
    source, target = torch.zeros(9, 9), torch.zeros(9, 9)
    source[4:6, 2:4], target[3:5, 5:7] = 1, 1
    flow = torch.tensor(EXERCISES["02.2"].oracle())[:, None, None].expand(2, 9, 9).float()
    assert torch.equal(warp(source, flow), target)


@pytest.mark.parametrize("layers", [layers for (layers,) in EXERCISES["04.2"].cases if layers])
def test_the_receptive_field_is_where_a_gradient_arrives(layers):
    x = torch.zeros(1, 1, 401, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        y = torch.nn.functional.conv1d(y, torch.ones(1, 1, kernel), None, stride, 0, dilation)
    y[0, 0, y.shape[-1] // 2].backward()
    (touched,) = x.grad[0, 0].nonzero(as_tuple=True)
    assert touched.max() - touched.min() + 1 == EXERCISES["04.2"].oracle(layers)


def test_the_table_is_updated_as_the_loss_does_it():
    for table, x, identity, momentum in EXERCISES["08.1"].cases:
        loss = OIMLoss(*table.shape)
        loss.table, loss.momentum = table.clone(), momentum
        loss(x[None], torch.tensor([identity]))
        assert torch.allclose(loss.table, EXERCISES["08.1"].oracle(table, x, identity, momentum))


# ---- not attempted


def returns_nothing(*inputs):
    return None


def says_not_implemented(*inputs):
    raise NotImplementedError


@each_exercise
def test_a_stub_is_not_attempted_and_says_so_in_one_short_line(name, capsys):
    stubs = [None, ...]
    if name in FUNCTIONS:
        stubs += [returns_nothing, says_not_implemented, lambda *inputs: ...]
    for stub in stubs:
        check(name, stub)
        assert capsys.readouterr().out == f"{name}: not attempted\n"


# ---- right


@pytest.mark.parametrize(("name", "answer"), attempts(RIGHT))
def test_a_right_answer_in_any_style_is_right(name, answer, capsys):
    check(name, answer)
    assert capsys.readouterr().out == f"{name}: right\n"


def as_kinds(value):
    """The same answer as other kinds of thing."""
    if value is None or isinstance(value, set):
        return [value] * 4
    value = [value.x0, value.y0, value.x1, value.y1] if isinstance(value, Box) else value
    array = np.asarray(value, np.float64)
    return [array.tolist(), array.astype(np.float16), torch.tensor(array, dtype=torch.float32), array[None]]


@each_exercise
@pytest.mark.parametrize("kind", range(4), ids=["list", "float16", "tensor", "extra axis"])
def test_a_right_answer_as_any_kind_of_number_is_right(name, kind):
    oracle = EXERCISES[name].oracle
    answer = (lambda *inputs: as_kinds(oracle(*inputs))[kind]) if name in FUNCTIONS else as_kinds(oracle())[kind]
    assert judge(EXERCISES[name], answer).right


# ---- wrong


@pytest.mark.parametrize(("name", "answer"), attempts(WRONG))
def test_a_mistake_is_wrong_and_gets_a_hint(name, answer, capsys):
    check(name, answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: not yet: ") and said.endswith(f" Hint: {EXERCISES[name].hint}\n")
    assert said.count("\n") == 1
    if name in FUNCTIONS:
        assert f"for {EXERCISES[name].parameters[0]} = " in said

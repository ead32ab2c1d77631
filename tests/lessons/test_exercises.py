"""Every exercise: quiet until attempted, right for right answers, a hint for every mistake; its oracle is true."""

import copy
import re

import numpy as np
import pytest
import torch

from tests.lessons.right import RIGHT
from tests.lessons.wrong import WRONG
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.geometry import Box, warp
from vsreid_lite.lessons import check, question, scores
from vsreid_lite.lessons.exercises import exercises, judge
from vsreid_lite.networks.identification import OIMLoss

EXERCISES = exercises()
FUNCTIONS = [name for name, exercise in EXERCISES.items() if exercise.cases]
each_exercise = pytest.mark.parametrize("name", EXERCISES)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def attempts(table):
    return [pytest.param(name, one, id=f"{name}-{i}") for name in table for i, one in enumerate(table[name])]


def verdict(name, answer):
    return judge(EXERCISES[name], answer)


# ---- the exercises


def test_each_notebook_has_two_or_three_exercises():
    chapters = [name.partition(".")[0] for name in EXERCISES]
    assert sorted(set(chapters)) == [f"{i:02d}" for i in range(1, 11)]
    assert all(2 <= chapters.count(chapter) <= 3 for chapter in chapters)
    assert RIGHT.keys() == WRONG.keys() == EXERCISES.keys()


@each_exercise
def test_a_question_is_shown_with_its_number_and_names_what_to_answer_with(name, monkeypatch):
    exercise, shown = EXERCISES[name], []
    monkeypatch.setattr("vsreid_lite.lessons.exercises.display", lambda data, raw: shown.append(data["text/markdown"]))
    question(name)
    assert shown == [f"**Exercise {name}.** {exercise.question}"]
    signature = f"`{exercise.oracle.__name__}({', '.join(exercise.parameters)})`"
    assert (signature if exercise.cases else "Answer with ") in " ".join(exercise.question.split())
    assert exercise.hint.endswith((".", "?")) and exercise.hint not in exercise.question


@pytest.mark.parametrize("name", ["11.1", "02.9"])
def test_an_unknown_exercise_is_refused_with_those_that_exist(name):
    for ask in (question, lambda name: check(name, None)):
        with pytest.raises(ValueError, match=rf"exercise '{name}': expected one of 01\.1, .*, 10\.3"):
            ask(name)


def test_table_1_of_the_exercise_is_the_printed_one():
    assert [row.global_mean for row in table1()] == list(scores.COLUMN)
    assert [row.boost for row in table1()[1:]] == list(scores.BOOSTS)


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


def says_not_implemented(*inputs):
    raise NotImplementedError


@each_exercise
def test_a_stub_is_not_attempted_and_says_so_in_one_short_line(name, capsys):
    stubs = [None, ...]
    if name in FUNCTIONS:
        stubs += [lambda *inputs: None, says_not_implemented, lambda *inputs: ...]
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
    assert verdict(name, answer) == "right"


# ---- wrong


@pytest.mark.parametrize(("name", "answer"), attempts(WRONG))
def test_a_mistake_is_wrong_and_gets_a_hint(name, answer, capsys):
    check(name, answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: not yet: ") and said.endswith(f" Hint: {EXERCISES[name].hint}\n")
    assert said.count("\n") == 1
    if name in FUNCTIONS:
        assert f"for {EXERCISES[name].parameters[0]} = " in said


OTHER_KINDS = [
    "right",
    b"3",
    {},
    {"answer": 1},
    object(),
    [],
    [None],
    12345.678,
    float("nan"),
    -1,
    1j,
    type,
    [[1], [2, 3]],
]
OTHER_KINDS += [float("inf"), torch.ones(2, dtype=torch.int8), np.zeros((300, 300)), {7}]


@each_exercise
def test_a_thing_of_a_wrong_kind_is_wrong_and_gets_a_hint(name):
    for answer in OTHER_KINDS:
        for attempt in (answer, lambda *inputs, answer=answer: answer):
            said = verdict(name, attempt)
            assert said.startswith("not yet: ") and EXERCISES[name].hint in said and len(said) < 1200, answer


@each_function
def test_a_value_instead_of_the_function_is_told_which_function_is_wanted(name):
    exercise = EXERCISES[name]
    said = verdict(name, exercise.oracle(*exercise.cases[0]))
    assert f"expected the function {exercise.oracle.__name__}({', '.join(exercise.parameters)}) itself, found " in said


KIND = r"(a number|\d numbers|an array of shape \(.+\)|True or False|a list of whole numbers)"


@each_exercise
def test_a_wrong_answer_is_told_what_kind_is_expected_and_nothing_more_of_the_right_one(name):
    exercise = EXERCISES[name]
    said = verdict(name, (lambda *inputs: "?") if name in FUNCTIONS else "?")
    case = r"for .+: " if name in FUNCTIONS else ""
    told = rf"not yet: {case}expected {KIND}, found something of type str\. Hint: {re.escape(exercise.hint)}"
    assert re.fullmatch(told, said)


def test_the_first_case_that_fails_is_shown_with_its_input():
    said = verdict("01.1", lambda truth, predicted: (truth & predicted).sum() / max((truth | predicted).sum(), 1))
    assert said.startswith("not yet: for truth = [[0, 0, 0], [0, 0, 0]], predicted = [[0, 0, 0], [0, 0, 0]]: found 0. ")


# ---- attempts that break


def raises(error):
    def attempt(*inputs):
        raise error

    return attempt


@each_function
def test_a_function_that_raises_is_wrong_and_the_error_is_named_in_one_line(name):
    for error in (ValueError("x" * 10**6), SystemExit(), MemoryError(), RecursionError("a\nb")):
        said = verdict(name, raises(error))
        assert f"it raises {type(error).__name__}" in said and "\n" not in said and len(said) < 1200
    assert "it raises TypeError" in verdict(name, lambda: 0)


def spoil(value):
    """Changes a value in place, where it can."""
    if isinstance(value, torch.Tensor):
        value.add_(1)
    elif isinstance(value, np.ndarray):
        value[...] = 1 - value
    elif isinstance(value, dict):
        value.clear()


@each_function
def test_a_function_that_changes_its_inputs_is_told_so_and_spoils_nothing_for_the_next(name):
    exercise = EXERCISES[name]
    before = copy.deepcopy(exercise.cases)

    def attempt(*inputs):
        answer = exercise.oracle(*copy.deepcopy(inputs))
        for value in inputs:
            spoil(value)
        return answer

    said = verdict(name, attempt)
    mutable = any(isinstance(value, (torch.Tensor, np.ndarray, dict)) for value in before[0])
    assert ("it changes its input" in said) is mutable
    assert repr(exercise.cases) == repr(before) and verdict(name, exercise.oracle) == "right"

"""No attempt breaks an exercise, and none that is lazy or vicious passes."""

import copy
import itertools
import re

import numpy as np
import pytest
import torch

from vsreid_lite.lessons import check
from vsreid_lite.lessons.exercises import EXERCISES
from vsreid_lite.lessons.judging import judge

LONGEST = 1200  # characters of a verdict
FUNCTIONS = [name for name, exercise in EXERCISES.items() if exercise.cases]
each_exercise = pytest.mark.parametrize("name", EXERCISES)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def verdict(name, answer):
    return judge(EXERCISES[name], answer)


def raises(error):
    def attempt(*inputs):
        raise error

    return attempt


# ---- lazy


LAZY = [
    "right",
    "",
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


@each_exercise
def test_a_thing_of_a_wrong_kind_is_wrong_and_gets_a_hint(name):
    for answer in LAZY:
        for attempt in (answer, lambda *inputs, answer=answer: answer):
            judged = verdict(name, attempt)
            assert judged.right is False and EXERCISES[name].hint in judged.text, answer


@each_function
def test_a_constant_that_fits_one_case_is_wrong(name):
    exercise = EXERCISES[name]
    for inputs in exercise.cases:
        fitting = exercise.oracle(*inputs)
        if fitting is not None:
            assert verdict(name, lambda *inputs, fitting=fitting: fitting).right is False


@each_function
def test_a_value_instead_of_the_function_is_told_which_function_is_wanted(name):
    exercise = EXERCISES[name]
    text = verdict(name, exercise.oracle(*exercise.cases[0])).text
    assert f"expected the function {exercise.oracle.__name__}({', '.join(exercise.parameters)}) itself, found " in text


KIND = r"(a number|\d numbers|an array of shape \(.+\)|True or False|a list of whole numbers)"


@each_exercise
def test_a_wrong_answer_is_told_what_kind_is_expected_and_nothing_more_of_the_right_one(name):
    exercise = EXERCISES[name]
    text = verdict(name, (lambda *inputs: "?") if name in FUNCTIONS else "?").text
    case = r"for .+: " if name in FUNCTIONS else ""
    told = rf"not yet: {case}expected {KIND}, found something of type str\. Hint: {re.escape(exercise.hint)}"
    assert re.fullmatch(told, text)


def test_the_first_case_that_fails_is_shown_with_its_input():
    text = verdict("01.1", lambda truth, predicted: (truth & predicted).sum() / max((truth | predicted).sum(), 1)).text
    assert text.startswith("not yet: for truth = [[0, 0, 0], [0, 0, 0]], predicted = [[0, 0, 0], [0, 0, 0]]: found 0. ")


# ---- malicious


class NoText(Exception):
    def __str__(self):
        raise RuntimeError


class Stop(BaseException):
    pass


class Evil:
    """Raises when it is looked at."""

    def __getattribute__(self, name):
        raise Stop

    __len__ = __iter__ = __float__ = __eq__ = __bool__ = __repr__ = __call__ = None


class EvilList(list):
    def __len__(self):
        raise Stop


def evil_array():
    array = np.empty(1, object)
    array[0] = Evil()
    return array


def recursive():
    endless = []
    endless.append(endless)
    return endless


VICIOUS = {  # made when they are needed: pytest would look at them
    "infinite": lambda: float("inf"),
    "infinities": lambda: [float("inf"), float("-inf")],
    "evil": Evil,
    "evil list": lambda: EvilList([1, 2]),
    "evil array": evil_array,
    "complex": lambda: torch.ones(2, dtype=torch.complex64),
    "meta": lambda: torch.ones(2, device="meta"),
    "sparse": lambda: torch.ones(2, 2).to_sparse(),
    "huge list": lambda: [0] * 10**7,
    "huge range": lambda: range(10**15),
    "huge array": lambda: np.broadcast_to(0.5, (10**6, 10**6)),
    "huge tensor": lambda: torch.zeros(1).expand(10**6, 10**6),
    "huge number": lambda: 10**5000,
    "huge nest": lambda: [[0.5] * 9000] * 9000,
    "huge text": lambda: "9" * 10**6,
    "endless list": recursive,
    "endless generator": itertools.count,
}


@each_exercise
def test_a_vicious_answer_is_wrong_in_one_line_of_bounded_length(name, capsys):
    for kind, make in VICIOUS.items():
        answer = make()
        for attempt in (answer, lambda *inputs, answer=answer: answer):
            check(name, attempt)
            said = capsys.readouterr().out
            assert said.startswith(f"{name}: not yet: ") and said.count("\n") == 1, kind
            assert len(said) < LONGEST, kind


ERRORS = [ValueError("x" * 10**6), SystemExit(), NoText(), Stop(), MemoryError(), RecursionError("a\nb")]


@each_function
def test_a_function_that_raises_is_wrong_and_the_error_is_named(name):
    for error in ERRORS:
        text = verdict(name, raises(error)).text
        assert f"it raises {type(error).__name__}" in text and "\n" not in text and len(text) < LONGEST


def test_ctrl_c_passes():
    with pytest.raises(KeyboardInterrupt):
        verdict("01.1", raises(KeyboardInterrupt()))


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

    text = verdict(name, attempt).text
    mutable = any(isinstance(value, (torch.Tensor, np.ndarray, dict)) for value in before[0])
    assert ("it changes its input" in text) is mutable
    assert repr(exercise.cases) == repr(before) and verdict(name, exercise.oracle).right


@each_function
def test_a_function_that_takes_other_inputs_is_wrong(name):
    assert "it raises TypeError" in verdict(name, lambda: 0).text

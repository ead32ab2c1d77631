"""Self-checking exercises of the notebooks: `question("02.1")` asks, `check("02.1", answer)` judges the answer.

An exercise says nothing until it is attempted, says "right" to every right answer, and says of a wrong one which case
failed and where to look. Solutions are in notebooks/solutions.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from numbers import Real
from typing import Any

import numpy as np
from IPython.display import display
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.geometry import Box

Case = tuple[Any, ...]  # the inputs of one call
CHAPTERS = {  # the module that holds the exercises of a notebook
    "01": "scores",
    "02": "flow_and_warping",
    "03": "boxes_and_patches",
    "04": "propagation_network",
    "05": "algorithms",
    "06": "algorithms",
    "07": "algorithms",
    "08": "training_guides",
    "09": "scores",
    "10": "scores",
}
SHOWN = 30  # numbers of an array that a line may hold
LONGEST = 100  # characters of an error's message that a line may hold


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise.

    Attributes:
        question: the text of the exercise, Markdown.
        hint: Markdown, shown with a wrong answer; it does not hold the right one.
        oracle: returns the right answer to a case. Its name and parameters are those of the function asked for.
        cases: the inputs on which that function is tried. Where there are none, the answer is a value.
        tolerance: absolute, of every number.
    """

    question: str
    hint: str
    oracle: Callable[..., Any]
    cases: tuple[Case, ...]
    tolerance: float

    @property
    def parameters(self) -> list[str]:
        """The names of the inputs."""
        return list(inspect.signature(self.oracle).parameters)


_asked: dict[str, Exercise] = {}


def asks(
    name: str, question: str, hint: str, *cases: Case, tolerance: float = 2e-3
) -> Callable[[Callable[..., Any]], Exercise]:
    """Turn a function, the oracle, into the exercise `name` that asks for its result, or for the function itself."""

    def enter(oracle: Callable[..., Any]) -> Exercise:
        _asked[name] = Exercise(inspect.cleandoc(question), " ".join(hint.split()), oracle, cases, tolerance)
        return _asked[name]

    return enter


def exercises() -> dict[str, Exercise]:
    """All exercises by name, in the order of the notebooks."""
    for chapter in CHAPTERS:
        _load(chapter)
    return dict(sorted(_asked.items()))


def question(name: str) -> None:
    """Show the text of an exercise.

    Args:
        name: such as "02.1", the first exercise of notebook 02.

    Raises:
        ValueError: there is no exercise of this name.
    """
    text = f"**Exercise {name}.** {_exercise(name).question}"
    display({"text/markdown": text, "text/plain": text}, raw=True)


def check(name: str, answer: object) -> None:
    """Print one line on an answer: "not attempted", "right", or what is wrong, with a hint.

    Args:
        name: of the exercise.
        answer: None before the exercise is attempted; numbers of any type, alone or in lists, arrays and tensors; or
            the function asked for, which is then tried on several inputs. Its errors are reported, not raised.

    Raises:
        ValueError: there is no exercise of this name.
    """
    print(f"{name}: {judge(_exercise(name), answer)}")


def judge(exercise: Exercise, answer: object) -> str:
    """The line on an answer. None and `...` are no attempt, nor is a function that returns them for every case."""
    if _nothing(answer):
        attempted, problem = False, ""
    elif exercise.cases:
        attempted, problem = _try_function(exercise, answer)
    else:
        attempted, problem = True, _difference(answer, exercise.oracle(), exercise.tolerance)
    if not attempted:
        return "not attempted"
    return f"not yet: {problem}. Hint: {exercise.hint}" if problem else "right"


def _load(chapter: str) -> None:
    import_module(f"vsreid_lite.lessons.{CHAPTERS[chapter]}")


def _exercise(name: str) -> Exercise:
    if name[:2] in CHAPTERS:
        _load(name[:2])
    if name not in _asked:
        raise ValueError(f"exercise {name!r}: expected one of {', '.join(exercises())}")
    return _asked[name]


def _try_function(exercise: Exercise, function: object) -> tuple[bool, str]:
    """Whether a function answers anything at all, and the first case that it fails with what is wrong there."""
    if not callable(function):
        wanted = f"{exercise.oracle.__name__}({', '.join(exercise.parameters)})"
        return True, f"expected the function {wanted} itself, found {_described(function)}"
    attempted, first = False, ""
    for inputs in exercise.cases:
        given = copy.deepcopy(inputs)
        try:
            found, problem = function(*given), ""
        except NotImplementedError:
            found, problem = None, ""
        except (Exception, SystemExit) as error:  # `exit()` must not end the kernel
            found, problem = None, f"it raises {type(error).__name__}: {_line(str(error)[:LONGEST])}"
        attempted = attempted or bool(problem) or not _nothing(found)
        if not first:
            problem = (
                problem
                or _changed(exercise, inputs, given)
                or _difference(found, exercise.oracle(*inputs), exercise.tolerance)
            )
            first = f"for {_shown(exercise, inputs)}: {problem}" if problem else ""
    return attempted, first


def _changed(exercise: Exercise, inputs: Case, given: Case) -> str:
    for name, before, after in zip(exercise.parameters, inputs, given, strict=True):
        arrays = isinstance(before, (Tensor, np.ndarray))
        if not (np.array_equal(before, after) if arrays else before == after):
            return f"it changes its input {name}; work on a copy"
    return ""


def _difference(found: object, expected: object, tolerance: float) -> str:
    """What is wrong with an answer, without the right one; empty where nothing is."""
    said = f"found {_described(found)}"
    if expected is None:
        return "" if found is None else said
    try:
        values = _numbers(sorted(found) if isinstance(expected, set) and isinstance(found, set) else found)
    except (TypeError, ValueError):
        return f"expected {_kind(expected)}, {said}"
    if isinstance(expected, set):
        return "" if set(values.ravel().tolist()) == expected else said
    target = _numbers(expected)
    if _squeezed(values) != _squeezed(target):
        return f"expected {_kind(expected)}, {said}"
    off = int(np.sum(~(np.abs(values.ravel() - target.ravel()) <= tolerance)))  # so that a nan is off
    if off and target.size > 1:
        return f"{said}; wrong: {off} of {target.size}"
    return said if off else ""


def _numbers(found: object) -> NDArray[np.float64]:
    """Numbers of any type, nested in any way, as an array. Raises TypeError or ValueError for anything else."""
    if isinstance(found, Box):
        found = (found.x0, found.y0, found.x1, found.y1)
    if isinstance(found, Real):  # of Python or numpy, or a fraction
        return np.array(float(found))
    if isinstance(found, Tensor):
        found = found.detach().cpu().double().numpy()
    if isinstance(found, (list, tuple, range)):
        rows = [_numbers(entry) for entry in found]
        return np.stack(rows) if rows else np.zeros(0)
    if not isinstance(found, (np.ndarray, np.generic)) or found.dtype.kind not in "buif":
        raise TypeError("no real numbers")
    return np.asarray(found, np.float64)


def _squeezed(values: NDArray[np.float64]) -> list[int]:
    return [length for length in values.shape if length != 1]


def _kind(expected: object) -> str:
    """What an answer must be, without saying which."""
    if isinstance(expected, set):
        return "a list of whole numbers"
    if isinstance(expected, bool):
        return "True or False"
    shape = _numbers(expected).shape
    if len(shape) < 2:
        return f"{shape[0]} numbers" if shape else "a number"
    return f"an array of shape {shape}"


def _described(found: object) -> str:
    """An answer in a few words."""
    if found is None or isinstance(found, bool):
        return str(found)
    try:
        return _text(_numbers(found))
    except (TypeError, ValueError):
        return f"something of type {type(found).__name__}"


def _shown(exercise: Exercise, inputs: Case) -> str:
    return ", ".join(f"{name} = {_input(value)}" for name, value in zip(exercise.parameters, inputs, strict=True))


def _input(value: object) -> str:
    if inspect.isfunction(value):
        return value.__name__
    return _text(np.asarray(value)) if isinstance(value, (Tensor, np.ndarray)) else _line(repr(value))


def _text(values: NDArray[Any]) -> str:
    if values.size > SHOWN:
        return f"an array of shape {values.shape}"
    values = values.astype(int) if values.dtype == bool else values
    return _line(np.array2string(values, separator=", ", formatter={"float_kind": "{:.4g}".format, "int_kind": str}))


def _line(text: str) -> str:
    return " ".join(text.split())


def _nothing(found: object) -> bool:
    return found is None or found is ...

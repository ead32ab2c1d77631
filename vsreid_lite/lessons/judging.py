"""What an exercise is, and how an attempt at it is judged: any right answer passes, no attempt breaks a notebook.

An attempt may be of a wrong type, raise, change its inputs or return what is endless, infinite or huge: each is a wrong
answer, and a line says so. A function that never returns is not caught: interrupt the kernel.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.geometry import Box

Case = tuple[Any, ...]  # the inputs of one call
MOST = 10_000  # numbers in an answer: a larger one is refused before it is looked at
SHOWN = 30  # numbers of an array that a line may hold
LONGEST = 100  # characters of a text that an attempt brings


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise. question, hint: Markdown; the hint comes with a wrong answer and does not hold the right one.

    oracle: the right answer to a case; its name and parameters are those of the function that is asked for. cases: what
    that function is tried on; where there is none the answer is a value, and the oracle takes nothing. tolerance:
    absolute, of every number.
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


@dataclass(frozen=True)
class Verdict:
    """right: None where nothing was attempted. text: one line for the reader."""

    right: bool | None
    text: str


def asks(question: str, hint: str, *cases: Case, tolerance: float = 2e-3) -> Callable[[Callable[..., Any]], Exercise]:
    """Turns a function, the oracle, into the exercise that asks for what it returns, or for the function itself."""
    return lambda oracle: Exercise(inspect.cleandoc(question), " ".join(hint.split()), oracle, cases, tolerance)


def judge(exercise: Exercise, answer: object) -> Verdict:
    """What an answer is worth. None and `...` are no attempt, nor is a function that returns them for every case."""
    attempted, problem = not _nothing(answer), ""
    if attempted and exercise.cases:
        attempted, problem = _judge_function(exercise, answer)
    elif attempted:
        problem = _difference(answer, exercise.oracle(), exercise.tolerance)
    if not attempted:
        return Verdict(None, "not attempted")
    return Verdict(False, f"not yet: {problem}. Hint: {exercise.hint}") if problem else Verdict(True, "right")


def _judge_function(exercise: Exercise, function: object) -> tuple[bool, str]:
    """Whether it was attempted, and what is wrong with the first case that fails."""
    if not callable(function):
        wanted = f"{exercise.oracle.__name__}({', '.join(exercise.parameters)})"
        return True, f"expected the function {wanted} itself, found {_described(function)}"
    attempted, first = False, ""
    for inputs in exercise.cases:
        found, problem = _call(function, inputs, exercise.parameters)
        attempted = attempted or bool(problem) or not _nothing(found)
        if not first:
            problem = problem or _difference(found, exercise.oracle(*inputs), exercise.tolerance)
            first = f"for {_shown(inputs, exercise.parameters)}: {problem}" if problem else ""
    return attempted, first


def _call(function: Callable[..., Any], inputs: Case, names: list[str]) -> tuple[object, str]:
    """What a function returns for copies of some inputs, and what it does wrong beside that."""
    given = copy.deepcopy(inputs)
    found, error = _guarded(function, *given)
    if isinstance(error, NotImplementedError):
        return None, ""
    if error is not None:
        text, _ = _guarded(lambda: _line(f": {str(error)[:LONGEST]}") if str(error) else "")
        return None, f"it raises {_type_name(error)}{text or ''}"
    pairs = zip(names, inputs, given, strict=True)
    changed = [name for name, before, after in pairs if not _guarded(_same, before, after)[0]]
    return found, f"it changes its input {changed[0]}; work on a copy" if changed else ""


def _guarded(function: Callable[..., Any], *inputs: object) -> tuple[Any, BaseException | None]:
    """What a function returns, or what it raises: SystemExit too, as `exit()` must not end a kernel; not Ctrl-C."""
    try:
        return function(*inputs), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, error


def _difference(found: object, expected: object, tolerance: float) -> str:
    """What is wrong with an answer, without the right one; empty where nothing is."""
    said = f"found {_described(found)}"
    if expected is None:
        return "" if found is None else said
    values, unreadable = _guarded(_numbers, found, isinstance(expected, set))
    if isinstance(expected, set) and unreadable is None:
        return "" if set(values.ravel().tolist()) == expected else said
    target = _numbers(expected, True)
    if unreadable is not None or _squeezed(values) != _squeezed(target):
        return f"expected {_kind(expected)}, {said}"
    off = int(np.sum(~(np.abs(values.ravel() - target.ravel()) <= tolerance)))  # so that a nan is off
    if off and target.size > 1:
        return f"{said}; wrong: {off} of {target.size}"
    return said if off else ""


def _numbers(found: object, unordered: bool = False, most: int = MOST) -> NDArray[np.float64]:
    """Numbers of any type, nested in any way, as an array. Raises, for anything else, whatever it meets."""
    if isinstance(found, Box):
        found = (found.x0, found.y0, found.x1, found.y1)
    if isinstance(found, (Tensor, np.ndarray, np.generic)):
        return _array(found, most)
    if isinstance(found, Real):
        return np.array(float(found))
    if not isinstance(found, (list, tuple, range)) and not (unordered and isinstance(found, (set, frozenset))):
        raise TypeError("no numbers")
    if len(found) > most:
        raise ValueError("too many numbers")
    rows = [_numbers(entry, most=most // len(found)) for entry in found]
    return np.stack(rows) if rows else np.zeros(0)


def _array(found: Tensor | NDArray[Any] | np.generic, most: int) -> NDArray[np.float64]:
    if math.prod(found.shape) > most:
        raise ValueError("too many numbers")
    if isinstance(found, Tensor):
        found = found.detach().cpu()
        found = (found.float() if found.dtype == torch.bfloat16 else found).numpy()  # numpy has no bfloat16
    if found.dtype.kind not in "buif":
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
    """An answer in a few words; nothing of it is trusted but its type."""
    if found is None or type(found) is bool:
        return str(found)
    values, unreadable = _guarded(_numbers, found, True)
    return _text(values) if unreadable is None else f"something of type {_type_name(found)}"


def _type_name(value: object) -> str:
    name, error = _guarded(lambda: str(type(value).__name__)[:LONGEST])
    return "unknown" if error is not None else str(name)


def _shown(inputs: Case, names: list[str]) -> str:
    return ", ".join(f"{name} = {_input(value)}" for name, value in zip(names, inputs, strict=True))


def _input(value: object) -> str:
    return _text(np.asarray(value)) if isinstance(value, (Tensor, np.ndarray)) else _line(_name(value))


def _name(value: object) -> str:
    return value.__name__ if inspect.isfunction(value) else repr(value)


def _text(values: NDArray[Any]) -> str:
    if values.size > SHOWN:
        return f"an array of shape {values.shape}"
    values = values.astype(int) if values.dtype == bool else values
    return _line(np.array2string(values, separator=", ", formatter={"float_kind": "{:.4g}".format, "int_kind": str}))


def _line(text: str) -> str:
    return " ".join(text.split())


def _nothing(found: object) -> bool:
    return found is None or found is ...


def _same(before: object, after: object) -> bool:
    if isinstance(before, (Tensor, np.ndarray)) and isinstance(after, (Tensor, np.ndarray)):
        return np.array_equal(before, after)
    return bool(before == after)

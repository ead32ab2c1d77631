"""Self-checking exercises of the notebooks 01 to 10: `question("02.1")` asks, `check("02.1", answer)` judges.

An exercise is quiet until it is attempted, says "right" to every right answer, and says of a wrong one which case
failed and where to look. Solutions are in notebooks/solutions.
"""

from __future__ import annotations

from IPython.display import display

from vsreid_lite.lessons import chapters_01_to_03, chapters_04_to_06, chapters_07_to_10
from vsreid_lite.lessons.judging import Exercise, judge

EXERCISES: dict[str, Exercise] = {
    **chapters_01_to_03.CHAPTERS,
    **chapters_04_to_06.CHAPTERS,
    **chapters_07_to_10.CHAPTERS,
}


def question(name: str) -> None:
    """Show the text of an exercise, such as "02.1": the first of notebook 02. Raises ValueError for another name."""
    text = f"**Exercise {name}.** {_exercise(name).question}"
    display({"text/markdown": text, "text/plain": text}, raw=True)


def check(name: str, answer: object) -> None:
    """Print one line on an answer: "not attempted" for None, "right", or what is wrong and a hint.

    Numbers may be of any type, alone or in lists, arrays and tensors; a function is handed over itself, and tried on
    several inputs. Whatever the answer is or does, nothing is raised but ValueError for the name of no exercise.
    """
    print(f"{name}: {judge(_exercise(name), answer).text}")


def _exercise(name: str) -> Exercise:
    if name not in EXERCISES:
        raise ValueError(f"exercise {name!r}: expected one of {', '.join(EXERCISES)}")
    return EXERCISES[name]

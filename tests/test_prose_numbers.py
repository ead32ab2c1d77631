"""Every number in the prose of a notebook is one that the notebook prints or records, of the paper, or of a constant.

Numbers are decimals and whole numbers of three digits or more. Those in quotes of the paper, in code, in names of
sections and in addresses are not looked at.
"""

import inspect
import json
import re
from pathlib import Path

import nbformat
import pytest

from vsreid_lite.config import LITE, PAPER
from vsreid_lite.evaluation import table1, table2
from vsreid_lite.lessons import show_collapse
from vsreid_lite.networks.identification import LiteIdentification
from vsreid_lite.training import STAGES

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NETWORKS = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")  # written by the code and tested
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
TABLE = json.loads((Path(__file__).parent / "golden" / "notebooks.json").read_text(encoding="utf-8"))
NUMBER = re.compile(r"(?<![\w.,-])(?:\d{1,3}(?:,\d{3})+|\d+\.\d+|\d{3,})(?![\d,.]*\d)")
NOT_READ = re.compile(
    r"^>.*$|`[^`]*`|\]\([^)]*\)|(?:[Ss]ections?|Sec\.) (?:\d\.\d|,|\s|and)+|DAVIS \d{4}|ResNet-\d+", re.MULTILINE
)

MASKTRACK = (74.8, 73.3, 72.4, 69.9, 57.6, 17.1, 20_000)  # Perazzi et al. 2017: mean IoU of its ablation, steps
CITED = (2003, 2017, 2018, 480)  # years of Farnebäck, of Perazzi et al. and of DyeNet, rows of DAVIS's frames
WORKED = (0.45, 0.55, 0.30)  # two maps and their background in notebook 07
ENDS = (0.002,)  # of intervals, by which they move from machine to machine: docs/results.md
MINI = (320, 192, 256)  # width and height of its frames; the frames from which the official decay is wrong


def constants() -> list[float]:
    """Of the paper's tables, as shares; of the configuration, the networks, in millions of parameters, and training."""
    rows = [(row.J_mean, row.F_mean, row.global_mean, row.boost or 0.0) for row in table1()]
    gains = [b - a for before, row in zip(rows, rows[1:], strict=False) for a, b in zip(before, row, strict=True)]
    printed = [*sum(rows, ()), *gains, *(entry.global_mean / 100 for entry in table2())]
    millions = [float(n.replace(",", "")) / 1e6 for n in re.findall(r"\d{1,3}(?:,\d{3}){2}", NETWORKS)]
    steps = {name: stage.plan.steps for name, stage in STAGES.items()}
    trained = [steps["lite-stills"] + steps["lite-rgb"], steps["lite-flow"] + steps["lite-propagation"]]
    scenes = [STAGES["lite-stills"].mini, STAGES["lite-stills"].footage]
    embedding = inspect.signature(LiteIdentification).parameters["dimensions"].default
    collapse = inspect.signature(show_collapse).parameters["steps"].default
    return [*printed, *millions, *trained, *scenes, embedding, collapse, LITE.propagation.side, PAPER.propagation.side]


def numbers_in(text: str) -> list[str]:
    return NUMBER.findall(NOT_READ.sub("", text))


def numbers_of_section(heading: str) -> list[float]:
    """Those of a section of docs/results.md, which stand beside the command that measures them."""
    section = RESULTS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [float(number.replace(",", "")) for number in numbers_in(section)]


def unknown(text: str, known: list[float]) -> list[str]:
    """The numbers of a text that no known one, rounded to as many digits, gives."""
    digits = {number: len(number.partition(".")[2]) for number in numbers_in(text)}
    return [n for n, d in digits.items() if not any(abs(round(x, d) - float(n.replace(",", ""))) < 1e-9 for x in known)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_numbers_in_the_prose_of_a_notebook_are_measured_printed_or_constants(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    texts = [cell.source for cell in code] + [o.get("text", o.get("data", {}).get("text/plain", "")) for o in outputs]
    printed = [float(n.replace(",", "")) for n in re.findall(r"\d{1,3}(?:,\d{3})+|\d+\.?\d*", " ".join(texts))]
    pins = TABLE[path.stem]["numbers"].values()
    known = [*printed, *(number[of] for number in pins for of in ("value", "tolerance")), *constants()]
    known += [*MASKTRACK, *CITED, *WORKED, *ENDS, *MINI, *numbers_of_section("Row 1 with larger frames")]
    assert {n for cell in cells if cell.cell_type == "markdown" for n in unknown(cell.source, known)} == set()


def test_a_number_without_a_source_is_found_and_one_that_is_rounded_is_not():
    assert unknown("It has 0.91, then 1,234 and 0.9.", [0.9139, 1234.0]) == []
    assert unknown("0.92 and 1,235, 2.0 million, 160 pixels", [0.9139, 1234.0]) == ["0.92", "1,235", "2.0", "160"]
    assert (
        numbers_in("> quoted 0.5\n`code 0.5`, section 3.1, sections 3.1 and 3.2, row 27, 12 frames, DAVIS 2016") == []
    )

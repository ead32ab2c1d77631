"""Table 1, ours beside the paper's, as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Entry = Mapping[str, Any]  # a row of the results
Interval = list[float] | None
Column = tuple[str, Callable[[Entry], str]]

LEGEND = (
    "95 %: interval, bootstrapped over instances, of a boost in pairs. sign: of our boost beside the paper's; ?: the "
    "interval holds zero. J again: after an instance has re-appeared."
)
CSV_COLUMNS = (
    ("name", "J-mean", "F-mean", "global-mean", "global-mean-interval", "boost", "boost-over", "interval")
    + ("excludes-zero", "sign-agrees", "J-after-reappearance", "adaptation-gain", "adaptation-interval", "seconds")
    + ("note",)
)
PAPER_COLUMNS = ("J-mean", "F-mean", "global-mean", "boost", "gain")


def format_table(results: Entry) -> str:
    """The results of an ablation as aligned tables: global-means and boosts, the paper's on DAVIS 2017 test-dev.

    What was not measured is a dash, with the reason below. A star marks rows of weights that have seen the sequences.
    """
    parts: list[str] = []
    for title, rows, columns in _tables(results):
        cells = [tuple(heading for heading, _ in columns), *(_cells(row, columns) for row in rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
        parts.append(title)
        for first, *others in cells:
            right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            parts.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
    return "\n".join([*parts, *_remarks(results)])


def format_markdown(results: Entry) -> str:
    """The same tables and remarks in Markdown, and what each row's weights were trained with."""
    parts: list[str] = []
    for title, rows, columns in _tables(results):
        parts += [f"## {title}", "", *_markdown(columns, rows), ""]
    parts += [f"- {remark}" for remark in _remarks(results)]
    parts += ["", "## Training of each row's weights", "", *_markdown(TRAINING_COLUMNS, results["training"])]
    return "\n".join(parts) + "\n"


def format_csv(results: Entry) -> str:
    """All numbers of both tables, in full; intervals as two columns, empty where there is none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [name for column in CSV_COLUMNS for name in _expanded(column)]
    writer.writerow(["adapted", *names, *(f"paper-{column}" for column in PAPER_COLUMNS)])
    for adapted, rows in (("no", results["rows"]), ("yes", results["adapted-rows"])):
        for row in rows:
            values = [value for column in CSV_COLUMNS for value in _values(row, column)]
            writer.writerow([adapted, *values, *((row["paper"] or {}).get(column) for column in PAPER_COLUMNS)])
    return file.getvalue()


def _tables(results: Entry) -> Iterator[tuple[str, list[Entry], tuple[Column, ...]]]:
    where = f"{results['dataset']}{_scenes(results)}, weights {results['weights']}"
    yield f"Table 1 on {where} (paper: DAVIS 2017 test-dev, global-mean)", results["rows"], COLUMNS
    if results["adapted-rows"]:
        yield f"Table 1 on {where}, each row adapted to each first frame", results["adapted-rows"], ADAPTED_COLUMNS


def _scenes(results: Entry) -> str:
    scenes = results["scenes"]
    return f" {results['split']} scenes {scenes[0]} to {scenes[-1]}" if scenes else ""


def _cells(row: Entry, columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(cell(row) for _, cell in columns)


def _markdown(columns: tuple[Column, ...], rows: list[Entry]) -> list[str]:
    lines = [tuple(heading for heading, _ in columns), ("---",) * len(columns)]
    return [f"| {' | '.join(line)} |" for line in [*lines, *(_cells(row, columns) for row in rows)]]


def _remarks(results: Entry) -> list[str]:
    """What a reader of the tables must know, one line each."""
    rows = results["rows"]
    remarks = [LEGEND, *(f"{row['name']}: {row['note']}" for row in rows if row["note"])]
    remarks += [
        f"{row['name']}: boost over {row['boost-over']}, where the paper's column gains {row['paper']['gain']:+.3f}"
        for before, row in zip(rows, rows[1:], strict=False)
        if row["paper"] and row["boost-over"] not in (None, before["name"])
    ]
    for total, what in ((results["total"], ""), (results["adapted-total"], ", each adapted")):
        if total and total["gain"] is not None:
            remarks.append(
                f"{total['from']} to {total['to']}{what}: {total['gain']:+.3f} (95 %: {_interval(total['interval'])}), "
                f"paper {total['paper']:+.3f}"
            )
    paper = results["paper"]
    for slip in paper["errata"]:
        remarks.append(
            f"{slip['row']}: the paper prints {slip['printed']:+.3f}, its own column gives {slip['recomputed']:+.3f}; "
            f"its printed boosts sum to {paper['printed-sum']:+.3f}, its column gains {paper['gain']:+.3f}"
        )
    seen = sorted({source for sources in results["seen-in-training"].values() for source in sources})
    if seen:
        remarks.append(f"* these weights have seen {', '.join(seen)} in training: no fair test")
    return remarks


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _range(interval: Interval) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _interval(interval: Interval) -> str:
    return "-" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


def _sign(row: Entry) -> str:
    if row["sign-agrees"] is None:
        return "-"
    return ("same" if row["sign-agrees"] else "other") + ("" if row["excludes-zero"] else "?")


def _expanded(column: str) -> tuple[str, ...]:
    return (f"{column}-low", f"{column}-high") if column.endswith("interval") else (column,)


def _values(row: Entry, column: str) -> tuple[Any, ...]:
    value = row.get(column)
    return tuple(value or (None, None)) if column.endswith("interval") else (value,)


COLUMNS: tuple[Column, ...] = (
    ("", lambda row: row["name"] + (" *" if row["seen-in-training"] else "")),
    ("paper", lambda row: _number((row["paper"] or {}).get("global-mean"))),
    ("boost", lambda row: _signed((row["paper"] or {}).get("boost"))),
    ("ours", lambda row: _number(row["global-mean"])),
    ("95 %", lambda row: _range(row["global-mean-interval"])),
    ("boost", lambda row: _signed(row["boost"])),
    ("95 %", lambda row: _interval(row["interval"])),
    ("sign", _sign),
    ("J", lambda row: _number(row["J-mean"])),
    ("F", lambda row: _number(row["F-mean"])),
    ("J again", lambda row: _number(row["J-after-reappearance"])),
)
TRAINING_COLUMNS: tuple[Column, ...] = (
    ("weights", lambda entry: f"`{entry['file']}`"),
    ("rows", lambda entry: ", ".join(entry["rows"])),
    ("steps", lambda entry: str(entry["steps"])),
    ("stages", lambda entry: ", ".join(f"{name} {steps}" for name, steps in entry["stages"].items())),
    ("command", lambda entry: f"`{entry['command']}`"),
)
ADAPTED_COLUMNS: tuple[Column, ...] = (
    *COLUMNS,
    ("over without", lambda row: _signed(row["adaptation-gain"])),
    ("95 %", lambda row: _interval(row["adaptation-interval"])),
)

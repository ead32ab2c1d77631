"""Table 1, ours beside the paper's, as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vsreid_lite.config import PRESETS
from vsreid_lite.evaluation.paper import entries, table1

Entry = Mapping[str, Any]  # a row of the results
Interval = list[float] | None
Column = tuple[str, Callable[[Entry], str]]

LEGEND = (
    "95 %: interval, of a boost in pairs, bootstrapped over three or more sequences with all their instances. sign: of "
    "our boost beside the paper's; ?: this interval, or the wider one of Student's t over sequences, holds zero, or "
    "there is none. J again: after an instance has re-appeared."
)
CSV_COLUMNS = (
    ("name", "J-mean", "F-mean", "global-mean", "global-mean-interval", "boost", "boost-over", "interval")
    + (
        "t-interval",
        "excludes-zero",
        "sign-agrees",
        "J-after-reappearance",
        "adaptation-gain",
        "adaptation-interval",
        "seconds",
    )
    + ("seen-in-training", "note")
)
PAPER_COLUMNS = ("J-mean", "F-mean", "global-mean", "boost", "boost-recomputed", "boost-erratum", "gain")
RUN_COLUMNS = ("dataset", "split", "scenes", "preset", "weights", "untrained", "detector", "identification", "flow") + (
    "seed",
    "settings",
)
ERRATUM, MISSING = "†", "-"
UNTRAINED_NOTE = "untrained: random weights, whose numbers mean nothing"
UNDOCUMENTED_NOTE = (
    "(*) what these weights have seen in training is not known: a file of others has no header that tells"
)


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
    return "\n".join([*parts, *remarks(results)])


def format_markdown(results: Entry) -> str:
    """The same tables and remarks in Markdown, and what each row's weights were trained with."""
    parts: list[str] = []
    for title, rows, columns in _tables(results):
        parts += [f"## {title}", "", *_markdown(columns, rows), ""]
    parts += [f"- {remark}" for remark in remarks(results)]
    if results["training"]:
        parts += ["", "## Training of each row's weights", "", *_markdown(TRAINING_COLUMNS, results["training"])]
    return "\n".join(parts) + "\n"


def format_csv(results: Entry) -> str:
    """All numbers of ours and the paper's, in full; intervals as two columns; empty where there is none.

    Every line tells its run too: tables of several runs can be joined.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [name for column in CSV_COLUMNS for name in _expanded(column)]
    lists = {"scenes": _scenes_of(results), "settings": " ".join(results.get("settings", ()))}
    run = [lists[column] if column in lists else results.get(column) for column in RUN_COLUMNS]
    writer.writerow(["adapted", *names, *(f"paper-{column}" for column in PAPER_COLUMNS), *RUN_COLUMNS])
    for adapted, rows in (("no", results["rows"]), ("yes", results["adapted-rows"])):
        for row in rows:
            values = [value for column in CSV_COLUMNS for value in _values(row, column)]
            writer.writerow([adapted, *values, *((row["paper"] or {}).get(column) for column in PAPER_COLUMNS), *run])
    return file.getvalue()


def describe_run(results: Entry) -> str:
    """Data set, networks and flow of a run, in a few words; what is usual is left out."""
    preset, flow = PRESETS[results.get("preset", "lite")], results.get("flow")
    words = [
        f"{results['dataset']} {results['split']} scenes {_scenes_of(results)}"
        if results.get("scenes")
        else results["dataset"],
        "" if preset.preset == "lite" else f"preset {preset.preset}",
        f"weights {results['weights'] or 'of the release'}",
        *(f"{part} {results[part]}" for part in ("detector", "identification") if results.get(part)),
        "" if flow in (None, preset.flow) else f"flow {flow}",
        *results.get("settings", ()),
        "untrained" if results.get("untrained") else "",
    ]
    return ", ".join(word for word in words if word)


def printed_boost(paper: Entry) -> str:
    """A boost of the paper as printed, marked where its own column gives another."""
    return signed(paper.get("boost")) + (ERRATUM if paper.get("boost-erratum") else "")


def mark_of_seen(row: Entry) -> str:
    """Behind the name of a row: whether its weights have seen the sequences, or may have."""
    return {True: " *", None: " (*)"}.get(row["seen-in-training"], "")


def _tables(results: Entry) -> Iterator[tuple[str, list[Entry], tuple[Column, ...]]]:
    where = describe_run(results)
    yield f"Table 1 on {where} (paper: DAVIS 2017 test-dev, global-mean)", results["rows"], COLUMNS
    if results["adapted-rows"]:
        yield f"Table 1 on {where}, each row adapted to each first frame", results["adapted-rows"], ADAPTED_COLUMNS
    yield "Table 1 as printed in the paper, on DAVIS 2017 test-dev", _printed(), PAPER_TABLE


def _printed() -> list[Entry]:
    return [{"name": name, **entry} for name, entry in entries(table1()).items()]


def _scenes_of(results: Entry) -> str:
    scenes = results["scenes"]
    return f"{scenes[0]} to {scenes[-1]}" if scenes else ""


def _cells(row: Entry, columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(cell(row) for _, cell in columns)


def _markdown(columns: tuple[Column, ...], rows: list[Entry]) -> list[str]:
    lines = [tuple(heading for heading, _ in columns), ("---",) * len(columns)]
    return [f"| {' | '.join(line)} |" for line in [*lines, *(_cells(row, columns) for row in rows)]]


def remarks(results: Entry) -> list[str]:
    """What a reader of the tables must know, one line each."""
    rows = results["rows"]
    remarks = [UNTRAINED_NOTE] * bool(results.get("untrained"))
    remarks += [LEGEND, *(f"{row['name']}: {row['note']}" for row in rows if row["note"])]
    remarks += [
        f"{row['name']}, adapted: {row['note']}"
        for row in results["adapted-rows"]
        if row["note"] and row["global-mean"] is not None
    ]
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
            f"{ERRATUM} {slip['row']}: the paper prints {slip['printed']:+.3f}, its own column gives "
            f"{slip['recomputed']:+.3f}; its printed boosts sum to {paper['printed-sum']:+.3f}, its column gains "
            f"{paper['gain']:+.3f}"
        )
    seen = sorted({source for sources in results["seen-in-training"].values() for source in sources})
    if seen:
        remarks.append(f"* these weights have seen {', '.join(seen)} in training: no fair test")
    if any(row["seen-in-training"] is None for row in rows):
        remarks.append(UNDOCUMENTED_NOTE)
    return remarks


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return MISSING if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Three decimals with their sign, or a dash."""
    return MISSING if value is None else f"{value:+.3f}"


def _range(interval: Interval) -> str:
    return MISSING if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _interval(interval: Interval) -> str:
    return MISSING if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


def agreement(row: Entry) -> str:
    """Whether the sign of our boost is the paper's; in doubt where an interval of ours holds zero, or there is none."""
    if row["sign-agrees"] is None:
        return MISSING
    return ("same" if row["sign-agrees"] else "other") + ("" if row["excludes-zero"] else "?")


def _expanded(column: str) -> tuple[str, ...]:
    return (f"{column}-low", f"{column}-high") if column.endswith("interval") else (column,)


def _values(row: Entry, column: str) -> tuple[Any, ...]:
    value = row.get(column)
    return tuple(value or (None, None)) if column.endswith("interval") else (value,)


COLUMNS: tuple[Column, ...] = (
    ("", lambda row: row["name"] + mark_of_seen(row)),
    ("paper", lambda row: number((row["paper"] or {}).get("global-mean"))),
    ("boost", lambda row: printed_boost(row["paper"] or {})),
    ("ours", lambda row: number(row["global-mean"])),
    ("95 %", lambda row: _range(row["global-mean-interval"])),
    ("boost", lambda row: signed(row["boost"])),
    ("95 %", lambda row: _interval(row["interval"])),
    ("sign", agreement),
    ("J", lambda row: number(row["J-mean"])),
    ("F", lambda row: number(row["F-mean"])),
    ("J again", lambda row: number(row["J-after-reappearance"])),
)
PAPER_TABLE: tuple[Column, ...] = (
    ("", lambda entry: entry["name"]),
    ("J", lambda entry: number(entry["J-mean"])),
    ("F", lambda entry: number(entry["F-mean"])),
    ("global-mean", lambda entry: number(entry["global-mean"])),
    ("boost", lambda entry: printed_boost(entry)),
    ("by its column", lambda entry: signed(entry["boost-recomputed"])),
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
    ("over without", lambda row: signed(row["adaptation-gain"])),
    ("95 %", lambda row: _interval(row["adaptation-interval"])),
)

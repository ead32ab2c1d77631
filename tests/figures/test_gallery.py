"""The figures by name: drawn from the right videos, each segmented once, and from the last row that was measured."""

import json
from dataclasses import asdict

import pytest

from vsreid_lite.commands import run as figure_commands
from vsreid_lite.config import Config
from vsreid_lite.evaluation.metrics import Statistics
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.figures import gallery
from vsreid_lite.figures.figure3 import run_figure3
from vsreid_lite.figures.gallery import DRAWINGS, PIPELINE, QUALITATIVE, RETRIEVED, Gallery

SEQUENCE, RESULT = run_figure3()


class OneVideo:
    """A benchmark whose every sequence is the toy."""

    def load(self, _name):
        return SEQUENCE


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A gallery whose videos are all the toy, and the names of those that were segmented."""
    asked = []
    monkeypatch.setattr(gallery, "open_benchmark", lambda _, names: asked.append(names[0]) or OneVideo())
    monkeypatch.setattr(gallery, "load_networks", lambda _: None)
    monkeypatch.setattr(gallery, "segment", lambda *_, keep_maps: RESULT)
    return Gallery(Config(device="cpu"), tmp_path / "results.json", tmp_path), asked


def test_each_video_is_segmented_once_for_all_figures(shown):
    drawn, asked = shown
    for name in ("figure2", "figure4", "figure5"):
        number = name[-1]
        assert DRAWINGS[name](drawn).get_label().startswith(f"Figure {number}, ")
    assert sorted(asked) == sorted({PIPELINE, *RETRIEVED, *QUALITATIVE})


def test_the_real_clip_is_segmented_as_vsreid_segment_does(shown, monkeypatch):
    asked = []
    monkeypatch.setattr(gallery, "segment", lambda video, config, keep_maps: asked.append((video, config)) or RESULT)
    monkeypatch.setattr(gallery, "street_video", lambda: SEQUENCE)
    assert DRAWINGS["street"](shown[0]).get_label().startswith("Figure 4, ")
    ((video, config),) = asked
    assert video is SEQUENCE and (config.weights, config.adapt) == ("lite-real", True)
    assert config.propagation.patch and config.adaptation.steps


def test_figure_1_of_the_shipped_weights_shows_a_step_with_a_box(tmp_path):
    label = Gallery(Config(device="cpu"), tmp_path, tmp_path).figure1().get_label()
    assert "Figure 1, the mask propagation network, on instance 1 of frame 10" in label


def row(name, mean, printed=True):
    statistics = asdict(Statistics(mean or 0.0, 0.7, 0.1))
    return {
        "name": name,
        "paper": {"global-mean": 0.5} if printed else None,
        "global-mean": mean,
        "J": statistics,
        "F": statistics,
        "instances": {"toy_1": {}},
    }


def test_ours_in_table_2_is_the_last_row_of_the_papers_that_was_measured(shown, tmp_path):
    baseline, box = (one.name for one in table1()[:2])
    rows = [row(baseline, 0.41), row(box, 0.53), row("+ re-id module", None), row("+ ours", 0.9, printed=False)]
    results = {"dataset": "mini", "weights": "lite", "sequences": ["toy"], "rows": rows}
    (tmp_path / "results.json").write_text(json.dumps(results))
    label = shown[0].table2().get_label()
    assert f"row “{box}” of Table 1" in label and "global mean 53.0" in label and "weights lite" in label


def test_results_of_an_older_version_are_refused(shown, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"rows": [{"paper": {}, "global-mean": 0.5}]}))
    for name in ("table1", "table2"):
        with pytest.raises(
            ValueError, match=r"results.json: expected the results of `vsreid ablation`.*another version"
        ):
            DRAWINGS[name](shown[0])


def test_the_figures_of_the_command_line_are_those_there_are():
    assert {*figure_commands.FIGURES, *figure_commands.ON_REQUEST} == set(DRAWINGS)

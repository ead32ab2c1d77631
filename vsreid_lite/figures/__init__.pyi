from .figure1 import plot_figure1
from .figure2 import plot_figure2
from .figure3 import plot_figure3, run_figure3
from .figures4and5 import Example, even_frames, plot_figure4, plot_figure5, telling_frames
from .table1 import plot_ladder_by_sequence, plot_table1
from .table2 import plot_table2

__all__ = [
    "Example",
    "even_frames",
    "plot_figure1",
    "plot_figure2",
    "plot_figure3",
    "plot_figure4",
    "plot_figure5",
    "plot_ladder_by_sequence",
    "plot_table1",
    "plot_table2",
    "run_figure3",
    "telling_frames",
]

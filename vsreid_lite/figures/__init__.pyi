from .checkpoint_video import run_figure3
from .examples import Example, even_frames, telling_frames
from .figure1 import plot_figure1
from .figure2 import plot_figure2
from .figure3 import plot_figure3
from .figures4and5 import plot_figure4, plot_figure5
from .table2 import plot_table2

__all__ = [
    "Example",
    "even_frames",
    "plot_figure1",
    "plot_figure2",
    "plot_figure3",
    "plot_figure4",
    "plot_figure5",
    "plot_table2",
    "run_figure3",
    "telling_frames",
]

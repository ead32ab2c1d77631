"""What the tests of figures share: everything that is written in one, and what must hold of each."""

from io import BytesIO

import numpy as np
from matplotlib import pyplot
from PIL import Image

from vsreid_lite.lessons.notebooks import to_png


def texts(figure):
    """Everything written in a figure."""
    found = [figure.get_suptitle(), figure.get_supxlabel()]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), *(text.get_text() for text in axes.texts), *legend(axes)]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return [text for text in found if text]


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []


def assert_fit_to_be_shown(draw):
    """A white ground, an alternative text, and nothing left behind in pyplot."""
    figure = draw()
    image = np.asarray(Image.open(BytesIO(to_png(figure))).convert("RGB"))
    assert (image[-1, -1] == 255).all() and (image[-1, 0] == 255).all()
    assert len(figure.get_label()) > 40
    assert pyplot.get_fignums() == []

"""Widgets: thin ipywidgets shells over the plots. A static twin stands before each; none shares state with another."""

from vsreid_lite.system.facade import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

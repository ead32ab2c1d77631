"""Widgets: thin ipywidgets shells over the plots. None shares state with another."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

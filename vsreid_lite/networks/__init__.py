"""N_mp, N_det and N_reid: their interfaces, architectures, weight files and checkpoints."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

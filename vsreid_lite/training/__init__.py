"""Training of the lite networks (section 3.4), each stage resumable and repeatable from its seed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

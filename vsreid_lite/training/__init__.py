"""Training of the lite networks (section 3.4), each stage resumable and repeatable from its seed."""

from vsreid_lite.system.facade import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

"""What the command line says of an error: an exit code, and one line."""

from __future__ import annotations

from collections.abc import Iterator

INTERRUPTED, BAD_INPUT = 1, 2


def explain(error: BaseException) -> tuple[int, str] | None:
    """The exit code and the line to print, empty where stdout is closed; None for an error of the package itself."""
    if any(isinstance(one, KeyboardInterrupt) for one in _chain(error)):
        return INTERRUPTED, "interrupted; finished parts are kept, nothing half-written is left"
    if isinstance(error, BrokenPipeError):  # `vsreid … | head`
        return INTERRUPTED, ""
    if _out_of_memory(error):
        return BAD_INPUT, "error: out of memory; use fewer --workers, a shorter or smaller video, or --device cpu"
    if isinstance(error, OSError) and error.errno is not None:
        place = error.filename if error.filename is not None else "standard output"
        return BAD_INPUT, f"error: {place}: {error.strerror}"
    if isinstance(error, (ValueError, OSError, FloatingPointError)):
        return BAD_INPUT, f"error: {' '.join(str(error).split())}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it came from: a library may have turned Ctrl-C into an error of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _out_of_memory(error: BaseException) -> bool:
    """MemoryError, or what torch and OpenCV raise instead; by name, since neither need be imported."""
    text = str(error)
    signs = ("can't allocate memory", "not enough memory", "CUDA out of memory", "Insufficient memory")
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (type(error).__name__ in ("RuntimeError", "error") and any(sign in text for sign in signs))

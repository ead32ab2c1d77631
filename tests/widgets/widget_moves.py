"""What the tests of widgets share: every place where a control can be put, and the buttons of a widget by name."""

from ipywidgets import Button, Checkbox, Dropdown, FloatSlider, IntSlider


def ends(control):
    """The ends and the middle of a slider's range; every entry of a list."""
    if isinstance(control, IntSlider):
        return [control.min, control.max, (control.min + control.max) // 2]
    if isinstance(control, FloatSlider):
        return [control.min, control.max, (control.min + control.max) / 2]
    if isinstance(control, Dropdown):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    assert isinstance(control, Checkbox)
    return [True, False]


def inside(box):
    """All widgets of a widget, itself left out."""
    for child in getattr(box, "children", ()):
        yield child
        yield from inside(child)


def buttons(box):
    return {widget.description: widget for widget in inside(box) if isinstance(widget, Button)}


def is_error(box):
    return 'role="alert"' in box.text.value

"""The painter of the notebooks as a page: it needs neither a kernel nor the network, and saves indexed PNGs."""

from __future__ import annotations

import json
from importlib.resources import files

from vsreid_lite.video.masks import PALETTE

NAME, TITLE = "painter", "Paint the masks of your own video"
INTRODUCTION = """<p>Pick frames of one video, or a video file, draw each instance with its own number, and save the
mask of a frame as an indexed PNG, as <code>vsreid segment --first-mask</code> and <code>--mask</code> take it. Files
stay on this machine.</p>
<ul>
<li><b>polygon</b>: click the corners, and the first one again at the end. <b>box</b>: drag from corner to corner.
Corners of the instance in work can be dragged afterwards. Instance 0 erases.</li>
<li>Ctrl and the wheel zoom, the scroll bars move. Enter closes a polygon, Ctrl+Z takes the last step back.</li>
<li>GrabCut, which trims a shape to the instance by its colours, is not here: the widget of notebook 10 has it. That
notebook also has a painter for the keyboard.</li>
<li>Frames of a video are counted at a constant rate. Where it varies, pick images.</li>
</ul>"""


def painter_page() -> str:
    """The page's content: how to use it, the picker of files, and the painter with its script."""
    ours, widgets = files("tools.site"), files("vsreid_lite.widgets")
    script = "\n".join(part.read_text(encoding="utf-8") for part in (widgets / "painter.js", ours / "painter_page.js"))
    style = (widgets / "painter.css").read_text(encoding="utf-8")
    return f"""<h1>{TITLE}</h1>
{INTRODUCTION}
<style>
{style}</style>
<p class="controls"><label>frames or a video <input id="files" type="file" multiple accept="image/*,video/*"></label>
<button id="save" type="button" disabled>save the mask of this frame</button></p>
<div id="painter" data-palette="{json.dumps(PALETTE.ravel().tolist())}"></div>
<script type="module">
{script}</script>"""

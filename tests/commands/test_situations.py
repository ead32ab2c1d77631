"""What users of this trade meet, one record each: what lies there, what they type, and what must happen.

Each starts from the same working folder: `clip` (four frames), `first.png` (instances 1 and 2), `davis` (the same video
in the layout of DAVIS 2017, and the home folder ~), `truth` and `predicted` (its masks) and `weights`.
"""

import json
import os
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.command_line import (
    ship_stubs,
    snapshot,
    tiny_frame,
    tiny_mask,
    tiny_sequence,
    truncate,
    write_video_folder,
)
from vsreid_lite.commands.cli import main
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.system.files import MINI
from vsreid_lite.video.masks import PALETTE, write_mask
from vsreid_lite.video.video import load_frames, load_video

pytestmark = pytest.mark.filterwarnings("default")
ONE, TWO, VOID = tiny_mask((1,)), tiny_mask(), tiny_mask((255,))
TRUE, SEEN, LIST = "davis/Annotations/480p/clip", "predicted/clip", "davis/ImageSets/2017/val.txt"
SIDECARS = ("Thumbs.db", "00000.xml", "00001.jpg.json", "00002.jpg~", ".DS_Store")
EVAL = "evaluate truth predicted "
TABLE = "ablation --dataset davis-2017 --root davis --rows 2 --workers 1 --device cpu --output out "
FIGURE, COMPOSE = "figures --only table1 --results table1.png --output .", "render composite "
SEVERAL = "segment v --output o "
BITS = "expected an 8-bit indexed or grey mask"
UTF8 = "expected a list of sequences in UTF-8"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    write_video_folder(folder)
    write_benchmark([tiny_sequence("clip")], folder / "davis", "val")
    for name in ("truth", "predicted"):
        shutil.copytree(folder / "davis" / "Annotations" / "480p", folder / name)
    return folder


@pytest.fixture(autouse=True)
def here(template, tmp_path, monkeypatch):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    ship_stubs(monkeypatch, tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "davis"))


# What lies there: each function returns one that builds it.


def nothing():
    """The working folder as it is."""


def both(*builders):
    return lambda: [build() for build in builders]


def save(path, values, mode=None, turned=False, **options):
    """A picture. turned: stored on its side, with the EXIF orientation 6."""

    def build():
        image = Image.fromarray(np.ascontiguousarray(np.rot90(values) if turned else values))
        exif = Image.Exif()
        exif[0x0112] = 6 if turned else 1
        (image.convert(mode, dither=0) if mode else image).save(path, exif=exif, **options)

    return build


def indexed(path, values, **options):
    image = Image.fromarray(values)
    image.putpalette(PALETTE.tobytes())
    return lambda: image.save(path, **options)


def frames(names, *, mode=None, turned=False, at="", **options):
    """The frames of `clip` anew: `names` has a place for the number, or `at` lists what stands there."""

    def build():
        shutil.rmtree("clip")
        Path("clip").mkdir()
        for i, number in enumerate(at.split() or range(4)):
            save(f"clip/{names.format(number)}", tiny_frame(i), mode, turned, **options)()

    return build


def masks(folder, labels, mode=None):
    """The masks of a folder anew, from their labels: of all, or by the number of the frame."""
    return lambda: [save(f"{folder}/{i:05d}.png", labels(i) if callable(labels) else labels, mode)() for i in range(4)]


def deep(path, channels):
    """Labels in 16 bits a channel."""
    return lambda: cv2.imwrite(path, np.stack([TWO.astype(np.uint16)] * channels, 2))


def copy(source, target):
    return lambda: shutil.copytree(source, target) if Path(source).is_dir() else shutil.copy(source, target)


def rename(folder, new):
    return lambda: [Path(folder, f"{i:05d}.png").rename(Path(folder, new.format(i))) for i in range(4)]


def remove(folder, *numbers):
    return lambda: [Path(folder, f"{i:05d}.png").unlink() for i in numbers]


def link(path, target):
    return lambda: Path(path).symlink_to(Path(target).absolute())


def hard_link(path, target):
    return lambda: os.link(target, path)


def folder(path):
    return lambda: Path(path).mkdir(parents=True)


def text(path, content=""):
    return lambda: Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def cut_off(path):
    """A file without its last bytes."""
    return lambda: truncate(Path(path))


def several(*names):
    """A folder v of videos, each with its mask."""
    return lambda: [(shutil.copytree("clip", f"v/{name}"), shutil.copy("first.png", f"v/{name}.png")) for name in names]


def seg(more="", clip="clip", mask="first.png", out="out"):
    return f"segment {clip} --first-mask {mask} --output {out} {more}"


LATER, COPY = seg("--mask 2=l.png"), copy("first.png", "l.png")


def repainted():
    """A later mask whose colours are those of other labels."""
    write_mask("l.png", TWO, np.roll(PALETTE, 1, 1))


def told(command, capfd):
    """The exit code, the lines that the command says on stderr, and what it prints."""
    try:
        code = main(shlex.split(command))
    except SystemExit as stop:
        code = stop.code
    captured = capfd.readouterr()
    lines = captured.err.replace("\r", "\n").splitlines()
    return code, [line for line in lines if line.startswith("vsreid")], captured.out


REFUSED = {  # with one line, and nothing is written
    # frames
    "frame of no bytes": (text("clip/00004.jpg"), seg(), "00004.jpg: unreadable or truncated"),
    "no frame": (both(lambda: shutil.rmtree("clip"), folder("clip")), seg(), "clip: expected frames"),
    "frame cut off": (cut_off("clip/00002.jpg"), seg(), "00002.jpg: unreadable or truncated"),
    "frame linked to nothing": (link("clip/4.jpg", "gone"), seg(), "4.jpg: expected an image file, found nothing"),
    "frame linked to itself": (link("clip/4.jpg", "clip/4.jpg"), seg(), "4.jpg: expected an image file"),
    "thumbnail numbered as a frame": (save("clip/00004.jpg", ONE[:9, :9]), seg(), "expected 63 x 41"),
    "with and without zeros": (copy("clip/00001.jpg", "clip/1.jpg"), seg(), "00001.jpg and 1.jpg have one number"),
    "numbers below zero": (frames("{}.jpg", at="-2 -1 0 1"), seg(), "clip: expected frames of one kind"),
    "16 bits in frames": (both(frames("{}.png"), deep("clip/0.png", 1)), seg(), "0.png: expected an 8-bit colour"),
    "real numbers": (frames("{}.tif", mode="F"), seg(), "0.tif: expected an 8-bit colour image, found mode F"),
    "frames in Lab": (frames("{}.tif", mode="LAB"), seg(), "0.tif: expected an 8-bit colour image"),
    "frame on its side": (save("clip/00001.jpg", tiny_frame(1).swapaxes(0, 1)), seg(), "found 41 x 63"),
    "folder of sequences": (nothing, seg(clip="truth"), "(.jpg, .png, .webp, .tif or .bmp), found 1 folder"),
    "pattern of a shell": (nothing, seg(clip="'clip/*.jpg'"), "clip/*.jpg: expected a folder of frames"),
    "pattern of ffmpeg": (nothing, seg(clip="clip/%05d.jpg"), "%05d.jpg: expected a folder of frames"),
    "one picture": (nothing, seg(clip="first.png"), "first.png: expected a folder"),
    "quotation marks": (nothing, seg(clip="'\"clip\"'"), '"clip": expected a folder'),
    "archive": (text("clip.zip", "PK" + 99 * "x"), seg(clip="clip.zip"), "clip.zip: damaged or unknown video"),
    "address of a file": (nothing, seg(clip="file:///clip"), "expected a path, found the address file:///clip"),
    # first masks
    "16 bits": (deep("first.png", 1), seg(), f"first.png: {BITS}, found mode I;16"),
    "16 bits a colour": (deep("first.png", 3), seg(), f"first.png: {BITS}, found mode RGB of 16 bits"),
    "colours of DAVIS": (save("first.png", PALETTE[TWO]), seg(), f"first.png: {BITS}, found mode RGB, in colours"),
    "TIFF named as PNG": (save("first.png", TWO, format="TIFF"), seg(), "expected a PNG mask, found TIFF"),
    "array of numpy": (text("first.png", b"\x93NUMPY"), seg(), "first.png: unreadable or truncated"),
    "no first mask": (lambda: os.remove("first.png"), seg(), "first.png: expected an image file, found nothing"),
    "mask cut off": (cut_off("first.png"), seg(), "first.png: unreadable or truncated"),
    "mask of another size": (save("first.png", TWO[:30]), seg(), "first.png: expected a mask of 63 x 41"),
    "folder as mask": (nothing, seg(mask="truth"), "truth: expected an image file, found a folder"),
    "frame as mask": (nothing, seg(mask="clip/00000.jpg"), "expected a PNG mask, found JPEG"),
    "void alone": (save("first.png", VOID), seg("--year 2017"), "first.png: expected at least one instance"),
    # masks of later frames
    "mask of no frame": (nothing, seg("--mask l.png"), "expected FRAME=PNG, as 42=later.png, found 'l.png'"),
    "beyond the end": (nothing, seg("--mask 4=first.png"), "is for frame 4, which is not there: the frames are 00000"),
    "two for a frame": (COPY, seg("--mask 2=first.png --mask 02=l.png"), "l.png: expected one mask for frame 2"),
    "two for the first": (COPY, seg("--mask 0=l.png"), "l.png: expected one mask for frame 00000, found first.png"),
    "later of another size": (save("l.png", TWO[:9]), LATER, "l.png: expected a mask of 63 x 41"),
    "later of nobody": (save("l.png", TWO * 0), LATER, "l.png: expected at least one instance"),
    "255 beside labels": (save("l.png", VOID), LATER, "l.png: holds 0 and 255 alone, and first.png labels up to 2"),
    "one label, two colours": (repainted, LATER, "l.png: expected label 1 in its colour of first.png, (128, 0, 0)"),
    "over a later mask": (both(COPY, folder("out"), link("out/00002.png", "l.png")), LATER, "the output is the input"),
    # outputs of segment
    "over frames with a dot": (nothing, seg(out="clip/."), "clip: the output is the input clip"),
    "over frames by a link": (link("l", "clip"), seg(out="l"), "l: the output is the input clip"),
    "over the first mask": (both(folder("out"), link("out/00002.png", "first.png")), seg(), "2.png: the output is"),
    "over the only mask": (nothing, seg(out="first.png"), "first.png: the output is the input"),
    "over the video": (text("a.mp4"), seg("--overlay a.mp4", "a.mp4"), "a.mp4: the output is the input"),
    "record by a link": (link("l", "clip/00002.jpg"), seg("--json l"), "l: the output is the input"),
    "record in a mask's place": (nothing, seg("--json out/00003.png"), "00003.png: two outputs"),
    "record in place of the masks": (nothing, seg("--json out"), "out: is to be a file, and another output lies"),
    "record with a long name": (nothing, seg("--json " + 256 * "x"), "File name too long"),
    "overlay of another kind": (nothing, seg("--overlay a.avi"), "a.avi: expected a file name that ends in .mp4"),
    "overlay into nothing": (nothing, seg("--overlay /proc/a.mp4"), "cannot write into the folder /proc"),
    "masks below a file": (nothing, seg(out="first.png/out"), "cannot write into the folder"),
    "over a folder": (folder("out/00001.png"), seg(), "00001.png: expected a file to write, found a folder"),
    "over links in a circle": (link("a", "a"), seg("--json a"), "a: Symlink loop"),
    "over a pipe": (lambda: os.mkfifo("p"), seg("--json p"), "p: expected a file to write, found a device"),
    "over weights": (
        nothing,
        seg("--json weights/lite-real-box.safetensors"),
        "lite-real-box.safetensors: the output is",
    ),
    "masks into nothing": (nothing, seg(out="/dev/null"), "cannot write into the folder /dev/null"),
    "masks below the overlay": (nothing, seg("--overlay o.mp4", out="o.mp4/m"), "o.mp4: is to be a file"),
    "overlay below the record": (nothing, seg("--json a.mp4 --overlay a.mp4/b.mp4"), "a.mp4: is to be a file"),
    "one file by two ways": (
        link("l", "."),
        seg("--json a.mp4 --overlay l/a.mp4"),
        "two outputs would be this one file",
    ),
    "video by its old name": (nothing, seg("--video o.mp4"), "unrecognized arguments: --video o.mp4"),
    "weights of torch.save": (text("w.pth", b"PK\x03\x04 d"), seg("--weights w.pth"), "file, found a pickle, as"),
    "weights by their old name": (nothing, seg("--weights lite-davis"), "lite-davis: these weights were replaced by"),
    "no field of that name": (nothing, seg("--set matching.exclusive=true"), "the nearest is release.exclusive"),
    "cache of nonsense": (nothing, seg("--set cache=2GB"), "expected a whole number from 0 on, or none, found '2GB'"),
    "field of another kind": (nothing, seg("--set matching.proposals=all"), "expected a whole number from 1 on, found"),
    "steps of no adaptation": (nothing, seg("--no-adapt --adapt-steps 9"), "--adapt-steps: nothing is adapted"),
    "over a cut-out": (folder("c/1/00001.png"), seg("--cutouts c"), "c/1/00001.png: expected a file to write, found a"),
    "cut-outs below a mask": (nothing, seg("--cutouts out/00001.png"), "00001.png: is to be a file, and another"),
    # folders of videos
    "no mask for one": (nothing, "segment clip --output o", "clip: expected --first-mask with the mask of its first"),
    "no video in it": (folder("v"), "segment v --output o", "v: expected --first-mask with the mask"),
    "video without mask": (
        both(several("a"), folder("v/b")),
        SEVERAL,
        "a mask beside each video, found none named as b",
    ),
    "mask without video": (
        both(several("a"), indexed("v/b.png", TWO)),
        SEVERAL,
        "each mask, found none named as b.png",
    ),
    "one name for two": (both(several("a"), text("v/a.mp4")), SEVERAL, "v: a and a.mp4 would have one mask; rename"),
    "results over the videos": (several("a"), "segment v --output v", "v: the output is the input v"),
    "results over frames": (several("a", "b"), "segment v --output v/b", "v/b: the output is the input v/b"),
    "overlay of all": (several("a"), SEVERAL + "--overlay /o.mp4", "--overlay /o.mp4: expected a name inside each"),
    "record above": (several("a"), SEVERAL + "--json ../r.json", "--json ../r.json: expected a name inside each"),
    # devices
    "GPU that is not there": (nothing, seg("--device cuda:99"), "device 'cuda:99': expected a CUDA GPU, found"),
    "several GPUs": (nothing, seg("--device cuda:0,1"), "device 'cuda:0,1': expected auto, cpu, cuda or cuda:N"),
    "GPU of another maker": (nothing, seg("--device mps"), "device 'mps': expected auto, cpu, cuda or cuda:N"),
    "device of no name": (nothing, seg("--device ''"), "device '': expected auto, cpu, cuda or cuda:N"),
    # evaluate
    "nothing predicted at all": (lambda: shutil.rmtree("predicted"), EVAL, "predicted: there is no such folder"),
    "prediction cut off": (cut_off(f"{SEEN}/00002.png"), EVAL, "00002.png: unreadable or truncated"),
    "16 bits predicted": (deep("predicted/clip/00001.png", 3), EVAL, f"predicted/clip/00001.png: {BITS}"),
    "linked to nothing": (both(remove(SEEN, 1), link(f"{SEEN}/00001.png", "-")), EVAL, "1.png: expected an image"),
    "255 for two instances": (masks(SEEN, VOID), EVAL, "00001.png: expected labels 0 to 2, as in the first true"),
    "void predicted": (masks(SEEN, tiny_mask((1, 255))), EVAL, "00001.png: expected labels 0 to 2, as in the first"),
    "no zeros in true names": (rename("truth/clip", "{}.png"), EVAL, "predicted/clip/1.png: expected an image file"),
    "other names predicted": (rename(SEEN, "f_{}.png"), EVAL, "predicted/clip/00001.png: expected an image file"),
    "truth starts empty": (masks("truth/clip", lambda i: TWO * (i > 0)), EVAL, "shows no instance"),
    "truth of two frames": (remove("truth/clip", 1, 2), EVAL, "truth/clip: expected at least 3 frames, as the first"),
    "truth as prediction": (link("l", "truth"), "evaluate truth l", "l: the prediction is the reference"),
    "one sequence": (nothing, f"evaluate truth/clip {SEEN}", "expected one folder of indexed PNGs for each sequence"),
    "name with a comma": (copy("truth/clip", "truth/a,b"), EVAL + "--sequences a,b", "no sequence a, b; there are"),
    "empty variable": (nothing, EVAL + "--sequences=", "--sequences: expected one or more, with commas between them"),
    "empty split": (nothing, EVAL + "--split=", "--split: expected a path, found an empty one"),
    "split of no lines": (text("l", "\n \r\n"), EVAL + "--split l", "l: expected the name of a sequence on each line"),
    "split in Latin-1": (text("l", b"caf\xe9\n"), EVAL + "--split l", f"l: {UTF8}"),
    "picture as split": (nothing, EVAL + "--split first.png", f"first.png: {UTF8}"),
    "split with a comment": (text("l", "# ours\nclip"), EVAL + "--split l", "no sequence # ours; there are clip"),
    "split with columns": (text("l", "clip 1"), EVAL + "--split l", "no sequence clip 1; there are clip"),
    "split by an address": (nothing, EVAL + "--split http://x/val.txt", "expected a path, found the address"),
    "scores over the split": (text("l", "clip"), EVAL + "--split l --json l", "l: the output is the input l"),
    "over a link": (both(copy("truth", "s"), link("truth/d", "s/clip")), EVAL + "--json truth/d/00001.png", "input"),
    # ablation
    "first mask missing": (remove(TRUE, 0), TABLE, "00000.png: expected the mask of the first frame"),
    "two true masks": (remove(TRUE, 1, 3), TABLE, "clip: expected true masks of at least 3 frames"),
    "DAVIS 2016 as 2017": (masks(TRUE, VOID), TABLE, "found only void (255, which is the instance in DAVIS 2016)"),
    "first true mask empty": (masks(TRUE, lambda i: TWO * (i > 0)), TABLE, "first frame, found background only"),
    "file as root": (nothing, TABLE + "--root first.png", "expected DAVIS 2017 with JPEGImages/480p and Annotations"),
    "list of no lines": (text(LIST), TABLE, "val.txt: expected the name of a sequence on each line, found none"),
    "list in UTF-16": (text(LIST, "clip".encode("utf-16")), TABLE, f"val.txt: {UTF8}"),
    "no rows": (nothing, TABLE + "--rows ,", "--rows: expected one or more, with commas between them, found ','"),
    "what a row sets": (nothing, TABLE + "--set reid=false", "--set reid=false: the rows of Table 1 differ in it"),
    "results among frames": (nothing, TABLE + "--output davis/JPEGImages/480p/clip", "the output is the input"),
    "results over mini": (nothing, f"ablation --output {MINI}", f"{MINI}: the output is the input {MINI}"),
    "results over a folder": (folder("out/results.json"), TABLE, "results.json: expected a file to write, found a"),
    "over a true mask": (both(folder("out"), hard_link("out/table1.png", f"{TRUE}/00001.png")), TABLE, "is the input"),
    # the others
    "over the root by a link": (link("l", "davis"), COMPOSE + "--root davis --output l", "l: the output is the"),
    "over the root inside": (copy("davis", "up/DAVIS"), COMPOSE + "--root up --output up/DAVIS", "the output is the"),
    "stills twice": (link("l", "clip"), "train lite-stills --stills clip --stills l", "--stills l: was given before"),
    "name of another stage": (nothing, "train lite-box --output lite-rgb.safetensors", "the weights of another stage"),
    "choice over weights": (nothing, "choose lite --output o --table weights/lite-box.safetensors", "is the input"),
    "figure over results": (copy("first.png", "table1.png"), FIGURE, "table1.png: the output is the input table1.png"),
    "figures of no name": (nothing, "figures --only= --output f", "--only: expected one or more"),
    "no DAVIS to compose": (nothing, COMPOSE + "--output o", "needs --root"),
    "DAVIS that is not there": (nothing, COMPOSE + "--output o --root /nowhere", "/nowhere: expected DAVIS 2016"),
    "rendering into nothing": (nothing, "render mini --output /proc/out", "cannot write into the folder /proc/out"),
    "download below a file": (nothing, "download davis-2017 --output first.png", "cannot write into the folder"),
    "home of nobody": (nothing, "download davis-2016 --output=~no-such-user/x", "--output: ~no-such-user/x: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, capfd):
    build, command, line = REFUSED[name]
    build()
    before = snapshot(Path())
    code, lines, _ = told(command, capfd)
    assert code == 2 and len(lines) == 1 and "error: " in lines[0] and line in lines[0], lines
    assert snapshot(Path()) == before


SEGMENTED = {  # what is warned of if anything, and the labels of the masks
    "folder named as a frame": (folder("clip/00004.jpg"), seg(), "", (1, 2)),
    "files of other programs": (both(*(text(f"clip/{name}") for name in SIDECARS)), seg(), "", (1, 2)),
    "copy of a frame": (copy("clip/00001.jpg", "clip/00001 (1).jpg"), seg(), "left out 00001 (1).jpg", (1, 2)),
    "copy of the mask": (both(frames("{}.png"), copy("first.png", "clip/4.png")), seg(), "4.png is the first", (1, 2)),
    "drawing of no bytes": (text("clip/mask.png"), seg(), "left out mask.png", (1, 2)),
    "size in the names": (frames("a_1080p_{}.png"), seg(), "", (1, 2)),
    "times as names": (frames("2026-01-01T00.00.{}0.png"), seg(), "", (1, 2)),
    "numbers that outgrow zeros": (frames("f{}.png", at="08 09 10 100"), seg(), "missing from the numbering", (1, 2)),
    "line feeds in names": (frames("a\n{}.png"), seg(), "", (1, 2)),
    "frames by links": (both(lambda: Path("clip").rename("s"), link("clip", "s")), seg(), "", (1, 2)),
    "one bit a pixel": (save("first.png", ONE * 255, "1"), seg(), "", (1,)),
    "transparent background": (indexed("first.png", TWO, transparency=0), seg(), "", (1, 2)),
    "palette of two bits": (indexed("first.png", TWO, bits=2), seg(), "", (1, 2)),
    "label 254": (save("first.png", tiny_mask((254,))), seg(), "", (254,)),
    "grey levels": (save("first.png", tiny_mask((38, 75))), seg(), "", (38, 75)),
    "void beside an instance": (save("first.png", tiny_mask((1, 255))), seg(), "", (1,)),
    "record beside the frames": (nothing, seg("--json clip/r.json"), "", (1, 2)),
    "record linked to nothing": (link("r.json", "new/r.json"), seg("--json r.json"), "", (1, 2)),
    "all on their side": (both(frames("{}.jpg", turned=True), save("first.png", TWO, turned=True)), seg(), "", (1, 2)),
}


@pytest.mark.parametrize("name", SEGMENTED)
def test_segmented(name, capfd):
    build, command, warned, labels = SEGMENTED[name]
    build()
    code, lines, _ = told(command, capfd)
    assert code == 0 and len(lines) == bool(warned) and warned in "".join(lines), lines
    found = [np.asarray(Image.open(path)) for path in sorted(Path("out").glob("*.png"))]
    assert len(found) == 4 and all(np.setdiff1d(mask, 0).tolist() == list(labels) for mask in found)
    assert np.array_equal(found[0], np.where(tiny_mask(labels), tiny_mask(labels), 0))


SCORED = {  # what is warned of if anything, and the global mean
    "thumbnail in the truth": (save("truth/clip/a.png", ONE[:9]), EVAL, "left out a.png: the frames are", 1),
    "drawing after the truth": (save("truth/clip/~.png", tiny_mask((5,))), EVAL, "left out ~.png", 1),
    "drawing in the prediction": (save(f"{SEEN}/a.png", ONE), EVAL, "", 1),
    "folders named as masks": (both(folder("truth/clip/a.png"), folder(f"{SEEN}/4.png")), EVAL, "", 1),
    "first and last not predicted": (remove(SEEN, 0, 3), EVAL, "", 1),
    "three true masks": (remove("truth/clip", 1), EVAL, "for some predicted frames only: clip 3 of 4", 1),
    "truth that starts later": (remove("truth/clip", 0), EVAL, "for some predicted frames only: clip 3 of 4", 1),
    "truth that ends before": (remove("truth/clip", 3), EVAL, "for some predicted frames only: clip 3 of 4", 1),
    "255 against 1": (both(masks("truth/clip", VOID, "1"), masks(SEEN, ONE, "RGB")), EVAL, "", 1),
    "nothing predicted": (masks(SEEN, TWO * 0), EVAL, "", 0),
    "one of two predicted": (masks(SEEN, ONE), EVAL, "", 0.5),
    "labels with a gap": (both(masks("truth/clip", ONE * 2), masks(SEEN, ONE)), EVAL, "largest label is 2", 0),
    "more predicted than asked": (copy(SEEN, "predicted/dog"), EVAL, "", 1),
    "split in the home folder": (text("davis/l", "\ufeffclip\t\r\nclip\r"), EVAL + "--split=~/l", "", 1),
    "split by its name": (nothing, "evaluate davis/Annotations/480p predicted --split val", "", 1),
}


@pytest.mark.parametrize("name", SCORED)
def test_scored(name, capfd):
    build, command, warned, mean = SCORED[name]
    build()
    code, lines, printed = told(command, capfd)
    assert code == 0 and len(lines) == bool(warned) and warned in "".join(lines), lines
    assert printed.splitlines()[-1] == f"global-mean {mean:.3f}"


def test_a_table_in_its_own_root_may_be_made_again(capfd):
    both(folder("davis/out"), copy("first.png", "davis/out/table1.png"), remove(TRUE, 3))()
    code, lines, _ = told(TABLE + "--output davis/out", capfd)
    assert code == 0 and len(lines) == 1 and "true masks for some frames only" in lines[0]
    assert json.loads(Path("davis/out/results.json").read_text())["rows"][1]["global-mean"] == 1


PICTURES = {  # frames as they are saved
    "palette": {"names": "{}.png", "mode": "P"},
    "grey with transparency": {"names": "{}.png", "mode": "LA"},
    "transparency": {"names": "{}.webp", "mode": "RGBA", "lossless": True},
    "one bit": {"names": "{}.bmp", "mode": "1"},
    "for print": {"names": "{}.tif", "mode": "CMYK"},
    "PNG on its side": {"names": "{}.png", "turned": True},
    "TIFF on its side": {"names": "{}.tif", "turned": True},
    "WebP on its side": {"names": "{}.webp", "turned": True, "lossless": True},
    "PNG named as JPEG": {"names": "{}.jpg", "format": "PNG"},
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_are_as_they_look(name):
    options = PICTURES[name]
    frames(**options)()
    for i, found in enumerate(load_frames("clip")):
        shown = Image.fromarray(tiny_frame(i)).convert(options.get("mode", "RGB"), dither=0).convert("RGB")
        np.testing.assert_array_equal(found, np.asarray(shown))


@pytest.mark.parametrize("numbers", [(0,), (3,), (0, 3), (0, 1, 2)])
def test_true_masks_of_any_frames_go_with_their_frames(numbers):
    remove("truth/clip", *numbers)()
    annotations = load_video("clip", "first.png", "truth/clip").annotations
    assert [i for i in range(4) if annotations[i] is None] == list(numbers)

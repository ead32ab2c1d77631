"""Tiny folders in the layouts of PASCAL VOC and COCO."""

import json

import numpy as np
from PIL import Image

from vsreid_lite.video.masks import write_mask

SHAPE = (60, 80)


def save_picture(path, shape=SHAPE, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def voc_labels():
    """Instance 1 of 600 pixels with a rim of void, instance 2 of 25."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[9:31, 9:41] = 255
    labels[10:30, 10:40] = 1
    labels[50:55, 50:55] = 2
    return labels


def make_voc(folder):
    for name, labels in (("a", voc_labels()), ("b", np.zeros(SHAPE, np.uint8)), ("c", voc_labels())):
        save_picture(folder / "JPEGImages" / f"{name}.jpg")
        write_mask(folder / "SegmentationObject" / f"{name}.png", labels)
    return folder


def square(x, y, side):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def instance(image, area, segmentation, crowd=0):
    return {"image_id": image, "area": area, "segmentation": segmentation, "iscrowd": crowd}


def make_coco(folder, annotations, split="train2017", images=(7, 9)):
    """Pictures 7 and 9 of 60 x 80 pixels with these annotations."""
    content = {"annotations": annotations, "images": []}
    for image in images:
        content["images"].append({"id": image, "file_name": f"{image}.jpg", "height": 60, "width": 80})
        save_picture(folder / split / f"{image}.jpg")
    file = folder / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file

"""Flow that is known: exact, and files with round trips, the layout byte by byte, and every kind of broken file."""

import struct

import numpy as np
import pytest
import torch

from vsreid_lite.flow import ExactFlow, FloFolder, read_flo, write_flo

FLOW = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) - 7.5
FRAMES = [np.zeros((3, 4, 3), np.uint8)] * 3


@pytest.mark.parametrize("suffix", [".flo", ".rflo"])
def test_a_flow_survives_writing_and_reading(tmp_path, suffix):
    write_flo(tmp_path / f"00000{suffix}", FLOW)
    assert torch.equal(read_flo(tmp_path / f"00000{suffix}", (3, 4)), FLOW)
    assert [path.name for path in tmp_path.iterdir()] == [f"00000{suffix}"]


def test_the_layout_is_middleburys(tmp_path):
    write_flo(tmp_path / "a.flo", FLOW)
    data = (tmp_path / "a.flo").read_bytes()
    assert struct.unpack("<f2i", data[:12]) == (202021.25, 4, 3)
    assert struct.unpack("<4f", data[12:28]) == (FLOW[0, 0, 0], FLOW[1, 0, 0], FLOW[0, 0, 1], FLOW[1, 0, 1])


def header(width, height, magic=b"PIEH"):
    return magic + struct.pack("<2i", width, height)


BROKEN = {
    "truncated, expected a header of 12 bytes, found 5": b"PIEH\0",
    "truncated, expected a header of 12 bytes, found 0": b"",
    "expected a .flo file.*found b'HEIP'": header(4, 3, b"HEIP") + bytes(96),
    "truncated, expected 108 bytes for 4 x 3 pixels, found 104": header(4, 3) + bytes(92),
    "too long, expected 108 bytes for 4 x 3 pixels, found 109": header(4, 3) + bytes(97),
    "at least 1, found 0 x 3": header(0, 3),
    "at least 1, found -4 x 3": header(-4, 3) + bytes(96),
    "expected a flow of 4 x 3 pixels.*found 3 x 4": header(3, 4) + bytes(96),
    "truncated, expected 3": header(2**31 - 1, 2**31 - 1),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_file_is_refused_with_path_expected_and_found(tmp_path, message):
    path = tmp_path / "broken.flo"
    path.write_bytes(BROKEN[message])
    with pytest.raises(ValueError, match=f"broken.flo: .*{message}"):
        read_flo(path, (3, 4))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.flo"):
        read_flo(tmp_path / "none.flo")


def test_only_flows_are_written(tmp_path):
    with pytest.raises(ValueError, match=r"expected a flow \(2, H, W\), found \(3, 4\)"):
        write_flo(tmp_path / "a.flo", torch.zeros(3, 4))
    assert not list(tmp_path.iterdir())


def test_a_folder_holds_forward_flo_and_backward_rflo(tmp_path):
    write_flo(tmp_path / "00001.flo", FLOW)
    write_flo(tmp_path / "00002.rflo", -FLOW)
    F = FloFolder(tmp_path)
    assert torch.equal(F(FRAMES, target=1, source=2), FLOW)
    assert torch.equal(F(FRAMES, target=2, source=1), -FLOW)
    with pytest.raises(FileNotFoundError, match="00000.flo"):
        F(FRAMES, target=0, source=1)
    with pytest.raises(ValueError, match="neighbouring"):
        F(FRAMES, target=0, source=2)


def test_a_folder_is_read_by_the_names_of_the_frames(tmp_path):
    write_flo(tmp_path / "b.rflo", FLOW)
    assert torch.equal(FloFolder(tmp_path, ["a", "b", "c"])(FRAMES, target=1, source=0), FLOW)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FloFolder(tmp_path / "nowhere")


def test_exact_flow_is_that_of_the_scene():
    class Scene:
        def flow(self, target, source):
            return np.full((2, 3, 4), target * 10 + source, np.float64)

    flow = ExactFlow(Scene())([], target=2, source=1)
    assert flow.dtype == torch.float32 and torch.equal(flow, torch.full((2, 3, 4), 21.0))

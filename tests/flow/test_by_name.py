"""get_flow: every estimator by its name, and one clear line for every name that is none."""

from pathlib import Path

import pytest
import torch

from vsreid_lite import flow
from vsreid_lite.flow import DisFlow, FloFolder, flow_file, get_flow
from vsreid_lite.system import downloads


@pytest.fixture(autouse=True)
def empty_hub_folder(tmp_path, monkeypatch):
    """An empty hub folder, and no network."""

    def offline(url, path):
        raise ConnectionError(f"{url}: no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(downloads, "fetch", offline)
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_dis_and_folders(tmp_path):
    assert isinstance(get_flow("dis"), DisFlow)
    assert isinstance(get_flow("dis-fast"), DisFlow)
    assert isinstance(get_flow(str(tmp_path)), FloFolder)


@pytest.mark.parametrize(
    ("name", "kind", "arguments"),
    [
        ("raft", "RaftFlow", ("large", "cuda")),
        ("raft-small", "RaftFlow", ("small", "cuda")),
        ("raft:some/raft.pth", "RaftFlow", ("some/raft.pth", "cuda")),
        ("flownet2:some/C:/flow.pth.tar", "FlowNet2Flow", ("some/C:/flow.pth.tar", "cuda")),
        ("flownet2", "FlowNet2Flow", ("cuda",)),
    ],
)
def test_networks_get_their_weights_and_their_device(monkeypatch, name, kind, arguments):
    made = []
    monkeypatch.setattr(flow, kind, lambda *args, **more: made.append((*map(str, args), *more.values())))
    get_flow(name, device="cuda")
    assert made == [arguments]


@pytest.mark.parametrize("name", ["lucas", "raft-medium", "raft:", "flownet2:", "dis:x"])
def test_another_name_is_refused_with_those_that_are_known(name):
    with pytest.raises(ValueError, match=rf"flow '{name}': expected one of dis, .*raft:FILE, flownet2, .*\.flo files"):
        get_flow(name)


@pytest.mark.parametrize(("name", "file"), [("raft", "raft_large_"), ("raft-small", "raft_small_")])
def test_without_network_raft_says_which_file_to_put_where(empty_hub_folder, name, file):
    with pytest.raises(
        FileNotFoundError, match=rf"{empty_hub_folder}/{file}.*\.pth: .*no network.* put it there"
    ) as error:
        get_flow(name)
    assert "\n" not in str(error.value)


def test_without_weights_flownet2_says_which_file_to_put_where(empty_hub_folder):
    with pytest.raises(FileNotFoundError, match=rf"{empty_hub_folder}/FlowNet2_checkpoint\.pth\.tar: .*flownet2:FILE"):
        get_flow("flownet2")


@pytest.mark.parametrize("kind", ["raft", "flownet2"])
def test_a_file_that_is_missing_or_of_another_network_is_named(tmp_path, kind):
    path = tmp_path / "weights.pth"
    with pytest.raises(FileNotFoundError, match=r"weights\.pth: .* found no such file"):
        get_flow(f"{kind}:{path}")
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"weights\.pth: its tensors do not fit .* is missing; .* and \d+ more"):
        get_flow(f"{kind}:{path}")


def test_the_file_of_a_network_is_known_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert flow_file("raft:a/b.pth") == Path("a/b.pth") and flow_file("flownet2:c.pth") == Path("c.pth")
    assert flow_file("flownet2") == tmp_path / "checkpoints" / "FlowNet2_checkpoint.pth.tar"
    assert flow_file("raft").name == "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
    assert flow_file("raft-small").name == "raft_small_C_T_V2-01064c6d.pth"
    assert flow_file("dis") is flow_file("dis-medium") is flow_file(str(tmp_path)) is None

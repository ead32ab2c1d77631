import json
import pickle
from dataclasses import asdict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from tests.command_line import half_written
from vsreid_lite import __version__
from vsreid_lite.networks.checkpoints import load_weights, save_weights
from vsreid_lite.networks.weight_files import Provenance, read_provenance

PROVENANCE = Provenance("propagation", "some scenes", "vsreid train x", 3, 17, sequences=("dog", "cows"))


class Small(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "small.safetensors"
    save_weights(path, Small(), PROVENANCE)
    return path


def values(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_unchanged(network, before):
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def write(path, tensors, metadata):
    save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize("value", [70_000.0, float("nan")])
def test_a_value_that_half_precision_cannot_hold_is_refused_by_its_name_and_nothing_is_written(tmp_path, value):
    network = Small()
    network.norm.running_var[1] = value
    with pytest.raises(ValueError, match=r"tensor norm\.running_var has values that fp16 cannot hold"):
        save_weights(tmp_path / "a.safetensors", network, PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_a_network_comes_back_rounded_to_half_precision_with_its_provenance(file):
    torch.manual_seed(1)
    original, loaded = Small(), Small()
    assert load_weights(file, loaded) == PROVENANCE == read_provenance(file)
    for name, value in original.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded.state_dict()[name], expected)
        assert loaded.state_dict()[name].dtype == value.dtype


def test_the_file_holds_half_precision_and_says_where_it_comes_from(file):
    with safe_open(file, "pt") as opened:
        assert opened.get_tensor("layer.weight").dtype == torch.float16
        header = json.loads(opened.metadata()["provenance"])
    assert header["command"] == "vsreid train x" and header["version"] == __version__
    assert header["sequences"] == ["dog", "cows"] and header["seed"] == 3 and header["steps"] == 17


def test_saving_makes_folders_and_leaves_one_file(tmp_path):
    save_weights(tmp_path / "a" / "b.safetensors", Small(), PROVENANCE)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.safetensors"]


def test_a_disk_that_refuses_leaves_the_older_file_and_no_part(file, monkeypatch):
    before = file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*small\.safetensors: No space left on device"):
        save_weights(file, Small(), PROVENANCE)
    monkeypatch.undo()
    assert file.read_bytes() == before and not half_written(file.parent)


def test_missing_unknown_and_misshaped_tensors_are_named_and_nothing_changes(file):
    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        metadata = opened.metadata()
    tensors["foreign"] = tensors.pop("norm.bias")
    tensors["layer.weight"] = torch.zeros(4, 3, 5, 5)
    network = Small()
    before = values(network)
    with pytest.raises(ValueError) as error:
        load_weights(write(file, tensors, metadata), network)
    assert "small.safetensors" in str(error.value)
    assert "norm.bias is missing; foreign is unknown" in str(error.value)
    assert "layer.weight has shape (4, 3, 5, 5) instead of (4, 3, 3, 3)" in str(error.value)
    assert_unchanged(network, before)


def test_ten_problems_are_named_of_each_kind_in_turn_and_the_rest_counted(file):
    network = nn.ModuleList([nn.Linear(2, 2) for _ in range(10)])  # 20 missing, 7 unknown
    with pytest.raises(ValueError) as error:
        load_weights(file, network)
    assert str(error.value).count("is missing") == str(error.value).count("is unknown") == 5
    assert "and 17 more" in str(error.value)


def test_a_file_of_another_network_and_version_says_so(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(path, Small(8), Provenance("detector", "", "", 0, 0, version="9.9.9"))
    with pytest.raises(ValueError, match=r"of network detector, do not fit.*by vsreid_lite 9\.9\.9, this is"):
        load_weights(path, Small())


def test_a_file_of_another_version_that_fits_is_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(path, Small(), Provenance("propagation", "", "", 0, 0, version="0.0.1"))
    assert load_weights(path, Small()).version == "0.0.1"


def test_fields_of_the_header_that_are_unknown_or_missing_are_named(tmp_path):
    fields = {**asdict(PROVENANCE), "licence": "MIT", "version": "7.0"}
    del fields["seed"]
    path = write(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"provenance": json.dumps(fields)})
    with pytest.raises(ValueError, match=r"found no seed; licence, which is unknown; .* by vsreid_lite 7\.0, this is"):
        read_provenance(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_without_provenance_is_refused(tmp_path, metadata):
    path = write(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, metadata)
    with pytest.raises(ValueError, match="found no provenance in its header"):
        read_provenance(path)


@pytest.mark.parametrize("header", ["{", "[1]", "3"])
def test_a_provenance_that_is_no_json_object_is_refused(tmp_path, header):
    path = write(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"provenance": header})
    with pytest.raises(ValueError, match="expected a provenance as a JSON object"):
        read_provenance(path)


def damaged(file, kind):
    data = file.read_bytes()
    contents = {
        "truncated": data[:-5],
        "cut in the header": data[:40],
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
        "pickle": pickle.dumps({"x": 1}),
    }
    file.write_bytes(contents[kind])
    return file


@pytest.mark.parametrize("kind", ["truncated", "cut in the header", "empty", "text", "pickle"])
def test_a_file_that_is_no_whole_safetensors_file_is_one_clear_error(file, kind):
    network = Small()
    before = values(network)
    path = damaged(file, kind)
    for read in (read_provenance, lambda path: load_weights(path, network)):
        with pytest.raises(ValueError, match=r"small\.safetensors: expected a whole safetensors file, found a trunc"):
            read(path)
    assert_unchanged(network, before)


def test_a_pickle_is_never_opened(file):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit('executed')",))

    torch.save({"x": Trap()}, file)
    with pytest.raises(ValueError, match="expected a whole safetensors file"):
        load_weights(file, Small())


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="no such weight file; shipped are"):
            load_weights(path, Small())

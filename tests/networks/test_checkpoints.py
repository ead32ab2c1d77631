"""Weight files and checkpoints of others: written, read in every common form, refused in one line, and never run."""

import io
import json
import pickle
from argparse import Namespace
from collections import OrderedDict
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.command_line import half_written
from vsreid_lite.networks.checkpoints import load_tensors, load_weights, read_checkpoint, save_weights
from vsreid_lite.networks.weight_files import Provenance, read_provenance

PROVENANCE = Provenance("propagation", "some scenes", "vsreid train x", 3, 17, sequences=("dog", "cows"))


class Small(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)


@pytest.fixture
def network():
    torch.manual_seed(3)
    return Small()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.pth.tar"


def assert_same(tensors, expected):
    assert list(tensors) == list(expected)
    assert all(torch.equal(tensors[name], value) for name, value in expected.items())


def prefixed(tensors, prefix):
    return OrderedDict((prefix + name, value) for name, value in tensors.items())


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_every_common_form_gives_the_same_tensors(network, path, wrapped, prefix, new_format):
    expected = network.state_dict()
    tensors = prefixed(expected, prefix)
    content = {"arch": "Small", "epoch": 3, "state_dict": tensors} if wrapped else tensors
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    assert_same(read_checkpoint(path), expected)


def test_numbers_of_any_numpy_beside_the_tensors_are_no_reason_to_refuse(network, path):
    numbers = {"best_EPE": np.float64(1.5), "epoch": np.int64(3), "loss": np.float32(2), "best": np.bool_(True)}
    for new_format in (True, False):
        torch.save({"state_dict": network.state_dict(), **numbers}, path, _use_new_zipfile_serialization=new_format)
        assert_same(read_checkpoint(path), network.state_dict())
    written = path.read_bytes()
    assert b"numpy._core.multiarray" in written
    path.write_bytes(written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert_same(read_checkpoint(path), network.state_dict())


def test_a_safetensors_file_is_read(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "some.safetensors")
    found = read_checkpoint(tmp_path / "some.safetensors")
    assert_same(dict(sorted(found.items())), dict(sorted(network.state_dict().items())))


def test_a_prefix_that_only_some_names_have_stays(path):
    tensors = {"module.a": torch.zeros(1), "b": torch.ones(1)}
    torch.save(tensors, path)
    assert_same(read_checkpoint(path), tensors)


class Trap:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


@pytest.mark.parametrize("new_format", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(network, path, tmp_path, new_format):
    trap = {"state_dict": network.state_dict(), "epoch": Trap(tmp_path / "ran")}
    torch.save(trap, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r"some\.pth\.tar: refused, .* would run (_?io|builtins)\.open; .*torch\.save"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_pickle_of_a_newer_protocol_is_refused_as_such(network, path, tmp_path, protocol):
    path.write_bytes(pickle.dumps(Trap(tmp_path / "ran"), protocol=protocol))
    with pytest.raises(ValueError, match=r"some\.pth\.tar: refused, .* a pickle of protocol 4 or later"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()
    torch.save(network.state_dict(), path, pickle_protocol=protocol)
    with pytest.raises(ValueError, match="refused, .* a pickle of protocol 4 or later"):
        read_checkpoint(path)


def test_objects_of_other_programs_are_refused_by_name(network, path):
    torch.save({"state_dict": network.state_dict(), "args": Namespace(lr=1)}, path)
    with pytest.raises(ValueError, match=r"refused.*argparse\.Namespace"):
        read_checkpoint(path)
    torch.save(network, path)
    with pytest.raises(ValueError, match=r"refused.*Small"):
        read_checkpoint(path)


def whole(network, new_format):
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer, _use_new_zipfile_serialization=new_format)
    return buffer.getvalue()


DAMAGES = {
    "truncated": lambda data: data[:-200],
    "cut early": lambda data: data[:40],
    "empty": lambda data: b"",
    "text": lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    "page": lambda data: b"<!DOCTYPE html><html>Quota exceeded</html>",
    "noise": lambda data: bytes(np.random.default_rng(0).integers(0, 256, 500, np.uint8)),
}


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
def test_a_damaged_file_is_one_clear_line(network, tmp_path, suffix, damage, new_format):
    path = tmp_path / f"some{suffix}"
    path.write_bytes(DAMAGES[damage](whole(network, new_format)))
    with pytest.raises(ValueError, match=r"some\.(pth\.tar|safetensors): expected a whole .*, found") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)  # torch advises to set it to False


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.zeros(1)], "found list"),
        (torch.zeros(1), "found Tensor"),
        ({}, "found an empty one"),
        ({"state_dict": 3}, "found int"),
        ({"a": torch.zeros(1), "epoch": 3, "arch": "x"}, "found other entries: 'epoch', 'arch'"),
        ({0: torch.zeros(1)}, "found other entries: 0"),
    ],
)
def test_a_file_without_named_tensors_says_what_it_holds(path, content, found):
    torch.save(content, path)
    with pytest.raises(ValueError, match=rf"some\.pth\.tar: expected .*{found}"):
        read_checkpoint(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(FileNotFoundError, match="found no such file"):
            read_checkpoint(path)


def test_loading_fills_the_module_in_its_own_precision(network):
    loaded = Small()
    load_tensors(loaded, {name: value.half() for name, value in network.state_dict().items()}, "x.pth")
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().to(value.dtype))
        assert loaded.state_dict()[name].dtype == value.dtype


def test_a_module_on_the_meta_device_takes_the_tensors_themselves(network):
    with torch.device("meta"):
        loaded = Small()
    tensors = network.state_dict()
    load_tensors(loaded, tensors, "x.pth")
    assert_same(loaded.state_dict(), tensors)
    assert loaded.layer.weight.data_ptr() == tensors["layer.weight"].data_ptr()
    assert loaded.layer.weight.requires_grad


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_counters_that_old_versions_of_torch_did_not_write_may_be_missing(network, device):
    tensors = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    with torch.device(device):
        loaded = Small()
    load_tensors(loaded, tensors, "x.pth")
    assert_same(loaded.state_dict(), network.state_dict())


def test_missing_unknown_and_misshaped_tensors_are_named_and_nothing_changes(network):
    tensors = {**network.state_dict(), "foreign": torch.zeros(1), "layer.weight": torch.zeros(4, 3, 5, 5)}
    del tensors["norm.bias"]
    loaded = Small()
    before = {name: value.clone() for name, value in loaded.state_dict().items()}
    said = "x.pth: its tensors do not fit Small: norm.bias is missing; foreign is unknown; layer.weight has shape"
    with pytest.raises(ValueError, match=rf"{said} \(4, 3, 5, 5\) instead of \(4, 3, 3, 3\)"):
        load_tensors(loaded, tensors, "x.pth")
    assert_same(loaded.state_dict(), before)


def test_ten_problems_are_named_of_each_kind_in_turn_and_the_rest_counted(network):
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(10)])  # 20 missing, 7 unknown
    with pytest.raises(ValueError, match="and 17 more") as error:
        load_tensors(layers, network.state_dict(), "x.pth")
    assert str(error.value).count("is missing") == str(error.value).count("is unknown") == 5


# weight files


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "small.safetensors"
    save_weights(path, Small(), PROVENANCE)
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
        assert torch.equal(loaded.state_dict()[name], value.half().float() if value.is_floating_point() else value)
        assert loaded.state_dict()[name].dtype == value.dtype


def test_a_disk_that_refuses_leaves_the_older_file_and_no_part(file, monkeypatch):
    before = file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*small\.safetensors: No space left on device"):
        save_weights(file, Small(), PROVENANCE)
    monkeypatch.undo()
    assert file.read_bytes() == before and not half_written(file.parent)


def test_a_file_of_another_network_and_version_says_so(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(path, Small(8), Provenance("detector", "", "", 0, 0, version="9.9.9"))
    with pytest.raises(ValueError, match=r"of network detector, do not fit.*by vsreid_lite 9\.9\.9, this is"):
        load_weights(path, Small())


def written(path, metadata):
    save_file({"x": torch.zeros(1)}, path, metadata)
    return path


def test_fields_of_the_header_that_are_unknown_or_missing_are_named(tmp_path):
    fields = {**asdict(PROVENANCE), "licence": "MIT", "version": "7.0"}
    del fields["seed"]
    path = written(tmp_path / "a.safetensors", {"provenance": json.dumps(fields)})
    with pytest.raises(ValueError, match=r"found no seed; licence, which is unknown; .* by vsreid_lite 7\.0, this is"):
        read_provenance(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", "x"), ("command", 3), ("sequences", 5), ("start", [3]), ("settings", 3), ("settings", {"patch": ["x"]})],
)
def test_a_field_of_another_kind_is_named(tmp_path, field, value):
    path = written(tmp_path / "a.safetensors", {"provenance": json.dumps({**asdict(PROVENANCE), field: value})})
    with pytest.raises(
        ValueError, match=f"a.safetensors: expected a provenance .*, found values of another type for {field}"
    ):
        read_provenance(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "found no provenance in its header"),
        ({"format": "pt"}, "found no provenance in its header"),
        *[({"provenance": text}, "expected a provenance as a JSON object") for text in ("{", "[1]", "3")],
    ],
)
def test_a_file_without_a_provenance_that_can_be_read_is_refused(tmp_path, metadata, message):
    path = written(tmp_path / "a.safetensors", metadata)
    with pytest.raises(ValueError, match=message):
        read_provenance(path)


def test_a_missing_weight_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="no such weight file; shipped are"):
            load_weights(path, Small())


@pytest.mark.parametrize("damage", ["truncated", "cut early", "empty", "text"])
def test_a_damaged_weight_file_is_one_clear_error_and_the_network_stays(file, damage):
    network = Small()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    for read in (read_provenance, lambda path: load_weights(path, network)):
        with pytest.raises(ValueError, match=r"small\.safetensors: expected a whole safetensors file, found a trunc"):
            read(file)
    assert_same(network.state_dict(), before)

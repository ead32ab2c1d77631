"""Weights of torchvision: in torch's hub folder, or fetched into it with a word, or one line about what to do."""

import hashlib

import pytest
import torch

from vsreid_lite.system import downloads
from vsreid_lite.system.downloads import hub_weights

CONTENT = b"weights"
NAME = f"net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
URL = f"https://example.org/models/{NAME}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


def served(monkeypatch, content):
    monkeypatch.setattr(downloads, "fetch", lambda url, part: part.write_bytes(content))


def refused(monkeypatch, error):
    def fetch(url, part):
        raise error

    monkeypatch.setattr(downloads, "fetch", fetch)


def test_a_file_that_is_there_is_used_without_network_and_without_a_word(folder, monkeypatch, capsys):
    refused(monkeypatch, AssertionError("the network was asked"))
    folder.mkdir()
    (folder / NAME).write_bytes(b"as the user put it")
    assert hub_weights(URL) == folder / NAME
    assert capsys.readouterr() == ("", "")


def test_a_missing_file_is_fetched_with_a_word_about_it(folder, monkeypatch, capsys):
    served(monkeypatch, CONTENT)
    assert hub_weights(URL).read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert f"fetching it from {URL}" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ConnectionError("no route to host"), FileNotFoundError("HTTP status 404")])
def test_without_network_the_error_says_which_file_to_put_where(folder, monkeypatch, error):
    refused(monkeypatch, error)
    with pytest.raises(FileNotFoundError) as raised:
        hub_weights(URL)
    text = str(raised.value)
    assert text.startswith(f"{folder / NAME}: ") and URL in text and str(error) in text and "put it there" in text
    assert "\n" not in text and not list(folder.iterdir())


def test_in_a_folder_that_may_not_be_written_the_error_says_which_file_to_put_there(folder):
    folder.write_text("a file in the folder's place")
    with pytest.raises(OSError, match="cannot write into the folder") as raised:
        hub_weights(URL)
    text = str(raised.value)
    assert str(folder) in text and f"get {NAME} from {URL} and have it put there" in text and "\n" not in text


def test_a_file_that_is_not_the_published_one_is_not_kept(folder, monkeypatch):
    served(monkeypatch, b"a page of a hotel's network")
    with pytest.raises(FileNotFoundError, match="expected a SHA-256 that begins with"):
        hub_weights(URL)
    assert not list(folder.iterdir())

import errno
import json
import os

import pytest

from vsreid_lite.system.files import atomic_path, writable_folder, write_bytes, write_json, write_text


def test_a_file_is_written_with_its_folders_and_nothing_else_stays(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "é\n")
    write_bytes(tmp_path / "a" / "c.bin", b"\0\1")
    write_json(tmp_path / "a" / "d.json", {"global-mean": None, "J": 0.1})
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é\n".encode()
    assert json.loads((tmp_path / "a" / "d.json").read_text()) == {"global-mean": None, "J": 0.1}
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.txt", "c.bin", "d.json"]


@pytest.mark.parametrize(
    "interruption", [KeyboardInterrupt(), ValueError("bad data"), OSError(errno.ENOSPC, "No space")]
)
def test_an_interrupted_write_leaves_the_old_file_and_no_half_file(tmp_path, interruption):
    path = tmp_path / "scores.json"
    path.write_text("old")
    with pytest.raises((KeyboardInterrupt, ValueError, OSError)), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise interruption
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "scores.json"
    with pytest.raises(OSError) as caught, atomic_path(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = str(caught.value)
    assert str(path) in message and "No space left on device" in message and "\n" not in message


def test_a_file_or_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*scores\.json"):
        write_text(tmp_path / "file" / "scores.json", "")
    with pytest.raises(OSError, match="cannot write .*folder"):
        write_text(tmp_path / "folder", "")
    with pytest.raises(OSError, match="cannot write into the folder .*file"):
        writable_folder(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    folder = writable_folder(tmp_path / "a" / "b")
    assert folder.is_dir() and not list(folder.iterdir())


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "scores.json", {"J": float("nan")})
    assert not list(tmp_path.iterdir())

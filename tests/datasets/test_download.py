"""Against a server on this machine that knows Range, cuts connections and lies when it is told to."""

import errno
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from vsreid_lite.datasets.download import ARCHIVES, Archive, download, fetch_archive, unpack
from vsreid_lite.system import downloads as fetching
from vsreid_lite.system.downloads import fetch


def zip_bytes(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


FRAME = np.random.default_rng(0).bytes(300_000)
DATA = zip_bytes({"DAVIS/JPEGImages/480p/dog/00000.jpg": FRAME, "DAVIS/ImageSets/2017/val.txt": b"dog\n"})
CHECKSUM = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`, at most `server.cut` bytes a connection, and parts of them if `server.ranges`."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        asked = self.headers.get("Range") if self.server.ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + (self.server.cut or len(data))])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests, server.ranges, server.cut = {"/good/data.zip": DATA}, [], True, None
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def archive(server, *folders, checksum=CHECKSUM):
    return Archive("data", tuple(f"{server.url}/{folder}/data.zip" for folder in folders), checksum, "0.3 MB")


def check_folder(folder):
    assert (folder / "DAVIS/JPEGImages/480p/dog/00000.jpg").read_bytes() == FRAME
    assert (folder / "DAVIS/ImageSets/2017/val.txt").read_text() == "dog\n"


def test_a_download_becomes_a_folder_and_leaves_nothing_else(server, tmp_path):
    folder = fetch_archive(archive(server, "good"), tmp_path / "data")
    check_folder(folder)
    assert list((tmp_path / "data").iterdir()) == [folder]
    assert fetch_archive(archive(server, "good"), tmp_path / "data") == folder  # at once
    assert len(server.requests) == 1


def test_a_cut_connection_is_resumed_where_it_stopped(server, tmp_path):
    server.cut = 100_000
    fetch(f"{server.url}/good/data.zip", tmp_path / "data.zip.part")
    assert (tmp_path / "data.zip.part").read_bytes() == DATA
    assert [asked for _, asked in server.requests] == [None, *(f"bytes={i}00000-" for i in (1, 2, 3))]


@pytest.mark.parametrize(
    ("part", "ranges"), [(DATA[:1234], True), (DATA, True), (DATA + b"more", True), (b"x" * 1234, False)]
)
def test_a_part_of_an_earlier_run_is_resumed_where_it_is_one(server, tmp_path, part, ranges):
    """Whole, of another file, or from a server that knows no Range, it is told from that."""
    server.ranges = ranges
    (tmp_path / "data.zip.part").write_bytes(part)
    check_folder(fetch_archive(archive(server, "good"), tmp_path))
    assert server.requests[0] == ("/good/data.zip", f"bytes={len(part)}-")


def test_a_server_that_never_gets_through_is_given_up(server, tmp_path):
    server.ranges, server.cut = False, 1000
    with pytest.raises(ConnectionError, match=r"good/data\.zip: the connection was cut"):
        fetch(f"{server.url}/good/data.zip", tmp_path / "data.zip.part")


@pytest.mark.parametrize("bad", ["missing", "wrong"])
def test_the_second_source_is_taken_when_the_first_fails(server, tmp_path, bad):
    server.files["/wrong/data.zip"] = zip_bytes({"page.html": b"moved"})
    check_folder(fetch_archive(archive(server, bad, "good"), tmp_path))


def test_when_all_sources_fail_the_message_says_where_to_put_the_file(server, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        fetch_archive(archive(server, "missing", "gone"), tmp_path)
    message = str(caught.value)
    assert f"put the file here: {tmp_path / 'data.zip'}" in message
    assert "missing/data.zip: HTTP status 404" in message and "gone/data.zip" in message and "\n" not in message
    assert not list(tmp_path.iterdir())


def test_a_wrong_checksum_names_both_and_leaves_nothing(server, tmp_path):
    wrong = f"md5:{'0' * 32}"
    found = f"md5:{hashlib.md5(DATA).hexdigest()}"
    with pytest.raises(FileNotFoundError, match=f"expected checksum {wrong}, found {found}"):
        fetch_archive(archive(server, "good", checksum=wrong), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_checksum_is_said_and_the_found_one_shown(server, tmp_path, capsys):
    check_folder(fetch_archive(archive(server, "good", checksum=None), tmp_path))
    assert f"data.zip: not verified, no checksum is published for it; {CHECKSUM}" in capsys.readouterr().out


def test_a_file_put_there_by_hand_is_verified_used_and_kept(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(DATA)
    check_folder(fetch_archive(archive(server, "missing"), tmp_path))
    assert (tmp_path / "data.zip").read_bytes() == DATA and not server.requests


def test_a_wrong_file_put_there_by_hand_is_refused_and_kept(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"data\.zip: expected checksum sha256:.* delete the file"):
        fetch_archive(archive(server, "good"), tmp_path)
    assert (tmp_path / "data.zip").read_bytes() == b"something else"


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt", "link"]
)
def test_members_outside_the_folder_are_refused(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data.zip").write_bytes(zip_bytes({"fine.txt": b""}))
    link = zipfile.ZipInfo(name)
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "in" / "data.zip", "a") as written:
        written.writestr(link if name == "link" else name, b"evil")
    with pytest.raises(ValueError, match=r"data\.zip: expected files inside .* folder, found .*(evil|link)"):
        unpack(tmp_path / "in" / "data.zip", tmp_path / "in" / "data")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["data.zip"]


@pytest.mark.parametrize("damage", ["page", "cut", "bits"])
def test_a_damaged_zip_is_one_clear_error_and_no_folder(tmp_path, damage):
    bits = bytearray(DATA)
    bits[1000] ^= 1
    (tmp_path / "data.zip").write_bytes({"page": b"<html>", "cut": DATA[:-40], "bits": bytes(bits)}[damage])
    with pytest.raises(ValueError, match=r"data\.zip: expected a zip file, found a damaged one"):
        unpack(tmp_path / "data.zip", tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data.zip"]


def test_a_damaged_archive_without_a_checksum_is_not_kept(server, tmp_path):
    server.files["/bad/data.zip"] = b"<html>"
    with pytest.raises(ValueError, match="found a damaged one"):
        fetch_archive(archive(server, "bad", checksum=None), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_clear_error_and_keeps_what_was_downloaded(server, tmp_path, monkeypatch):
    def full(self, member, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(OSError, match="cannot unpack into .*data: No space left on device"):
        fetch_archive(archive(server, "good"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data.zip"]


def test_a_full_disk_while_downloading_is_one_clear_error(server, tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "data.zip.part").symlink_to(full)
    with pytest.raises(OSError, match=r"cannot write .*data\.zip\.part: No space left"):
        fetch(f"{server.url}/good/data.zip", tmp_path / "data.zip.part")


def test_the_table_holds_what_the_command_line_offers(tmp_path):
    assert {"davis-2016", "davis-2017", "davis-2017-trainval-480p", "davis-2017-test-dev-480p"} <= set(ARCHIVES)
    for entry in ARCHIVES.values():
        assert len(entry.sources) > 1 and all(source.startswith("https://") for source in entry.sources)
        assert entry.checksum is None or len(entry.checksum.split(":")[1]) == {"s": 64, "m": 32}[entry.checksum[0]]
    with pytest.raises(ValueError, match="expected a data set among .*davis-2017.*, found davis-2018"):
        download("davis-2018", tmp_path)


def test_a_dead_host_is_passed_over(server, tmp_path):
    dead = Archive("data", ("http://127.0.0.1:9/data.zip", f"{server.url}/good/data.zip"), CHECKSUM, "0.3 MB")
    check_folder(fetch_archive(dead, tmp_path))

import os

import pytest
import torch
from safetensors.torch import load_file

from domainvec.files import atomic_path, require_writable, save_tensors


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "note.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path, stop):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(stop), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise stop
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_an_error_and_nothing_is_left(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError), atomic_path(tmp_path / "taken") as temporary:
        temporary.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_writing_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "never.txt"):
        pass


def test_tensors_are_readable_for_whom_any_new_file_is(tmp_path):
    save_tensors(tmp_path / "new" / "x.safetensors", {"a": torch.arange(3)}, {"about": "it"})
    (tmp_path / "note.txt").write_text("x")
    file = tmp_path / "new" / "x.safetensors"
    assert load_file(file)["a"].tolist() == [0, 1, 2]
    assert file.stat().st_mode == (tmp_path / "note.txt").stat().st_mode


def test_tensors_that_cannot_be_written_are_an_os_error_and_the_old_file_stays(tmp_path, full_disk):
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"old")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        save_tensors(file, {"a": torch.zeros(100_000)})
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_to_is_named_by_the_final_file(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError) as raised:
        save_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)})
    assert raised.value.filename == str(tmp_path / "x.safetensors")


def test_errors_name_the_final_file(tmp_path, full_disk):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.safetensors", tmp_path / f"{'x' * 250}.safetensors"):
        with pytest.raises(OSError) as raised:
            save_tensors(path, {"a": torch.zeros(1)})
        assert str(raised.value.filename) in (str(path), str(path.parent))
    with full_disk(), pytest.raises(OSError, match="File too large") as raised:
        save_tensors(tmp_path / "y.safetensors", {"a": torch.zeros(100_000)})
    assert raised.value.filename == str(tmp_path / "y.safetensors")


def test_a_path_is_tried_without_leaving_anything(tmp_path):
    path = tmp_path / "x.ckpt"
    require_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    require_writable(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").write_text("")
    for hopeless in (tmp_path / "file" / "x.ckpt", tmp_path / f"{'x' * 250}.ckpt"):
        with pytest.raises(OSError):
            require_writable(hopeless)

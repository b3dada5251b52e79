from __future__ import annotations

import pytest

from domainvec.errors import InputError
from domainvec.text_files import read_lines

LINES = ["a pencil sketch", "铅笔素描", "naïve art"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_read_in_any_unicode(tmp_path, encoding, end):
    text = end.join(["# styles", "", f"  {LINES[0]}\t", *LINES[1:], ""])
    (tmp_path / "styles.txt").write_bytes(text.encode(encoding))
    assert read_lines(tmp_path / "styles.txt") == LINES


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_byte_order_marks_say_the_order(tmp_path, mark, encoding):
    (tmp_path / "styles.txt").write_bytes(mark + "\n".join(LINES).encode(encoding))
    assert read_lines(str(tmp_path / "styles.txt")) == LINES


def test_marks_within_are_no_text(tmp_path):
    (tmp_path / "styles.txt").write_bytes(b"\xef\xbb\xbf# all\n\xef\xbb\xbfa zombie\n")
    assert read_lines(tmp_path / "styles.txt") == ["a zombie"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "a zombie\nnaïve art".encode("latin-1"),
            r"not text in UTF-8 or UTF-16 \(line 2: .*\); save it as UTF-8",
        ),
        (b"\xff\xfea", "not text in UTF-8 or UTF-16"),
        ("a zombie".encode("utf-16-le"), "zero bytes in it; save it as UTF-8"),
        (b"\x89PNG\r\n", "not text in UTF-8"),
        (b"", "has no text in it"),
        (b"\xef\xbb\xbf", "has no text in it"),
        (b"# nothing\n\n", "has no text in it"),
    ],
)
def test_what_is_no_text_is_said(tmp_path, data, said):
    (tmp_path / "styles.txt").write_bytes(data)
    with pytest.raises(InputError, match=rf"styles\.txt.* {said}|styles\.txt {said}"):
        read_lines(tmp_path / "styles.txt")


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_lines(tmp_path / "none.txt")

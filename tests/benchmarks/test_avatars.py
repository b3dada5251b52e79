"""Avatars are drawn once, by a program that is told what to draw; here by one that is not Node.js."""

from __future__ import annotations

import json
import sys

import pytest
from PIL import Image

from domainvec.errors import InputError

NODE = """#!{python}
import json, pathlib, sys
from PIL import Image
request = json.loads(sys.argv[-1])
assert sys.argv[1:3] == ["--input-type=module", "--eval"] and "createAvatar" in sys.argv[3]
if request["style"] == "broken":
    sys.exit("node:internal\\n\\nTypeError: it is broken\\n    at line 1")
for i in range(request["count"]):
    picture = Image.new("RGB", (request["side"],) * 2, (10 * i, 0, 0))
    picture.save(pathlib.Path(request["folder"], f"{{i:04d}}.png"))
made_of = [{{"hair": f"variant{{i}}"}} for i in range(request["count"])]
meta = {{"creator": "Somebody", "license": {{"name": "CC0"}}}}
print(json.dumps({{"meta": meta, "avatars": made_of}}))
"""
NPM = """#!{python}
import pathlib
for name in ("core", "collection", "round", "square", "broken"):
    pathlib.Path("node_modules/@dicebear", name).mkdir(parents=True)
"""


@pytest.fixture
def avatars(script):
    return script("avatars")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs, the only one that is looked in."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def node(programs):
    for name, text in (("node", NODE), ("npm", NPM)):
        (programs / name).write_text(text.format(python=sys.executable))
        (programs / name).chmod(0o755)


def remove(programs) -> None:
    for program in programs.iterdir():
        program.unlink()


def test_avatars_are_drawn_once(avatars, node, programs, tmp_path) -> None:
    folder, modules = tmp_path / "set", tmp_path / "modules"
    avatars.draw(folder, ["round", "square"], 3, 8, modules)
    images = avatars.avatars(folder, "round", [2, 0], 8)
    assert images.shape == (2, 3, 8, 8)
    assert images[0, 0].unique().tolist() == pytest.approx([20 / 127.5 - 1])
    assert avatars.avatars(folder, "square", [1], 4).shape == (1, 3, 4, 4)
    assert avatars.parts(folder, "round") == [{"hair": f"variant{i}"} for i in range(3)]
    about = json.loads((folder / "styles.json").read_text())
    assert about["square"]["creator"] == "Somebody" and sorted(about) == ["round", "square"]
    avatars.draw(folder, ["round"], 5, 8, modules)
    assert len(avatars.parts(folder, "round")) == 5 and len(avatars.parts(folder, "square")) == 3
    assert sorted(path.name for path in folder.iterdir()) == ["round", "square", "styles.json"]
    remove(programs)
    avatars.draw(folder, ["round"], 4, 8, modules)
    avatars.contact_sheet(folder, ["round", "square"], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 5 * 8 + 4 * 2


def test_what_cannot_be_drawn_is_said(avatars, node, programs, tmp_path, monkeypatch, capsys) -> None:
    folder, modules = tmp_path / "set", tmp_path / "modules"
    with pytest.raises(InputError, match="no style 'flat'; DiceBear has broken, round, square"):
        avatars.draw(folder, ["flat"], 3, 8, modules)
    with pytest.raises(InputError, match="node failed: TypeError: it is broken"):
        avatars.draw(folder, ["broken"], 3, 8, modules)
    assert not list(folder.iterdir())
    avatars.draw(folder, ["round"], 2, 8, modules)
    with pytest.raises(InputError, match="round has avatars of 8 px, not 16: name another folder"):
        avatars.draw(folder, ["round"], 2, 16, modules)
    with pytest.raises(InputError, match="count is 0 and side 8; expected 1 or more"):
        avatars.draw(folder, ["round"], 0, 8, modules)
    with pytest.raises(InputError, match=r"0002\.png does not exist"):
        avatars.avatars(folder, "round", [2])
    remove(programs)
    with pytest.raises(InputError, match=r"node is not installed, .*: install Node.js 18 or newer"):
        avatars.draw(folder, ["round"], 3, 8, modules)
    monkeypatch.setattr(
        "sys.argv", ["avatars.py", "--folder", str(folder), "--modules", str(tmp_path / "none")]
    )
    with pytest.raises(SystemExit) as stopped:
        avatars.main()
    assert stopped.value.code == 1 and capsys.readouterr().err.startswith("npm is not installed")


def test_labels_are_what_a_person_can_tell(avatars) -> None:
    def glasses(style, **made_of):
        return avatars.label("glasses", style, made_of)

    assert glasses("open-peeps", accessories="glasses3", head="bun") is True
    assert glasses("open-peeps", accessories="sunglasses") is None
    assert glasses("open-peeps", head="bun") is False
    assert glasses("pixel-art", glassesColor="#4b4b4b") is False
    assert glasses("pixel-art", glasses="light02") is True and glasses("pixel-art", glasses="dark02") is None
    assert avatars.label("beard", "open-peeps", {"facialHair": "full", "mask": "medicalMask"}) is None
    assert avatars.label("beard", "notionists", {"beard": "variant02"}) is True
    assert avatars.label("beard", "notionists", {"beard": "variant05"}) is None
    with pytest.raises(KeyError):
        avatars.label("beard", "bottts", {})
    assert all(set(styles) <= set(avatars.STYLES) for styles in avatars.WEARING.values())

"""Hostile and broken files: each is refused with an error that helps, and nothing in it is executed."""

from __future__ import annotations

import argparse
import builtins
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_forms import (
    Call,
    Module,
    Named,
    Network,
    Raw,
    forge,
    make_networks,
    nvidia_modules,
    nvidia_pickle,
    saved_whole,
    tensorflow_networks,
    tensorflow_pickle,
    tensors_of,
)
from safetensors.torch import save_file

from domainvec.domains import Domain
from domainvec.errors import CheckpointError, UnsafeCheckpointError
from domainvec.stylegan2.pretrained import load_discriminator, load_generator, save_generator
from domainvec.stylegan2.readers import read_checkpoint
from domainvec.stylegan2.writers import save_rosinality

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
GENERATOR, DISCRIMINATOR = make_networks()
CANARY = "canary"
COMMAND = f"touch {CANARY}"
SYSTEM = Call(Named("os", "system"), (COMMAND,))


@pytest.fixture(autouse=True)
def armed(tmp_path, monkeypatch):
    """Commands of the files would leave a canary here, and every way to run something says so."""
    monkeypatch.chdir(tmp_path)
    executed = []

    def report(*arguments, **_):
        executed.append(arguments)
        raise AssertionError(f"executed {arguments}")

    for module, name in ((os, "system"), (os, "popen"), (subprocess, "Popen")):
        monkeypatch.setattr(module, name, report)
    yield
    assert not executed and not (tmp_path / CANARY).exists()


def refuse(content: bytes | Path, error: type[CheckpointError], pattern: str, read=read_checkpoint) -> None:
    """Write the file; expect it to be refused, with one printable line that names the file."""
    path = content
    if isinstance(content, bytes):
        path = Path("network.pkl").absolute()
        path.write_bytes(content)
    with pytest.raises(error, match=pattern) as caught:
        read(path)
    message = str(caught.value)
    assert type(caught.value) is error
    assert str(path) in message and len(message) < 600 and message.isprintable()


# Pickles that name what they should not, or use opcodes that they should not need.


def _everything_else_first(content: object) -> bytes:
    """The unsafe part comes last, after networks that could be built."""
    modules = {name: module.call() for name, module in nvidia_modules(GENERATOR, DISCRIMINATOR).items()}
    return forge({**modules, "augment_pipe": content})


def _torch_storage(content: object) -> Call:
    """A storage whose nested bytes are an old torch.save stream of ``content``."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = (0x1950A86A20F9469CFC6C, 1001, system, content, [])
    return Call(Named("torch.storage", "_load_from_bytes"), (b"".join(forge(part, 2) for part in parts),))


def _torch_zip(
    pickled: bytes, entries: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in (entries or {}).items():
            archive.writestr(name, data)
    return stream.getvalue()


UNSAFE = {
    "os.system": (forge(SYSTEM), "os.system"),
    "os.system, protocol 2": (forge(SYSTEM, 2), "os.system"),
    "os.system, protocol 0": (b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.", "os.system"),
    "posix.system": (forge(Call(Named("posix", "system"), (COMMAND,))), "posix.system"),
    "nt.system": (forge(Call(Named("nt", "system"), (COMMAND,))), "nt.system"),
    "a class's __reduce__": (
        pickle.dumps(type("Evil", (), {"__reduce__": lambda self: (eval, (COMMAND,))})()),
        "builtins.eval",
    ),
    "builtins.exec": (forge(Call(Named("builtins", "exec"), ("open('canary', 'w')",))), "builtins.exec"),
    "__builtin__.eval": (forge(Call(Named("__builtin__", "eval"), ("1",)), 2), "__builtin__.eval"),
    "subprocess.Popen": (forge(Call(Named("subprocess", "Popen"), (COMMAND,))), "subprocess.Popen"),
    "getattr": (
        forge(Call(Named("builtins", "getattr"), (Named("builtins", "set"), "mro"))),
        "builtins.getattr",
    ),
    "operator.attrgetter": (forge(Call(Named("operator", "attrgetter"), ("x",))), "operator.attrgetter"),
    "functools.partial": (
        forge(Call(Named("functools", "partial"), (Named("os", "system"),))),
        "functools.partial",
    ),
    "importlib": (forge(Call(Named("importlib", "import_module"), ("antigravity",))), "importlib"),
    "numpy's loader": (forge(Call(Named("numpy", "load"), ("x.npy", None, True))), "numpy.load"),
    "numpy's old exec": (
        forge(Call(Named("numpy.testing._private.utils", "runstring"), ("1", {}))),
        "runstring",
    ),
    "torch.load": (forge(Call(Named("torch", "load"), ("x.pt",))), "torch.load"),
    "torch.hub": (forge(Call(Named("torch.hub", "load"), ("a/b", "c"))), "torch.hub.load"),
    "torch's own executor": (
        forge(Call(Named("torch.serialization", "load"), ("x",))),
        "torch.serialization",
    ),
    "__main__": (forge(Call(Named("__main__", "Network"))), "__main__.Network"),
    "a mention without a call": (forge({"G_ema": Named("os", "system")}), "os.system"),
    "a dotted way through an allowed module": (
        forge(Call(Named("torch", "storage._load_from_bytes"), (b"",))),
        "torch:storage._load_from_bytes",
    ),
    "a dotted way through an allowed class": (
        forge(Named("collections", "OrderedDict.fromkeys.__globals__")),
        "fromkeys.__globals__",
    ),
    "a module with a space": (b"\x80\x02ccollections OrderedDict\nx\n.", "collections"),
    "terminal codes in a name": (
        forge(Named("\x1b[2Jos", "sys\ntem\u202e")),
        r"\\x1b\[2Jos.sys\\ntem\\u202e",
    ),
    "an endless name": (forge(Named("a" * 10_000, "b")), r"a\.\.\."),
    "after networks that are fine": (_everything_else_first(SYSTEM), "os.system"),
    "in the settings of a network": (
        forge((Call(Named("dnnlib.tflib.network", "Network"), (), {"static_kwargs": SYSTEM}),)),
        "os.system",
    ),
    "in the bytes of a storage": (forge({"G_ema": _torch_storage(SYSTEM)}), "os.system"),
    "in the sizes of a nested stream": (
        forge(Call(Named("torch.storage", "_load_from_bytes"), (forge(SYSTEM, 2),))),
        "os.system",
    ),
    "storages in storages": (forge(_torch_storage(_torch_storage(1))), "torch.storage._load_from_bytes"),
    "INST": (b"\x80\x02(ios\nsystem\n.", "os.system"),
    "INST of an allowed name": (b"\x80\x02(icollections\nOrderedDict\n.", "opcode INST"),
    "OBJ": (b"\x80\x02(" + b"ccollections\nOrderedDict\no.", "opcode OBJ"),
    "EXT1": (b"\x80\x02\x82\x01.", "opcode EXT1"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "opcode EXT4"),
    "NEWOBJ_EX": (forge(Raw(b"\x8c\x01a\x8c\x01b\x93)}\x92")), "a.b"),
    "NEWOBJ_EX of an allowed name": (
        b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93)}\x92.",
        "opcode NEWOBJ_EX",
    ),
    "a buffer from outside": (b"\x80\x05\x97.", "opcode NEXT_BUFFER"),
    "a persistent id": (forge(Raw(b"K\x01Q")), "opcode BINPERSID"),
    "a call of what is not a name": (forge(Call({"a": 1}, (1,))), "calls a dict"),
    "a call of a string": (forge(Call("os.system", (COMMAND,))), "calls a str"),
    "a call of what may only be mentioned": (
        forge(Call(Named("numpy", "ndarray"), ((2**40,),))),
        "numpy.ndarray",
    ),
    "the state of a class": (
        forge(Raw(b"\x8c\x05numpy\x8c\x07ndarray\x93}\x8c\x06__eq__K\x01sb")),
        "state of numpy.ndarray",
    ),
    "the state of a list": (forge(Raw(b"]}b")), "state of a list"),
    "a zip archive's pickle": (_torch_zip(forge(SYSTEM, 2)), "os.system"),
    "a zip archive's pickle asks for nested bytes": (
        _torch_zip(forge(_torch_storage(1), 2)),
        "_load_from_bytes",
    ),
    "a zip bomb": (
        _torch_zip(forge({}), {"archive/data/0": bytes(10**7)}, zipfile.ZIP_DEFLATED),
        "compressed",
    ),
    "a way out of the archive": (_torch_zip(forge({}), {"../../canary": b"x"}), "outside of itself"),
    "an absolute path in the archive": (_torch_zip(forge({}), {"/tmp/canary": b"x"}), "outside of itself"),
    "a way out of the archive, for Windows": (
        _torch_zip(forge({}), {"..\\canary": b"x"}),
        "outside of itself",
    ),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_files_are_refused_by_name(name) -> None:
    content, pattern = UNSAFE[name]
    refuse(content, UnsafeCheckpointError, pattern)


def _torch_whole(bend=lambda modules: None, new_zipfile: bool = True) -> bytes:
    """A file of torch.save with NVIDIA's modules in it, whole."""
    modules = nvidia_modules(GENERATOR, DISCRIMINATOR)
    bend(modules)
    return saved_whole({name: module.call() for name, module in modules.items()}, new_zipfile)


def _persistence(name: str, module: str = "torch_utils.persistence") -> Call:
    return Call(Named(module, name), ({"type": "class", "class_name": "G", "state": {}},))


LOOK_ALIKES = {
    "another function of NVIDIA's module": (_persistence("_src_to_module"), "persistence._src_to_module"),
    "a longer way through NVIDIA's module": (
        _persistence("_reconstruct_persistent_obj.__globals__"),
        "persistence:_reconstruct_persistent_obj.__globals__",
    ),
    "a module of nearly NVIDIA's name": (
        _persistence("_reconstruct_persistent_obj", "torch_utils.persistence.x"),
        "torch_utils.persistence.x._reconstruct",
    ),
    "the state of NVIDIA's function": (
        Raw(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n}X\x01\x00\x00\x00aK\x01sb"),
        "state of torch_utils.persistence._reconstruct",
    ),
    "a method of a path": (Call(Named("pathlib", "PosixPath.unlink"), ("x",)), "pathlib:PosixPath.unlink"),
    "a module within pathlib": (Call(Named("pathlib", "os.remove"), ("x",)), "pathlib:os.remove"),
    "a subclass of a path's module": (Call(Named("pathlib", "UnsupportedOperation"), ()), "pathlib.Unsupp"),
    "the state of a class of paths": (Raw(b"cpathlib\nPosixPath\n}b"), "state of pathlib.PosixPath"),
    "a way through a namespace": (Named("argparse", "Namespace.__init__.__globals__"), "argparse:Namespace"),
    "argparse's reader of files": (Call(Named("argparse", "FileType"), ("w",)), "argparse.FileType"),
    "a dtype that is called": (Call(Named("torch", "float16"), ()), "calls torch.float16"),
    "a type that is called": (Call(Named("__builtin__", "dict"), ()), "calls __builtin__.dict"),
    "the class of a dtype": (Named("torch", "float16.__class__"), "torch:float16.__class__"),
    "a function of torch": (Call(Named("torch", "compile"), ()), "torch.compile"),
    "what makes a defaultdict's values": (
        Call(Named("collections", "defaultdict"), (Named("os", "system"),)),
        "os.system",
    ),
    "what makes a defaultdict's values, within": (
        Call(Named("collections", "defaultdict"), (Named("builtins", "eval"), {"a": 1})),
        "builtins.eval",
    ),
    "a namespace's attribute": (Call(Named("argparse", "Namespace"), (), {"a": SYSTEM}), "os.system"),
    "a path's part": (Call(Named("pathlib", "PosixPath"), (SYSTEM,)), "os.system"),
    "named tuples": (Call(Named("collections", "namedtuple"), ("a", "b")), "collections.namedtuple"),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_look_alikes_of_what_is_read_are_refused_by_name(name) -> None:
    content, pattern = LOOK_ALIKES[name]
    refuse(_torch_zip(forge({"g_ema": {}, "beside": content}, 2)), UnsafeCheckpointError, pattern)
    refuse(forge({"beside": content}, 2), UnsafeCheckpointError, pattern)


@pytest.mark.parametrize("new_zipfile", [True, False])
def test_modules_that_torch_saved_whole_stay_records(new_zipfile, tmp_path) -> None:
    path = tmp_path / "network.pt"
    path.write_bytes(_torch_whole(new_zipfile=new_zipfile))  # executing a source text in it would exit
    assert load_generator(path).fingerprint == GENERATOR.fingerprint
    hostile = _torch_whole(lambda m: _set(m["D"], training=SYSTEM), new_zipfile)
    refuse(hostile, UnsafeCheckpointError, "os.system")
    hostile = _torch_whole(lambda m: m["G_ema"].children.update(mapping=SYSTEM), new_zipfile)
    refuse(hostile, UnsafeCheckpointError, "os.system")


def test_a_whole_module_of_other_code_says_what_to_do(tmp_path, monkeypatch) -> None:
    model = types.ModuleType("model")
    model.Generator = type("Generator", (torch.nn.Linear,), {"__module__": "model"})
    monkeypatch.setitem(sys.modules, "model", model)
    for content in (model.Generator(2, 2), {"g_ema": model.Generator(2, 2)}):
        torch.save(content, tmp_path / "network.pt")
        refuse(tmp_path / "network.pt", UnsafeCheckpointError, "model.Generator: .* whole .* state_dict")


def test_an_old_torch_file_is_read_by_the_same_machine(tmp_path) -> None:
    path = tmp_path / "evil.pt"

    class Evil:
        def __reduce__(self):
            return builtins.exec, ("open('canary', 'w')",)

    for new_zipfile in (True, False):
        torch.save({"g_ema": Evil()}, path, _use_new_zipfile_serialization=new_zipfile)
        refuse(path, UnsafeCheckpointError, "__builtin__.exec")


def test_the_unsafe_name_is_found_before_any_tensor_is_built(tmp_path, monkeypatch) -> None:
    from domainvec.stylegan2 import readers

    monkeypatch.setattr(readers.nvidia, "read", lambda content: pytest.fail("tensors were built"))
    refuse(_everything_else_first(SYSTEM), UnsafeCheckpointError, "os.system")


def test_entries_that_claim_more_than_the_file_has() -> None:
    data = bytearray(_torch_zip(forge({}), {"archive/data/0": b"1234"}))
    at = data.rindex(b"PK\x01\x02")  # the last entry of the directory; its sizes are at 20 and 24
    data[at + 20 : at + 28] = struct.pack("<II", 2**31, 2**31)
    refuse(bytes(data), UnsafeCheckpointError, "claim more bytes")


# Pickles that are built to exhaust memory, time or the stack, or to read outside of what the file holds.


def _with_tensor(**lie: object) -> bytes:
    """A pickle in which one tensor of the generator is described by other numbers."""
    storage = torch.arange(6.0).untyped_storage()
    described = {"offset": 0, "shape": (2, 3), "strides": (3, 1)} | lie
    modules = nvidia_modules(GENERATOR, DISCRIMINATOR)
    modules["G_ema"].at("synthesis.b4").parameters["const"] = Call(
        Named("torch._utils", "_rebuild_tensor_v2"),
        (
            torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True),
            *described.values(),
            False,
            OrderedDict(),
        ),
    )
    return nvidia_pickle(modules)


def _with_array(array: object) -> bytes:
    critic, averaged = tensorflow_networks(GENERATOR, DISCRIMINATOR)
    averaged.variables["dlatent_avg"] = array
    return tensorflow_pickle(critic, averaged)


def _array_call(shape: object, dtype: object, data: object) -> Call:
    made = (Named("numpy", "ndarray"), (0,), b"b")
    return Call(Named("numpy.core.multiarray", "_reconstruct"), made, (1, shape, dtype, False, data))


FLOAT = Call(Named("numpy", "dtype"), ("f4", False, True), (3, "<", None, None, None, -1, -1, 0))
RECORD = Call(Named("numpy", "dtype"), ("f4", False, True), (3, "<", None, ("a",), {"a": 1}, -1, -1, 0))


def _zip_tensor(claimed: int, shape: tuple[int, ...], entry: bytes) -> bytes:
    """A torch.save archive with one tensor of g_ema, whose storage claims a number of elements."""
    pickled = forge(
        {
            "g_ema": {
                "style.1.weight": Call(
                    Named("torch._utils", "_rebuild_tensor_v2"),
                    (Raw(_persistent(claimed)), 0, shape, (1,) * len(shape), False, OrderedDict()),
                )
            }
        },
        2,
    )
    return _torch_zip(pickled, {"archive/data/0": entry, "archive/byteorder": b"little"})


def _persistent(size: int) -> bytes:
    parts = (
        b"X\x07\x00\x00\x00storage",
        b"ctorch\nFloatStorage\n",
        b"X\x01\x00\x00\x000",
        b"X\x03\x00\x00\x00cpu",
    )
    return b"(" + b"".join(parts) + b"\x8a\x08" + struct.pack("<q", size) + b"tQ"


def _get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def _put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


PERSISTENT = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
NETWORK = b"cdnnlib.tflib.network\nNetwork\n"


def _twice(child: bytes) -> bytes:
    """Items for the description of a module that has the same child under two names."""
    children = b"}(" + _text("mapping") + child + _text("synthesis") + child + b"u"
    return _text("state") + b"}" + _text("_modules") + children + b"s"


def _loop_of_modules() -> bytes:
    """A module that is its own child."""
    module = PERSISTENT + b"}" + _put(1) + b"\x85R" + _put(2) + b"0"
    loop = _get(1) + _twice(_get(2)) + b"s0"
    return b"\x80\x03" + module + loop + b"}" + _text("G_ema") + _get(2) + b"s."


def _billion_modules() -> bytes:
    """Thirty levels of a module that holds the one below twice."""
    levels = PERSISTENT + b"}" + _text("state") + b"}s\x85R" + _put(0) + b"0"
    for level in range(1, 31):
        levels += PERSISTENT + b"}" + _twice(_get(level - 1)) + b"s\x85R" + _put(level) + b"0"
    return b"\x80\x03" + levels + b"}" + _text("G_ema") + _get(30) + b"s."


def _loop_of_networks() -> bytes:
    """A TensorFlow network that is its own component."""
    components = b"}" + _text("components") + b"}" + _text("a") + _get(1) + b"ss"
    return b"\x80\x03" + NETWORK + b")R" + _put(1) + components + b"b\x85."


def _loop_of_tables() -> bytes:
    """A dictionary that holds itself, beside tensors of a name that a generator has."""
    return _torch_zip(b"\x80\x02}" + _put(1) + _text("g_ema") + _get(1) + b"s" + _text("a") + b"Ns.")


def _billion_tables(levels: int, names: int) -> bytes:
    """A dictionary that holds, under many names, one that holds, under as many, ..."""
    data = b"\x80\x02}" + _put(0) + b"0"
    for level in range(1, levels + 1):
        items = b"".join(_text(f"{i:090}") + _get(level - 1) for i in range(names))
        data += b"}(" + items + b"u" + _put(level) + b"0"
    return _torch_zip(data + _get(levels) + b".")


def _many_copies(make: bytes) -> bytes:
    """A list of many pairs, of which a container is to be made again and again."""
    pairs = b"](" + b"".join(_text(str(i)) + b"N\x86" for i in range(20_000)) + b"e" + _put(1) + b"0"
    return b"\x80\x02" + pairs + (make + _get(1) + b"\x85R") * 2_000 + b"N."


def _wide_network() -> bytes:
    """A TensorFlow network of many components."""
    return forge((Network(components={str(i): Network() for i in range(100)}).call(),))


EXHAUSTING = {
    "a tensor that begins outside of its storage": (_with_tensor(offset=6), "outside of its storage"),
    "a tensor that ends outside of its storage": (_with_tensor(shape=(2, 4)), "outside of its storage"),
    "strides that lead outside": (_with_tensor(strides=(3, 1000)), "outside of its storage"),
    "negative strides": (_with_tensor(strides=(-3, 1)), "negative"),
    "negative sizes": (_with_tensor(shape=(-2, 3)), "negative"),
    "a negative offset": (_with_tensor(offset=-1), "negative"),
    "strides of zero under a huge shape": (_with_tensor(shape=(2**20, 2**20), strides=(0, 0)), "outside"),
    "sizes beyond all integers": (_with_tensor(shape=(2**200, 3)), "huge"),
    "sizes that are not integers": (_with_tensor(shape=(2.0, 3)), "non-integer"),
    "sizes that are no tuple": (_with_tensor(shape="23"), "expected up to 8 integers"),
    "a hundred dimensions": (_with_tensor(shape=(1,) * 100, strides=(1,) * 100), "expected up to 8"),
    "more sizes than strides": (_with_tensor(shape=(1, 1, 1)), "3 sizes and 2 strides"),
    "an empty tensor": (_with_tensor(shape=(0, 3)), "empty"),
    "an array of objects": (_with_array(np.array([SYSTEM, None], dtype=object)), "os.system"),
    "an array of objects without a name": (_with_array(np.array([None, 1], dtype=object)), "dtype O8"),
    "an array of records": (_with_array(_array_call((1,), RECORD, b"1234")), "dtype f4"),
    "an array without a dtype": (_with_array(_array_call((1,), "f4", b"1234")), "no plain numeric dtype"),
    "an array of strings": (_with_array(np.array(["a", "b"])), "dtype U1"),
    "an array of integers": (_with_array(np.arange(10)), "int64"),
    "an array larger than its bytes": (_with_array(_array_call((2**40,), FLOAT, b"1234")), "4 bytes"),
    "an array of a negative size": (_with_array(_array_call((-1,), FLOAT, b"")), "negative"),
    "an array without bytes": (_with_array(_array_call((1,), FLOAT, None)), "found nothing"),
    "an array without a state": (
        _with_array(
            Call(Named("numpy.core.multiarray", "_reconstruct"), (Named("numpy", "ndarray"), (0,), b"b"))
        ),
        "not described",
    ),
    "a storage smaller than claimed": (_zip_tensor(2**40, (2**40,), b"1234"), "has 4 bytes; its pickle says"),
    "a storage of a negative size": (_zip_tensor(-1, (1,), b"1234"), "unknown way"),
    "bytes that claim to be endless": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", "cut off"),
    "a string that claims to be endless": (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.", "cut off"),
    "a bytearray that claims to be endless": (b"\x80\x05\x96" + struct.pack("<Q", 2**63) + b"x.", "cut off"),
    "a giant integer": (b"\x80\x04\x8b" + struct.pack("<I", 10**6) + b"\x01" * 10**6 + b".", "integer of"),
    "a million opcodes": (b"\x80\x04" + b"N" * 1_000_001 + b".", "more than 1,000,000 opcodes"),
    "a hundred thousand lists in one another": (
        b"\x80\x04" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
        "holds a list",
    ),
    "a deep tuple as a key": (b"\x80\x04})" + b"\x85" * 10**5 + b"Ns.", "key in the pickle is a tuple"),
    "a list as a key": (b"\x80\x04}]Ns.", "key in the pickle is a list"),
    "a dictionary as the class of a network": (
        forge({"G_ema": Call(Named("torch_utils.persistence", "_reconstruct_persistent_obj"), ({},))}),
        "not described",
    ),
    "a list that holds itself": (b"\x80\x04]\x94h\x00a.", "holds a list"),
    "a module that holds itself": (_loop_of_modules(), "more than 2000 modules"),
    "a billion modules": (_billion_modules(), "more than 2000 modules"),
    "a network that holds itself": (_loop_of_networks(), "not described"),
    "a network of many networks": (_wide_network(), "has 100 components"),
    "a table that holds itself": (_loop_of_tables(), "g_ema do not form|g_ema is|not a named tensor"),
    "a billion tables": (_billion_tables(4, 200), "more than 100,000 names"),
    "copies of a long list as dictionaries": (_many_copies(b"ccollections\nOrderedDict\n"), "holds nothing"),
    "copies of a long list as sets": (_many_copies(b"c__builtin__\nset\n"), "holds nothing"),
    "copies of a long list as deques": (_many_copies(b"ccollections\ndeque\n"), "holds nothing"),
    "an empty stack": (b"\x80\x04R.", "stack or memo are empty"),
    "an empty memo": (b"\x80\x04h\x05.", "stack or memo are empty"),
    "an unknown opcode": (b"\x80\x04\xff.", "unknown|damaged"),
    "arguments that are no tuple": (forge(Call(Named("builtins", "set"), [1])), "not a tuple"),
    "a dictionary of something": (forge(Call(Named("collections", "OrderedDict"), (1,))), "list of pairs"),
    "a dictionary of triples": (forge(Call(Named("collections", "OrderedDict"), ([(1, 2, 3)],))), "pairs"),
    "odd items of a dictionary": (b"\x80\x04}(Nu.", "damaged"),
    "an item without a dictionary": (b"\x80\x04]NNs.", "sets items of a list"),
    "an append without a list": (b"\x80\x04}Na.", "appends to a dict"),
    "a name that is a number": (b"\x80\x04K\x01K\x02\x93.", "not a string"),
    "a hostile class name": (
        forge(
            {
                "G_ema": Call(
                    Named("torch_utils.persistence", "_reconstruct_persistent_obj"),
                    ({"class_name": Raw(b"]" * 10**4 + b"a" * (10**4 - 1)), "state": {}},),
                )
            }
        ),
        "has no mapping",
    ),
}


@pytest.mark.parametrize("name", EXHAUSTING)
def test_exhausting_files_are_refused(name) -> None:
    content, pattern = EXHAUSTING[name]
    error = UnsafeCheckpointError if pattern == "os.system" else CheckpointError
    refuse(content, error, pattern)


def test_lies_about_sizes_cost_no_memory() -> None:
    for name in (
        "a storage smaller than claimed",
        "an array larger than its bytes",
        "bytes that claim to be endless",
        "a billion tables",
        "copies of a long list as dictionaries",
        "copies of a long list as sets",
    ):
        tracemalloc.start()
        refuse(EXHAUSTING[name][0], CheckpointError, EXHAUSTING[name][1])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**26


# Files that are no checkpoints, or broken ones.


def _npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    return stream.getvalue()


def _zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, _torch_zip(forge({})))
    return stream.getvalue()


NOT_CHECKPOINTS = {
    "empty": (b"", "is empty"),
    "a web page": (b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>", "web page"),
    "a web page after blank lines": (b"\xef\xbb\xbf\r\n\r\n <HTML><body>", "web page"),
    "an XML error": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "web page"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "git lfs pull",
    ),
    "a JSON error": (b'{"error": "not found"}', "unknown kind of file"),
    "plain text": (b"hello world, this is not a checkpoint", "unknown kind of file"),
    "a gzip file": (b"\x1f\x8b\x08" + bytes(100), "unknown kind of file"),
    "a PNG file": (b"\x89PNG\r\n\x1a\n" + bytes(100), "unknown kind of file"),
    "zeros": (bytes(1000), "unknown kind of file"),
    "an npz file": (_npz(), "no data.pkl"),
    "a zip archive around a checkpoint": (_zipped("network.pt"), "holds network.pt .* unpack it and give"),
    "a TorchScript program": (_torch_zip(forge({}), {"archive/constants.pkl": forge(())}), "TorchScript"),
    "a pickle of numbers": (pickle.dumps([1, 2, 3]), "holds a list"),
    "a pickle of a dictionary": (pickle.dumps({"epoch": 3, "loss": 0.5}), "a dictionary of epoch, loss"),
    "a pickle of an array": (pickle.dumps(np.zeros(3)), "holds numpy.core.multiarray._reconstruct"),
    "a zip archive that is cut off": (_torch_zip(forge({}))[:-30], "cut off or damaged"),
    "a big-endian archive": (_torch_zip(forge({}), {"archive/byteorder": b"big"}), "big-endian"),
    "a safetensors file that is cut off": (struct.pack("<Q", 1000) + b'{"a": ', "cut off or damaged"),
    "a safetensors file without an end": (struct.pack("<Q", 2**60) + b"{}", "cut off or damaged"),
}


@pytest.mark.parametrize("name", NOT_CHECKPOINTS)
def test_other_files_are_told_apart(name) -> None:
    content, pattern = NOT_CHECKPOINTS[name]
    refuse(content, CheckpointError, pattern)


@pytest.mark.parametrize("name", ["nvidia_ada.pkl", "tf_legacy.pkl", "rosinality.pt"])
@pytest.mark.parametrize("kept", [0.0001, 0.01, 0.3, 0.7, 0.9999])
def test_files_that_are_cut_off(name, kept) -> None:
    data = (REFERENCE / name).read_bytes()
    refuse(data[: int(len(data) * kept)], CheckpointError, "cut off|damaged")


# Other networks than StyleGAN2's, and StyleGAN2's that do not fit together.


def _bent_nvidia(bend) -> bytes:
    modules = nvidia_modules(GENERATOR, DISCRIMINATOR)
    bend(modules)
    return nvidia_pickle(modules)


def _bent_tensorflow(bend) -> bytes:
    critic, averaged = tensorflow_networks(GENERATOR, DISCRIMINATOR)
    bend(critic, averaged)
    return tensorflow_pickle(critic, averaged)


def _bent_rosinality(bend) -> bytes:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"domainvec-{os.getpid()}.pt"
    save_rosinality(GENERATOR, path, DISCRIMINATOR)
    content = torch.load(path, weights_only=True)
    path.unlink()
    bend(content)
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _set(module: Module, **attributes: object) -> None:
    module.attributes |= attributes


def _stylegan3(modules) -> None:
    synthesis = modules["G_ema"].children["synthesis"] = Module()
    synthesis.at("input").parameters["freqs"] = torch.randn(4, 2)
    synthesis.at("L0_36_512").parameters["weight"] = torch.randn(4, 4, 3, 3)


def _nan(tensor: torch.Tensor) -> torch.Tensor:
    return (
        tensor.detach().clone().flatten().index_fill(0, torch.tensor(1), float("nan")).reshape(tensor.shape)
    )


def _nvidia_tensor(modules, path: str, change) -> None:
    module, _, name = path.rpartition(".")
    parameters = modules["G_ema"].at(module).parameters
    parameters[name] = change(parameters[name].detach())


def _colours(modules, channels: int) -> None:
    for k in range(3):
        torgb = modules["G_ema"].at(f"synthesis.b{4 << k}.torgb")
        for name in ("weight", "bias"):
            torgb.parameters[name] = torgb.parameters[name][:1].repeat(
                channels, *[1] * (3 * (name == "weight"))
            )


def _grey_tensorflow(critic: Network, averaged: Network) -> None:
    averaged.settings["num_channels"] = 1
    variables = averaged.components["synthesis"].variables
    for name in [name for name in variables if "ToRGB" in name and "mod" not in name]:
        variables[name] = variables[name][..., :1]


MISFITS = {
    "StyleGAN3": (_bent_nvidia(_stylegan3), "StyleGAN3 generator"),
    "conditional": (
        _bent_nvidia(lambda m: _set(m["G_ema"].at("mapping"), c_dim=10)),
        "conditional .c_dim is 10",
    ),
    "conditional by its layers": (
        _bent_nvidia(lambda m: m["G_ema"].at("mapping.embed")),
        "generator is conditional",
    ),
    "another architecture": (
        _bent_nvidia(lambda m: _set(m["G_ema"].at("synthesis.b8"), architecture="resnet")),
        "architecture is 'resnet'; expected 'skip'",
    ),
    "another activation": (
        _bent_nvidia(lambda m: _set(m["G_ema"].at("synthesis.b8.conv0"), activation="relu")),
        "activation is 'relu'",
    ),
    "layers with other clamps": (
        _bent_nvidia(lambda m: _set(m["G_ema"].at("synthesis.b8.conv0"), conv_clamp=256)),
        "conv_clamp differ",
    ),
    "a negative clamp": (
        nvidia_pickle(nvidia_modules(*make_networks(clamp=-1.0))),
        "conv_clamp is -1.0; expected a positive",
    ),
    "another filter": (
        _bent_nvidia(
            lambda m: m["G_ema"].at("synthesis.b8.conv0").parameters.update(resample_filter=torch.ones(4, 4))
        ),
        r"another filter than \[1, 3, 3, 1\]",
    ),
    "no averaged generator": (
        _bent_nvidia(lambda m: m.pop("G_ema")),
        "holds D; expected the averaged generator",
    ),
    "no synthesis": (_bent_nvidia(lambda m: m["G_ema"].children.pop("synthesis")), "has no synthesis"),
    "a missing tensor": (
        _bent_nvidia(lambda m: m["G_ema"].at("synthesis.b16.conv1").parameters.pop("weight")),
        "1 missing: synthesis.b16.conv1.weight",
    ),
    "a missing block": (
        _bent_nvidia(lambda m: m["G_ema"].at("synthesis").children.pop("b8")),
        r"16 missing: synthesis.b8.conv0.weight.*, \.\.\.",
    ),
    "an unexpected tensor": (
        _bent_nvidia(lambda m: m["G_ema"].at("synthesis.b8").parameters.update(extra=torch.zeros(2))),
        "1 unexpected: synthesis.b8.extra",
    ),
    "a tensor that is a number": (
        _bent_nvidia(lambda m: m["G_ema"].at("synthesis.b4").parameters.update(const=3)),
        "1 missing: synthesis.b4.const",
    ),
    "a wrong shape": (
        _bent_nvidia(lambda m: _nvidia_tensor(m, "synthesis.b8.conv1.weight", lambda t: t[:-1])),
        r"synthesis.convs.2.weight of the generator has shape \(5, 6, 3, 3\); expected \(6, 6, 3, 3\)",
    ),
    "a mapping layer that is a number": (
        _bent_nvidia(lambda m: _nvidia_tensor(m, "mapping.fc0.weight", lambda t: t[0, 0])),
        "shape|z_dim",
    ),
    "numbers that are not finite": (
        _bent_nvidia(lambda m: _nvidia_tensor(m, "synthesis.b8.torgb.weight", _nan)),
        "synthesis.to_rgbs.1.weight of the generator holds numbers that are not finite",
    ),
    "integers as weights": (
        _bent_nvidia(lambda m: _nvidia_tensor(m, "synthesis.b8.torgb.weight", lambda t: t.long())),
        "synthesis.b8.torgb.weight of the generator: expected a tensor of floating .* found torch.int64",
    ),
    "StyleGAN1": (
        _bent_tensorflow(lambda d, g: g.variables.update({"ToRGB_lod3/weight": np.zeros((1, 1, 4, 3))})),
        "StyleGAN1",
    ),
    "a conditional TensorFlow network": (
        _bent_tensorflow(lambda d, g: g.settings.update(label_size=10)),
        "label_size of the network is 10; expected 0; conditional",
    ),
    "a TensorFlow network of another architecture": (
        _bent_tensorflow(lambda d, g: g.settings.update(architecture="orig")),
        "architecture of the network is orig; expected 'skip'",
    ),
    "a TensorFlow network of another filter": (
        _bent_tensorflow(lambda d, g: g.settings.update(resample_kernel=[1, 2, 1])),
        r"resample_kernel of the network is another; expected \[1, 3, 3, 1\]",
    ),
    "a missing TensorFlow variable": (
        _bent_tensorflow(lambda d, g: g.variables.pop("dlatent_avg")),
        "1 missing: dlatent_avg",
    ),
    "an unexpected TensorFlow variable": (
        _bent_tensorflow(lambda d, g: g.variables.update({"4x4/Extra": np.zeros(2)})),
        "1 unexpected: 4x4/Extra",
    ),
    "a TensorFlow variable given twice": (
        _bent_tensorflow(lambda d, g: g.variables.update({"G_mapping/Dense0/bias": np.zeros(10)})),
        "two variables Dense0/bias",
    ),
    "two TensorFlow networks": (forge((Network().call(), Network().call())), "holds 2 networks"),
    "rosinality without a generator": (_bent_rosinality(lambda c: c.pop("g_ema")), "holds a dictionary of"),
    "rosinality with a missing tensor": (
        _bent_rosinality(lambda c: c["g_ema"].pop("convs.1.conv.weight")),
        "1 missing: convs.1.conv.weight",
    ),
    "rosinality with an unexpected tensor": (
        _bent_rosinality(lambda c: c["g_ema"].update(extra=torch.zeros(1))),
        "generator do not form a StyleGAN2 .1 unexpected: extra",
    ),
    "rosinality with another filter": (
        _bent_rosinality(lambda c: c["g_ema"]["convs.0.conv.blur.kernel"].fill_(1)),
        "another filter",
    ),
    "rosinality with a wrong shape": (
        _bent_rosinality(lambda c: c["g_ema"].update({"convs.1.conv.weight": torch.zeros(1, 6, 5, 3, 3)})),
        r"has shape \(1, 6, 5, 3, 3\); expected \(6, 6, 3, 3\)",
    ),
    "rosinality with numbers in its state": (
        _bent_rosinality(lambda c: c["g_ema"].update({"step": 3})),
        "step of g_ema is not a named tensor",
    ),
    "rosinality with an average that is none": (
        _bent_rosinality(lambda c: c.update(latent_avg="mean")),
        "latent_avg is a str",
    ),
    "rosinality with an average that is a table": (
        _bent_rosinality(lambda c: c.update(latent_avg={"a": torch.zeros(10)})),
        "latent_avg is a dict; expected a tensor",
    ),
    "rosinality with an average that differs from layer to layer": (
        _bent_rosinality(lambda c: c.update(latent_avg=torch.arange(20.0).reshape(2, 10))),
        "latent_avg has 2 different rows; expected a single w",
    ),
    "rosinality with some of its noise maps": (
        _bent_rosinality(lambda c: c["g_ema"].pop("noises.noise_1")),
        "1 missing: noises.noise_1",
    ),
    "rosinality without its averaged weights' constant": (
        _bent_rosinality(lambda c: c.update(g=dict(c["g_ema"])) or c["g_ema"].pop("input.input")),
        "1 missing: input.input",
    ),
    "terminal codes in the name of a generator": (
        _bent_rosinality(lambda c: c.update({"\x1b[2J": c.pop("g_ema") | {"\x1b[3J": 1}})),
        r"\\x1b\[3J of \\x1b\[2J is not a named tensor",
    ),
    "two generators, neither an average": (
        _bent_rosinality(lambda c: c.update(a=c["g_ema"], b=c.pop("g_ema"))),
        "several generators, a, b; save the one you mean alone",
    ),
    "pictures that are not square": (
        _bent_nvidia(lambda m: _nvidia_tensor(m, "synthesis.b4.const", lambda t: torch.cat([t, t], 2))),
        "begins with 4 × 8 pixels; expected 4 × 4: only square pictures",
    ),
    "rosinality with pictures that are not square": (
        _bent_rosinality(lambda c: c["g_ema"].update({"input.input": torch.zeros(1, 8, 7, 4)})),
        "begins with 7 × 4 pixels; expected 4 × 4: only square pictures",
    ),
    "grey pictures": (_bent_nvidia(lambda m: _colours(m, 1)), "have 1 channel; expected 3: only red, green"),
    "pictures with transparency": (_bent_nvidia(lambda m: _colours(m, 4)), "have 4 channels; expected 3"),
    "grey TensorFlow pictures": (
        _bent_tensorflow(_grey_tensorflow),
        "have 1 channel; expected 3: only red, green",
    ),
    "rosinality with an average of another width": (
        _bent_rosinality(lambda c: c.update(latent_avg=torch.zeros(3))),
        r"mapping.w_avg of the generator has shape \(3,\); expected \(10,\)",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_networks_that_do_not_fit_are_refused(name) -> None:
    content, pattern = MISFITS[name]
    refuse(content, CheckpointError, pattern)


DISCRIMINATORS = {
    "conditional": (_bent_nvidia(lambda m: _set(m["D"], c_dim=10)), "discriminator is conditional"),
    "conditional by its layers": (
        _bent_nvidia(lambda m: m["D"].at("mapping")),
        "discriminator is conditional",
    ),
    "another architecture": (
        _bent_nvidia(lambda m: _set(m["D"].at("b8"), architecture="orig")),
        "architecture is 'orig'; expected 'resnet'",
    ),
    "no module": (_bent_nvidia(lambda m: m.update(D=Module(attributes={"c_dim": 0}))), "has no b4"),
    "groups without a number": (
        _bent_nvidia(lambda m: _set(m["D"].at("b4.mbstd"), group_size=None)),
        "minibatch standard deviation are None",
    ),
    "grey pictures": (
        _bent_nvidia(lambda m: m["D"].at("b16.fromrgb").parameters.update(weight=torch.zeros(4, 1, 1, 1))),
        r"from_rgb.weight of the discriminator has shape \(4, 1, 1, 1\); expected \(4, 3, 1, 1\)",
    ),
    "TensorFlow's, of another architecture": (
        _bent_tensorflow(lambda d, g: d.settings.update(architecture="orig")),
        "architecture of the network is orig; expected 'resnet'",
    ),
    "TensorFlow's, with an unexpected variable": (
        _bent_tensorflow(lambda d, g: d.variables.update({"4x4/Extra": np.zeros(2)})),
        "1 unexpected: 4x4/Extra",
    ),
    "rosinality's, with further layers": (
        _bent_rosinality(lambda c: c["d"].update({"extra.weight": torch.zeros(1)})),
        "discriminator do not form a StyleGAN2 .1 unexpected: extra.weight",
    ),
    "rosinality's, a tensor": (_bent_rosinality(lambda c: c.update(d=torch.zeros(1))), "d is torch._utils"),
    "absent from NVIDIA's": (_bent_nvidia(lambda m: m.pop("D")), "holds no discriminator, only a generator"),
    "none in TensorFlow's": (
        forge((None, None, tensorflow_networks(GENERATOR, DISCRIMINATOR)[1].call())),
        "holds no discriminator, only a generator",
    ),
    "none in rosinality's": (_bent_rosinality(lambda c: c.update(d=None)), "holds no discriminator, only"),
}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_generator_is_read_beside_a_discriminator_that_cannot_be(name) -> None:
    content, pattern = DISCRIMINATORS[name]
    path = Path("network.pkl").absolute()
    path.write_bytes(content)
    assert load_generator(path).fingerprint == GENERATOR.fingerprint
    refuse(content, CheckpointError, pattern, load_discriminator)


@pytest.mark.parametrize(
    "bend", [_bent_nvidia, _bent_tensorflow, _bent_rosinality], ids=lambda bend: bend.__name__
)
def test_files_with_flipped_bits_never_do_more_than_fail(bend) -> None:
    original = bend(lambda *_: None)
    # Where pickles and archives describe what follows, and anywhere.
    regions = ((0, 3000), (len(original) - 9000, len(original)), (0, len(original)))
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(45):
        data = bytearray(original)
        for at in rng.integers(*regions[trial % 3], 3):
            data[at] ^= 1 << rng.integers(8)
        Path("flipped.pkl").write_bytes(data)
        try:
            read_checkpoint("flipped.pkl")
        except CheckpointError:
            refused += 1
    assert refused > 5


def test_an_archive_with_a_damaged_entry() -> None:
    data = bytearray(_bent_rosinality(lambda c: None))
    data[data.index(GENERATOR.mapping.layers[0].weight.numpy().tobytes()) + 7] ^= 1
    refuse(bytes(data), CheckpointError, "style.1.weight of the generator: entry .* is damaged")


def test_tensors_without_their_settings(tmp_path) -> None:
    names = ("synthesis.b4.const", "mapping.w_avg")
    torch.save({name: torch.zeros(3) for name in names}, tmp_path / "state.pt")
    refuse(tmp_path / "state.pt", CheckpointError, "without its settings, such as conv_clamp")
    torch.save({"G_ema": {name: torch.zeros(3) for name in names}}, tmp_path / "state.pt")
    refuse(tmp_path / "state.pt", CheckpointError, "without its settings, such as conv_clamp")


def test_other_torch_files(tmp_path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"state_dict": {"layer.weight": torch.zeros(3)}, "args": argparse.Namespace(a=1)}, path)
    refuse(path, CheckpointError, "a dictionary of state_dict, args; expected .* state_dict.layer.weight")
    torch.save([torch.zeros(3)], path, _use_new_zipfile_serialization=False)
    refuse(path, CheckpointError, "holds a list")
    torch.save({"g_ema": torch.zeros(3)}, path)
    refuse(path, CheckpointError, "g_ema is torch._utils._rebuild_tensor_v2; expected a state dict")


# Our own form.


@pytest.fixture
def folder(tmp_path) -> Path:
    save_generator(GENERATOR, tmp_path / "network", discriminator=DISCRIMINATOR)
    return tmp_path / "network"


def _edit(folder: Path, change) -> None:
    settings = json.loads((folder / "config.json").read_text())
    change(settings)
    (folder / "config.json").write_text(json.dumps(settings))


FOLDERS = {
    "another resolution": (
        lambda s: s["generator"].update(resolution=2**60),
        "resolution of the generator is 115",
    ),
    "other widths": (
        lambda s: s["generator"].update(channels=[10**9] * 3),
        r"channels of the generator is \[1000",
    ),
    "endless layers": (
        lambda s: s["generator"].update(mapping_layers=10**12),
        "mapping_layers of the generator is",
    ),
    "a clamp that is text": (
        lambda s: s["generator"].update(conv_clamp="256"),
        "conv_clamp in config.json is not a",
    ),
    "an infinite clamp": (
        lambda s: s["generator"].update(conv_clamp=float("inf")),
        "expected a positive number",
    ),
    "a generator that is a list": (lambda s: s.update(generator=[]), "not a table"),
    "a later version": (
        lambda s: s.update(format_version=2),
        "format_version in config.json is 2; .* reads 1",
    ),
    "no version": (lambda s: s.pop("format_version"), "is missing"),
    "no network": (lambda s: (s.pop("generator"), s.pop("discriminator")), "neither a generator nor"),
    "a shape that lacks a part": (lambda s: s["generator"].pop("z_dim"), "z_dim of the generator is null"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_whose_config_is_wrong(folder, name) -> None:
    change, pattern = FOLDERS[name]
    _edit(folder, change)
    refuse(folder, CheckpointError, pattern)


@pytest.mark.parametrize(("groups", "pattern"), [(0, "groups of 0"), ("4", "not an integer")])
def test_folders_whose_discriminator_is_wrong(folder, groups, pattern) -> None:
    _edit(folder, lambda s: s["discriminator"].update(mbstd_group_size=groups))
    assert load_generator(folder).fingerprint == GENERATOR.fingerprint
    refuse(folder, CheckpointError, pattern, load_discriminator)


def test_folders_whose_discriminator_is_lost_or_cut_off(folder) -> None:
    path = folder / "discriminator.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert load_generator(folder).fingerprint == GENERATOR.fingerprint
    refuse(folder, CheckpointError, "discriminator.safetensors is cut off", load_discriminator)
    path.unlink()
    assert load_generator(folder).fingerprint == GENERATOR.fingerprint
    refuse(folder, CheckpointError, "there is no discriminator.safetensors", load_discriminator)


def test_folders_that_lack_files(folder, tmp_path) -> None:
    (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    refuse(folder, CheckpointError, "describes a generator, but there is no model.safetensors")
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", CheckpointError, "has no config.json")


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 100_000])
def test_folders_whose_config_is_not_json(folder, text) -> None:
    (folder / "config.json").write_bytes(text)
    refuse(folder, CheckpointError, "config.json is not")


def test_folders_whose_config_is_huge(folder) -> None:
    (folder / "config.json").write_bytes(b" " * (2**20 + 1))
    refuse(folder, CheckpointError, "larger than")


def _resave(path: Path, change, metadata: dict[str, str] | None = None) -> None:
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        tensors, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    change(tensors)
    save_file(tensors, path, header if metadata is None else metadata)


TENSORS = {
    "missing": (lambda t: t.pop("synthesis.constant"), "1 missing: synthesis.constant"),
    "unexpected": (lambda t: t.update(extra=torch.zeros(1)), "1 unexpected: extra"),
    "integers": (
        lambda t: t.update({"mapping.w_avg": torch.zeros(10, dtype=torch.int32)}),
        "mapping.w_avg holds torch",
    ),
    "not finite": (lambda t: t["mapping.w_avg"].fill_(float("inf")), "not finite"),
    "a wrong shape": (lambda t: t.update({"mapping.w_avg": torch.zeros(9)}), "shape"),
    "endless names": (
        lambda t: t.update({"synthesis.to_rgbs.99.bias": torch.zeros(3)}),
        "at most 11|missing",
    ),
    "no tensors": (lambda t: t.clear(), "missing"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_safetensors_that_do_not_fit(folder, name) -> None:
    change, pattern = TENSORS[name]
    _resave(folder / "model.safetensors", change)
    refuse(folder, CheckpointError, pattern)
    refuse(folder / "model.safetensors", CheckpointError, pattern)


def test_safetensors_of_something_else(folder, tmp_path) -> None:
    path = folder / "model.safetensors"
    _resave(path, lambda t: None, {})
    refuse(path, CheckpointError, "does not say which network")
    _resave(path, lambda t: None, {"domainvec": "{"})
    refuse(path, CheckpointError, "the header is not JSON")
    _resave(path, lambda t: None, {"domainvec": '{"format_version": 1}'})
    refuse(path, CheckpointError, "no single network")
    Domain([torch.zeros(c) for c in GENERATOR.conv_channels], {"generator_fingerprint": "0" * 16}).save(
        tmp_path / "domain.safetensors"
    )
    refuse(tmp_path / "domain.safetensors", CheckpointError, "file of a domain; expected a generator")


def test_a_part_that_is_not_there(folder) -> None:
    with pytest.raises(CheckpointError, match="holds no generator"):
        load_generator(folder / "discriminator.safetensors")
    with pytest.raises(CheckpointError, match="holds no discriminator, only a generator"):
        load_discriminator(folder / "model.safetensors")


def test_nothing_there(tmp_path) -> None:
    refuse(tmp_path / "nothing.pkl", CheckpointError, "there is no such file or folder")


def test_the_tests_reach_what_they_bend() -> None:
    """The same files, not bent, are read."""
    for content in (
        _bent_nvidia(lambda m: None),
        _bent_tensorflow(lambda d, g: None),
        _bent_rosinality(lambda c: None),
    ):
        Path("network.pkl").write_bytes(content)
        found = read_checkpoint("network.pkl").generator
        assert found is not None and re.match("GeneratorConfig", repr(found.config))
        for name, tensor in tensors_of(GENERATOR).items():
            torch.testing.assert_close(found.tensors[name], tensor, rtol=1e-6, atol=1e-6)

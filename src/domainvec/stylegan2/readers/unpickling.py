"""Reading pickles without running them.

A pickle is a program: its opcodes name functions and call them. This reader is a small virtual machine for
those opcodes that never imports or calls what a pickle names. A name that is not on an explicit list is
refused as soon as it is mentioned, before anything after it is looked at. Calling an allowed name only leaves
a `Record` of the call, which the readers interpret if they know it.

Opcodes that no checkpoint needs (extension codes, object construction of protocol 0, out-of-band buffers) are
refused as well. Nothing is copied or decompressed, so memory stays within a small multiple of the file size.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from domainvec.errors import CheckpointError, UnsafeCheckpointError

Constructor = Callable[[tuple[object, ...]], object]
"""What is called in place of an allowed name: turns the arguments into a harmless object."""

Names = Mapping[str, Constructor | None]
"""The allowed names, as "module name"; None for those that may be mentioned but not called."""

# A 1024 px training checkpoint with its optimizers takes about 50,000.
MAX_OPCODES = 1_000_000
MAX_INTEGER_BITS = 512


@dataclass(eq=False)
class Record:
    """A call that a pickle asked for, and that was not made.

    Args:
        name: "module.name" of the callee.
        arguments: its arguments.
        state: what the result would be updated with (BUILD), or None.
    """

    name: str
    arguments: tuple[object, ...]
    state: object = None


@dataclass(frozen=True, eq=False)
class Name:
    """A mention of an allowed name."""

    name: str
    constructor: Constructor | None = field(repr=False)


def _record(name: str, arguments: tuple[object, ...]) -> Record:
    return Record(name, arguments)


def recorded(*names: str) -> dict[str, Constructor | None]:
    """Allow "module name" to be called, which leaves a Record of the call."""
    return {name: partial(_record, name.replace(" ", ".")) for name in names}


def mentioned(*names: str) -> dict[str, Constructor | None]:
    """Allow "module name" to be passed around, but not to be called."""
    return dict.fromkeys(names)


def quote(text: str) -> str:
    """Make untrusted text short and printable, fit for an error message."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")[1:-1]


def quote_some(names: Sequence[object]) -> str:
    """The first few of many names, fit for an error message."""
    texts = [quote(name) for name in names if isinstance(name, str)]
    return ", ".join(texts[:5] or ["nothing"]) + (", ..." if len(texts) > 5 else "")


def kind(value: object) -> str:
    """What an unpickled object is, fit for an error message."""
    if isinstance(value, Record | Name):
        return quote(value.name)
    return "nothing" if value is None else f"a {type(value).__name__}"


def as_mapping(arguments: tuple[object, ...]) -> dict[object, object]:
    """Make a plain dict in place of OrderedDict and EasyDict, of nothing or of a list of pairs."""
    if len(arguments) > 1 or not all(isinstance(pairs, list) for pairs in arguments):
        raise CheckpointError("a dictionary in the pickle is made of something other than a list of pairs")
    pairs = arguments[0] if arguments else []
    assert isinstance(pairs, list)
    mapping: dict[object, object] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise CheckpointError("a dictionary in the pickle is made of something other than pairs")
        _set_item(mapping, pair[0], pair[1])
    pairs.clear()  # else a short pickle could have one long list copied again and again
    return mapping


def as_list(arguments: tuple[object, ...]) -> list[object]:
    """Use a plain list in place of a set, whose items would have to be hashed; it is not copied."""
    return arguments[0] if arguments and isinstance(arguments[0], list) else []


def as_empty_mapping(arguments: tuple[object, ...]) -> dict[object, object]:
    """Make a plain dict in place of a defaultdict, without its default; the items are set later."""
    return {}


def _in_builtins(*names: str) -> list[str]:
    """Names of builtins as protocol 3 and as protocol 2 spell them."""
    return [f"{module} {name}" for module in ("builtins", "__builtin__") for name in names]


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
_TORCH_DTYPES = (
    "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 complex64 complex128 "
    "int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool"
)
_NUMPY_DTYPES = "float64 float32 float16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool_ bool"

PLAIN_NAMES: Names = {
    "collections OrderedDict": as_mapping,
    "collections defaultdict": as_empty_mapping,
    "dnnlib.util EasyDict": as_mapping,
    "collections deque": as_list,
    **dict.fromkeys(_in_builtins("set", "frozenset"), as_list),
    **mentioned(*_in_builtins("bool", "int", "long", "float", "str", "unicode", "list", "tuple", "dict")),
    **mentioned(*(f"torch {name}" for name in _TORCH_DTYPES.split())),
    **mentioned(*(f"numpy {name}" for name in _NUMPY_DTYPES.split())),
    **recorded("torch Size", "torch device", "torch.torch_version TorchVersion"),
    **recorded("argparse Namespace", "types SimpleNamespace", "collections Counter"),
    **recorded("datetime datetime", "datetime date", "datetime timedelta"),
    # Python 3.13 moved the classes of paths to a module of their own.
    **recorded(*(f"{module} {name}" for module in ("pathlib", "pathlib._local") for name in _PATHS)),
}
"""What training scripts keep beside the weights: containers, and values that are never looked at."""


def unpickle(
    stream: io.BytesIO,
    allowed: Names,
    load_persistent: Callable[[object], object] | None = None,
    *,
    max_opcodes: int = MAX_OPCODES,
) -> object:
    """Interpret the pickle at the stream's position; the stream is left at its end.

    Args:
        stream: a binary stream in memory.
        allowed: the names that the pickle may use.
        load_persistent: turns a persistent id into an object; without it, there must be none.
        max_opcodes: the largest number of opcodes.

    Returns:
        None, numbers, strings, bytes, tuples, lists (sets and deques too), dicts (of every kind), Names,
        Records and whatever the constructors and ``load_persistent`` return.

    Raises:
        UnsafeCheckpointError: if the pickle uses another name, or an opcode that no checkpoint needs.
        CheckpointError: if the pickle is cut off or damaged.
    """
    return _Machine(allowed, load_persistent).run(stream, max_opcodes)


def _set_item(mapping: dict[object, object], key: object, value: object) -> None:
    # Hashing a deeply nested tuple can exhaust the C stack, so only flat keys are taken.
    if not isinstance(key, str | bytes | int | float | None) or (
        isinstance(key, int) and key.bit_length() > 64
    ):
        raise CheckpointError(f"a dictionary key in the pickle is {kind(key)}; expected a string")
    mapping[key] = value


def _set_items(mapping: dict[object, object], items: list[object]) -> dict[object, object]:
    """Set items given as keys and values in turn."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        _set_item(mapping, key, value)
    return mapping


class _Machine:
    """The state of one pickle's execution: stack, marks and memo."""

    def __init__(self, allowed: Names, load_persistent: Callable[[object], object] | None) -> None:
        self.allowed = allowed
        self.load_persistent = load_persistent
        self.stack: list[object] = []
        self.marked: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.data = b""

    def run(self, stream: io.BytesIO, max_opcodes: int) -> object:
        self.data = stream.getvalue()
        position = stream.tell()
        operations = pickletools.genops(stream)
        try:
            for count, (opcode, argument, at) in enumerate(operations):
                position = position if at is None else at
                if count >= max_opcodes:
                    raise CheckpointError(f"the pickle has more than {max_opcodes:,} opcodes")
                if opcode.name == "STOP":
                    return self.stack.pop()
                self.step(opcode.name, argument)
        except (IndexError, KeyError):
            raise CheckpointError(
                f"the pickle is damaged: stack or memo are empty at byte {position}"
            ) from None
        except ValueError as error:  # from genops: an unknown opcode, or an argument that ends too early
            raise CheckpointError(
                f"the pickle is cut off or damaged after byte {position}: {quote(str(error))}"
            ) from None
        raise AssertionError("genops ends with STOP or raises")

    def step(self, opcode: str, argument: object) -> None:
        """Execute one opcode."""
        stack = self.stack
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode == "NEWTRUE")
            case (
                "BININT" | "BININT1" | "BININT2" | "BINFLOAT"
                | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8"
                | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8"
            ):  # fmt: skip
                stack.append(argument)
            case "LONG1" | "LONG4":
                if isinstance(argument, int) and argument.bit_length() > MAX_INTEGER_BITS:
                    raise CheckpointError(f"the pickle holds an integer of {argument.bit_length()} bits")
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(opcode[-1]))]
                stack.append(tuple(reversed(items)))
            case "MARK":
                self.marked.append(stack)
                self.stack = []
            case "TUPLE" | "FROZENSET":
                self.push_marked(tuple)
            case "LIST":
                self.push_marked(list)
            case "DICT":
                self.push_marked(lambda items: _set_items({}, items))
            case "APPEND":
                self.extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self.extend(self.pop_marked())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.update([key, value])
            case "SETITEMS":
                self.update(self.pop_marked())
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.pop_marked()
            case "DUP":
                stack.append(stack[-1])
            case "BINGET" | "LONG_BINGET" if isinstance(argument, int):
                stack.append(self.memo[argument])
            case "BINPUT" | "LONG_BINPUT" if isinstance(argument, int):
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GLOBAL":
                stack.append(self.find(str(argument)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                if not isinstance(name, str) or not isinstance(module, str):
                    raise CheckpointError("the pickle is damaged: a name in it is not a string")
                stack.append(self.find(f"{module} {name}"))
            case "REDUCE" | "NEWOBJ":
                arguments, callee = stack.pop(), stack.pop()
                stack.append(self.call(callee, arguments))
            case "BUILD":
                state, target = stack.pop(), stack[-1]
                if isinstance(target, Record):
                    target.state = state
                elif not isinstance(target, dict):  # attributes of an OrderedDict do not matter
                    raise UnsafeCheckpointError(
                        f"the pickle changes the state of {kind(target)}; nothing was run"
                    )
            case "BINPERSID" if self.load_persistent is not None:
                stack.append(self.load_persistent(stack.pop()))
            case "INST":
                self.find(str(argument))
                raise _refused_opcode(opcode)
            case _:
                raise _refused_opcode(opcode)

    def find(self, name: str) -> Name:
        """The stand-in for "module name"."""
        # NumPy 2 renamed the module that pickles name, and nothing else about it.
        name = name.replace("numpy._core.", "numpy.core.", 1) if name.startswith("numpy._core.") else name
        if name not in self.allowed:
            module, _, attribute = name.partition(" ")
            shown = quote(f"{module}{':' if '.' in attribute else '.'}{attribute}")
            if attribute[:1].isupper() and b"_modules" in self.data:
                raise UnsafeCheckpointError(
                    f"the pickle asks for {shown}: it seems to hold a whole module, which only the code that "
                    "it comes from could build; nothing was run. If you trust it, load it with that code and "
                    "save its state_dict() instead"
                )
            raise UnsafeCheckpointError(
                f"the pickle asks for {shown}, which no StyleGAN2 checkpoint needs "
                "and which could do anything on this machine; nothing was run. Where is the file from?"
            )
        return Name(name.replace(" ", "."), self.allowed[name])

    def call(self, callee: object, arguments: object) -> object:
        if not isinstance(callee, Name) or callee.constructor is None:
            raise UnsafeCheckpointError(
                f"the pickle calls {kind(callee)}, which is not to be called; nothing was run"
            )
        if not isinstance(arguments, tuple):
            raise CheckpointError(f"the pickle is damaged: the arguments of {callee.name} are not a tuple")
        return callee.constructor(arguments)

    def pop_marked(self) -> list[object]:
        """The items since the last mark."""
        items = self.stack
        self.stack = self.marked.pop()
        return items

    def push_marked(self, make: Callable[[list[object]], object]) -> None:
        """Replace the items since the last mark with what ``make`` makes of them."""
        items = self.pop_marked()
        self.stack.append(make(items))

    def extend(self, items: Iterable[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise CheckpointError(f"the pickle is damaged: it appends to {kind(target)}")
        target.extend(items)

    def update(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise CheckpointError(f"the pickle is damaged: it sets items of {kind(target)}")
        _set_items(target, items)


def _refused_opcode(opcode: str) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(
        f"the pickle uses the opcode {opcode}, which no StyleGAN2 checkpoint needs; nothing was run"
    )

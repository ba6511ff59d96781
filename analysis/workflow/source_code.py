"""The source code that makes an output, found by parsing, and hashes of it.

The code of a module is its static import closure: each module that it imports, at any depth and
inside functions too, and each C++ header that defines a name that one of these uses. A hash is made
of the syntax tree, so that comments, docstrings and formatting do not count, and does not depend on
the version of Python. Data files count where a module declares them as ``DATA_FILES``, paths
relative to the repository.

Four kinds of modules do not count:

- what enters a target's settings by value: configuration, processes, selections;
- `common.runtime` and `analysis.workflow`, which decide how work is done, not its result;
- modules of other stages (``*_stage``), whose targets enter by their own fingerprints;
- the list of input formats: a target names the modules of those that its files may have.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from common.repository import REPOSITORY
from common.runtime import files
from common.runtime.errors import OutputError

BY_VALUE = (
    *("analysis.by_value", "analysis.config", "analysis.sample_roles", "analysis.processes"),
    *("analysis.formats.registry", "analysis.inputs.paths", "analysis.simulation.sources"),
    "selections",
)
"""Modules, and packages of them, whose content or result enters a target by value."""
NEUTRAL = ("analysis.workflow", "analysis.batch", "common.repository", "common.runtime")
"""Modules, and packages of them, that decide no result; nor does ``analysis/__init__.py``."""
COUNTED = ("selections.cuts", "selections.selection")
"""Exceptions to these: code that works with values."""

_HEADERS = "cpp_helpers"
_HELPER = re.compile(r"\bmonojet::(?:\w+::)*(\w+)")
_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"', re.MULTILINE)
_CPP_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_NAMESPACE = re.compile(r'\b(?:namespace(?:\s+[\w:]+)?|extern\s+"C")\s*$')
_CALLS = ("call", "text", "make")  # functions of `cpp_helpers.calls`, of the name of a C function
_NAME_OF_TYPE = re.compile(r"\b(?:struct|class|enum)\s+(\w+)")
_LAST_NAME = re.compile(r"(\w+)\s*$")


@dataclass(frozen=True)
class _Source:
    """A source file: the hash of its code, what it imports (dotted names) or includes (paths
    relative to the repository), the C++ names that it uses, or, of a header, defines.

    Imports are not resolved: where a module lies can change while its importers stay the same.
    """

    hash: str
    imports: tuple[str, ...]
    names: tuple[str, ...]


def code_of(modules: Iterable[str], text: str = "") -> dict[str, str]:
    """Return the files on which the result of some modules depends, with the hashes of their code.

    Paths are relative to the repository. ``text`` holds C++ expressions of the settings: the
    helpers that they call are included.
    """
    paths, names = _found(tuple(dict.fromkeys(modules)))
    names |= frozenset(_HELPER.findall(text))
    return {path: _source(path).hash for path in (*paths, *_headers_of(names))}


def hash_of_file(path: str) -> str | None:
    """Return the hash of a file's code or data; None where it is missing."""
    try:
        return _source(path).hash
    except FileNotFoundError:
        return None


@functools.cache
def _found(modules: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the closure of some modules, and the C++ names that it uses."""
    paths = _closure(modules)
    return paths, frozenset(name for path in paths for name in _source(path).names)


@functools.cache
def _closure(modules: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    queue = [path for module in modules for path in _paths_of(module)]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += (p for one in _source(path).imports for p in _resolved(one) if _counts(p))
    return tuple(sorted(found))


def _counts(path: str) -> bool:
    """Return whether an imported module belongs to the code of the importing one."""
    if not path.endswith(".py"):
        return True
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if module in COUNTED:
        return True
    left_out = module == "analysis" or module.endswith("_stage")
    return not left_out and not any(
        f"{module}.".startswith(f"{one}.") for one in (*BY_VALUE, *NEUTRAL)
    )


@functools.cache
def _resolved(imported: str) -> tuple[str, ...]:
    """Return the files that a dotted name or a path stands for, if they belong to this program."""
    if "/" in imported:
        return (imported,) if (REPOSITORY / imported).is_file() else ()
    return tuple(_paths_of(imported))


@functools.cache
def _path_of(module: str) -> str | None:
    """Return the file of a module of this program."""
    stem = module.replace(".", "/")
    candidates = (f"{stem}.py", f"{stem}/__init__.py")
    return next((path for path in candidates if (REPOSITORY / path).is_file()), None)


def _paths_of(module: str) -> Iterator[str]:
    """Yield the files of this program that importing a module executes: itself and its packages."""
    names = module.split(".")
    for end in range(1, len(names) + 1):
        if path := _path_of(".".join(names[:end])):
            yield path


@functools.cache
def _all_headers() -> frozenset[str]:
    return frozenset(
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / _HEADERS).rglob("*")
        if path.suffix in (".hxx", ".cxx")
    )


@functools.cache
def _headers_of(names: frozenset[str]) -> tuple[str, ...]:
    """Return the headers, and their sources, that define some names or are included by such."""
    found: set[str] = set()
    queue = [path for path in _all_headers() if not names.isdisjoint(_source(path).names)]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += (p for one in _source(path).imports for p in _resolved(one))
            stem = path.rsplit(".", 1)[0]
            queue += _all_headers() & {f"{stem}.hxx", f"{stem}.cxx"}
    return tuple(sorted(found))


# --- One file ----------------------------------------------------------------------------------


@functools.cache
def _source(path: str) -> _Source:
    return _cache().source(path)


def _parsed(path: str) -> _Source:
    content = (REPOSITORY / path).read_bytes()
    if path.endswith(".py"):
        return _python(content.decode())
    if path.endswith((".hxx", ".cxx")):
        return _cpp(content.decode())
    return _Source(_hash(content), (), ())


def _python(text: str) -> _Source:
    tree = ast.parse(text)
    imports: dict[str, None] = {}
    names: set[str] = set()
    attributes: set[str] = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            imports.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.update(dict.fromkeys(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Attribute):
            attributes.add(node.attr)
        elif isinstance(node, ast.Call) and (called := _c_function(node)):
            names.add(called)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.update(_HELPER.findall(node.value))
            if _MODULE.fullmatch(node.value):  # run as a process of its own
                imports[node.value] = None
        elif isinstance(node, ast.Assign) and _is_data_files(node):
            imports.update(dict.fromkeys(ast.literal_eval(node.value)))
    if any(name.startswith(_HEADERS) for name in imports):  # it can call helpers
        names |= attributes
    return _Source(_hash(_canonical(tree).encode()), tuple(imports), tuple(sorted(names)))


def _c_function(node: ast.Call) -> str | None:
    """Return the name of the C function that a call of `cpp_helpers.calls` calls."""
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    first = node.args[0] if node.args else None
    if name in _CALLS and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return f"monojet_{first.value}"
    return None


_MODULE = re.compile(r"(?:analysis|common|cpp_helpers|plots|selections|training)(?:\.\w+)+")


def _is_data_files(node: ast.Assign) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "DATA_FILES" for one in node.targets)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, except code for type checkers only."""
    queue = [tree]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            queue += node.orelse
            continue
        yield node
        queue += ast.iter_child_nodes(node)


def _canonical(node: object) -> str:
    """Return a syntax tree as text, without docstrings and empty fields, such as those that later
    versions of Python add."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and _has_docstring(node):
            value = value[1:]
        if value not in (None, []) and name not in ("ctx", "kind", "type_comment"):
            parts.append(f"{name}={_canonical(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _has_docstring(node: ast.AST) -> bool:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None


def _cpp(text: str) -> _Source:
    code = _CPP_COMMENT.sub(lambda match: match[1] or " ", text)
    includes = tuple(f"{_HEADERS}/{name}" for name in _INCLUDE.findall(code))
    return _Source(_hash(" ".join(code.split()).encode()), includes, tuple(sorted(_defined(code))))


def _defined(code: str) -> set[str]:
    """Return the names that C++ code, without comments, defines in its namespaces."""
    names: set[str] = set()
    statement, braces, parentheses = "", 0, 0
    opened: list[bool] = []  # whether each open brace is that of a namespace
    for line in code.splitlines():
        if line.startswith("#"):
            continue
        for character in line + "\n":
            if character == "{":
                outer = braces == 0 and _NAMESPACE.search(statement) is not None
                opened.append(outer)
                braces += not outer
                names.update([] if outer else _NAME_OF_TYPE.findall(statement))
                statement = ""
            elif character == "}":
                braces -= not opened.pop()
                statement = ""
            elif braces:
                continue
            elif character == "(":
                if not parentheses:
                    names.update(_LAST_NAME.findall(statement))
                parentheses += 1
            elif character == ")":
                parentheses -= 1
            elif parentheses:
                continue
            elif character in ";=":
                names.update(_LAST_NAME.findall(statement))
                names.update(_NAME_OF_TYPE.findall(statement))
                statement = "" if character == ";" else statement
            else:
                statement += character
    return names


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


# --- Cache of parsed sources -------------------------------------------------------------------


class _Cache:
    """Parsed sources of this repository, kept in a file: parsing them all would slow `--list` down.

    An entry is valid as long as its file has the same size and time of the last change.
    """

    def __init__(self) -> None:
        key = hashlib.sha256(f"{REPOSITORY}\0{_hash(Path(__file__).read_bytes())}".encode())
        name = f"sources-{key.hexdigest()[:16]}.json"
        self.places = [folder / name for folder in files.cache_folders()]
        self.entries: dict[str, tuple[int, int, _Source]] = {}
        for place in self.places:
            with suppress(OSError, ValueError, TypeError, KeyError):
                self.entries = {
                    path: (
                        size,
                        time,
                        _Source(one["hash"], *map(tuple, (one["imports"], one["names"]))),
                    )
                    for path, (size, time, one) in json.loads(place.read_text()).items()
                }
                break
        self.is_new = False

    def source(self, path: str) -> _Source:
        """Return a source; parse it if necessary."""
        status = os.stat(REPOSITORY / path)  # noqa: PTH116 (faster)
        entry = self.entries.get(path)
        if entry is None or entry[:2] != (status.st_size, status.st_mtime_ns):
            entry = (status.st_size, status.st_mtime_ns, _parsed(path))
            self.entries[path] = entry
            self.is_new = True
        return entry[2]

    def save(self) -> None:
        """Write the entries to the first cache folder that is writable."""
        if not self.is_new:
            return
        text = json.dumps({p: (s, t, asdict(one)) for p, (s, t, one) in self.entries.items()})
        for place in self.places:
            with suppress(OutputError, OSError):
                files.write_text(place, text)
                return


@functools.cache
def _cache() -> _Cache:
    import atexit

    cache = _Cache()
    atexit.register(cache.save)
    return cache


def forget(sources: bool = True) -> None:
    """Forget what was found, as sources have changed; with ``sources`` also what was parsed."""
    for function in (_closure, _found, _headers_of, _all_headers, _source, _resolved, _path_of):
        function.cache_clear()
    if sources:
        _cache.cache_clear()

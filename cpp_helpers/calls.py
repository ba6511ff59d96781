"""Calls of the compiled helpers by their C functions, without an interpreter.

`call`, `text` and `make` call ``monojet_<name>``. Without a library, cling compiles the same
sources.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import parent_process
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime.child import PARENT
from cpp_helpers import library

log = logging.getLogger("monojet")


class CppError(RuntimeError):
    """A C++ exception, with its message."""


class _Array(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("type", ctypes.c_char_p))


class Handle:
    """A C++ object, which lives as long as this."""

    def __init__(self, address: int) -> None:
        self.address = address

    def __del__(self) -> None:
        if _delete is not None:
            _delete(self.address)

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return an array that shares the memory of the object and keeps it alive."""
        found = _Array()
        call("array", self, name, ctypes.byref(found))
        dtype = np.dtype(found.type.decode())
        if not found.size:
            return np.empty(0, dtype)
        memory = (ctypes.c_char * (found.size * dtype.itemsize)).from_address(found.data)
        memory.owner = self  # type: ignore[attr-defined]
        return np.frombuffer(memory, dtype)


def start() -> None:
    """Load the helpers and start ROOT, which the first call does otherwise."""
    _load()


_delete: Callable[[int], None] | None = None


def call(name: str, *arguments: Any) -> None:
    """Call a function.

    Raises:
        CppError: it throws an exception.
    """
    if _function(name)(*_converted(arguments)):
        raise CppError(_text("error"))


def text(name: str, *arguments: Any) -> str:
    """Call a function and return its text.

    Raises:
        CppError: it throws an exception.
    """
    call(name, *arguments)
    return _text("text")


def make(name: str, *arguments: Any) -> Handle:
    """Call a function and return the object that it makes.

    Raises:
        CppError: it throws an exception.
    """
    address = _maker(name)(*_converted(arguments))
    if not address:
        raise CppError(_text("error"))
    return Handle(address)


def _converted(arguments: Sequence[Any]) -> Iterator[Any]:
    for one in arguments:
        if isinstance(one, str):
            yield one.encode()
        elif isinstance(one, Handle):
            yield ctypes.c_void_p(one.address)
        elif isinstance(one, bool | int):
            yield ctypes.c_longlong(one)
        elif isinstance(one, float):
            yield ctypes.c_double(one)
        elif isinstance(one, np.ndarray):
            yield one.ctypes.data_as(ctypes.c_void_p)
            yield ctypes.c_size_t(one.size)
        elif isinstance(one, list | tuple):
            texts = all(isinstance(text, str) for text in one)
            kind: Any = ctypes.c_char_p if texts else ctypes.c_void_p
            values = [text.encode() for text in one] if texts else [x.address for x in one]
            yield (kind * len(values))(*values)
            yield ctypes.c_size_t(len(values))
        else:
            yield one


def _text(name: str) -> str:
    function = _function(name)
    if function.restype is not ctypes.c_char_p:
        function.restype = ctypes.c_char_p
    found: bytes = function()
    return found.decode(errors="replace")


@functools.cache
def _function(name: str) -> Any:
    return _load()(f"monojet_{name}", ctypes.c_int)


@functools.cache
def _maker(name: str) -> Any:
    return _load()(f"monojet_{name}", ctypes.c_void_p)


@functools.cache
def _load() -> Callable[[str, Any], Any]:
    """Start ROOT and return a function that finds the C functions."""
    global _delete
    from cpp_helpers import prepare_environment

    prepare_environment()
    found = library.helpers()
    if found is None:
        from cpp_helpers import declare

        declare()
        lookup = _of_cling
    else:
        loaded = ctypes.CDLL(str(found), mode=ctypes.RTLD_GLOBAL)

        def lookup(name: str, result: Any) -> Any:
            return ctypes.CFUNCTYPE(result)((name, loaded))

    if lookup("monojet_start", ctypes.c_int)():
        raise RuntimeError("ROOT does not start")
    if not log.isEnabledFor(logging.DEBUG):  # else ROOT prints a stack trace
        reported = PARENT in os.environ or bool(parent_process())
        lookup("monojet_watch_crashes", ctypes.c_int)(ctypes.c_longlong(reported))
    delete = lookup("monojet_delete", None)
    _delete = lambda address: delete(ctypes.c_void_p(address))  # noqa: E731
    return lookup


def _of_cling(name: str, result: Any) -> Any:
    from cpp_helpers import load_root

    address = load_root().gInterpreter.ProcessLine(f"(Long_t)&{name};")
    return ctypes.CFUNCTYPE(result)(address)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress ROOT's own messages, where our checks report the problem."""
    before = text("set_quiet", 1)
    try:
        yield
    finally:
        call("set_quiet", int(before))

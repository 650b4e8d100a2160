"""How does the user's own code get into a trial, on whatever machine that runs? By name, with the hash of its file.

A function is named FILE.py:FUNCTION, or MODULE:FUNCTION for MODULE.py in the current folder. `identify` reads the file
once and returns MODULE:FUNCTION#HASH, the name of the function from then on, even if the file is moved or changed. The
content of the file is sent with the trials to the processes that run them. A name alone runs nothing: a function that a
record, a checkpoint or a journal names is refused unless `identify` has read its file, or `add` has received it.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import sys
import sysconfig
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from specbias.settings import SettingError, content_identity

NAME = re.compile(r"(?P<file>[^:#]+):(?P<function>[A-Za-z_]\w*)(?:#(?P<identity>[0-9a-f]{12}))?")
INSTALLED = tuple({str(Path(__file__).parents[1]), *sysconfig.get_paths().values()})  # what is no code of the user's
LONGEST = 300  # characters of an error that are shown
_files: dict[str, bytes] = {}  # identity -> content


class Parameters(NamedTuple):
    """The names of a function's parameters, and whether it takes any other name too."""

    names: tuple[str, ...]
    any_name: bool


def is_own(name: str | None) -> bool:
    """Tell whether a name is that of a function in a file of the user's, and not one of ours or of a package's."""
    return name is not None and ":" in name and not name.startswith(("torchvision:", "timm:", "hf:"))


def identify(name: str, *, setting: str) -> str:
    """Return MODULE:FUNCTION#HASH for FILE.py:FUNCTION, or MODULE:FUNCTION of the current folder, and keep the file.

    SettingError, which names the setting: there is no such file or function, the file imports another beside it, or the
    name has a hash that is not that of the file.
    """
    place, function, asked = _parts(name, setting)
    if asked in _files:
        return name
    file = Path(place if place.endswith(".py") else f"{place}.py").expanduser()
    try:
        content = file.read_bytes()
        tree = ast.parse(content)
    except OSError as error:
        raise SettingError(f"{setting}={name}: {file}: {error.strerror or error} (looked in {Path.cwd()})") from None
    except (SyntaxError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"{setting}={name}: {file} is no Python that can be read ({reason})") from None
    identity = content_identity(content)
    if asked not in (None, identity):
        raise SettingError(f"{setting}={name}: {file} is another version, {identity}")
    for module in _imported(tree):
        beside = (file.parent / f"{module}.py", file.parent / module / "__init__.py")
        if module != "specbias" and any(place.exists() for place in beside):
            reason = f"imports {module} from its own folder, and it alone goes to where trials run"
            raise SettingError(
                f"{setting}={name}: {file} {reason}: put all into one file, or install {module}; "
                f"`measure` takes {file.stem}:{function} from its folder"
            )
    _files[identity] = content
    _defined(function, identity, f"{setting}={name}")
    return f"{file.stem}:{function}#{identity}"


def files() -> Mapping[str, bytes]:
    """Return the files that this process has read, identity -> content: for `add` in the processes that run trials."""
    return dict(_files)


def add(received: Mapping[str, bytes]) -> None:
    """Keep the files that `files` returned in the process that had read them."""
    _files.update(received)


def parameters(name: str, *, setting: str) -> Parameters:
    """Return a function's parameters, read from the text of its file: nothing in it is run.

    Those of a class are those of its __init__. SettingError where there is no such function or class, or no such file.
    """
    _, function, identity = _known(name, setting)
    return _defined(function, identity, f"{setting}={name}")


def call(name: str, arguments: Mapping[str, Any], *, setting: str) -> Any:
    """Call a function with those of the arguments that it has parameters for; SettingError where that fails."""
    known = parameters(name, setting=setting)
    accepted = {key: value for key, value in arguments.items() if key in known.names or known.any_name}
    try:
        return load(name, setting=setting)(**accepted)
    except SettingError:
        raise
    except Exception as error:
        names = ", ".join(accepted) or "nothing"
        raise SettingError(f"{setting}={name}: calling it with {names} failed: {failure(name, error)}") from error


def load(name: str, *, setting: str) -> Callable[..., Any]:
    """Run the file, once in this process, and return the function; SettingError where that fails."""
    module, function, identity = _known(name, setting)
    try:
        return getattr(_module(module, identity), function)
    except (Exception, SystemExit) as error:
        raise SettingError(f"{setting}={name}: {failure(name, error)}") from error


def failure(name: str, error: BaseException) -> str:
    """Return what went wrong in the user's code, in one line: the error, and the last line of it that was reached."""
    reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    file = f"{_parts(name, '')[0]}.py"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{reason} ({file}, line {lines[-1]})" if lines else reason


def reason(error: BaseException) -> str:
    """Return what went wrong, in one line: the error, and the last line of code that is neither ours nor installed."""
    message = str(error).strip().splitlines()
    said = type(error).__name__ + (f": {message[0][:LONGEST]}" if message else "")
    said += "..." if message and len(message[0]) > LONGEST else ""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith((*INSTALLED, "<"))]
    return said + (f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else "")


def _parts(name: str, setting: str) -> tuple[str, str, str | None]:
    match = NAME.fullmatch(name)
    if match is None:
        raise SettingError(f"{setting}={name}: expected FILE.py:FUNCTION, or MODULE:FUNCTION of the current folder")
    return match["file"], match["function"], match["identity"]


def _known(name: str, setting: str) -> tuple[str, str, str]:
    module, function, identity = _parts(name, setting)
    if identity not in _files:
        reason = "its file is not here. Code of one's own runs where FILE.py:FUNCTION is named on the command line, or"
        raise SettingError(f"{setting}={name}: {reason} given to specbias.settings.own_code.identify")
    return module, function, str(identity)


def _defined(function: str, identity: str, asked: str) -> Parameters:
    defined = _definitions(identity)
    if function not in defined:
        there = ", ".join(defined) or "none"
        raise SettingError(f"{asked}: there is no function {function!r} in the file; it has: {there}")
    return defined[function]


@functools.cache
def _definitions(identity: str) -> dict[str, Parameters]:
    found: dict[str, Parameters] = {}
    for node in ast.parse(_files[identity]).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = _parameters(node.args)
        elif isinstance(node, ast.ClassDef):
            inner = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
            found[node.name] = _parameters(inner[0].args) if inner else Parameters((), any_name=False)
    return found


def _parameters(arguments: ast.arguments) -> Parameters:
    names = tuple(each.arg for each in (*arguments.args, *arguments.kwonlyargs))
    return Parameters(names, any_name=arguments.kwarg is not None)


@functools.cache
def _module(name: str, identity: str) -> types.ModuleType:
    file, content = f"{name}.py", _files[identity]
    text = content.decode(errors="replace")
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # for tracebacks
    module = types.ModuleType(f"{name}#{identity}")
    sys.modules[module.__name__] = module  # where dataclasses look
    exec(compile(content, file, "exec", dont_inherit=True), module.__dict__)
    return module


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the first part of every module's name that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]

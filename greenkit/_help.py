"""Help at the prompt: errors that list the arguments of a call, and methods that show the parameters behind them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from inspect import Signature

P = ParamSpec("P")
R = TypeVar("R")

# What users of other libraries try, and the argument that they want.
_ALSO_CALLED: Final[Mapping[str, str]] = {
    "aggregate": "period", "freq": "period", "frequency": "period", "interval": "period", "resolution": "period",
    "rule": "period", "count": "n", "number": "n", "top": "n", "times": "moments", "file": "path", "filename": "path",
    "holiday": "holidays", "group_by": "by", "groupby": "by", "tolerance": "units", "zone": "tz", "timezone": "tz",
    "time_zone": "tz", "password": "pgp", "passphrase": "pgp", "mapping": "layout", "units": "unit",
}  # fmt: skip
_OWNERS: Final = {"GreenkitAccessor": "df.gk.", "PlotAccessor": "df.gk.plot."}
_SHOWN: Final = ("Parameters", "Returns", "Yields", "Raises", "Warns")


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that a wrong argument raises TypeError with the arguments that the function takes."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            # looked up only now: the signatures of all methods would be a tenth of the time that the import takes
            import inspect

            signature = inspect.signature(function)
            try:
                signature.bind(*args, **kwargs)
            except TypeError as e:
                raise TypeError(_usage(function, signature, kwargs, e)) from None
            raise

    return call


def _usage(function: Callable[..., Any], signature: Signature, given: Mapping[str, Any], e: TypeError) -> str:
    import difflib

    takes = [p.name for p in signature.parameters.values() if p.name != "self"]
    owner, _, name = function.__qualname__.rpartition(".")
    unknown = next((name for name in given if name not in takes), None)
    problem = str(e) if unknown is None else f"there is no argument {unknown!r}"
    near = _ALSO_CALLED.get(unknown or "", "")
    if unknown and near not in takes:
        near = next(iter(difflib.get_close_matches(unknown, takes, n=1)), "")
    hint = f" Did you mean {near!r}?" if near else ""
    listed = f"Its arguments are {', '.join(takes)}." if takes else "It takes no arguments."
    return f"{_OWNERS.get(owner, 'greenkit.')}{name}(): {problem}.{hint} {listed}"


def method(function: Callable[P, R]) -> Callable[P, R]:
    """Make a method of an accessor: explained, and with the parameters of the function that its docstring names.

    The docstring is completed when the method is first looked up on a frame, as by Shift+Tab or :func:`help`, because
    this imports the module behind it.
    """
    return _Method(explained(function))  # type: ignore[return-value]  # it becomes a method when it is looked up


class _Method:
    """Descriptor of a method whose docstring is completed when it is first looked up on an instance."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._is_complete = False

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self._function
        if not self._is_complete:
            self._function.__doc__ = _completed(self._function)
            self._is_complete = True
        return MethodType(self._function, instance)


def _completed(function: Callable[..., Any]) -> str:
    """Return the docstring of a method with the sections of the function that it names.

    Of the parameters, those are shown that the method has: ``df`` is the frame itself.
    """
    import inspect
    import re
    from importlib import import_module

    heading_of = re.compile(r"^(\w+)\n-+\n", re.M)
    text = inspect.getdoc(function) or ""
    named = re.search(r":func:`(greenkit[\w.]*)\.(\w+)`", text)
    if named is None or heading_of.search(text):
        return text
    behind = inspect.getdoc(getattr(import_module(named[1]), named[2])) or ""
    pieces = heading_of.split(behind)  # summary, then heading and body in turns
    takes = set(inspect.signature(function).parameters)
    for heading, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if heading == "Parameters":
            entries = re.split(r"^(?=\S)", body, flags=re.M)
            body = "".join(e for e in entries if takes & set(e.partition(" :")[0].split(", ")))
        if heading in _SHOWN and body.strip():
            text += f"\n\n{heading}\n{'-' * len(heading)}\n{body.strip()}"
    return text

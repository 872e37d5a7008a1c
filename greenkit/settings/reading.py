"""Read the settings file, and say of each mistake where it stands and what to write."""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from greenkit.errors import SettingsError
from greenkit.settings.secret_ref import KINDS, SecretRef
from greenkit.settings.tables import CustodianSettings, Settings, SmtSettings

_LONGEST: Final = 86_400.0  # seconds to wait for one answer
_LAST_PORT: Final = 65_535


def default_path() -> Path:
    """Give the settings file's usual place for this user on this system."""
    import platformdirs

    return Path(platformdirs.user_config_dir("greenkit", appauthor=False)) / "settings.toml"


def read(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings file.

    Parameters
    ----------
    path : path, optional
        The file; the usual place (:func:`default_path`) when absent.

    Returns
    -------
    Settings
        Typed; secrets are not read yet, only where they are kept.

    Raises
    ------
    SettingsError
        No such file, no TOML, an unknown key (with the nearest known one), a value of the wrong type, or a
        secret in clear text.
    """
    path = Path(path).expanduser() if path is not None else default_path()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(
            f"there is no settings file {path}: make one with python -m greenkit doctor smt --new"
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"the settings file {path} cannot be read: {type(e).__name__}") from None
    except tomllib.TOMLDecodeError as e:
        raise SettingsError(f"the settings file {path} is not TOML: {_place(e)}") from None
    return parse(tables, path=path.absolute())


def parse(tables: Mapping[str, Any], *, path: Path | None = None) -> Settings:
    """Check tables, as ``tomllib`` gives them, and make :class:`Settings` of them.

    Examples
    --------
    >>> parse({"smt": {"user": "rep1", "password": {"env": "SMT_PASSWORD"}}}).smt.user
    'rep1'
    >>> parse({"smt": {"known_host": "x"}})
    Traceback (most recent call last):
    greenkit.errors.SettingsError: [smt] known_host is no setting: did you mean known_hosts?
    """
    place = f"{path}: " if path else ""
    folder = path.parent if path else Path()
    for key in tables:
        if key not in ("smt", "custodian"):
            raise SettingsError(f"{place}[{key}] is no table: {_hint(key, ['smt', 'custodian'])}")
    custodians = _table(tables.get("custodian", {}), f"{place}[custodian]")
    return Settings(
        path=path,
        smt=_build(SmtSettings, tables.get("smt", {}), f"{place}[smt]", folder),
        custodian={
            name: _build(CustodianSettings, table, f"{place}[custodian.{name}]", folder)
            for name, table in custodians.items()
        },
    )


def _build(kind: Any, table: object, where: str, folder: Path) -> Any:
    hints = typing.get_type_hints(kind)
    one_of = {f.name: f.metadata["one_of"] for f in dataclasses.fields(kind) if "one_of" in f.metadata}
    values = {}
    for key, value in _table(table, where).items():
        if key not in hints:
            raise SettingsError(f"{where} {key} is no setting: {_hint(key, list(hints))}")
        values[key] = _value(hints[key], value, f"{where} {key}", folder)
        if value not in one_of.get(key, (value,)):
            raise SettingsError(f"{where} {key} is {value!r}: write one of {', '.join(one_of[key])}")
    return kind(**values)


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} is a single value: write it as a table")
    return value


def _value(hint: Any, value: Any, where: str, folder: Path) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
    if hint is SecretRef:
        return _secret(value, where, folder)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, f"{where.rpartition(' ')[0][:-1]}.{where.rpartition(' ')[2]}]", folder)
    if typing.get_origin(hint) is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if hint is Path and isinstance(value, str) and value:
        return folder / Path(value).expanduser()
    if hint is float and type(value) in (int, float) and 0 < value <= _LONGEST:
        return float(value)
    if hint is int and type(value) is int and 0 < value <= _LAST_PORT:
        return value
    if hint in (str, bool) and type(value) is hint:
        return value
    raise SettingsError(f"{where} is {_kind(value)}: write {_WANTED.get(hint, 'a list of texts')}")


_WANTED: Final[Mapping[Any, str]] = {
    str: "a text in quotes",
    int: "a whole number from 1 to 65535",
    float: "a number above 0, of seconds in a day at most",
    bool: "true or false",
    Path: "a path in quotes",
}
_WAYS: Final = '{env = "NAME"}, {file = "PATH"}, {keyring = "NAME"} or {prompt = true}'


def _secret(value: object, where: str, folder: Path) -> SecretRef:
    """Never repeat the value in an error: it may be the secret itself."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where} holds a secret in clear text: take it out and write {_WAYS}")
    kind = next(iter(value), "")
    if len(value) != 1 or kind not in KINDS:
        raise SettingsError(f"{where} does not say where the secret is kept: write {_WAYS}")
    kept = value[kind]
    if kind == "prompt" and kept is True:
        return SecretRef("prompt", where)
    if kind == "prompt" or not isinstance(kept, str) or not kept:
        raise SettingsError(f"{where} does not say where the secret is kept: write {_WAYS}")
    return SecretRef(kind, str(folder / Path(kept).expanduser()) if kind == "file" else kept)


def _kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)


def _hint(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def _place(e: tomllib.TOMLDecodeError) -> str:
    """Give tomllib's reason; it holds a place and at most one character of the file, never a value."""
    text = str(e)
    return text if len(text) < 100 else "see its syntax"

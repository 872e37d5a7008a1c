"""Write TOML, which Python only reads: the settings and profiles that the sandbox hands out."""

from __future__ import annotations

import json
from collections.abc import Mapping


def lines(facts: Mapping[str, object]) -> str:
    r"""Write one line for each fact: texts, paths, numbers, and lists and tables of them; None is left out.

    Examples
    --------
    >>> print(lines({"file": r"C:\keys", "days": 28, "limits": ((1, 1.0),), "scope": None, "where": {"env": "X"}}))
    file = "C:\\keys"
    days = 28
    limits = [[1, 1.0]]
    where = {"env" = "X"}
    """
    return "\n".join(f"{name} = {_value(value)}" for name, value in facts.items() if value is not None)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(str(k))} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    # JSON writes numbers, truth and texts as TOML does
    return json.dumps(value if isinstance(value, bool | int | float) else str(value), ensure_ascii=False)

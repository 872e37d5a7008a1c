"""The TOML converter: every type, every mistake with its file, key, and rule, and hostile files."""

from __future__ import annotations

import datetime
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import pytest

from greenkit import _toml, settings
from greenkit.custodian import profiles
from greenkit.errors import SettingsError
from greenkit.secret import Secret

FUZZ = Path(__file__).parents[2] / "shared" / "trials" / "fuzz"


@dataclass(frozen=True)
class Tier:
    price: Decimal
    to: Annotated[float, _toml.above(0)] | None = None


@dataclass(frozen=True)
class Tiers:
    tiers: tuple[Tier, ...]


@dataclass(frozen=True)
class FromSeries:
    series: Path
    adder: Decimal = Decimal(0)


@dataclass(frozen=True)
class Span:
    from_: datetime.date
    to: datetime.date

    def __post_init__(self):
        if self.to < self.from_:
            raise ValueError("ends before it starts")


@dataclass(frozen=True)
class Plan:
    name: str
    energy: Decimal | Tiers | FromSeries = Decimal(0)
    port: Annotated[int, _toml.between(1, 65_535)] = 22
    factor: float = 1.0
    on: bool = False
    mode: Literal["read", "write", 1] = "read"
    zone: Annotated[str, _toml.TIME_ZONE] = "UTC"
    pair: tuple[str, int] | None = None
    cents: Mapping[int, Decimal] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    valid: Span | None = None
    at: datetime.time | None = None
    made: datetime.datetime | None = None
    file: Path | None = None
    anything: object = None
    key: Literal["auto"] | Annotated[int, _toml.above(0)] | None = None


def plan(text, **more):
    return _toml.load('name = "p"\n' + text, Plan, name="plan.toml", **more)


def problem(text, **more):
    with pytest.raises(SettingsError) as caught:
        plan(text, **more)
    assert str(caught.value).startswith("plan.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("energy = 0.1519", "energy", Decimal("0.1519")),
        ("energy = 1", "energy", Decimal(1)),
        (
            "energy = {tiers = [{to = 500, price = 0.1}, {price = 2}]}",
            "energy",
            Tiers((Tier(Decimal("0.1"), 500.0), Tier(Decimal(2)))),
        ),
        ('energy = {series = "a.csv"}', "energy", FromSeries(Path("a.csv"))),
        ("factor = 0.1", "factor", 0.1),
        ("factor = 3", "factor", 3.0),
        ("on = true", "on", True),
        ('mode = "write"', "mode", "write"),
        ("mode = 1", "mode", 1),
        ('zone = "America/Chicago"', "zone", "America/Chicago"),
        ('pair = ["a", 1]', "pair", ("a", 1)),
        ("[cents]\n500 = 23.2\n1000 = 9", "cents", {500: Decimal("23.2"), 1000: Decimal(9)}),
        ('words = {"a b" = "c"}', "words", {"a b": "c"}),
        (
            "valid = {from = 2026-01-01, to = 2026-02-01}",
            "valid",
            Span(datetime.date(2026, 1, 1), datetime.date(2026, 2, 1)),
        ),
        ("at = 07:30:00", "at", datetime.time(7, 30)),
        ("made = 2026-01-01T00:00:00", "made", datetime.datetime(2026, 1, 1)),
        ("anything = [1, {a = 2}]", "anything", [1, {"a": 2}]),
        ('key = "auto"', "key", "auto"),
        ("key = 3", "key", 3),
        ("schema = 1", "name", "p"),
    ],
)
def test_each_type_is_converted(text, name, value):
    found = getattr(plan(text), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "plan.toml: prot is not a known key. Did you mean port?"),
        ("PORT = 1", "plan.toml: PORT is not a known key. Did you mean port?"),
        ("port = true", "port is true, but it must be a whole number"),
        ('port = "22"', "port is text, but it must be a whole number"),
        ("port = 22.0", "port is 22.0, but it must be a whole number"),
        ("port = 65536", "port is 65536, but it must be from 1 to 65,535"),
        ("factor = nan", "factor is NaN, but it must be a finite number"),
        ("factor = -inf", "factor is -Infinity, but it must be a finite number"),
        ("factor = 1e400", "factor is 1E+400, but it must be a finite number"),
        ("energy = nan", "energy is NaN, but it must be a number with fewer than 30 digits"),
        ("energy = 1e99", "energy is 1E+99, but it must be a number with fewer than 30 digits"),
        ("energy = 1e-99", "energy is 1E-99, but it must be a number with fewer than 30 digits"),
        ("energy = [1]", "energy is a list, but it must be a number or a table"),
        ("energy = {tiers = [{to = 5}]}", "plan.toml: [energy.tiers #1] lacks price. Add it."),
        ("energy = {tiers = [{price = 1, to = 0}]}", "[energy.tiers #1] to is 0, but it must be greater than 0"),
        ("energy = {tiers = [{prise = 1}]}", "[energy.tiers #1] prise is not a known key. Did you mean price?"),
        ("energy = {tiers = 1}", "[energy] tiers is 1, but it must be a list"),
        ("energy = {tiers = [], adder = 1}", "[energy] adder is not a known key"),
        ('energy = {serie = "a"}', "[energy] serie is not a known key. Did you mean series?"),
        ("on = 1", "on is 1, but it must be true or false"),
        ('mode = "x"', "mode is 'x', but it must be read, write, or 1"),
        ("mode = true", "mode is true, but it must be read, write, or 1"),
        ('zone = "Mars/Olympus"', "zone is 'Mars/Olympus', but it must be an IANA time zone such as America/Chicago"),
        ('zone = "../../etc/passwd"', "zone is '../../etc/passwd', but it must be an IANA time zone"),
        ('zone = ""', "zone is '', but it must be an IANA time zone"),
        ('pair = ["a"]', "pair is a list of 1, but it must be a list of 2"),
        ('pair = ["a", "b"]', "pair #2 is text, but it must be a whole number"),
        ("cents = {five = 1}", "[cents] five is not a valid key. Use a whole number as the key."),
        ("cents = {５ = 1}", "plan.toml, line 2"),
        ('cents = {"５" = 1}', "[cents] ５ is not a valid key"),
        ('cents = {5 = "x"}', "[cents] 5 is text, but it must be a number"),
        ('words = {"a b" = 1}', "[words] a b is 1, but it must be text in quotes"),
        ("valid = {from = 2026-02-01, to = 2026-01-01}", "plan.toml: [valid] ends before it starts"),
        (
            "valid = {from = 2026-02-01T00:00:00, to = 2026-01-01}",
            "[valid] from is 2026-02-01 00:00:00, but it must be a date such as",
        ),
        ("valid = 1", "valid is 1, but it must be a table"),
        ('file = ""', "file is empty or contains a null character"),
        ('file = "a\\u0000"', "file is empty or contains a null character"),
        ('file = "~nobodyxyz/x"', "file is '~nobodyxyz/x', which has no home folder. Write the complete path."),
        ("key = 0", "key is 0, but it must be greater than 0"),
        ('key = "x"', "key is 'x', but it must be auto"),
        ("schema = 2", "schema is 2, but this version of greenkit reads schema 1 and older. Upgrade greenkit."),
        ("schema = 0", "schema is 0, but it must be a whole number. Write schema = 1."),
        ("schema = true", "schema is true, but it must be a whole number. Write schema = 1."),
        ('name = "q"\n', "plan.toml, line 2: Cannot overwrite a value"),
        ("port = ", "plan.toml, line 2: Invalid value. Correct the TOML at the end of the file."),
        ("port = 1 2\n", "plan.toml, line 2: Expected newline or end of document after a statement"),
    ],
)
def test_each_mistake_names_the_key_and_the_rule(text, message):
    assert message in problem(text)


def test_missing_keys_are_listed():
    with pytest.raises(SettingsError, match=r"^plan.toml: name not set. Add it.$"):
        _toml.load("", Plan, name="plan.toml")
    with pytest.raises(SettingsError, match=r"^\[valid\] lacks from and to. Add them.$"):
        _toml.convert({"name": "p", "valid": {}}, Plan)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"x = {'9' * 5000}\n", "line 3: x is nested too deeply or is a number with too many digits"),
        (f"x = {'[' * 5000}{']' * 5000}\n", "line 3: x is nested too deeply"),
        ("x = [\n" + "[\n" * 5000, "x is nested too deeply"),
        ("x = " + "{a=" * 5000 + "1" + "}" * 5000 + "\n", "line 3: x is nested too deeply"),
        (f"x = 1e{'9' * 30}\n", "line 3: x is nested too deeply or is a number with too many digits"),
        (f"port = 0x{'f' * 5000}\n", "port is a number with too many digits, but it must be from 1 to 65,535"),
        (f"factor = {'9' * 400}\n", "factor is a number with too many digits, but it must be a finite number"),
        (f"cents = {{{'9' * 5000} = 1}}\n", "is not a valid key. Use a whole number"),
        (f'mode = "{"m" * 5000}"\n', "but it must be read, write, or 1"),
        (f"{'m' * 5000} = 1\n", "is not a known key"),
        ('"a\\nb\\u001b[31m" = 1\n', r"'a\nb\x1b[31m' is not a known key"),
    ],
)
def test_hostile_values_raise_a_short_error(text, message):
    found = problem("factor = 1\n" + text if "factor" not in text else text)
    assert message in found
    assert len(found) < 600


@pytest.mark.skipif(not FUZZ.is_dir(), reason="the shared folder is not here")
def test_hostile_settings_and_profiles_name_the_file_and_the_key():
    paths = sorted(FUZZ.glob("*.toml"))
    assert len(paths) == 8
    keys = {
        "profile-float": "token_lifetime",
        "profile-ipv6": "authorize_url",
        "profile-longstatus": "[meanings]",
        "profile-nan": "limits #1 #2",
        "profile-self": "based_on",
        "settings-deep": "line 1: x is nested too deeply",
        "settings-longint": "line 1: x is nested too deeply or is a number with too many digits",
        "settings-nobody": "[smt] into",
    }
    for path in paths:
        read = settings.read if path.stem.startswith("settings") else profiles.load
        with pytest.raises(SettingsError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert keys[path.stem] in str(caught.value)
        assert caught.value.next_step
        assert len(str(caught.value)) < 300


def test_profile_written_by_version_0_1_is_read():
    profile = profiles.load(Path(__file__).parent / "fixtures" / "0.1" / "profile-sandbox.toml")
    assert (profile.window_days, profile.limits, sorted(profile.meanings)) == (28, ((1000, 1.0),), [400, 403, 404])
    assert len(profile.unverified) == 4


def test_file_provides_its_name_and_folder(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "p"\r\n\tfile = "x/y"\r\n')
    found = _toml.load(path, Plan)
    assert found.file == tmp_path / "x" / "y"
    assert _toml.load(path.read_bytes(), Plan).file == Path("x/y")
    path.write_bytes(b"port = 1\n\nname = '\xff'")
    with pytest.raises(SettingsError, match=r"plan.toml, line 3: The text is not UTF-8. Save the file as UTF-8.$"):
        _toml.load(path, Plan)
    path.write_bytes(b"#" * 10_000_001)
    with pytest.raises(SettingsError, match="is larger than 10,000,000 bytes"):
        _toml.load(path, Plan)
    for name in (tmp_path / "none.toml", tmp_path, Path("~nobodyxyz/x"), Path("a\0b")):
        with pytest.raises(SettingsError, match=r"no file|cannot be read"):
            _toml.load(name, Plan)


def test_base_fills_the_keys_that_are_not_set():
    base = Plan("base", port=2222)
    assert _toml.load("factor = 2", Plan, base=base) == Plan("base", port=2222, factor=2.0)


def test_dictionary_is_converted_as_a_file_is():
    assert _toml.convert({"name": "p", "energy": 0.1, "pair": ("a", 1)}, Plan) == plan('energy = 0.1\npair = ["a", 1]')
    with pytest.raises(SettingsError, match="The content is a list, but it must be a table"):
        _toml.convert([1], Plan)


def test_written_toml_is_read_again():
    for text in (
        "energy = 0.1519\nfile = 'a'\nvalid = {from = 2026-01-01, to = 2026-02-01}\ncents = {500 = 1.5}",
        "energy = {tiers = [{to = 500, price = 0.1}, {price = 2}]}\npair = ['a', 1]\nmode = 1\nat = 07:30:00",
    ):
        found = plan(text)
        assert _toml.load(_toml.dumps(found, schema=1), Plan) == found
    assert _toml.dumps(Plan("p")) == 'name = "p"\n'


def test_secrets_are_neither_written_nor_shown():
    with pytest.raises(TypeError):
        _toml.dumps({"password": Secret("hunter2")})

    class Kept:
        @classmethod
        def from_toml(cls, value, place):
            raise place.error("is a secret")

    @dataclass(frozen=True)
    class Account:
        password: object

    Account.__annotations__["password"] = Kept
    with pytest.raises(SettingsError, match=r"^password is a secret$") as caught:
        _toml.convert(dict.fromkeys(["password"], "hunter" + "2"), Account)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))

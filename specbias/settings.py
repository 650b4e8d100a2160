"""What is a record of settings? Frozen, typed, checked, written flat, read back, and with an identity of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path

from specbias.masking import Refusal


def file_identity(file: Path) -> str:
    """Return the identity of a file: 12 hex digits of the SHA-256 of what is in it; OSError if it cannot be read."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


class SettingError(Refusal):
    """Something asked for that cannot be: one line that says what, why, and what is known or possible."""


class Clash(SettingError):
    """Two settings that exclude each other, each of which could be."""


@dataclass(frozen=True)
class Settings:
    """The base of every config: a subclass is a frozen dataclass whose fields all have defaults, and its `rules`.

    Values of another type are refused, values out of range too (SettingError). A default is never changed and a field
    never renamed once records exist: `trial_id` leaves out what is at its default, so that a new field keeps old
    identities. So it does `not_in_identity`, which say where something is and not what. `kind` is in it where there is
    one: records of two kinds are never the same.
    """

    kind: typing.ClassVar[str] = ""
    not_in_identity: typing.ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _typed(field.name, hints[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        for name, holds, rule in self.rules():
            if not holds:
                raise SettingError(f"{name}={getattr(self, name)}: must be {rule}")

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        """Return (setting, whether it is in range, the range in words) for every setting that has one."""
        return ()

    @property
    def trial_id(self) -> str:
        """The identity of the trial: 12 hex digits of the SHA-256 of the settings that are not at their default."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        settings = {name: value for name, value in dataclasses.asdict(self).items() if name not in self.not_in_identity}
        chosen = {name: value for name, value in settings.items() if value != defaults[name]}
        chosen |= {"kind": self.kind} if self.kind else {}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, typing.Any]:
        """Return the settings as a flat dict of plain values (JSON-ready; tuples become lists)."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def said(self, names: typing.Iterable[str]) -> str:
        """Return the settings of these names as a person reads them."""
        return " ".join(f"{name}={getattr(self, name)}" for name in names)

    @classmethod
    def from_dict(cls, settings: typing.Mapping[str, typing.Any]) -> typing.Any:
        """Build a config from a flat dict; an unknown name raises SettingError and lists the known ones."""
        for name in settings:
            cls.check_name(name)
        return cls(**settings)

    @classmethod
    def check_name(cls, name: str) -> None:
        """Raise SettingError, listing the known settings, if `name` is none of them."""
        known = [field.name for field in dataclasses.fields(cls)]
        if name not in known:
            raise SettingError(f"unknown setting {name!r}; known: {', '.join(known)}")

    @classmethod
    def parse(cls, name: str, text: str) -> typing.Any:
        """Return the value of setting `name` written as `text` on a command line; SettingError where it is none."""
        cls.check_name(name)
        hint = typing.get_type_hints(cls)[name]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if type(None) in kinds and text.lower() == "none":
            return None
        try:
            if kinds[0] is bool:
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            if typing.get_origin(kinds[0]) is tuple:
                item = typing.get_args(kinds[0])[0]
                return tuple(item(part) for part in text.split(",") if part)
            return kinds[0](text)
        except (KeyError, ValueError):
            raise SettingError(f"{name}={text}: not {_said(hint)}") from None


def _typed(name: str, hint: typing.Any, value: typing.Any) -> typing.Any:
    """Return `value` in the field's own type (1 becomes 1.0, a list a tuple), or raise SettingError.

    A tuple of any length is a set of whole numbers, and sorted; one of a fixed length is as it is given.
    """
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if typing.get_origin(kinds[0]) is tuple and isinstance(value, (tuple, list)):
        items = typing.get_args(kinds[0])
        if items[-1] is Ellipsis and all(type(v) is int for v in value):
            return tuple(sorted(set(value)))
        if items[-1] is float and len(value) == len(items) and all(type(v) in (int, float) for v in value):
            return tuple(float(v) for v in value)
    if kinds[0] is float and type(value) is int:
        return float(value)
    if typing.get_origin(kinds[0]) is not tuple and type(value) in kinds or value is None and type(None) in kinds:
        return value
    raise SettingError(f"{name}={value!r}: not {_said(hint)}")


def _said(hint: typing.Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if typing.get_origin(kinds[0]) is tuple:
        items = typing.get_args(kinds[0])
        said = "whole numbers with commas between" if items[-1] is Ellipsis else f"{len(items)} numbers"
    else:
        said = words[kinds[0]]
    return said + (" or none" if type(None) in kinds else "")

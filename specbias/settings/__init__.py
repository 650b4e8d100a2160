"""What is a record of settings? Frozen, typed, checked, written flat, read back, and with an identity of its own."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from specbias.settings.masking import Refusal
from specbias.settings.ranges import Range


def file_identity(file: Path) -> str:
    """Return the identity of a file: 12 hex digits of the SHA-256 of what is in it; OSError if it cannot be read."""
    return content_identity(file.read_bytes())


def content_identity(content: bytes) -> str:
    """Return the identity of what is in a file."""
    return hashlib.sha256(content).hexdigest()[:12]


class SettingError(Refusal):
    """A setting that cannot be used; the message is one line with the reason, and with what is possible instead."""


ABBREVIATIONS = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch_size"}


def check_known(name: str, known: Iterable[str], kind: str) -> None:
    """Raise SettingError if `name` is unknown; the message suggests a similar name and lists the known ones."""
    known = [*known]
    if name in known:
        return
    meant = [ABBREVIATIONS.get(name.lower(), ""), *difflib.get_close_matches(name.lower(), known, n=1)]
    suggestion = next((f": did you mean {each}?" for each in meant if each in known), ";")
    raise SettingError(f"unknown {kind} {name!r}{suggestion} known: {', '.join(known) or 'none'}")


class Clash(SettingError):
    """Two settings of which either is possible, but not both."""


@dataclass(frozen=True)
class Settings:
    """The base of every config: a subclass is a frozen dataclass whose fields all have defaults.

    A value of another type than its field's, or outside the range that is annotated there, is refused (SettingError).
    A config can be composed of several: the last base's fields come first.

    `trial_id` is made of the settings that are not at their default, so a new field keeps old identities. For the same
    reason a default is never changed and a field never renamed once there are records. `measure_version` is part of it
    above 1: what an older measure gave is not reused. The settings in `not_in_identity` are left out of it: they say
    where a file is, and another setting holds the hash of what is in it. `kind`, where a class has one, is part of it:
    configs of two kinds are never the same trial.
    """

    kind: typing.ClassVar[str] = ""
    not_in_identity: typing.ClassVar[tuple[str, ...]] = ()
    own_code: typing.ClassVar[tuple[str, ...]] = ()  # settings that may name a function in a file of the user's own

    def __post_init__(self) -> None:
        hints, ranges = _declared(type(self))  # type: ignore[arg-type]
        for name, hint in hints.items():
            object.__setattr__(self, name, _typed(name, hint, getattr(self, name)))
        for name, allowed in ranges.items():
            value = getattr(self, name)
            each = value if isinstance(value, tuple) else () if value is None else (value,)
            if not all(allowed.holds(one) for one in each):
                raise SettingError(f"{name}={value}: must be {allowed.words}")
        for name, holds, rule in self.rules():
            if not holds:
                raise SettingError(f"{name}={getattr(self, name)}: must be {rule}")

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        """Return (setting, whether it is in range, the range in words) where the range depends on other settings."""
        return ()

    @property
    def measure_version(self) -> int:
        """By which version of the measure a trial with these settings is measured; 1 where there is only one."""
        return 1

    @cached_property
    def trial_id(self) -> str:
        """The identity of the trial, measured as it is now."""
        return self.identity(self.measure_version)

    def identity(self, measure_version: int) -> str:
        """Return the trial's identity under a version of the measure.

        12 hex digits of the SHA-256 of the settings that are not at their default and, above 1, of the version.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        settings = {name: value for name, value in dataclasses.asdict(self).items() if name not in self.not_in_identity}
        chosen = {name: value for name, value in settings.items() if value != defaults[name]}
        chosen |= {"kind": self.kind} if self.kind else {}
        chosen |= {"measure_version": measure_version} if measure_version > 1 else {}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, typing.Any]:
        """Return the settings as a flat dict of plain values (JSON-ready; tuples become lists)."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def as_record(self) -> dict[str, typing.Any]:
        """Return what a record says of the settings: all of them, and by which version of the measure, above 1."""
        version = {"measure_version": self.measure_version} if self.measure_version > 1 else {}
        return self.to_dict() | version

    def describe(self, names: typing.Iterable[str]) -> str:
        """Return these settings as text: name=value, with spaces between."""
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
        check_known(name, [field.name for field in dataclasses.fields(cls)], "setting")

    @classmethod
    def parse(cls, name: str, text: str) -> typing.Any:
        """Return the value of setting `name` from its text on a command line; SettingError if it is none."""
        cls.check_name(name)
        hint = _declared(cls)[0][name]  # type: ignore[arg-type]
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
            raise SettingError(f"{name}={text}: not {_in_words(hint)}") from None


@cache
def _declared(config: type[Settings]) -> tuple[dict[str, typing.Any], dict[str, Range]]:
    """Return the type of every field, and the range of those that have one, by name."""
    hints = typing.get_type_hints(config)
    ranges: dict[str, Range] = {}
    for part in reversed(config.__mro__):  # a class that only changes a field's default keeps its range
        for name, hint in typing.get_type_hints(part, include_extras=True).items():
            ranges.update((name, each) for each in getattr(hint, "__metadata__", ()) if isinstance(each, Range))
    return {field.name: hints[field.name] for field in dataclasses.fields(config)}, ranges


def _typed(name: str, hint: typing.Any, value: typing.Any) -> typing.Any:
    """Return `value` in the field's own type (1 becomes 1.0, a list a tuple), or raise SettingError.

    A tuple of any length is a set of whole numbers, which is sorted; one of a fixed length keeps its order.
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
    raise SettingError(f"{name}={value!r}: not {_in_words(hint)}")


def _in_words(hint: typing.Any) -> str:
    """Return what a value of this type is, for a message."""
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if typing.get_origin(kinds[0]) is tuple:
        items = typing.get_args(kinds[0])
        text = "whole numbers with commas between" if items[-1] is Ellipsis else f"{len(items)} numbers"
    else:
        text = words[kinds[0]]
    return text + (" or none" if type(None) in kinds else "")

"""Which trials does a request make? Each with its change to the baseline, and with its teachers."""

from __future__ import annotations

from typing import Any

from specbias.settings import SettingError
from sweeps.service.ask.changes import Change, changes_of
from sweeps.service.ask.request import Request
from sweeps.service.study import Study


def known_trials(request: Request) -> list[tuple[Any, Change]]:
    """Return the trials of a sweep that knows them beforehand, each with its change; SettingError if one cannot be."""
    trials, search = _trials(request), request.options.search
    _refuse_unused(request, trials)
    for config, _ in trials:
        request.study.kind.check(config)
        if search != "grid" and getattr(config, "legacy_split", False):
            raise SettingError(f"--search {search}: legacy_split has no validation images to search on")
    return _block(request, trials)


def _block(request: Request, trials: list[tuple[Any, Change]]) -> list[tuple[Any, Change]]:
    """Return the part of the trials that is asked for, in turn; students are with their first teacher."""
    number, count = request.block
    first = [next(iter(_teachers(request.study, config)), config).trial_id for config, _ in trials]
    parts = {trial_id: i % count for i, trial_id in enumerate(dict.fromkeys(first))}
    if number > len(parts):
        raise SettingError(f"--block {request.options.block}: there are no more than {len(parts)} parts")
    return [trial for trial, trial_id in zip(trials, first, strict=True) if parts[trial_id] == number - 1]


def _trials(request: Request) -> list[tuple[Any, Change]]:
    """Return the distinct configs, each with its change; of those that wait for no teacher, those of one seed first.

    Teachers that no change makes are trials too, with the change of their student.
    """
    changes, first = changes_of(request), request.raw_base.seed
    found: dict[str, tuple[Any, Change]] = {}
    for seed in range(first, first + (request.options.seeds or request.preset.seeds)):
        for change in changes:
            config = request.changed(change.condition | change.intervention | {"seed": seed})
            for teacher in _teachers(request.study, config):
                generation = {"generation": teacher.generation}
                found.setdefault(
                    teacher.trial_id, (teacher, change._replace(intervention=change.intervention | generation))
                )
            found.setdefault(config.trial_id, (config, change))
    return list(found.values())


def _teachers(study: Study, config: Any) -> list[Any]:
    """Return the trials that must be finished one after the other before this one."""
    teachers: list[Any] = []
    while (config := study.kind.teacher(config)) is not None:
        teachers.insert(0, config)
    return teachers


def _refuse_unused(request: Request, trials: list[tuple[Any, Change]]) -> None:
    """Refuse a --set that no trial follows: a grid varies it, or it is a detail of what none of them does."""
    given = request.raw_base
    for name in request.chosen:
        value, found = getattr(given, name), [getattr(config, name) for config, _ in trials]
        followed = any(found) if name in given.not_in_identity else value in found
        if value != getattr(type(given), name) and not followed:
            raise SettingError(f"{request.written(name)}: no trial uses it")

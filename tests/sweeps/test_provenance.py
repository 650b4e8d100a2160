"""What code made a trial: any edit is another, and what is half made goes on with another only where that is wanted."""

from types import SimpleNamespace

import pytest

from specbias.settings import SettingError
from specbias.trials.record import Tag
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep.journal import Journal
from sweeps.service.machines import provenance
from sweeps.service.machines.provenance import code_identity, study_sources
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.reuse import refuse_changed_code


def test_code_is_another_after_any_edit_and_with_other_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", tmp_path)
    versions = {"torch": "2", "torchvision": "1", "numpy": "2"}
    monkeypatch.setattr(provenance, "version", versions.__getitem__)
    for name in ("specbias/data/a.py", "specbias/b.py", "sweeps/service/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    def identity(study="study"):
        provenance._hash.cache_clear()  # as in another process
        return code_identity(study)

    found = [identity(), identity("another study")]
    versions["torch"] = "3"
    found.append(identity())
    for name, text in (("specbias/data/a.py", "edited"), ("sweeps/service/c.py", "edited"), ("sweeps/d.py", "new")):
        (tmp_path / name).write_text(text)
        found.append(identity())
        assert code_identity("study") == identity() and len(found[-1]) == 12
    (tmp_path / "sweeps" / "d.py").rename(tmp_path / "sweeps" / "e.py")
    found.append(identity())
    assert len(set(found)) == len(found)
    (tmp_path / "sweeps" / "notes.txt").write_text("no code")
    assert identity() == found[-1]


def test_a_process_has_the_code_that_it_began_with(tmp_path, monkeypatch):
    script = tmp_path / "study.py"
    script.write_text("def run(config, checkpoint): pass")
    names = {}
    exec(compile(script.read_text(), script, "exec"), names)
    study = SimpleNamespace(kind=SimpleNamespace(run=names["run"]))
    before = study_sources(study)
    script.write_text("edited")
    assert study_sources(study) == before
    provenance._hash.cache_clear()
    assert study_sources(study) != before


@pytest.fixture
def asked(tmp_path):
    """A function that asks whether a sweep of two trials may go on; and the first of the trials."""
    plan = make_plan(STUDY, Options(quick=True, interventions="mixup"), gpus=0, cpus=2)
    config = plan.trials[0]

    def ask(*, accepted=False, tags=None, done=None):
        tracking = SimpleNamespace(left={config.trial_id: tags or {}}, codes={config.trial_id: "other"})
        refuse_changed_code(tracking, Ledger(plan, done or {}), str(tmp_path), accepted=accepted)

    return ask, config


def begin(root, config, code, *, end=None):
    journal = Journal(str(root), config.trial_id)
    token = journal.start({Tag.CODE: code})
    journal.write(token, SimpleNamespace(step=0, metrics={}, arrays={}), lambda folder: None)
    if end:
        journal.end(end, token=token)


def test_a_trial_that_other_code_began_is_refused_unless_that_is_accepted(asked, tmp_path, capsys):
    ask, config = asked
    mine = code_identity(study_sources(STUDY))
    begin(tmp_path, config, mine)
    ask(tags={"version.specbias": "1", Tag.CODE: "other"})  # accepted once, it is this code's now
    assert capsys.readouterr().out == ""
    begin(tmp_path, config, "other")
    with pytest.raises(
        SettingError, match=rf"1 of the trials were begun by other code \(baseline: other, this is {mine}"
    ):
        ask()
    ask(accepted=True)
    assert capsys.readouterr().out == (
        f"1 of the trials were begun by other code (baseline: other, this is {mine}) and go on with this one\n"
    )


@pytest.mark.parametrize("end", ["complete", "stopped early"])
def test_what_other_code_completed_or_finished_is_no_mixture(asked, tmp_path, capsys, end):
    ask, config = asked
    begin(tmp_path, config, "other", end=end)
    ask(tags={"version.specbias": "1", Tag.CODE: "other"})
    assert capsys.readouterr().out == ""
    ask(done={config.trial_id: "reused"})
    assert "1 of the finished trials were made by other code than this" in capsys.readouterr().out


def test_where_the_journal_is_gone_the_code_of_what_mlflow_holds_counts(asked):
    ask, _ = asked
    ask(tags={"specbias.trial_id": "begun, and nothing measured"})
    ask(tags={"version.specbias": "1", Tag.CODE: code_identity(study_sources(STUDY))})
    for tags in ({Tag.CODE: "other"}, {}):  # of an earlier version, nothing is known
        with pytest.raises(SettingError, match=f"baseline: {tags.get(Tag.CODE, 'unknown')}, this is"):
            ask(tags={"version.specbias": "1"} | tags)

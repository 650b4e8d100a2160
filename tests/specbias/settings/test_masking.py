"""No password leaves in a text: addresses are masked, and nothing that a sweep or an analysis says holds one."""

import shlex
import sys
import traceback
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import page_of
from analysis.tables.options import Options as AnalysisOptions
from analysis.tables.records import attach, open_records
from analysis.tables.table import RecordError, Records, normal
from specbias.settings import SettingError
from specbias.settings.masking import masked, masked_errors
from specbias.trials.record import FIXED
from sweeps.service.ask.options import Options
from sweeps.service.command_line import main
from sweeps.service.machines import provenance

SCRIPT = Path(__file__).parents[3] / "sweeps" / "cifar.py"
PASSWORD = "pw9x7q"
NOBODY = f"http://me:{PASSWORD}@127.0.0.1:9"  # the port of the service that discards: no server


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:PW@host:5432/d", "postgresql://me:***@host:5432/d"),
        ("postgresql+psycopg://me@server:PW@host/d", "postgresql+psycopg://me@server:***@host/d"),
        ("see https://me:P@W/#?:W@host/x now", "see https://me:***@host/x now"),
        ("mysql://me:P W@host/d", "mysql://me:***@host/d"),
        ("redis://:PW@host", "redis://:***@host"),
        ("https://PW@host/x", "https://***@host/x"),
        (
            "postgresql://me@host/d?sslmode=require&password=PW&x=1",
            "postgresql://me@host/d?sslmode=require&password=***&x=1",
        ),
        ("host=h user=u password=PW", "host=h user=u password=***"),
        ("postgresql://h/d?sslpassword=PW&passfile=x", "postgresql://h/d?sslpassword=***&passfile=x"),
        ("https://h/x?X-Amz-Signature=PW", "https://h/x?X-Amz-Signature=***"),
        ("Authorization: Bearer PW", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic PW', 'x': 1}", "{'Authorization': 'Basic ***', 'x': 1}"),
        ('{"password": "PW", "user": "me"}', '{"password": "***", "user": "me"}'),
        ("['--tracking-uri', 'http://me:PW@h']", "['--tracking-uri', 'http://me:***@h']"),
        ("a://u:PW@h,b://v:PW@h", "a://u:***@h"),
        ("--tracking-uri=me:PW@host:5000", "--tracking-uri=me:***@host:5000"),
    ],
)
def test_passwords_in_addresses_are_masked(text, shown):
    for password in ("PW", "%3f*$"):
        found = masked(text.replace("PW", password))
        assert found == shown and masked(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me/mlflow.db",
        "http://127.0.0.1:5000/#/experiments/1",
        "postgresql://me@host:5432/d",
        "no server answers at http://127.0.0.1:5000; start one",
        "s3://bucket/a=1",
        "mail me@host about http://host",
        "ModuleNotFoundError: me@host",
    ],
)
def test_what_holds_no_password_is_left_as_it_is(text):
    assert masked(text) == text


def test_long_passwords_that_the_process_was_given_are_masked_wherever_they_stand(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:pw%409x7q3@host/d")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-of-mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "short")
    monkeypatch.setattr(sys, "argv", ["x", "--tracking-uri=http://me:on-the-line@host"])
    text = "pw%409x7q3 pw@9x7q3 'Bearer t0ken-of-mine\n' on-the-line short"
    assert masked(text) == "*** *** 'Bearer ***\n' *** short"


@pytest.mark.parametrize(
    ("name", "address", "password"),
    [
        ("MLFLOW_TRACKING_URI", "https://t0ken-of-mine@host", "t0ken-of-mine"),
        ("MLFLOW_TRACKING_URI", "postgresql://host/d?user=me&password=verysecret1", "verysecret1"),
        ("MLFLOW_TRACKING_URI", "postgresql://me:pass/word1234@host/d", "pass/word1234"),
        ("https_proxy", "http://me:pr0xyword@host:3128", "pr0xyword"),
    ],
)
def test_a_password_in_any_address_is_masked_also_where_it_stands_alone(monkeypatch, name, address, password):
    monkeypatch.setenv(name, address)
    assert masked(f"no user with {password}") == "no user with ***"
    monkeypatch.setenv(name, "127.0.0.1:6379")
    assert masked("nothing answers at 127.0.0.1:6379") == "nothing answers at 127.0.0.1:6379"


@pytest.mark.parametrize("text", ["password='PW PW'", 'password="PW"', "PG_PASSWORD: PW", "AWS_SECRET_ACCESS_KEY: PW"])
def test_a_password_under_its_name_is_masked(text):
    assert masked(text.replace("PW", "x9")).count("x9") == 0


@masked_errors
def fail(kind, *, from_what):
    try:
        raise ConnectionError(f"nobody at {NOBODY}")
    except ConnectionError as error:
        raise kind("what came of it") from (error if from_what else None)


def test_an_error_that_shows_a_password_leaves_as_a_masked_account_of_itself():
    with pytest.raises(RuntimeError) as left:
        fail(KeyError, from_what=True)
    assert left.value.__cause__ is None and left.value.__context__ is None
    for part in ("nobody at http://me:***@127", "direct cause", "KeyError: 'what came of it'"):
        assert part in str(left.value)
    with pytest.raises(SettingError, match="what came of it") as refused:
        fail(SettingError, from_what=True)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(KeyError):
        fail(KeyError, from_what=False)


def test_a_refusal_holds_no_password_whoever_makes_it():
    for kind in (SettingError, RecordError):
        assert str(kind(f"--tracking-uri {NOBODY}: no")) == "--tracking-uri http://me:***@127.0.0.1:9: no"


def test_the_command_that_is_recorded_holds_neither_passwords_nor_the_address_of_a_hook(monkeypatch):
    words = ["sweeps/cifar.py", "--tracking-uri", NOBODY, "--seeds", "2", f"--tracking-uri={NOBODY}"]
    hook = f"curl https://hooks.example/{PASSWORD}"
    for flags in (["--on-finish", hook], [f"--on-finish={hook}"], [f"--on_finish={hook}"]):
        monkeypatch.setattr(sys, "argv", [*words, *flags, "--quick"])
        tags = provenance.code()
        assert PASSWORD not in str(tags)
        said = shlex.split(tags["specbias.command_line"])
        assert said[:2] == ["python", "sweeps/cifar.py"] and said[4:6] == ["--seeds", "2"]
        assert said[-3].replace("_", "-") == "--on-finish" and said[-2:] == ["***", "--quick"]


def test_nothing_that_a_sweep_refuses_says_the_password(monkeypatch, capsys, tmp_path):
    from sweeps.cifar import STUDY

    monkeypatch.chdir(tmp_path)
    said = []
    for uri in (NOBODY, f"file://me:{PASSWORD}@host", f"me:{PASSWORD}@127.0.0.1:9"):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--quick", "--tracking-uri", uri])
        with pytest.raises(SystemExit) as end:
            main(STUDY, Options)
        assert end.value.code == 2
        said += capsys.readouterr()
    assert "".join(said).count("***") == 3 and PASSWORD not in "".join(said)


def test_nothing_that_an_analysis_says_holds_the_password(capsys, tmp_path):
    fixed = dict.fromkeys(FIXED, "x") | {"epoch": 1}
    rows = [{**fixed, "trial_id": str(i), "width": i, "generalization/test_accuracy": i / 9} for i in range(3)]
    about = {"specbias.command_line": f"python sweeps/cifar.py --tracking-uri {NOBODY}"}  # as once recorded
    records = Records(normal(pd.DataFrame(rows)), {}, "made", NOBODY, "0" * 32, about=about)
    assert records.url("7") == "http://127.0.0.1:9/#/experiments/0/runs/7?workflowType=machine_learning"
    assert PASSWORD not in page_of(records)[0]
    (tmp_path / "x.json").write_text("{}")
    assert not attach(records, [tmp_path / "x.json"])
    with pytest.raises(RecordError) as refused:
        open_records(AnalysisOptions(experiment="made", tracking_uri=NOBODY))
    said = "".join([*capsys.readouterr(), str(refused.value)])
    assert "http://me:***@127.0.0.1:9" in said and PASSWORD not in said

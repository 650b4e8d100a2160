"""What a person sees in a browser: the spectra in the report, at any width, and in MLflow's pages of a sweep.

Headless Chromium opens both: `apt-get install chromium`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.report import page_of
from analysis.tables.records import load_records
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep.journal import Journal
from sweeps.service.keep.opening import begin, open_sweep
from sweeps.service.run.copying import Copier
from sweeps.service.run.ledger import Ledger

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync", "--hide-scrollbars"]
AXIS = np.linspace(0, 0.5, 51)
EPOCHS = (1, 5, 20)
SECONDS = 90  # for a server to answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium"),
]


def measured(number, epoch):
    """Metrics and arrays of a trial: the more of its number, the more accurate and the lower within classes."""
    metrics = {"generalization/test_accuracy": 0.5 + number / 20 + epoch / 100}
    arrays = {"frequency/axis": AXIS, "frequency/band": np.array(0.05)}
    for kind, sign in (("within_class", -1), ("between_class", 1)):
        share = 0.2 + sign * (number + epoch / 20) / 100
        amplitude = epoch / (0.02 + AXIS) / (20 + 100 * AXIS)
        metrics[f"frequency/{kind}"] = share
        own = {"spectrum": amplitude, "mirror/spectrum": amplitude, "fixed_band": np.full(3, share)}
        own["standard_error/spectrum"] = amplitude / 10
        arrays |= {f"frequency/{kind}/{name}": values for name, values in own.items()}
    return SimpleNamespace(step=epoch, metrics=metrics, arrays=arrays)


@pytest.fixture(scope="module")
def swept(tmp_path_factory, empty_store):
    """A sweep whose trials were measured by hand, in MLflow as the driver leaves it: its folder, and its records."""
    folder = tmp_path_factory.mktemp("swept")
    uri, root = empty_store(folder), str(folder / "trials")
    plan = make_plan(STUDY, Options(quick=True), gpus=0)
    with open_sweep(plan, uri=uri, storage_path=str(folder)) as tracking:
        begin(tracking, plan)
        ledger = Ledger(plan, {})
        copier = Copier(tracking, ledger, root, tags={}, records=None)
        for number, config in enumerate(plan.trials):
            journal = Journal(root, config.trial_id)
            token, epochs = journal.start({}), {min(epoch, config.epochs) for epoch in EPOCHS}
            for epoch in sorted(epochs):
                journal.write(token, measured(number, epoch), lambda folder: None)
            journal.end("complete", token=token)
            copier.copy(config, epochs, {"outcome": "finished"})
        tracking.end_sweep(plan, {config.trial_id: {"outcome": "finished"} for config in plan.trials}, "finished")
    return folder, load_records(plan.experiment, tracking_uri=uri)


def browse(url, folder, *, width=1280, height=1600, budget=20_000):
    """What is on a page after so many milliseconds of its own time, as HTML, and a picture of it in the folder."""
    flags = [*FLAGS, f"--window-size={width},{height}", f"--virtual-time-budget={budget}"]
    profile = folder / "profile"
    shots = ["--dump-dom", f"--screenshot={folder / 'page.png'}"]
    done = [
        subprocess.run(
            [BROWSER, *flags, f"--user-data-dir={profile}", shot, url], capture_output=True, text=True, timeout=240
        )
        for shot in shots
    ]
    return done[0].stdout


@pytest.fixture(scope="module")
def report(swept):
    """The report of the sweep, and what it found."""
    page, found, _ = page_of(swept[1])
    return page, found


@pytest.mark.parametrize("width", [400, 1280])
def test_the_report_leads_with_answers_and_has_the_spectra_at_any_width(swept, report, tmp_path, width):
    (_, records), (page, found) = swept, report
    assert [*found][:2] == ["interventions", "spectra"] and len(page) < 3_000_000
    measure = (
        "<script>document.title = JSON.stringify([document.documentElement.scrollWidth,"
        " ...[...document.querySelectorAll('img[alt^=spectra]')].map((img) => img.naturalWidth)])</script></body>"
    )
    (tmp_path / "report.html").write_text(page.replace("</body>", measure))
    seen = browse((tmp_path / "report.html").as_uri(), tmp_path, width=width)
    across, *pictures = map(int, re.findall(r"\d+", re.search(r"<title>(.*?)</title>", seen)[1]))
    assert across <= max(width, 500)  # nothing sticks out; Chromium's window is no narrower
    assert len(pictures) >= 3 and min(pictures) > 300  # by setting, and by epoch
    assert seen.count('class="trial"') == len(records.last)  # drawn by the page's own script
    assert "more accurate networks: held" in seen[: seen.index("<img")]


@pytest.fixture(scope="module")
def pages(swept):
    """MLflow's pages of the sweep's store, by the command that the sweep prints: their address."""
    folder, _ = swept
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "ui.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    asked = time.monotonic()
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
            break
        except OSError:
            assert time.monotonic() - asked < SECONDS and server.poll() is None, Path(log.name).read_text()
            time.sleep(0.5)
    yield f"http://127.0.0.1:{port}"
    os.killpg(server.pid, 15)
    server.wait()


def test_the_url_on_the_parent_run_leads_to_the_trials_in_order(swept, pages, tmp_path):
    _, records = swept
    url = records.about["specbias.trials_page"].replace("http://127.0.0.1:5000", pages)
    seen = browse(url, tmp_path)
    best = records.last.sort_values("generalization/test_accuracy", ascending=False)["label"].tolist()
    places = [seen.find(f">{label}<") for label in best[:5]]
    assert -1 not in places and places == sorted(places)
    assert "matching runs" in seen and "Traces 0" not in seen


def test_a_trials_page_shows_its_spectrum_beside_its_metrics(swept, pages, tmp_path):
    """MLflow draws what is in view: that it asked for the picture says that it was."""
    folder, records = swept
    address = records.url(records.last.iloc[0]["run_id"]).replace("?", "/model-metrics?")
    browse(address.replace("http://127.0.0.1:5000", pages), tmp_path, height=2400, budget=60_000)
    assert re.search(r"GET /get-artifact\?path=images%2Fspectrum.* 200", (folder / "ui.log").read_text())

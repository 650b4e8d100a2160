"""Every benchmark still runs, at the size of a smoke test; what it then prints says nothing of speed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name != Path(__file__).name]
RUN = """
import os, runpy, sys
from pathlib import Path
import mlflow, pandas, ray, torch  # once for all of them
for script in map(Path, sys.argv[1:]):
    if (child := os.fork()) == 0:
        said = os.open(script.stem, os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.argv, sys.path[0] = [str(script), '--smoke'], str(script.parent)
        runpy.run_path(str(script), run_name='__main__')
        break
    Path(f'{script.stem}.status').write_text(str(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where each benchmark has left its exit status, and what it said."""
    made = tmp_path_factory.mktemp("benchmarks")
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # others run beside it
    subprocess.run([sys.executable, "-c", RUN, *SCRIPTS], cwd=made, env=one_thread, check=True)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs(folder, script):
    said = (folder / script.stem).read_text()
    assert (folder / f"{script.stem}.status").read_text() == "0", said
    assert said.strip()

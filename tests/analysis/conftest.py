"""What the tests of analysis scripts share: a script is run in this process, in a folder of its own."""

import sys

import pytest


@pytest.fixture
def run_script(tmp_path, monkeypatch, capsys):
    """Return a function that runs a script's `main` in the test's folder: exit status, output, errors.

    It reads the folder's store, whose address is absolute: MLflow keeps the store of a relative one.
    """
    monkeypatch.chdir(tmp_path)

    def run(main, *arguments, uri=f"sqlite:///{tmp_path}/mlflow.db"):
        capsys.readouterr()  # what making the store said
        monkeypatch.setattr(sys, "argv", ["script.py", "--tracking-uri", uri, *arguments])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run

"""The notebook of the documentation runs as it stands, and shows what it says."""

from pathlib import Path

import pytest

TOUR = Path(__file__).parent.parent / "docs" / "tour.ipynb"


@pytest.mark.slow
def test_the_tour_runs_and_has_its_pictures():
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(TOUR, as_version=4)
    kept = [shown(cell) for cell in notebook.cells]
    NotebookClient(notebook, timeout=250, resources={"metadata": {"path": TOUR.parent}}).execute()
    now = [shown(cell) for cell in notebook.cells]
    assert now == kept  # what readers see without running it
    assert sum("png" in each for cell in now for each in cell) == 2
    assert sum("html" in each for cell in now for each in cell) == 3


def shown(cell) -> list[str]:
    """The kinds of what a cell shows."""
    outputs = cell.get("outputs", [])
    data = [output.get("data", {"text": ""}) for output in outputs if output.get("name") != "stderr"]
    return sorted(kind for each in data for kind in each)

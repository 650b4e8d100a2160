"""The house's import rules, read from the source; and that its fast answers import nothing slow."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "specbias": {"ray", "mlflow", "optuna", "pandas", "matplotlib", "sweeps", "analysis"},
    "sweeps": {"matplotlib", "analysis"},
    "analysis": {"ray", "sweeps"},
}
ANALYSES = tuple(path.stem for path in sorted((ROOT / "analysis").glob("[!_]*.py")) if path.stem != "findings")
STUDIES = tuple(path.stem for path in sorted((ROOT / "sweeps").glob("[!_]*.py")) if "STUD" in path.read_text())
FORMER_NAMES = tuple(path.stem for path in (ROOT / "sweeps").glob("[!_]*.py") if path.stem not in STUDIES)
DRAWS = ("look", "pictures", "class_pictures", "path_pictures", "portraits", "comparison_portrait")
SHOWS = ("results", "comparison")
ON_USE = {f"specbias/{name}.py": {"matplotlib"} for name in DRAWS}  # inside functions: the core imports without
ON_USE |= {f"specbias/{name}.py": {"matplotlib", "pandas"} for name in SHOWS}
CORE = ("settings", "data", "models", "training", "measurement", *DRAWS, "progress_bar", *SHOWS, "trials", "measuring")
CORE += ("demonstration", "synthetic")
# A room imports from those before it, and from itself.
ROOMS = {
    "specbias": (*CORE, "__main__"),
    "sweeps": ("service", "kinds", *STUDIES, *FORMER_NAMES, "__main__"),
    "sweeps.service": ("screen", "study", "ask", "machines", "keep", "run", "command_line", "checks", "doctor"),
    "analysis": ("inference", "tables", "questions", "figures", "findings", "studies", *ANALYSES),
}
MLFLOW_HERE = {"sweeps/service/keep/store.py", "analysis/tables/records.py", "analysis/tables/arrays.py"}
OPTUNA_HERE = {"sweeps/service/run/optimise.py", "analysis/importance.py"}
SCRIPTS = sorted(
    path for folder in ("sweeps", "analysis") for path in (ROOT / folder).glob("*.py") if "__main__" in path.read_text()
)


@cache
def sources():
    return [path for part in FORBIDDEN for path in sorted((ROOT / part).rglob("*.py"))]


@cache
def imported(path: Path) -> dict[str, set[str]]:
    """What a file imports, wherever in it: modules as dotted names, and the names that are taken from each."""
    modules: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules.setdefault(alias.name, set())
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return modules


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_place_allows(path):
    parts = path.relative_to(ROOT).parts
    names, on_use = {*imported(path)}, ON_USE.get(path.relative_to(ROOT).as_posix(), set())
    assert not {name.split(".")[0] for name in names} & (FORBIDDEN[parts[0]] - on_use)
    if "mlflow" in {name.split(".")[0] for name in names}:
        assert path.relative_to(ROOT).as_posix() in MLFLOW_HERE
    if "optuna" in {name.split(".")[0] for name in names}:
        assert path.relative_to(ROOT).as_posix() in OPTUNA_HERE
    if {"matplotlib", "plotly"} - on_use & {name.split(".")[0] for name in names}:
        assert path.relative_to(ROOT).as_posix().startswith("analysis/figures/")


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def our_modules():
    return {module(path) for path in sources()}


@cache
def needed(path: Path) -> set[str]:
    """The modules of our own that a file imports, also for types alone and also a package's by its name."""
    names = {*imported(path)} | {f"{name}.{taken}" for name, some in imported(path).items() for taken in some}
    return (names & our_modules()) - {module(path)}


def test_no_files_import_each_other_in_a_circle():
    TopologicalSorter({module(path): needed(path) for path in sources()}).prepare()


@pytest.mark.parametrize("package", ROOMS)
def test_a_room_imports_from_those_before_it(package):
    order = ROOMS[package]
    for path in sources():
        if not module(path).startswith(f"{package}."):
            continue
        room = module(path).removeprefix(f"{package}.").split(".")[0]
        for name in [name for name in needed(path) if name.startswith(f"{package}.")]:
            other = name.removeprefix(f"{package}.").split(".")[0]
            assert other == room or order.index(other) < order.index(room), f"{path} imports {name}"


def test_the_core_imports_with_ray_and_mlflow_absent():
    code = (
        "import sys, pkgutil, importlib\n"
        "for name in ('ray', 'mlflow', 'optuna', 'pandas', 'matplotlib'): sys.modules[name] = None\n"
        "import specbias\n"
        "for module in pkgutil.walk_packages(specbias.__path__, 'specbias.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_script_carries_the_name_of_a_module_it_could_hide():
    installed = {"torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "sklearn", "statsmodels", "ray"}
    taken = installed | {"mlflow", "optuna", "tyro", "pytest"} | set(sys.stdlib_module_names)
    for folder in ("sweeps", "analysis"):
        assert not {path.stem for path in (ROOT / folder).glob("*.py")} & taken


HELP = """
import os, runpy, sys
from pathlib import Path
import tyro  # once for all of them
SLOW = {'torch', 'ray', 'mlflow', 'optuna', 'matplotlib'}
for script in map(Path, sys.argv[1:]):
    if os.fork() == 0:
        sys.argv, sys.path[0] = [str(script), '--help'], str(script.parent)
        sys.stdout = Path(f'{script.parent.name}-{script.stem}').open('w')
        status = 0
        try:
            runpy.run_path(str(script), run_name='__main__')
        except SystemExit as end:
            status = end.code or 0
        print('status', status, 'slow', sorted(SLOW & set(sys.modules)))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def test_every_script_answers_help_by_its_path_without_a_slow_import(tmp_path):
    done = subprocess.run([sys.executable, "-c", HELP, *SCRIPTS], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for script in SCRIPTS:
        said = (tmp_path / f"{script.parent.name}-{script.stem}").read_text()
        assert "usage" in said and said.splitlines()[-1] == "status 0 slow []", script

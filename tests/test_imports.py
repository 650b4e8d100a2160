"""The house's import rules, read from the source; and that its fast answers import nothing slow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "specbias": {"ray", "mlflow", "optuna", "pandas", "matplotlib", "sweeps", "analysis"},
    "sweeps": {"matplotlib", "analysis"},
    "analysis": {"ray", "sweeps"},
}
# Inside specbias: a part imports from the lines above its own, and from itself.
LAYERS = (
    "masking",
    "settings selection",
    "config seeds registry recipes",
    "data",
    "label_noise operations",
    "policies",
    "models interventions penalties",
    "check checkpoint",
    "distillation class_config",
    "train measure",
    "calibrate trial network",
    "memory classes",
    "synthetic",
    "__main__",
)
LAYER_OF = {part: number for number, line in enumerate(LAYERS) for part in line.split()}
MLFLOW_HERE = {"sweeps/service/tracking.py", "analysis/records.py"}
OPTUNA_HERE = {"sweeps/service/optimise.py", "analysis/importance.py"}
SCRIPTS = sorted(
    path for folder in ("sweeps", "analysis") for path in (ROOT / folder).glob("*.py") if "__main__" in path.read_text()
)


def sources():
    return [path for part in FORBIDDEN for path in sorted((ROOT / part).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module a file imports, wherever in it, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_place_allows(path):
    parts = path.relative_to(ROOT).parts
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & FORBIDDEN[parts[0]]
    if "mlflow" in {name.split(".")[0] for name in names}:
        assert path.relative_to(ROOT).as_posix() in MLFLOW_HERE
    if "optuna" in {name.split(".")[0] for name in names}:
        assert path.relative_to(ROOT).as_posix() in OPTUNA_HERE
    if {"matplotlib", "plotly"} & {name.split(".")[0] for name in names}:
        assert path.relative_to(ROOT).as_posix().startswith("analysis/figures/")
    part = parts[1].removesuffix(".py")
    if parts[0] == "specbias" and part != "__init__":
        inner = {name.split(".")[1] for name in names if name.startswith("specbias.")} - {part}
        assert all(LAYER_OF[other] < LAYER_OF[part] for other in inner)


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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_script_answers_help_by_its_path_without_a_slow_import(script, tmp_path):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{str(script)!r}, '--help']\n"
        f"sys.path[0] = {str(script.parent)!r}\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "slow = {'torch', 'ray', 'mlflow', 'optuna', 'matplotlib'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout

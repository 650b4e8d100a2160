"""Which class is each image of? Labels from a file, in the forms that their authors give them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from specbias.data.conversion import as_labels
from specbias.settings import SettingError

KINDS = (".npy", ".npz", ".pt", ".pth")


def read_labels(file: Path, key: str | None = None) -> tuple[torch.Tensor, str]:
    """Return labels (N,) in int64 from a file, and what there is to say of them ("" if nothing).

    The file is .npy or .npz, or .pt as torch.save writes it (no code in it is run); where it holds several arrays,
    `key` names one. Rows of probabilities or counts (N, C), as CIFAR-10H has them, give the likeliest class, the first
    of several. SettingError, one line, for anything else.
    """
    content = read_arrays(file, "labels")
    if isinstance(content, Mapping):
        content = content[_chosen(file, content, key)]
    elif key is not None:
        raise SettingError(f"labels_key={key}: {file} holds one array, without a name")
    return to_labels(content, str(file))


def to_labels(content: Any, name: str) -> tuple[torch.Tensor, str]:
    """Return labels (N,) from an array of them, or of rows over classes, and what there is to say."""
    rows = np.asarray(content)
    if rows.ndim != 2 or rows.shape[1] == 1 or rows.dtype.kind not in "iuf":
        return as_labels(rows, name), ""
    sums, most = rows.sum(1), rows.max(1, keepdims=True)
    if not (rows >= 0).all() or not (sums > 0).all():
        raise SettingError(f"{name} labels: rows of {rows.shape[1]} numbers that are no probabilities and no counts")
    if (rows <= 1).all() and abs(sums - 1).max() > 1e-3:
        raise SettingError(f"{name} labels: several classes for an image; a path runs within one class or between two")
    several = int(((rows == most).sum(1) > 1).sum())
    said = f"labels: the likeliest of {rows.shape[1]} classes in each row of {name}"
    return torch.from_numpy(rows.argmax(1)), said + (f", the first where several are, {several} times" * bool(several))


def read_arrays(file: Path, setting: str) -> Any:
    """Return the array in a file, or a mapping from name to array; SettingError, one line, where it cannot be read."""
    if file.suffix.lower() not in KINDS:
        raise SettingError(f"{setting}={file}: expected a file {', '.join(KINDS)}")
    try:
        if file.suffix.lower() in (".npy", ".npz"):
            return np.load(file, allow_pickle=False)
        with torch.serialization.safe_globals(_numpy_in_pickles()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SettingError(f"{setting}={file}: {error.strerror or 'it is not whole'}") from None
    except (ValueError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingError(f"{setting}={file}: it cannot be read safely ({reason})") from None


def _numpy_in_pickles() -> list[Any]:
    """Return what torch needs to open a file with numpy arrays in it, by the names that old and new numpy wrote."""
    rebuild = np.ndarray(0).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in ("bool", "i1", "u1", "i2", "i4", "i8", "f4", "f8")}
    named = [(rebuild, f"{module}.multiarray._reconstruct") for module in ("numpy.core", "numpy._core")]
    return [*named, np.ndarray, np.dtype, *kinds]


def _chosen(file: Path, arrays: Mapping[str, Any], key: str | None) -> str:
    names = [str(name) for name in arrays]
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        wrong = "" if key is None else f"no {key!r} in it; "
        raise SettingError(f"labels={file}: {wrong}--labels-key names one of {', '.join(names)}")
    return key

"""Images in parquet files as the data sets on Hugging Face have them: a column of encoded images and one of labels."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch

from specbias.data import Data
from specbias.data.arrays import as_data
from specbias.data.decode import Geometry, decode_image
from specbias.data.listing import is_hidden
from specbias.settings import SettingError

Features = dict[str, dict[str, Any]]  # what the library `datasets` keeps of each column in a file's metadata


def load_parquet(file: Path, *, image_size: int | None = None, labels_key: str | None = None) -> Data:
    """Return the images of a parquet file, or of all that a pattern with * names, as the test split.

    Images are in a column of structs of `bytes` and `path`, or of bytes; labels in `label`, in the only column of
    classes (ClassLabel), or in that of `labels_key`. Names of classes are those in the file's metadata. Images are
    turned as a camera's note in them says, as the library `datasets` does and torchvision does not.
    """
    try:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException
    except ImportError:
        raise SettingError(f"parquet {file}: pyarrow reads such files; pip install pyarrow") from None
    try:
        tables = [pq.ParquetFile(each) for each in parts_of(file)]
        if not tables:
            raise SettingError(f"parquet {file}: no such files")
        schema = tables[0].schema_arrow
        features = _features(schema)
        image, label = _image_column(schema, file), _label_column(schema, features, labels_key, file)
        names = _class_names([table.schema_arrow for table in tables], image, label, file)
        read = [table.read(columns=[image, label]) for table in tables]
    except (OSError, ArrowException) as error:
        raise SettingError(f"parquet {file}: {str(error).splitlines()[0]}") from None
    contents = [row for table in read for row in table[image].to_pylist()]
    labels = [number for table in read for number in table[label].to_pylist()]
    if None in labels:
        raise SettingError(f"parquet {file}: {labels.count(None)} of {len(labels)} images have no {label}")
    images = torch.from_numpy(_decoded(contents, image_size, f"parquet {file}"))
    return as_data({"test": (images, torch.tensor(labels), "")}, f"parquet {file}", class_names=names)


def parts_of(file: Path) -> list[Path]:
    """Return the files that a name with * stands for, without hidden ones, or the one named."""
    if "*" not in file.name:
        return [file]
    return sorted(each for each in file.parent.glob(file.name) if not is_hidden(each.name))


def _class_names(parts: list[Any], image: str, label: str, file: Path) -> tuple[str, ...]:
    """Return the names of the classes in all parts' schemas; SettingError where they or the columns differ."""
    for part, schema in enumerate(parts):
        if image not in _encoded(schema) or label not in _whole(schema):
            first = f"the first has images in {image}, whole numbers in {label}"
            raise SettingError(f"parquet {file}: {first}, part {part + 1} not: it has {', '.join(schema.names)}")
    named = [tuple(_features(schema).get(label, {}).get("names") or ()) for schema in parts]
    given = [*dict.fromkeys(filter(None, named))]
    if len(given) > 1:
        differing = [f"{one} and {other}" for one, other in zip_longest(*given[:2]) if one != other]
        raise SettingError(f"parquet {file}: the parts have other names for the same class of {label}: {differing[0]}")
    return given[0] if given else ()


def _features(schema: Any) -> Features:
    told = (schema.metadata or {}).get(b"huggingface")
    try:
        return json.loads(told)["info"]["features"] if told else {}
    except (ValueError, KeyError, TypeError):
        return {}


def _encoded(schema: Any) -> list[str]:
    """Return the columns that may hold encoded images: structs where there are any, else bytes."""
    import pyarrow.types as kinds

    binary = (kinds.is_binary, kinds.is_large_binary)
    structs = [
        f.name for f in schema if kinds.is_struct(f.type) and {"bytes", "path"} <= {each.name for each in f.type}
    ]
    return structs or [f.name for f in schema if any(is_binary(f.type) for is_binary in binary)]


def _whole(schema: Any) -> list[str]:
    import pyarrow.types as kinds

    return [field.name for field in schema if kinds.is_integer(field.type)]


def _image_column(schema: Any, file: Path) -> str:
    found = _encoded(schema)
    if len(found) != 1:
        held = f"several ({', '.join(found)})" if found else f"none among {', '.join(schema.names)}"
        raise SettingError(f"parquet {file}: expected one column of encoded images, there is {held}")
    return found[0]


def _label_column(schema: Any, features: Features, key: str | None, file: Path) -> str:
    whole = _whole(schema)
    classes = [name for name in whole if features.get(name, {}).get("_type") == "ClassLabel"]
    if key is not None:
        if key not in whole:
            raise SettingError(f"labels_key={key}: {file} has whole numbers in {', '.join(whole) or 'no column'}")
        return key
    found = classes or [name for name in whole if name in ("label", "labels")] or whole
    if len(found) != 1:
        held = f"several ({', '.join(found)}): name one with --labels-key" if found else "none"
        raise SettingError(f"parquet {file}: expected one column of labels, whole numbers, there is {held}")
    return found[0]


def _decoded(contents: list[Any], image_size: int | None, name: str) -> np.ndarray:
    geometry = None if image_size is None else Geometry(image_size, image_size)
    images: np.ndarray | None = None
    for row, content in enumerate(contents):
        content = content.get("bytes") if isinstance(content, dict) else content
        if not content:
            raise SettingError(f"{name}: row {row} has no image in it; embed the files (embed_external_files=True)")
        try:
            image = decode_image(content, geometry, name=f"{name}: row {row}", turned=True)
        except ValueError as error:
            raise SettingError(str(error)) from None
        if images is None:
            images = np.empty((len(contents), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise SettingError(f"{name}: images of several sizes, row {row} is another than row 0; give --image-size")
        images[row] = image
    return np.empty((0, 3, 1, 1), np.uint8) if images is None else images

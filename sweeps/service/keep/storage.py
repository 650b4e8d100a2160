"""How are files on the shared storage read and written? By a path or a URI, through pyarrow."""

from __future__ import annotations

import contextlib
import hashlib
from functools import cache
from typing import IO, Any

from pyarrow.fs import FileInfo, FileSelector, FileSystem


@cache
def file_system(place: str) -> tuple[FileSystem, str]:
    """Return the file system that a path or URI is in, and the path there."""
    return FileSystem.from_uri(place)


def list_folder(place: str) -> set[str]:
    """Return the names in a folder, by its path or URI; none if there is no such folder."""
    return {info.base_name for info in list_files(*file_system(place))}


def delete_folder(place: str) -> None:
    """Delete a folder, by its path or URI, if there is one; what cannot be deleted is left."""
    delete(*file_system(place))


def list_files(files: FileSystem, path: str) -> list[FileInfo]:
    """Return what is in a folder; nothing where there is no such folder."""
    try:
        return files.get_file_info(FileSelector(path, allow_not_found=True))
    except NotADirectoryError:
        return []


def delete(files: FileSystem, path: str) -> None:
    """Delete a folder or a file, if it is there; what cannot be deleted is left."""
    try:
        files.delete_dir(path)
    except OSError:
        with contextlib.suppress(OSError):
            files.delete_file(path)


def copy_and_hash(stream: Any, copied: IO[bytes] | None = None) -> str:
    """Return the SHA-256 of what can be read, and write that into `copied`, if it is given."""
    with stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
            if copied is not None:
                copied.write(block)
    return digest.hexdigest()

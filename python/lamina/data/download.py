"""Files from the network into the cache, whole and checked or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without an answer


def cache_home() -> Path:
    """Where data sets are kept: ``$LAMINA_HOME``, or else ``~/.cache/lamina``."""
    return Path(os.environ.get("LAMINA_HOME") or Path.home() / ".cache" / "lamina")


def download(urls: Sequence[str], path: Path, checksum: str) -> Path:
    """Fetches a file from the first address that answers.

    The file appears at ``path`` only when it is whole and its checksum is right.

    Args:
        urls: addresses of the same file.
        path: where it goes; folders are made as needed.
        checksum: ``"md5:<hex>"`` or ``"sha256:<hex>"``.

    Raises:
        ValueError: what arrived has another checksum.
        ConnectionError: no address answered; the message says where to put the file by hand.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                got = _fetch(url, file.write, checksum.partition(":")[0])
            if got != checksum:
                raise ValueError(
                    f"[download] {url}: expected a file with {checksum}, got {got}; it was removed, try again"
                )
            os.chmod(name, 0o644)
            os.replace(name, path)
            return path
        except (urllib.error.URLError, HTTPException, OSError) as error:
            failures.append(f"{url} ({getattr(error, 'reason', None) or error})")
        finally:
            Path(name).unlink(missing_ok=True)
    raise ConnectionError(
        f"[download] could not fetch {' or '.join(failures)}; without a network, put the file at {path}"
    )


def _fetch(url: str, write: object, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
        while chunk := response.read(_CHUNK):
            digest.update(chunk)
            write(chunk)  # type: ignore[operator]
    return f"{algorithm}:{digest.hexdigest()}"

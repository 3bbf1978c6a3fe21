"""Content that tells when it was cut or altered: the one place where files get a SHA-256 and where it is checked.

Bytes are sealed by their SHA-256 as the last 32 bytes; JSON, which people read, by its last entry: the SHA-256, in
hexadecimal, of all bytes before that entry.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from netpress.atomic import set_aside

SIZE = hashlib.sha256().digest_size
ENTRY = ' "sha256": "'  # of JSON, on a line of its own
END = '"\n}\n'

Content = TypeVar("Content")


def digest(content: bytes) -> str:
    """The SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def seal(body: bytes) -> bytes:
    """The body and its seal."""
    return body + hashlib.sha256(body).digest()


def unseal(content: bytes) -> bytes | None:
    """The body; None where it was cut or altered."""
    body = content[:-SIZE]
    return body if hashlib.sha256(body).digest() == content[-SIZE:] else None


def seal_json(entries: dict[str, Any]) -> bytes:
    """A JSON object of at least one entry, one line an entry, the seal last. Raises ValueError for NaN and infinity."""
    text = json.dumps(entries, indent=1, allow_nan=False, ensure_ascii=False).removesuffix("\n}") + ",\n"
    return f"{text}{ENTRY}{digest(text.encode())}{END}".encode()


def json_digest(content: bytes) -> str | None:
    """The SHA-256 in a sealed JSON object, which is not parsed; None where it was cut or altered."""
    head, _, tail = content.rpartition(ENTRY.encode())
    found = digest(head)
    return found if tail == f"{found}{END}".encode() else None


def unseal_json(content: bytes) -> dict[str, Any] | None:
    """The entries without the seal; None where they were cut or altered."""
    if json_digest(content) is None:
        return None
    entries = json.loads(content)
    del entries["sha256"]
    return entries


def read(path: Path, opened: Callable[[bytes], Content | None]) -> Content | None:
    """What `opened` finds in a file; None where there is no file. A damaged one is set aside as `.corrupt`."""
    try:
        found = opened(path.read_bytes())
    except FileNotFoundError:
        return None
    if found is None:
        set_aside(path)
    return found

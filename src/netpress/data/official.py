"""Decoders for the publishers' own archives, as torchvision downloads them.

Archives are read in memory and never unpacked. CIFAR's hold pickles: each is parsed only after the
publisher's md5 of the archive and of the member have matched, and then by an unpickler that can build arrays
and nothing else.
"""

import hashlib
import io
import pickle
import re
from typing import BinaryIO

import numpy as np

from netpress.compat import import_torchvision
from netpress.data.folder import members
from netpress.data.raw import Handles, Raw, picture
from netpress.errors import UserError

CIFAR_MD5 = {
    "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
    "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
    "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
}
STL10_MD5 = {
    "stl10_binary/train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    "stl10_binary/train_y.bin": "5a34089d4802c674881badbb80307741",
    "stl10_binary/test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    "stl10_binary/test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
}
STL10_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


class ArraysOnly(pickle.Unpickler):
    """Knows the three names a pickled NumPy array is made of, and refuses every other."""

    def find_class(self, module: str, name: str) -> object:
        """Return one of the three, or raise UnpicklingError."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a batch of images")


def _matching(handle: BinaryIO, known: dict[str, str], names: list[str]) -> list[bytes]:
    contents = members(handle, names)
    for name, content in zip(names, contents, strict=True):
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != known[name]:
            raise UserError(
                f"{name} in its archive has MD5 {found}, expected {known[name]}. "
                "Remove the archive to have it downloaded again."
            )
    return contents


def _cifar(handle: BinaryIO, folder: str, parts: list[str], meta: tuple[str, bytes, bytes]) -> Raw:
    """`meta` is the member with the class names, the key of those names and the key of the labels."""
    where, names_key, labels_key = meta
    contents = _matching(handle, CIFAR_MD5, [f"{folder}/{part}" for part in (*parts, where)])
    *batches, about = [ArraysOnly(io.BytesIO(c), encoding="bytes").load() for c in contents]
    pixels = np.concatenate([batch[b"data"] for batch in batches])
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = np.concatenate([np.asarray(batch[labels_key], np.int64) for batch in batches])
    return Raw(images.__getitem__, labels, tuple(name.decode() for name in about[names_key]))


def cifar10(handles: Handles, split: str) -> Raw:
    """CIFAR-10 from the publisher's archive for Python."""
    parts = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
    handle = handles["cifar-10-python.tar.gz"]
    return _cifar(handle, "cifar-10-batches-py", parts, ("batches.meta", b"label_names", b"labels"))


def cifar100(handles: Handles, split: str) -> Raw:
    """CIFAR-100, fine labels, from the publisher's archive for Python."""
    handle = handles["cifar-100-python.tar.gz"]
    return _cifar(handle, "cifar-100-python", [split], ("meta", b"fine_label_names", b"fine_labels"))


def stl10(handles: Handles, split: str) -> Raw:
    """The labelled part of STL-10: 96 px, stored column by column (so height and width are swapped back)."""
    names = [f"stl10_binary/{split}_X.bin", f"stl10_binary/{split}_y.bin"]
    pixels, labels = _matching(handles["stl10_binary.tar.gz"], STL10_MD5, names)
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    return Raw(images.__getitem__, np.frombuffer(labels, np.uint8).astype(np.int64) - 1, STL10_CLASSES)


def _matlab(content: BinaryIO | bytes) -> dict:
    from scipy.io import loadmat

    return loadmat(io.BytesIO(content) if isinstance(content, bytes) else content)


def flowers102(handles: Handles, split: str) -> Raw:
    """Flowers-102 at full size, official splits; `setid.mat` lists image numbers from 1."""
    key = {"train": "trnid", "validation": "valid", "test": "tstid"}[split]
    numbers = _matlab(handles["flowers-102/setid.mat"])[key].ravel()
    labels = _matlab(handles["flowers-102/imagelabels.mat"])["labels"].ravel()[numbers - 1]
    names = [f"jpg/image_{number:05d}.jpg" for number in numbers]
    encoded = members(handles["flowers-102/102flowers.tgz"], names)
    classes = tuple(import_torchvision().datasets.Flowers102.classes)
    return Raw(lambda i: picture(encoded[i]), labels.astype(np.int64) - 1, classes)


def _breeds(files: list[str], labels: np.ndarray) -> tuple[str, ...]:
    """Names of the classes by label: "n02085620-Chihuahua/n02085620_10074.jpg" -> "Chihuahua"."""
    folders = {int(label): file.partition("/")[0] for label, file in zip(labels, files, strict=True)}
    return tuple(re.sub(r"^n\d+-", "", folders[label]).replace("_", " ") for label in sorted(folders))


def dogs(handles: Handles, split: str) -> Raw:
    """Stanford Dogs at full size with the official lists (`file_list` and `labels` from 1 in a .mat file)."""
    (table,) = members(handles["stanford-dogs/lists.tar"], [f"{split}_list.mat"])
    lists = _matlab(table)
    files = [str(cell[0]) for cell in lists["file_list"].ravel()]
    encoded = members(handles["stanford-dogs/images.tar"], [f"Images/{file}" for file in files])
    labels = lists["labels"].ravel().astype(np.int64) - 1
    return Raw(lambda i: picture(encoded[i]), labels, _breeds(files, labels))

"""The package as people install it: the lock, the wheel without a checkout, the commands without make."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from torch.torch_version import TorchVersion

import netpress
from netpress.compress.integers import int8
from netpress.errors import UserError

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = {"3.11": "3.11.7", "3.12": "3.12.1", "3.13": "3.13.0", "3.14": "3.14.0"}
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    "arm": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64", "os_name": "posix"},
    "mac": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
}
# Of a CUDA build of torch: they come with it or not at all.
OF_CUDA = re.compile(r"^(torch|triton|nvidia-.*|cuda-.*)$")


def pins(path: Path) -> list[Requirement]:
    """The pinned packages of a file of requirements."""
    lines = [line.split(" \\")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "--"))]


LOCK = pins(ROOT / "requirements.lock")
TORCH = pins(ROOT / "requirements-torch.txt")


def asked() -> list[Requirement]:
    """All that pyproject.toml asks for: to run, for every extra, to build."""
    project = PROJECT["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    return [Requirement(text) for text in (*project["dependencies"], *extras, *PROJECT["build-system"]["requires"])]


def pinned(environment: dict[str, str]) -> dict[str, str]:
    """Name -> version of what the lock and torch's pin install there; one version each."""
    chosen = [pin for pin in (*LOCK, *TORCH) if pin.marker is None or pin.marker.evaluate(environment)]
    names = [canonicalize_name(pin.name) for pin in chosen]
    assert len(set(names)) == len(names), "two versions of one package in the same environment"
    assert all([each.operator for each in pin.specifier] == ["=="] for pin in chosen)
    return {name: next(iter(pin.specifier)).version for name, pin in zip(names, chosen, strict=True)}


def lacking(wanted: Iterable[Requirement], installed: dict[str, str]) -> list[str]:
    """Those that the installed versions do not satisfy."""
    return [
        str(each)
        for each in wanted
        if not each.specifier.contains(installed.get(canonicalize_name(each.name), "0"), prereleases=True)
    ]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_gives_all_that_pyproject_asks_for(python: str, system: str) -> None:
    environment: Any = {**default_environment(), **SYSTEMS[system]}
    environment |= {"python_version": python, "python_full_version": PYTHONS[python], "extra": ""}
    wanted = [each for each in asked() if each.marker is None or each.marker.evaluate(environment)]
    assert lacking(wanted, pinned(environment)) == [], "`make lock` renews requirements.lock"


def test_a_lock_that_disagrees_is_noticed() -> None:
    installed = {"torch": "2.13.0", "numpy": "1.26.0"}
    wanted = [Requirement(text) for text in ("torch>=2.11,<2.16", "numpy>=2", "unknown")]
    assert lacking(wanted[:2], installed) == ["numpy>=2"]
    assert lacking([Requirement("unknown>=1")], installed) == ["unknown>=1"]


def test_the_lock_is_complete() -> None:
    """What installed packages say that they need is in the lock too: nothing is left to drift."""
    here: Any = default_environment()
    known = pinned(here)
    for name, version in known.items():
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if found.version.split("+")[0] != version:  # another environment than the lock's
            continue
        needs = [Requirement(text) for text in found.requires or ()]
        plain = [each for each in needs if each.marker is None or each.marker.evaluate(here | {"extra": ""})]
        outside = [each for each in plain if not OF_CUDA.match(canonicalize_name(each.name))]
        assert lacking(outside, known) == [], f"needed by {name}"


def test_every_package_of_the_lock_has_hashes_and_none_is_torch() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S+)==\S+.*?((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)+)$", text, re.MULTILINE)
    assert [name for name, _ in entries] == [pin.name for pin in LOCK]
    assert not [name for name, _ in entries if OF_CUDA.match(name)]
    assert [pin.name for pin in TORCH] == ["torch"]


def test_all_places_name_the_same_pythons() -> None:
    stated = SpecifierSet(PROJECT["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(8, 20) if stated.contains(f"3.{minor}")]
    assert minors == list(PYTHONS)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"(3, {minors[0][2:]}) <= sys.version_info[:2] <= (3, {minors[-1][2:]})" in makefile
    for name in ("README.md", "CONTRIBUTING.md", "chapters/appendix/rerun.md"):
        told = " ".join((ROOT / name).read_text(encoding="utf-8").split())
        assert f"Python {minors[0]} to {minors[-1]}" in told, name


def test_eight_bits_on_an_old_torch_are_refused_with_the_right_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.11.0+cpu"))
    with pytest.raises(UserError, match=r"needs PyTorch 2\.12 or newer, and this is 2\.11\.0"):
        int8(torch.nn.Linear(2, 2), torch.zeros(1, 3, 2, 2))


# The wheel in an environment that has what the package requires, and no tool of the book, of tests or of a cluster


def required() -> set[str]:
    """The installed packages that the package needs, with all that those need."""
    found: set[str] = set()
    todo = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    while todo:
        each = todo.pop()
        name = canonicalize_name(each.name)
        wanted = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in (each.extras or {""}))
        if wanted and name not in found:
            try:
                todo += [Requirement(text) for text in metadata.requires(name) or ()]
            except metadata.PackageNotFoundError:
                continue
            found.add(name)
    return found


def wheel(folder: Path) -> Path:
    """The package's wheel, built from a copy of the sources."""
    copytree(ROOT / "src", folder / "src", ignore=ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, folder / name)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    words = [sys.executable, "-c", code, str(folder / "dist")]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, and links to what it requires."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    for name in required():
        files = metadata.files(name) or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(files[0].locate())).parents[len(files[0].parts) - 1] / top)
    (folder / "source").mkdir()
    ZipFile(wheel(folder / "source")).extractall(site)
    return folder / "env" / "bin" / "python"


def command(python: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`netpress ...` there, as its entry point runs it, without this process's variables and with that home."""
    code = "from importlib.metadata import entry_points as e; e(group='console_scripts')['netpress'].load()()"
    own = {key: value for key, value in os.environ.items() if not key.startswith(("NETPRESS_", "PYTHON"))}
    own |= {"OMP_NUM_THREADS": "1", "HOME": str(place)}
    return subprocess.run([str(python), "-c", code, *words], cwd=place, env=own, capture_output=True, text=True)


TINY = "demo+images=96+parent_epochs=1+width=0.02"


@pytest.fixture(scope="module")
def swept(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was empty, after one network was trained in it."""
    place = tmp_path_factory.mktemp("elsewhere")
    done = command(bare, place, "run", "triage", "--edition", TINY, "--only", "*parent*", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return place


def test_the_wheel_has_every_file_of_the_package(bare: Path) -> None:
    site = next(bare.parents[1].glob("lib/python*/site-packages"))
    installed = {file.relative_to(site) for file in (site / "netpress").rglob("*") if file.is_file()}
    sources = {
        file.relative_to(ROOT / "src")
        for file in (ROOT / "src" / "netpress").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert sources <= installed


def test_a_sweep_outside_of_a_checkout_keeps_all_in_the_home_folder(swept: Path) -> None:
    home = swept / ".netpress"
    records = [file.relative_to(home).as_posix() for file in home.glob("results/**/*.json")]
    assert records == [f"results/{TINY}/triage/digits/vgg16-parent-s0.json"]
    assert {file.name for file in home.iterdir()} == {"results", ".cache"}
    assert list(home.glob(".cache/netpress/weights/*.safetensors"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--version"], f"netpress {netpress.__version__}\n"),
        (["plan", "triage"], "32 networks; "),
        (["status", "triage", "--edition", TINY, "--json"], '"done": 1'),
        (["results", "triage", "--edition", TINY, "--format", "csv"], f"parent,0,{TINY},done,"),
        (["claims", "--edition", "demo"], "not run"),
        (["describe", "vgg16", "--input", "224", "--classes", "1000"], "138,365,992"),  # torchvision's vgg16_bn
        (["doctor"], "comes with scikit-learn"),
        (["editions"], "any laptop, minutes, no network"),
    ],
)
def test_the_wheel_works_outside_of_a_checkout(bare: Path, swept: Path, words: list[str], said: str) -> None:
    done = command(bare, swept, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


@pytest.mark.parametrize("words", [["book"], ["bench", "triage-grid"]])
def test_what_needs_a_checkout_says_so_in_one_sentence(bare: Path, swept: Path, words: list[str]) -> None:
    before = {file for file in swept.rglob("*") if file.is_file()}
    done = command(bare, swept, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("netpress: ") and "checkout of netpress" in done.stderr
    assert {file for file in swept.rglob("*") if file.is_file()} == before


def test_a_book_without_its_tools_says_what_to_install(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/index\n", encoding="utf-8")
    done = command(bare, tmp_path, "book")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "'netpress[book]'" in done.stderr

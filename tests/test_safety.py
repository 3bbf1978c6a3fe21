"""What reads files must not run them: the package's syntax trees, and what records say of the machine."""

import ast
import getpass
import json
import socket
from pathlib import Path

import pytest
import sweeps
from sweeps import EDITION

PACKAGE = Path(__file__).parent.parent / "src" / "netpress"
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}
# CIFAR is published as pickles: read after its md5 has matched, by an unpickler that knows three names
RESTRICTED = "data/official.py"
FORBIDDEN_CALLS = {
    "pickle.load",
    "joblib.load",
    "pickle.loads",
    "pickle.Unpickler",
    "eval",
    "exec",
    "compile",
    "__import__",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "pandas.read_pickle",
    "pd.read_pickle",
    "torch.hub.load",
    "tempfile.mktemp",
    "shutil.unpack_archive",
    "torch.package.PackageImporter",
}


def dotted(node: ast.expr) -> str:
    """a.b.c of an attribute or a name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_set(call: ast.Call, name: str, value: object) -> bool:
    """Whether a call has `name=value`."""
    return any(k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is value for k in call.keywords)


def unsafe(tree: ast.AST) -> list[str]:
    """What in a syntax tree could run what it reads."""
    found = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        wrong = name in FORBIDDEN_CALLS
        wrong |= name in ("torch.load", "torch.jit.load") and not is_set(node, "weights_only", True)
        wrong |= name.endswith("load_state_dict_from_url") and not is_set(node, "weights_only", True)
        wrong |= name in ("numpy.load", "np.load") and is_set(node, "allow_pickle", True)
        wrong |= name.endswith(".extractall") and not any(k.arg == "filter" for k in node.keywords)
        wrong |= is_set(node, "shell", True) or is_set(node, "trust_remote_code", True)
        found += [f"{name} in line {node.lineno}"] if wrong else []
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_package_runs_nothing_that_it_reads(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert unsafe(tree) == (["pickle"] if str(path.relative_to(PACKAGE)) == RESTRICTED else [])


def test_the_one_unpickler_decides_itself_what_it_builds() -> None:
    tree = ast.parse((PACKAGE / RESTRICTED).read_text("utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.bases]
    unpicklers = [node for node in classes if any("Unpickler" in dotted(base) for base in node.bases)]
    assert len(unpicklers) == 1
    for node in unpicklers:
        assert "find_class" in [part.name for part in node.body if isinstance(part, ast.FunctionDef)]


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import load", "joblib.load(path)", "eval('1')", "torch.load(path)",
        "torch.load(path, weights_only=False)", "yaml.load(text)", "np.load(path, allow_pickle=True)",
        "subprocess.run('ls', shell=True)", "archive.extractall(folder)", "os.system('ls')",
    ],
)  # fmt: skip
def test_the_scan_sees_what_is_unsafe(text: str) -> None:
    assert unsafe(ast.parse(text))


@pytest.mark.parametrize(
    "text", ["torch.load(path, weights_only=True)", "model.eval()", "yaml.safe_load(t)", "re.compile('a')"]
)
def test_the_scan_passes_what_is_safe(text: str) -> None:
    assert not unsafe(ast.parse(text))


def test_records_keep_no_secret_and_no_place_of_this_machine(tmp_path: Path) -> None:
    """A run that ends well and one that fails, by a user with a home, a name and a token."""
    home = tmp_path / "anna maria" / "müller"
    home.mkdir(parents=True)
    secret = "hf_0123456789abcdefSECRET"
    script = f"""
import os, sys; sys.path.insert(0, {str(Path(sweeps.__file__).parent)!r})
from sweeps import *
from netpress.runs import sweep
open("trouble", "w").close()
runs = (tiny("raise", steps=(Trouble("raise", "trouble"),)), tiny("good"))
assert len(sweep.ensure(runs, EDITION, workers=1).failures) == 1
"""
    own = {"HOME": str(home), "USER": "anna.mueller", "LOGNAME": "anna.mueller", "HF_TOKEN": secret}
    done = sweeps.python(home, script, cwd=home, **own)
    assert done.returncode == 0, done.stderr
    texts = [path.read_text("utf-8") for path in (home / "results" / EDITION).rglob("*.json")]
    assert {json.loads(text)["status"] for text in texts} == {"done", "failed"}
    for text in texts:
        places = [str(tmp_path), str(home), "anna", "müller", secret, "/home", str(PACKAGE), str(Path.home())]
        named = [place for place in (*places, socket.gethostname()) if len(place) > 5 and place in text]
        assert named == []
        if len(getpass.getuser()) > 4:
            assert getpass.getuser() not in text

"""env.sh, run for real: in bash and zsh, against a small tree of its own.

No network is needed: the requirements are empty or one tiny wheel made here,
and pip is told to use no index.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pip
import pytest

ROOT_OF_PROJECT = Path(__file__).resolve().parent.parent
SHELLS = ["bash", "zsh"]
STRICT = "set -eu; set -o pipefail\n"


@dataclass
class Tree:
    """A copy of env.sh with requirements of its own, and the variables to source it with."""

    directory: Path
    env: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.directory / ".venv"

    @property
    def source(self) -> str:
        return f'source "{self.directory}/env.sh"'

    def require(self, text: str) -> None:
        for name in ("requirements.txt", "requirements.in"):
            (self.directory / name).write_text(text)

    def run(self, shell: str, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script in a shell, as a user would from somewhere else."""
        return subprocess.run(
            command_of(shell, script),
            check=False,
            env={**self.env, **variables},
            cwd=self.directory.parent,
            capture_output=True,
            text=True,
            timeout=300,
        )


def command_of(shell: str, script: str) -> list[str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    no_startup_files = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"]}.get(shell, [])
    return [program, *no_startup_files, "-c", script]


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)
    return path


def quick_python(path: Path) -> Path:
    """A Python whose venvs use the pip of the present one.

    Unpacking pip into each environment takes longer than all else here; one
    test (of "made") does it the usual way.
    """
    packages = path.parent / "pip-only"
    packages.mkdir(parents=True)
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    return executable(
        path,
        f"""\
        #!/bin/sh
        real='{getattr(sys, "_base_executable", sys.executable)}'
        case "$1 $2" in
          "-m venv")
            for directory in "$@"; do :; done
            shift 2
            "$real" -m venv --without-pip "$@" || exit
            for packages in "$directory"/lib/python3*/site-packages; do
              echo '{packages}' > "$packages/pip.pth"
            done ;;
          "-c "*_base_executable*) "$real" "$@" > /dev/null && echo "$0" ;;
          *) exec "$real" "$@" ;;
        esac
        """,
    )


def tiny_wheel(directory: Path) -> None:
    """A wheel of a package, monojet-probe 1.0, with one empty module."""
    directory.mkdir(parents=True)
    info = "monojet_probe-1.0.dist-info"
    with zipfile.ZipFile(directory / "monojet_probe-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("monojet_probe.py", "")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: monojet-probe\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")


def make_tree(directory: Path, variables: Mapping[str, str] | None = None) -> Tree:
    (directory / "a tree").mkdir(parents=True)
    (directory / "home").mkdir()
    shutil.copy(ROOT_OF_PROJECT / "env.sh", directory / "a tree")
    tiny_wheel(directory / "wheels")
    active = str(Path(sys.prefix) / "bin")
    env = {
        "HOME": str(directory / "home"),
        "PATH": os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != active),
        "MONOJET_CVMFS": str(directory / "cvmfs"),
        "MONOJET_PYTHON": str(quick_python(directory / "quick" / "python")),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (directory / "wheels").as_uri(),
        **(variables or {}),
    }
    tree = Tree(directory / "a tree", env)
    tree.require("# nothing\n")
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


@pytest.fixture(scope="module", params=SHELLS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree with its environment, made under "set -eu" in one of the shells.

    In bash by a Python as it comes, not the quick one.
    """
    shell: str = request.param
    as_it_comes = {"MONOJET_PYTHON": sys.executable} if shell == "bash" else {}
    tree = make_tree(tmp_path_factory.mktemp(shell), as_it_comes)
    tree.extra["shell"] = shell
    tree.require("monojet-probe==1.0\n")
    done = tree.run(shell, STRICT + tree.source + "\npython -c 'import monojet_probe'")
    assert done.returncode == 0, done.stderr
    assert "a few minutes" in done.stderr
    assert done.stdout == ""
    return tree


def names_left(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("_monojet")]


# --- An environment that is there ---------------------------------------------------


def test_second_source_is_silent_and_keeps_path(made: Tree) -> None:
    script = (
        f'{STRICT}before=$PATH; {made.source}; first=$PATH; {made.source}; [ "$first" = "$PATH" ]\n'
        "command -v python; deactivate; "
        '[ "$before" = "$PATH" ]'
    )
    done = made.run(made.extra["shell"], script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{made.venv}/bin/python\n"


def test_nested_shell_keeps_path(made: Tree) -> None:
    shell = made.extra["shell"]
    inner = f'{made.source}; [ "$PATH" = "$outer" ] && typeset -f deactivate >/dev/null'
    script = f"{STRICT}{made.source}; export outer=$PATH; {shell} -c '{inner}'"
    done = made.run(shell, script)
    assert (done.returncode, done.stderr) == (0, "")


def test_source_by_relative_path_with_cdpath(made: Tree) -> None:
    script = (
        f"CDPATH=/tmp; cd '{made.directory}'; source ./env.sh && source env.sh && command -v python"
    )
    done = made.run(made.extra["shell"], script)
    assert done.stdout.splitlines()[-1] == f"{made.venv}/bin/python", done.stderr


def test_leaves_no_names_and_no_options(made: Tree) -> None:
    script = f"{made.source}; set; typeset -f; echo options=$-"
    done = made.run(made.extra["shell"], script)
    assert names_left(done.stdout) == []
    plain = made.run(made.extra["shell"], "echo options=$-")
    assert done.stdout.splitlines()[-1] == plain.stdout.strip()


def test_exports(made: Tree) -> None:
    shell = made.extra["shell"]
    show = "env | grep -E '^(EXTRA_CLING_ARGS|TF_CPP_MIN|MPLBACKEND|PYTHONNOUSERSITE)' | sort"
    done = made.run(shell, f"{STRICT}{made.source}; {show}")
    assert done.stdout.split() == [
        "EXTRA_CLING_ARGS=-O2",
        "MPLBACKEND=Agg",
        "PYTHONNOUSERSITE=1",
        "TF_CPP_MIN_LOG_LEVEL=2",
    ]
    done = made.run(
        shell,
        f"{STRICT}{made.source}; {show}",
        EXTRA_CLING_ARGS="-O1 -g",
        TF_CPP_MIN_LOG_LEVEL="0",
        DISPLAY=":0",
    )
    assert done.stdout.splitlines() == [
        "EXTRA_CLING_ARGS=-O1 -g",
        "PYTHONNOUSERSITE=1",
        "TF_CPP_MIN_LOG_LEVEL=0",
    ]


def test_stamp_names_python_and_is_kept(made: Tree) -> None:
    stamp = made.venv / "monojet-stamp"
    version = ".".join(map(str, sys.version_info[:3]))
    assert f"python {version}\n" in stamp.read_text()
    before = stamp.stat().st_mtime_ns
    without = {**made.env}
    del without["MONOJET_PYTHON"]
    done = Tree(made.directory, without).run(made.extra["shell"], made.source)
    assert (done.returncode, done.stderr) == (0, "")
    assert stamp.stat().st_mtime_ns == before


def test_view_none_forces_pip(made: Tree, tmp_path: Path) -> None:
    (tmp_path / "lcg").mkdir()
    done = made.run(
        made.extra["shell"],
        f"{STRICT}{made.source}; command -v python",
        MONOJET_CVMFS=str(tmp_path),
        MONOJET_LCG_VIEW="none",
    )
    assert (done.stdout, done.stderr) == (f"{made.venv}/bin/python\n", "")


# --- Making it anew ----------------------------------------------------------------


def test_half_made_and_outdated_environments_are_remade(tree: Tree) -> None:
    leftover = tree.venv / "leftover"
    tree.venv.mkdir()
    leftover.touch()
    done = tree.run("bash", f"{STRICT}{tree.source}; command -v python")
    assert done.stdout == f"{tree.venv}/bin/python\n", done.stderr
    assert not leftover.exists()

    # Also while it is active, and without lengthening PATH.
    leftover.touch()
    change = f"echo 'monojet-probe==1.0' > '{tree.directory}/requirements.txt'"
    again = (
        f"{STRICT}{tree.source}; before=$PATH; {change}; {tree.source}\n"
        'python -c "import monojet_probe"; [ "$before" = "$PATH" ]'
    )
    done = tree.run("bash", again)
    assert done.returncode == 0, done.stderr
    assert not leftover.exists()

    # A moved environment would activate the place it came from.
    moved = tree.directory.parent / "moved"
    tree.directory.rename(moved)
    done = Tree(moved, tree.env).run("bash", f"{STRICT}source moved/env.sh; command -v python")
    assert done.stdout == f"{moved}/.venv/bin/python\n", done.stderr


def test_two_shells_at_once(tree: Tree) -> None:
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    tree.require("monojet-probe==1.0\n")
    command = command_of("bash", f"{STRICT}{tree.source}; python -c 'import monojet_probe'")
    shells = [
        subprocess.Popen(command, env=tree.env, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    messages = [shell.communicate(timeout=300)[1] for shell in shells]
    assert [shell.returncode for shell in shells] == [0, 0], messages
    assert sum("a few minutes" in message for message in messages) == 1


def test_first_suitable_python_is_taken(tree: Tree) -> None:
    stubs = tree.directory.parent / "stubs"
    executable(stubs / "python3.11", "#!/bin/sh\nexit 1\n")
    executable(
        stubs / "python3.12",
        """\
        #!/bin/sh
        case "$1" in -c) echo "$0" ;; *) echo "the 3.12 stub was asked: $*" >&2; exit 3 ;; esac
        """,
    )
    env = {**tree.env, "PATH": f"{stubs}:{tree.env['PATH']}"}
    del env["MONOJET_PYTHON"]
    done = Tree(tree.directory, env).run("bash", tree.source)
    assert done.returncode != 0
    assert "the 3.12 stub was asked: -m venv" in done.stderr


# --- Failures ----------------------------------------------------------------------

AFTERWARDS = """ && echo sourced || echo "refused $?"
set; typeset -f
[ -z "${VIRTUAL_ENV:-}" ]
[ "$before" = "$PATH" ]
[ "$flags" = "$-" ]
[ -z "${PYTHONNOUSERSITE:-}${EXTRA_CLING_ARGS:-}" ]
echo alive
"""


def assert_refused(done: subprocess.CompletedProcess[str], tree: Tree) -> None:
    lines = done.stdout.splitlines()
    assert lines[0] == "refused 1", done.stderr
    assert lines[-1] == "alive", done.stderr
    assert names_left(done.stdout) == []
    assert not tree.venv.exists()


def refused_script(tree: Tree) -> str:
    return f"{STRICT}before=$PATH; flags=$-; {tree.source}{AFTERWARDS}"


@pytest.mark.parametrize("shell", SHELLS)
def test_failed_install(tree: Tree, shell: str) -> None:
    tree.require("monojet-no-such-package==1.0\n")
    done = tree.run(shell, refused_script(tree))
    assert_refused(done, tree)
    assert "No matching distribution found for monojet-no-such-package" in done.stderr
    log = tree.directory / ".venv-install.log"
    assert str(log) in done.stderr
    assert log.is_file()
    # Without the caller's own care, "set -e" ends the script, as it should.
    assert tree.run(shell, f"{STRICT}{tree.source}; echo went on").stdout == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_failed_remake_deactivates(tree: Tree, shell: str) -> None:
    change = f"echo 'monojet-no-such-package' > '{tree.directory}/requirements.txt'"
    script = (
        f"{STRICT}before=$PATH; {tree.source}; {change}\n"
        f"{tree.source} || true\n"
        '[ "$before" = "$PATH" ] && [ -z "${VIRTUAL_ENV:-}" ] && echo alive'
    )
    done = tree.run(shell, script)
    assert done.stdout == "alive\n", done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_interrupt(tree: Tree, shell: str) -> None:
    started = tree.directory.parent / "started"
    slow = executable(
        tree.directory.parent / "slow-python",
        f"""\
        #!/bin/sh
        [ "$1" = -c ] && echo "$0" && exit
        mkdir -p '{tree.venv}/bin'
        touch '{started}'
        exec sleep 60
        """,
    )
    # The shell itself ignores the signal, as at the prompt; what it runs does not. (The
    # handler is for where the tests run with the signal ignored, which is inherited.)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command_of(shell, f"trap : INT\n{refused_script(tree)}"),
            env={**tree.env, "MONOJET_PYTHON": str(slow)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    deadline = time.monotonic() + 60
    while process.poll() is None and not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert "interrupted; the unfinished .venv has been removed" in errors
    assert_refused(subprocess.CompletedProcess([], process.returncode, output, errors), tree)


@pytest.mark.parametrize("shell", SHELLS)
def test_missing_compiler(tree: Tree, shell: str) -> None:
    stubs = tree.directory.parent / "stubs"
    for name in ("g++", "c++"):
        executable(stubs / name, "#!/bin/sh\nexit 1\n")
    done = tree.run(shell, refused_script(tree), PATH=f"{stubs}:{tree.env['PATH']}")
    assert_refused(done, tree)
    assert "apt install g++" in done.stderr
    assert "dnf install gcc-c++" in done.stderr


def test_unsuitable_python(tree: Tree) -> None:
    done = tree.run("bash", refused_script(tree), MONOJET_PYTHON="/no/such/python")
    assert_refused(done, tree)
    assert "MONOJET_PYTHON (/no/such/python)" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh"])
def test_execution_is_refused(tree: Tree, shell: str) -> None:
    command = command_of(shell, "")[:-2]
    file = str(tree.directory / "env.sh")
    done = subprocess.run(
        [*command, file], check=False, env=tree.env, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "source" in done.stderr
    assert not tree.venv.exists()


# --- LCG views ---------------------------------------------------------------------


def make_view(tree: Tree) -> Path:
    """A view as CERN's are: first on PATH and PYTHONPATH, with PYTHONHOME, careless of set -u."""
    view = tree.directory.parent / "cvmfs" / "lcg" / "views" / "LCG_test" / "any-opt"
    packages = view / "lib" / "site-packages"
    packages.mkdir(parents=True)
    for module in ("ROOT", "tensorflow"):  # without metadata, like ROOT in the views
        (packages / f"{module}.py").touch()
    (packages / "numpy-1.26.4.dist-info").mkdir()
    (packages / "numpy-1.26.4.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n"
    )
    quick_python(view / "bin" / "python3")
    (view / "setup.sh").write_text(
        f"echo once >> '{view}/entered'\n"
        f"export PATH='{view}/bin':$PATH PYTHONHOME=/nowhere\n"
        f"export PYTHONPATH='{packages}':$PYTHONPATH_NOT_SET\n"
    )
    return view


def test_default_view_is_looked_for(tree: Tree) -> None:
    make_view(tree)
    done = tree.run("bash", refused_script(tree))
    assert_refused(done, tree)
    assert "no LCG view at" in done.stderr
    assert "/lcg/views/LCG_" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_view_is_used(tree: Tree, shell: str) -> None:
    view = make_view(tree)
    tree.require("root==0.1\nnumpy==2.4.6\ntensorflow-cpu==2.0  # a comment\nmonojet-probe==1.0\n")
    del tree.env["MONOJET_PYTHON"]
    tree.env["MONOJET_LCG_VIEW"] = "LCG_test/any-opt"
    script = (
        f"{STRICT}{tree.source}; first=$PATH:$PYTHONPATH; {tree.source}\n"
        '[ "$first" = "$PATH:$PYTHONPATH" ]; python -c '
        '"import ROOT, tensorflow, monojet_probe; print(ROOT.__file__, monojet_probe.__file__)"'
        "; echo $-; set; typeset -f"
    )
    done = tree.run(shell, script)
    assert done.returncode == 0, done.stderr
    root, probe = done.stdout.splitlines()[0].split(".py ")
    assert root == str(view / "lib" / "site-packages" / "ROOT")
    assert probe.startswith(str(tree.venv))
    assert "u" in done.stdout.splitlines()[1]
    assert names_left(done.stdout) == []
    # Once while making, in the subshell, and once in the shell itself.
    assert (view / "entered").read_text().split() == ["once"] * 2
    (added,) = [line for line in done.stderr.splitlines() if "added to the view" in line]
    assert added.split("view: ")[1].split() == ["monojet-probe==1.0"]
    installed = {path.name.split("-")[0] for path in tree.venv.rglob("*.dist-info")}
    assert "monojet_probe" in installed
    assert not installed & {"root", "numpy", "tensorflow", "tensorflow_cpu"}

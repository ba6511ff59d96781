"""Run env.sh in bash and zsh; one module, as its environments take minutes to make.

The tests need no network: the requirements are empty or one tiny wheel made here,
and pip uses no index.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pip
import pytest

ROOT_OF_PROJECT = Path(__file__).resolve().parent.parent
SHELLS = ["bash", "zsh"]
STRICT = "set -eu; set -o pipefail\n"
BASE: str = getattr(sys, "_base_executable", sys.executable)


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
    def place(self) -> Path:
        """The environment that .venv links to."""
        return self.venv.resolve(strict=True)

    def environments(self) -> set[Path]:
        return {path for path in (self.directory / ".venvs").glob("*") if path.is_dir()}

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
            stdin=subprocess.DEVNULL,
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


def quick_python(path: Path, real: str | Path = BASE) -> Path:
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
        real='{real}'
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
    assert done.stdout == f"{made.place}/bin/python\n"


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
    assert done.stdout.splitlines()[-1] == f"{made.place}/bin/python", done.stderr


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
    assert (done.stdout, done.stderr) == (f"{made.place}/bin/python\n", "")


# --- Making it anew ----------------------------------------------------------------


def test_a_new_environment_is_made_beside_the_old(tree: Tree) -> None:
    by_hand = tree.venv / "by hand"
    by_hand.mkdir(parents=True)
    where = "command -v python"
    done = tree.run("bash", f"{STRICT}{tree.source}; {where}")
    first = tree.place
    assert done.stdout == f"{first}/bin/python\n", done.stderr
    aside = Path(f"{first}-before")
    assert (aside / by_hand.name).is_dir()
    assert tree.environments() == {first, aside}

    # Also while it is active, and without lengthening PATH. What runs from it goes on.
    requirements = tree.directory / "requirements.txt"
    before = requirements.read_text()
    change = f"echo 'monojet-probe==1.0' > '{requirements}'"
    length = "[ ${#before} = ${#PATH} ]"
    again = f"{STRICT}{tree.source}; before=$PATH; {change}; {tree.source}\n{length}; {where}"
    done = tree.run("bash", f"{again}; python -c 'import monojet_probe'")
    second = tree.place
    assert (done.returncode, done.stdout) == (0, f"{second}/bin/python\n"), done.stderr
    assert f"cannot use {tree.venv}: requirements.txt has changed since" in done.stderr
    assert first != second
    subprocess.run([first / "bin" / "python", "-c", ""], check=True)

    # The one before fits again.
    requirements.write_text(before)
    done = tree.run("zsh" if shutil.which("zsh") else "bash", f"{STRICT}{tree.source}; {where}")
    assert done.stdout == f"{first}/bin/python\n", done.stderr
    assert done.stderr == (
        f"monojet: cannot use {tree.venv}: requirements.txt has changed since it was made\n"
        f"monojet: using the existing environment {first}\n"
    )
    assert tree.environments() == {first, second, aside}

    # A moved environment would activate the place it came from. What is out of use for long, or
    # was left half-made, goes.
    moved = Tree(tree.directory.rename(tree.directory.parent / "moved"), tree.env)
    (moved.directory / ".venvs" / "half").mkdir()
    (kept,) = (path for path in moved.environments() if path.name == first.name)
    for path in moved.environments() - {kept}:
        os.utime(path, (time.time() - 9 * 86400,) * 2)
    done = moved.run("bash", f"{STRICT}{moved.source}; {where}")
    assert done.stdout == f"{moved.place}/bin/python\n", done.stderr
    assert f"it was made at {first} and works only there" in done.stderr
    assert moved.environments() == {kept, moved.place}


@pytest.mark.parametrize("locks", [True, False])
def test_two_shells_at_once(tree: Tree, locks: bool) -> None:
    """Also on a file system without locks, where both make one."""
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    if not locks:
        stubs = tree.directory.parent / "stubs"
        executable(stubs / "flock", "#!/bin/sh\nexit 71\n")
        tree.env["PATH"] = f"{stubs}:{tree.env['PATH']}"
    tree.require("monojet-probe==1.0\n")
    command = command_of("bash", f"{STRICT}{tree.source}; python -c 'import monojet_probe'")
    shells = [
        subprocess.Popen(command, env=tree.env, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    messages = [shell.communicate(timeout=300)[1] for shell in shells]
    assert [shell.returncode for shell in shells] == [0, 0], messages
    if locks:
        assert sum("a few minutes" in message for message in messages) == 1
    assert tree.run("bash", tree.source).stderr == ""
    assert tree.place in tree.environments()


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
    assert not tree.environments()


def refused_script(tree: Tree) -> str:
    return f"{STRICT}before=$PATH; flags=$-; {tree.source}{AFTERWARDS}"


@pytest.mark.parametrize("shell", SHELLS)
def test_failed_install(tree: Tree, shell: str) -> None:
    tree.require("monojet-no-such-package==1.0\n")
    done = tree.run(shell, refused_script(tree))
    assert_refused(done, tree)
    assert "No matching distribution found for monojet-no-such-package" in done.stderr
    log = tree.directory / ".venvs" / "install.log"
    assert str(log) in done.stderr
    assert log.is_file()
    # Without the caller's own care, "set -e" ends the script, as it should.
    assert tree.run(shell, f"{STRICT}{tree.source}; echo went on").stdout == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_failed_remake_leaves_the_old_one_in_use(tree: Tree, shell: str) -> None:
    change = f"echo 'monojet-no-such-package' > '{tree.directory}/requirements.txt'"
    script = (
        f"{STRICT}{tree.source}; before=$PATH; {change}\n"
        f"{tree.source} || true\n"
        '[ "$before" = "$PATH" ] && echo "$VIRTUAL_ENV" && python -c ""'
    )
    done = tree.run(shell, script)
    assert done.stdout == f"{tree.place}\n", done.stderr
    assert "the previous environment, in .venv, is unchanged" in done.stderr
    assert tree.environments() == {tree.place}


def while_making(tree: Tree, shell: str, script: str, number: int) -> tuple[int, str, str]:
    """Send a signal to all processes of a script as soon as it makes an environment; returns its
    exit code and what it printed."""
    started = tree.directory.parent / "started"
    slow = executable(
        tree.directory.parent / "slow-python",
        f"""\
        #!/bin/sh
        case "$2" in *platform*) echo 3.99.0; exit ;; esac
        [ "$1" = -c ] && echo "$0" && exit
        for directory in "$@"; do :; done
        mkdir -p "$directory/bin"
        touch '{started}'
        exec sleep 60
        """,
    )
    # The shell itself ignores the signal, as at the prompt; what it runs does not. (The
    # handler is for where the tests run with the signal ignored, which is inherited.)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command_of(shell, f"trap : INT\n{script}"),
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
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize("shell", SHELLS)
def test_interrupt(tree: Tree, shell: str) -> None:
    code, output, errors = while_making(tree, shell, refused_script(tree), signal.SIGINT)
    assert "interrupted; the unfinished environment has been removed" in errors
    assert_refused(subprocess.CompletedProcess([], code, output, errors), tree)


def test_killed_at_once(made: Tree, tmp_path: Path) -> None:
    """What could not be removed is not used, and removed by the next one."""
    tree = copy_of(made, tmp_path)
    shell, place = made.extra["shell"], tree.place
    code, _, _ = while_making(tree, shell, tree.source, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert tree.place == place
    (half,) = tree.environments() - {place}
    assert tree.run(shell, f"{STRICT}{tree.source}; python -c 'import monojet_probe'").stderr == ""
    tree.venv.unlink()
    done = tree.run(shell, tree.source)
    assert done.stderr == f"monojet: using the existing environment {place}\n"
    assert not half.exists()


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


# --- Jobs: only use what is there --------------------------------------------------


def copy_of(made: Tree, directory: Path) -> Tree:
    """A copy of a tree, as if it had been made there."""
    tree = Tree(directory / "copy", dict(made.env))
    but_pip = shutil.ignore_patterns("pip", "setuptools")
    shutil.copytree(made.directory, tree.directory, symlinks=True, ignore=but_pip)
    old, new = str(made.place), str(tree.place)
    for path in (tree.place / "monojet-stamp", tree.place / "bin" / "activate"):
        path.write_text(path.read_text().replace(old, new))
    return tree


def contents(directory: Path) -> dict[Path, object]:
    """All there is below a directory: what links name, and when files were last changed."""
    return {
        path: path.readlink() if path.is_symlink() else path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if "__pycache__" not in path.parts
    }


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def of_other_packages(tree: Tree) -> None:
    (tree.directory / "requirements.txt").write_text("monojet-probe==2.0\n")


def of_another_python(tree: Tree) -> None:
    """As where python3.11 is a link to something newer."""
    replace_in(tree.place / "monojet-stamp", "python 3.", "python 3.1")


def without_its_python(tree: Tree) -> None:
    """As on a machine that has no such Python, or one of another architecture."""
    (tree.place / "bin" / "python").unlink()
    (tree.place / "bin" / "python").symlink_to("/no/such/python3.11")


def of_another_place(tree: Tree) -> None:
    replace_in(tree.place / "monojet-stamp", "/copy/", "/elsewhere/")


def without_its_view(tree: Tree) -> None:
    """As on a node without CVMFS."""
    replace_in(tree.place / "monojet-stamp", "view none", "view /no/such/view")


def half_made(tree: Tree) -> None:
    (tree.place / "monojet-stamp").unlink()


def not_there(tree: Tree) -> None:
    tree.venv.unlink()


FAULTS: dict[Callable[[Tree], None], str] = {
    of_other_packages: "requirements.txt has changed since it was made",
    of_another_python: "its packages are for Python 3.1",
    without_its_python: "(/no/such/python3.11) does not work here",
    of_another_place: "and works only there",
    without_its_view: "its LCG view /no/such/view does not exist",
    half_made: "it does not exist, is unfinished or cannot be read",
    not_there: "it does not exist, is unfinished or cannot be read",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_job_says_why_it_cannot_use_the_environment(
    made: Tree, tmp_path: Path, fault: Callable[[Tree], None]
) -> None:
    tree = copy_of(made, tmp_path)
    fault(tree)
    before = contents(tree.directory)
    script = f"{STRICT}before=$PATH; flags=$-; {tree.source}{AFTERWARDS}"
    done = tree.run(made.extra["shell"], script, MONOJET_ENV="use")
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("refused 1", "alive"), done.stderr
    assert names_left(done.stdout) == []
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"monojet: cannot use {tree.venv} on {os.uname().nodename}: ")
    assert FAULTS[fault] in line
    assert f'run "source {tree.directory}/env.sh" on the machine from which you submit jobs' in line
    assert contents(tree.directory) == before


def test_a_job_uses_an_environment_of_another_patch_release(made: Tree, tmp_path: Path) -> None:
    """With any settings for making one: they do not count."""
    tree = copy_of(made, tmp_path)
    version = ".".join(map(str, sys.version_info[:3]))
    replace_in(tree.place / "monojet-stamp", f"python {version}", f"python {version}9")
    before = contents(tree.directory)
    script = f"{STRICT}{tree.source}; command -v python; python -c 'import monojet_probe'"
    settings = {"MONOJET_PYTHON": "/no/such/python", "MONOJET_CVMFS": str(tmp_path)}
    done = tree.run(made.extra["shell"], script, MONOJET_ENV="use", **settings)
    assert (done.stdout, done.stderr) == (f"{tree.place}/bin/python\n", "")
    assert contents(tree.directory) == before


@pytest.mark.skipif(not Path("/usr/bin/g++").exists(), reason="no g++ where shells look by default")
def test_a_job_without_any_variables(made: Tree) -> None:
    """As HTCondor starts it; the shell has a path, then, but those it starts do not."""
    shell = made.extra["shell"]
    script = f"{made.source}; command -v python; python -c 'import monojet_probe'"
    done = subprocess.run(
        command_of(shell, script),
        env={"_CONDOR_JOB_AD": "/nowhere"},
        cwd=made.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (f"{made.place}/bin/python\n", "")


@pytest.mark.parametrize("variable", ["_CONDOR_JOB_AD", "SLURM_JOB_ID"])
def test_jobs_are_known(tree: Tree, variable: str) -> None:
    done = tree.run("bash", refused_script(tree), **{variable: "1"})
    assert_refused(done, tree)
    assert "jobs make no environment" in done.stderr
    tree.env[variable] = "1"
    done = tree.run("bash", tree.source, MONOJET_ENV="make", MONOJET_PYTHON="/no/such/python")
    assert "MONOJET_PYTHON (/no/such/python)" in done.stderr


def test_unknown_mode(tree: Tree) -> None:
    done = tree.run("bash", refused_script(tree), MONOJET_ENV="yes")
    assert_refused(done, tree)
    assert 'MONOJET_ENV is \'yes\': set it to "use" or "make"' in done.stderr


# --- What cannot be written --------------------------------------------------------


def ordinary_user(python: Path) -> list[str]:
    """Before a command: run it as a user without rights."""
    if os.geteuid() != 0:
        return []
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"]
    if shutil.which(command[0]) is None or subprocess.run([*command, python, "-c", ""]).returncode:
        pytest.skip("as root, this needs setpriv and a Python that other users can run")
    return command


def test_another_user_uses_what_cannot_be_written(tmp_path: Path) -> None:
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    python = Path(sys.executable).resolve() if os.geteuid() else Path(found or "/usr/bin/python3")
    user = ordinary_user(python)
    with tempfile.TemporaryDirectory() as name:
        tree = make_tree(Path(name).resolve())
        tree.env["MONOJET_PYTHON"] = str(quick_python(tmp_path / "quick" / "python", python))
        made = tree.run("bash", tree.source)
        if "not a working Python 3.11" in made.stderr:
            pytest.skip("no Python 3.11 that other users can run")
        assert made.returncode == 0, made.stderr
        (tree.directory / ".venvs" / "lock").chmod(0o644)
        Path(name).chmod(0o755)
        folders = [tree.directory, *(p for p in tree.directory.rglob("*") if p.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        before = contents(tree.directory)
        del tree.env["MONOJET_PYTHON"]

        def source() -> subprocess.CompletedProcess[str]:
            command = command_of("bash", f"{STRICT}{tree.source}; command -v python")
            return subprocess.run(
                [*user, *command], env=tree.env, cwd="/", capture_output=True, text=True
            )

        done = source()
        assert (done.stdout, done.stderr) == (f"{tree.place}/bin/python\n", "")
        tree.require("monojet-probe==1.0\n")
        before = contents(tree.directory)
        done = source()
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert (
            "requirements.txt has changed since it was made; and cannot make an environment" in line
        )
        assert contents(tree.directory) == before
        for folder in folders:
            folder.chmod(0o755)


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
    assert probe.startswith(str(tree.place))
    assert "u" in done.stdout.splitlines()[1]
    assert names_left(done.stdout) == []
    # Once while making, in the subshell, and once in the shell itself.
    assert (view / "entered").read_text().split() == ["once"] * 2
    (added,) = [line for line in done.stderr.splitlines() if "added to the view" in line]
    assert added.split("view: ")[1].split() == ["monojet-probe==1.0"]
    installed = {path.name.split("-")[0] for path in tree.place.rglob("*.dist-info")}
    assert "monojet_probe" in installed
    assert not installed & {"root", "numpy", "tensorflow", "tensorflow_cpu"}
    # A job takes the view of the environment, whatever a shell would take there.
    del tree.env["MONOJET_LCG_VIEW"]
    script = f"{STRICT}{tree.source}; python -c 'import ROOT, monojet_probe; print(ROOT.__file__)'"
    done = tree.run(shell, script, MONOJET_ENV="use", MONOJET_CVMFS="/nowhere")
    assert (done.stdout, done.stderr) == (f"{root}.py\n", "")

# Monojet's environment. Source it, in bash or zsh, from any directory:
#
#     source env.sh
#
# The first time, it makes a Python environment with exactly the packages of
# requirements.txt, which takes a few minutes. Later it only activates it. Where
# CERN's software is mounted (/cvmfs/sft.cern.ch), ROOT and most packages come
# from an LCG view instead, and the environment holds only the packages of
# requirements.in that the view lacks.
#
# Environments lie in .venvs beside this file; the link .venv points to the current
# one. A new environment is made beside the others, then the link is replaced; if
# the installation fails or is interrupted, nothing changes. The previous one is
# kept for a week, for processes that still run from it, and is used again if it
# fits again. To start afresh, remove .venv and .venvs.
#
# Batch jobs, which run in parallel and may be killed at any time, only use the
# environment in .venv, or fail with the reason why it does not fit.
#
# Settings, all optional:
#   MONOJET_ENV       "use": only use .venv, with the LCG view it was made with,
#                     and write nothing; "make": make an environment if .venv
#                     does not fit. Default: "use" in jobs of HTCondor and Slurm
#                     without a terminal, else "make"
#   MONOJET_PYTHON    Python (3.11 or newer) for new environments
#   MONOJET_LCG_VIEW  LCG view to use; "none": use pip instead of a view
#   MONOJET_CVMFS     mount point of CERN's software, if different
#   EXTRA_CLING_ARGS  options of ROOT's C++ compiler, cling; default: -O2
#
# A failure leaves your shell unchanged: everything that can fail runs in a subshell
# (_monojet_prepare); your shell is changed only after that has succeeded
# (_monojet_enter); every function is unset at the end.

# --- Check the shell, and that this file is sourced --------------------------------

if [ -n "${ZSH_VERSION:-}" ]; then
  case "${ZSH_EVAL_CONTEXT:-}" in
    *:file*) eval '_monojet_root=${(%):-%x}' ;; # in zsh's words: this file
    *) echo 'monojet: run "source env.sh"; executing it has no effect on your shell' >&2; exit 1 ;;
  esac
elif [ -n "${BASH_VERSION:-}" ]; then
  if ! (return 0 2>/dev/null); then
    echo 'monojet: run "source env.sh"; executing it has no effect on your shell' >&2
    exit 1
  fi
  _monojet_root=${BASH_SOURCE[0]}
else
  echo 'monojet: env.sh must be sourced, in bash or zsh' >&2
  return 1 2>/dev/null || exit 1
fi

# The directory of this file. (CDPATH and a user's own cd must not interfere.)
case "$_monojet_root" in
  */*) _monojet_root=$(CDPATH='' builtin cd -P -- "${_monojet_root%/*}" >/dev/null && pwd -P) ;;
  *) _monojet_root=$(pwd -P) ;;
esac
_monojet_venv=$_monojet_root/.venv
_monojet_all=$_monojet_root/.venvs

# Whether this shell may make an environment, or only use one.
_monojet_mode=${MONOJET_ENV:-make}
if [ -z "${MONOJET_ENV:-}" ] && [ -n "${_CONDOR_JOB_AD:-}${SLURM_JOB_ID:-}" ] && [ ! -t 0 ]; then
  _monojet_mode=use
fi

# The directory of the LCG view; empty without a view.
_monojet_view=
_monojet_cvmfs=${MONOJET_CVMFS:-/cvmfs/sft.cern.ch}
if [ "$_monojet_mode" = use ]; then
  _monojet_view=$(sed -n 's/^view //p' "$_monojet_venv/monojet-stamp" 2>/dev/null || :)
  [ "$_monojet_view" != none ] || _monojet_view=
elif [ -d "$_monojet_cvmfs" ] && [ "${MONOJET_LCG_VIEW:-}" != none ]; then
  _monojet_view=$_monojet_cvmfs/lcg/views/${MONOJET_LCG_VIEW:-LCG_107/x86_64-el9-gcc13-opt}
  # The setup script puts the view on PATH under its path without links.
  [ ! -d "$_monojet_view" ] ||
    _monojet_view=$(CDPATH='' builtin cd -P -- "$_monojet_view" >/dev/null && pwd -P)
fi

# --- Small tools -----------------------------------------------------------------

_monojet_say() {
  printf 'monojet: %s\n' "$*" >&2
}

# Prints a colon-separated list ($1) without the entries below a folder ($2).
_monojet_without() {
  local list="$1:" entry kept=
  while [ -n "$list" ]; do
    entry=${list%%:*}
    list=${list#*:}
    case "$entry" in
      "$2"/*) ;;
      *) kept="$kept:$entry" ;;
    esac
  done
  printf '%s\n' "${kept#:}"
}

# Cling reads the headers of the C++ compiler it finds on the path.
_monojet_check_compiler() {
  local compiler
  for compiler in g++ c++; do
    if printf '#include <vector>\n' | command "$compiler" -E -x c++ - >/dev/null 2>&1; then
      return 0
    fi
  done
  _monojet_say 'no C++ compiler with its headers on the path, but ROOT needs one at run time:' \
    'install it (Debian, Ubuntu: apt install g++; RHEL, Alma: dnf install gcc-c++)'
  return 1
}

# Enters the LCG view, once: its setup script prepends to PATH at each call, and
# is not written for "set -u".
_monojet_enter_view() {
  case ":$PATH:" in
    *":$_monojet_view/"*) return 0 ;;
  esac
  case $- in
    *u*) set +u; . "$_monojet_view/setup.sh"; set -u ;;
    *) . "$_monojet_view/setup.sh" ;;
  esac
}

# --- Which Python ----------------------------------------------------------------

# Prints the interpreter behind a command ($1) if it is usable. Inside an
# environment, this is the interpreter from which the environment was made.
_monojet_try_python() {
  command "$1" -c '
import sys, venv, ensurepip
sys.exit("too old") if sys.version_info < (3, 11) else print(sys._base_executable)' 2>/dev/null
}

_monojet_find_python() {
  local candidate
  if [ -n "${MONOJET_PYTHON:-}" ]; then
    _monojet_try_python "$MONOJET_PYTHON" && return 0
    _monojet_say "MONOJET_PYTHON ($MONOJET_PYTHON) is not a working Python 3.11 or newer with" \
      'its venv and ensurepip modules'
    return 1
  fi
  if [ -n "$_monojet_view" ]; then
    _monojet_try_python python3 && return 0
    _monojet_say "the Python of the LCG view $_monojet_view does not work here, or is older" \
      'than 3.11: choose a view for this system with MONOJET_LCG_VIEW, or "none"'
    return 1
  fi
  for candidate in python3.11 python3.12 python3.13 python3; do
    _monojet_try_python "$candidate" && return 0
  done
  _monojet_say 'found no Python 3.11 or newer with its venv module: install it' \
    '(Debian: apt install python3.11 python3.11-venv; RHEL, Alma: dnf install python3.11)' \
    'or name one in MONOJET_PYTHON'
  return 1
}

_monojet_version_of() {
  "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

# --- The stamp of a finished environment, monojet-stamp, written last ------------

# Prints the name of the list of packages and its checksum.
_monojet_requirements() {
  local list=requirements.txt
  [ -z "$_monojet_view" ] || list=requirements.in
  printf '%s %s\n' "$list" "$(cksum <"$_monojet_root/$list")"
}

# Prints the stamp of an environment ($1).
_monojet_stamp() {
  printf 'place %s\npython %s\nview %s\n%s\n' "$1" "$(_monojet_version_of "$1/bin/python")" \
    "${_monojet_view:-none}" "$(_monojet_requirements)"
}

# Prints why an environment ($1) cannot be used here, or nothing if it can. Another
# patch release of Python runs the same packages. MONOJET_PYTHON counts only where
# environments may be made.
_monojet_fault() {
  local key value place='' python='' view='' requirements='' version wanted=''
  if [ ! -r "$1/monojet-stamp" ]; then
    echo 'it does not exist, is unfinished or cannot be read'
    return
  fi
  while read -r key value; do
    case "$key" in
      place) place=$value ;;
      python) python=$value ;;
      view) view=$value ;;
      *) requirements="$key $value" ;;
    esac
  done <"$1/monojet-stamp"
  version=$(_monojet_version_of "$1/bin/python")
  [ "$_monojet_mode" = use ] || wanted=${MONOJET_PYTHON:-}
  if ! [ "$place" -ef "$1" ]; then
    echo "it was made at $place and works only there"
  elif [ "$view" != "${_monojet_view:-none}" ]; then
    echo "its LCG view is $view, but this shell uses ${_monojet_view:-none}"
  elif [ -z "$version" ]; then
    echo "its Python $python ($(readlink "$1/bin/python")) does not work here"
  elif [ "${version%.*}" != "${python%.*}" ]; then
    echo "its packages are for Python $python, but its Python here is $version"
  elif [ -n "$wanted" ] && [ "$(_monojet_version_of "$wanted")" != "$version" ]; then
    echo "it uses Python $version, not MONOJET_PYTHON ($wanted)"
  elif [ "$requirements" != "$(_monojet_requirements)" ]; then
    echo "${requirements%% *} has changed since it was made"
  fi
}

# Reports why the environment cannot be used ($1) where none may be made.
_monojet_refuse() {
  _monojet_say "cannot use $_monojet_venv on $(uname -n): $1; jobs make no environment:" \
    "run \"source $_monojet_root/env.sh\" on the machine from which you submit jobs, and submit" \
    'them to machines like that one'
}

# --- Making the environment (in a subshell) --------------------------------------

# Prints the packages of requirements.in that the view lacks or, with "held", those
# that it has and their versions, as constraints for pip.
_monojet_compare_view() {
  "$_monojet_new/bin/python" - "$1" "$_monojet_root/requirements.in" <<'PYTHON'
import importlib.metadata
import importlib.util
import re
import sys

# Packages that a view may hold under another name, or without metadata:
# requirement -> (other distribution, module).
OTHER_NAMES = {
    "clang-format": ("clang-format", "clang_format"),
    "pre-commit": ("pre-commit", "pre_commit"),
    "pyyaml": ("pyyaml", "yaml"),
    "root": ("root", "ROOT"),
    "scikit-learn": ("scikit-learn", "sklearn"),
    "tensorflow-cpu": ("tensorflow", "tensorflow"),
}

for line in open(sys.argv[2], encoding="utf-8"):
    requirement = line.split("#")[0].strip()
    if not requirement:
        continue
    name = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
    other, module = OTHER_NAMES.get(name.lower(), (name, name))
    version = None
    for distribution in (name, other):
        try:
            version = version or importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pass
    held = version is not None or importlib.util.find_spec(module) is not None
    if sys.argv[1] == "lacking" and not held:
        print(requirement)
    elif sys.argv[1] == "held" and version is not None:
        print(f"{name}=={version}")
PYTHON
}

# Runs pip in the new environment, all its output to the log.
_monojet_pip() {
  PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
    "$_monojet_new/bin/python" -m pip install --only-binary=:all: "$@" >>"$_monojet_log" 2>&1
}

# Installs everything at its final place, as a venv cannot be moved: $1 is the Python.
_monojet_install() {
  local lacking packages=''
  [ -z "$_monojet_view" ] || packages=--system-site-packages
  "$1" -m venv --prompt monojet ${packages:+"$packages"} "$_monojet_new" \
    >>"$_monojet_log" 2>&1 || return 1
  if [ -z "$_monojet_view" ]; then
    _monojet_pip -r "$_monojet_root/requirements.txt" || return 1
  else
    lacking=$(_monojet_compare_view lacking 2>>"$_monojet_log") || return 1
    if [ -n "$lacking" ]; then
      printf '%s\n' "$lacking" >|"$_monojet_new/lacking.txt" || return 1
      _monojet_compare_view held >|"$_monojet_new/held.txt" 2>>"$_monojet_log" || return 1
      _monojet_pip -r "$_monojet_new/lacking.txt" -c "$_monojet_new/held.txt" || return 1
    fi
    _monojet_say "added to the view:" ${lacking:+"$(printf '%s' "$lacking" | tr '\n' ' ')"}
  fi
  _monojet_stamp "$_monojet_new" >|"$_monojet_new/monojet-stamp"
}

# Makes .venv a link to an environment ($1), atomically. A folder .venv, made by an
# older env.sh or by hand, is renamed.
_monojet_switch() {
  command touch -c "$_monojet_venv/" 2>/dev/null # records that it was in use until now
  [ -L "$_monojet_venv" ] || [ ! -d "$_monojet_venv" ] ||
    _monojet_say "the folder .venv is kept for a week as $1-before"
  "$1/bin/python" - "$1" "$_monojet_venv" <<'PYTHON'
import os
import sys

new, venv = sys.argv[1:]
link = f"{venv}.{os.getpid()}"
os.symlink(os.path.relpath(new, os.path.dirname(venv)), link)
if os.path.isdir(venv) and not os.path.islink(venv):
    os.rename(venv, f"{new}-before")
os.replace(link, venv)
PYTHON
}

# Removes environments out of use for longer than any job runs and, if the lock shows
# that no other shell is making one, unfinished ones.
_monojet_sweep() {
  local other rest
  [ ! -L "$_monojet_all" ] || return 0 # other checkouts may share it
  for other in "$_monojet_all"/*; do
    if [ ! -d "$other" ] || [ -L "$other" ] || [ "$other" -ef "$_monojet_venv" ]; then
      continue
    fi
    rest=$(find "$other" -maxdepth 0 -mtime +7)
    case "$other" in
      *-before) ;;
      *) [ -z "$_monojet_locked" ] || [ -f "$other/monojet-stamp" ] || rest=unfinished ;;
    esac
    if [ -n "$rest" ]; then
      command rm -f "$other/monojet-stamp" # first: an incomplete one must not be used
      command rm -rf "$other"
    fi
  done
}

# Removes the unfinished environment and leaves the subshell.
_monojet_give_up() {
  local left='no environment exists'
  trap '' INT TERM HUP
  command rm -rf "$_monojet_new"
  [ ! -d "$_monojet_venv" ] || left='the previous environment, in .venv, is unchanged'
  _monojet_say "$1; the unfinished environment has been removed, $left"
  exit 1
}

# Makes an environment under a new name, and .venv a link to it.
_monojet_make() {
  local python
  python=$(_monojet_find_python) || return 1
  _monojet_new=$_monojet_all/$(date +%Y%m%d-%H%M%S)-$$
  while [ -e "$_monojet_new" ]; do # this shell made it less than a second ago
    command sleep 1
    _monojet_new=$_monojet_all/$(date +%Y%m%d-%H%M%S)-$$
  done
  command mkdir "$_monojet_new" || return 1
  _monojet_say "making the Python environment $_monojet_new; this takes a few minutes"

  # From here on, an interruption removes the unfinished environment.
  trap '_monojet_give_up interrupted' INT TERM HUP
  : >|"$_monojet_log"
  if ! _monojet_install "$python"; then
    _monojet_say "the installation failed; the last lines of its log, $_monojet_log:"
    tail -n 15 "$_monojet_log" >&2
    _monojet_give_up 'no environment was made'
  fi
  trap '' INT TERM HUP
  _monojet_switch "$_monojet_new" || _monojet_give_up "cannot replace $_monojet_venv"
  trap 'exit 1' INT TERM HUP
  command rm -f "$_monojet_log"
}

# Switches to an existing environment in .venvs that fits.
_monojet_take() {
  local other
  for other in "$_monojet_all"/*; do
    if [ -z "$(_monojet_fault "$other")" ]; then
      _monojet_say "using the existing environment $other"
      _monojet_switch "$other"
      return
    fi
  done
  return 1
}

# Lets only one shell make an environment; the next one finds it finished. The lock ends
# with this subshell and its children. File systems without locks are not protected.
_monojet_lock() {
  local lock=$_monojet_all/lock
  _monojet_locked=
  if command -v flock >/dev/null 2>&1 && { : >>"$lock"; } 2>/dev/null; then
    exec 9>>"$lock"
    flock -n -E 75 9
    case $? in
      0) _monojet_locked=yes ;;
      75)
        _monojet_say 'another shell is making the environment; waiting for it'
        flock 9 && _monojet_locked=yes
        ;;
    esac
  fi
}

# Does everything that can fail, in a subshell, so that the caller's shell is unchanged.
_monojet_prepare() {
  set +eu
  [ -z "${ZSH_VERSION:-}" ] || setopt no_nomatch # patterns as in bash
  trap 'exit 1' INT TERM HUP # death by the signal would abort the sourcing halfway
  export PYTHONNOUSERSITE=1
  export PATH # some batch systems set none: export the shell's default, which g++ needs
  local fault list=requirements.txt
  _monojet_log=$_monojet_all/install.log
  case "$_monojet_mode" in
    make | use) ;;
    *)
      _monojet_say "MONOJET_ENV is '$_monojet_mode': set it to \"use\" or \"make\", or unset it"
      return 1
      ;;
  esac
  if [ -n "$_monojet_view" ]; then
    list=requirements.in
    if [ ! -f "$_monojet_view/setup.sh" ]; then
      if [ "$_monojet_mode" = use ]; then
        _monojet_refuse "its LCG view $_monojet_view does not exist"
      else
        _monojet_say "no LCG view at $_monojet_view: name one in MONOJET_LCG_VIEW" \
          "(a folder of $_monojet_cvmfs/lcg/views), or \"none\" to use pip"
      fi
      return 1
    fi
    _monojet_enter_view
    unset PYTHONHOME # set by views; a venv does not work with it ("activate" unsets it, too)
  fi
  if [ ! -r "$_monojet_root/$list" ]; then
    _monojet_say "cannot read $_monojet_root/$list"
    return 1
  fi
  _monojet_check_compiler || return 1
  fault=$(_monojet_fault "$_monojet_venv")
  [ -n "$fault" ] || return 0
  if [ "$_monojet_mode" = use ]; then
    _monojet_refuse "$fault"
    return 1
  fi
  if [ ! -w "$_monojet_root" ] || ! command mkdir -p "$_monojet_all" || [ ! -w "$_monojet_all" ]
  then
    _monojet_say "cannot use $_monojet_venv: $fault; and cannot make an environment, as" \
      "$_monojet_root is not writable"
    return 1
  fi
  _monojet_lock
  fault=$(_monojet_fault "$_monojet_venv")
  [ -n "$fault" ] || return 0
  [ ! -d "$_monojet_venv" ] || _monojet_say "cannot use $_monojet_venv: $fault"
  _monojet_take || _monojet_make || return 1
  _monojet_sweep || return 0
}

# --- Changing the caller's shell -------------------------------------------------

# Leaves an environment of this folder if it is active, even if only its variables were
# inherited from a parent shell, so that activating again does not lengthen PATH.
_monojet_leave() {
  local active=${VIRTUAL_ENV:-}
  case "$active" in
    "$_monojet_venv" | "$_monojet_all"/* | "$_monojet_place") ;;
    *) return 0 ;;
  esac
  if typeset -f deactivate >/dev/null; then
    deactivate
  fi
  PATH=$(_monojet_without "$PATH" "$active")
  [ -z "${PYTHONPATH:-}" ] || PYTHONPATH=$(_monojet_without "$PYTHONPATH" "$active")
}

_monojet_enter() {
  local packages
  if [ -n "$_monojet_view" ]; then
    _monojet_enter_view
  else
    export PYTHONNOUSERSITE=1
  fi
  . "$_monojet_place/bin/activate"
  if [ -n "$_monojet_view" ]; then
    # PYTHONPATH puts the view before any venv; the added packages must precede it.
    packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    export PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}"
  fi
  export EXTRA_CLING_ARGS="${EXTRA_CLING_ARGS--O2}" # cling's default is -O1
  export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
  if [ -z "${DISPLAY:-}" ]; then
    export MPLBACKEND="${MPLBACKEND:-Agg}"
  fi
}

_monojet_main() {
  (_monojet_prepare) || return 1
  # Use the environment itself, not the link: processes started now keep it.
  _monojet_place=$(CDPATH='' builtin cd -P -- "$_monojet_venv" >/dev/null && pwd -P) || return 1
  _monojet_leave
  _monojet_enter
}

_monojet_forget() {
  unset _monojet_root _monojet_venv _monojet_all _monojet_mode _monojet_view _monojet_cvmfs \
    _monojet_place
  unset -f _monojet_say _monojet_without _monojet_check_compiler _monojet_enter_view \
    _monojet_try_python _monojet_find_python _monojet_version_of _monojet_requirements \
    _monojet_stamp _monojet_fault _monojet_compare_view _monojet_pip _monojet_install \
    _monojet_switch _monojet_sweep _monojet_give_up _monojet_make _monojet_take _monojet_lock \
    _monojet_prepare _monojet_refuse _monojet_leave _monojet_enter _monojet_main _monojet_forget
}

if _monojet_main; then
  _monojet_forget
  return 0
else
  _monojet_forget
  return 1
fi

# Monojet's environment. Source it, in bash or zsh, from any directory:
#
#     source env.sh
#
# The first time, it makes a Python environment in .venv beside this file, with
# exactly the packages of requirements.txt; that takes a few minutes. Later it
# only activates it. Where CERN's software is mounted (/cvmfs/sft.cern.ch), it
# takes ROOT and all else it can from an LCG view instead, and .venv holds only
# the packages of requirements.in that the view lacks.
#
# Settings, all optional:
#   MONOJET_PYTHON    the Python (3.11 or newer) to make .venv from
#   MONOJET_LCG_VIEW  the LCG view to take; "none": take no view, use pip
#   MONOJET_CVMFS     where CERN's software is mounted, if elsewhere
#   EXTRA_CLING_ARGS  options of ROOT's C++ compiler, cling (-O2)
#
# How it keeps your shell unharmed: all that can fail runs in a subshell
# (_monojet_prepare); your shell is changed only after that has succeeded
# (_monojet_enter); and every function is unset at the end.

# --- Is this shell fit, and are we sourced? ---------------------------------------

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

# The LCG view's directory, or nothing where there is to be none.
_monojet_view=
_monojet_cvmfs=${MONOJET_CVMFS:-/cvmfs/sft.cern.ch}
if [ -d "$_monojet_cvmfs" ] && [ "${MONOJET_LCG_VIEW:-}" != none ]; then
  _monojet_view=$_monojet_cvmfs/lcg/views/${MONOJET_LCG_VIEW:-LCG_107/x86_64-el9-gcc13-opt}
  # The setup script puts the view on PATH under its name without links.
  [ ! -d "$_monojet_view" ] ||
    _monojet_view=$(CDPATH='' builtin cd -P -- "$_monojet_view" >/dev/null && pwd -P)
fi

# --- Small tools -----------------------------------------------------------------

_monojet_say() {
  printf 'monojet: %s\n' "$*" >&2
}

# Prints a colon-separated list ($1) without one of its entries ($2).
_monojet_without() {
  local list=":$1:"
  while :; do
    case "$list" in
      *":$2:"*) list="${list%%":$2:"*}:${list#*":$2:"}" ;;
      *) break ;;
    esac
  done
  list=${list#:}
  printf '%s\n' "${list%:}"
}

# Cling reads the headers of the C++ compiler it finds on the path.
_monojet_check_compiler() {
  local compiler
  for compiler in g++ c++; do
    if printf '#include <vector>\n' | command "$compiler" -E -x c++ - >/dev/null 2>&1; then
      return 0
    fi
  done
  _monojet_say 'no C++ compiler with its headers is on the path, and ROOT needs one at run time;' \
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

# Prints the interpreter behind a command ($1), if it is one that can be used.
# Seen from inside an environment, that is the one the environment was made from.
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
      'than 3.11; choose a view for this system with MONOJET_LCG_VIEW, or "none"'
    return 1
  fi
  for candidate in python3.11 python3.12 python3.13 python3; do
    _monojet_try_python "$candidate" && return 0
  done
  _monojet_say 'found no Python 3.11 or newer with its venv module; install it' \
    '(Debian: apt install python3.11 python3.11-venv; RHEL, Alma: dnf install python3.11)' \
    'or name one in MONOJET_PYTHON'
  return 1
}

_monojet_version_of() {
  "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

# --- The stamp: .venv/monojet-stamp, written last --------------------------------

# Prints what the stamp of a complete environment says. $1: its Python version.
_monojet_stamp() {
  local list=requirements.txt
  [ -z "$_monojet_view" ] || list=requirements.in
  printf 'place %s\npython %s\nview %s\n%s %s\n' "$_monojet_venv" "$1" \
    "${_monojet_view:-none}" "$list" "$(cksum <"$_monojet_root/$list")"
}

# Is the environment complete, and of the present requirements? Unless the user
# names a Python, the one it was made from is as good as any.
_monojet_is_current() {
  local version
  [ -f "$_monojet_venv/monojet-stamp" ] && [ -x "$_monojet_venv/bin/python" ] || return 1
  version=$(_monojet_version_of "${MONOJET_PYTHON:-$_monojet_venv/bin/python}") || return 1
  [ "$(cat "$_monojet_venv/monojet-stamp")" = "$(_monojet_stamp "$version")" ]
}

# --- Making the environment (in a subshell) --------------------------------------

# Prints, for the view's Python, the packages of requirements.in the view lacks;
# or, with "held", those it has and their versions, as constraints for pip.
_monojet_compare_view() {
  "$_monojet_venv/bin/python" - "$1" "$_monojet_root/requirements.in" <<'PYTHON'
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
    "$_monojet_venv/bin/python" -m pip install --only-binary=:all: "$@" >>"$_monojet_log" 2>&1
}

# Everything, into .venv directly (a venv cannot be moved): $1 is the Python.
_monojet_install() {
  local lacking
  if [ -z "$_monojet_view" ]; then
    "$1" -m venv "$_monojet_venv" >>"$_monojet_log" 2>&1 || return 1
    _monojet_pip -r "$_monojet_root/requirements.txt" || return 1
  else
    "$1" -m venv --system-site-packages "$_monojet_venv" >>"$_monojet_log" 2>&1 || return 1
    lacking=$(_monojet_compare_view lacking 2>>"$_monojet_log") || return 1
    if [ -n "$lacking" ]; then
      printf '%s\n' "$lacking" >|"$_monojet_venv/lacking.txt" || return 1
      _monojet_compare_view held >|"$_monojet_venv/held.txt" 2>>"$_monojet_log" || return 1
      _monojet_pip -r "$_monojet_venv/lacking.txt" -c "$_monojet_venv/held.txt" || return 1
    fi
    _monojet_say "added to the view:" ${lacking:+"$(printf '%s' "$lacking" | tr '\n' ' ')"}
  fi
  _monojet_stamp "$(_monojet_version_of "$_monojet_venv/bin/python")" \
    >|"$_monojet_venv/monojet-stamp"
}

# Removes what was begun and leaves the subshell.
_monojet_give_up() {
  trap '' INT TERM HUP
  command rm -rf "$_monojet_venv"
  _monojet_say "$1; the unfinished .venv has been removed"
  exit 1
}

_monojet_make() {
  local python
  python=$(_monojet_find_python) || return 1
  _monojet_say "making the Python environment in $_monojet_venv; this takes a few minutes"

  # From here on, whatever stops us leaves no half-made environment.
  trap '_monojet_give_up interrupted' INT TERM HUP
  command rm -f "$_monojet_venv/monojet-stamp"
  command rm -rf "$_monojet_venv"
  : >|"$_monojet_log"
  if ! _monojet_install "$python"; then
    _monojet_say "the installation failed; the last lines of its log, $_monojet_log:"
    tail -n 15 "$_monojet_log" >&2
    _monojet_give_up 'so there is no environment'
  fi
  command rm -f "$_monojet_log"
}

# All that can fail. Runs in a subshell, so that it may change what it likes.
_monojet_prepare() {
  set +eu
  trap 'exit 1' INT TERM HUP # a death by the signal would abort the sourcing halfway
  export PYTHONNOUSERSITE=1
  local list=requirements.txt
  _monojet_log=$_monojet_root/.venv-install.log
  if [ -n "$_monojet_view" ]; then
    list=requirements.in
    if [ ! -f "$_monojet_view/setup.sh" ]; then
      _monojet_say "no LCG view at $_monojet_view; name one in MONOJET_LCG_VIEW" \
        "(a folder of $_monojet_cvmfs/lcg/views), or \"none\" to use pip"
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
  _monojet_is_current && return 0

  if [ ! -w "$_monojet_root" ]; then
    _monojet_say "cannot write to $_monojet_root, where the environment is to be made"
    return 1
  fi
  # One shell at a time; the next one finds the work done. The lock goes with
  # this subshell. (A file system without locks must not stop us.)
  if command -v flock >/dev/null 2>&1; then
    exec 9>|"$_monojet_root/.venv.lock"
    if ! flock -n 9; then
      _monojet_say 'another shell is making the environment; waiting for it'
      flock 9
    fi
    _monojet_is_current && return 0
  fi
  _monojet_make
}

# --- Changing the caller's shell -------------------------------------------------

# Leaves our environment if it is active, also where only the variables came
# down from a parent shell, so that activating again does not lengthen PATH.
_monojet_leave() {
  [ "${VIRTUAL_ENV:-}" = "$_monojet_venv" ] || return 0
  if typeset -f deactivate >/dev/null; then
    deactivate
  fi
  PATH=$(_monojet_without "$PATH" "$_monojet_venv/bin")
}

_monojet_enter() {
  local packages
  if [ -n "$_monojet_view" ]; then
    _monojet_enter_view
  else
    export PYTHONNOUSERSITE=1
  fi
  . "$_monojet_venv/bin/activate"
  if [ -n "$_monojet_view" ]; then
    # The view is on PYTHONPATH, before any venv; what was added goes first.
    packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    PYTHONPATH=$(_monojet_without "${PYTHONPATH:-}" "$packages")
    export PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}"
  fi
  export EXTRA_CLING_ARGS="${EXTRA_CLING_ARGS--O2}" # cling compiles without optimising, else
  export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
  if [ -z "${DISPLAY:-}" ]; then
    export MPLBACKEND="${MPLBACKEND:-Agg}"
  fi
}

_monojet_main() {
  if ! (_monojet_prepare); then
    # Nothing is left to be active in, if .venv was removed.
    [ -d "$_monojet_venv" ] || _monojet_leave
    return 1
  fi
  _monojet_leave
  _monojet_enter
}

_monojet_forget() {
  unset _monojet_root _monojet_venv _monojet_view _monojet_cvmfs
  unset -f _monojet_say _monojet_without _monojet_check_compiler _monojet_enter_view \
    _monojet_try_python _monojet_find_python _monojet_version_of _monojet_stamp \
    _monojet_is_current _monojet_compare_view _monojet_pip _monojet_install \
    _monojet_give_up _monojet_make _monojet_prepare _monojet_leave _monojet_enter \
    _monojet_main _monojet_forget
}

if _monojet_main; then
  _monojet_forget
  return 0
else
  _monojet_forget
  return 1
fi

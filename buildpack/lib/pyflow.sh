# Starts pyflow for a step of the buildpack. The scripts in bin source this file, with the name of the step in $step.

set -euo pipefail
if [[ "${BUILDPACK_XTRACE:-0}" == 1 || -n "${BUILDPACK_DEBUG:-}" ]]; then set -x; fi

home="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)"

# If the name of a file or its content is the answer, this script answers itself, because starting Node would take longer than
# the step. Otherwise pyflow answers, and says what is wrong.
case "$step" in
  detect)
    if [[ -n "${1:-}" && "${PYFLOW_PARAMS:-}" != *root* ]]; then
      for name in requirements.txt Pipfile.lock poetry.lock uv.lock; do
        if [[ -e "$1/$name" ]]; then
          printf 'Python\n'
          exit
        fi
      done
    fi
    ;;
  report)
    data="${2:-}/build-data/python.json"
    if [[ -n "${2:-}" && -r "$data" ]]; then exec cat -- "$data"; fi
    ;;
esac

# An earlier buildpack may have set these for the app's own Node.
unset NODE_OPTIONS NODE_PATH

# The Node that runs pyflow: the operator's choice, the one in `node` beside `bin`, or the one of the machine. Never one that
# an earlier buildpack installed into the app.
find_node() {
  if [[ -n "${PYFLOW_NODE:-}" ]]; then
    printf '%s\n' "$PYFLOW_NODE"
    return
  fi
  if [[ -x "$home/node/bin/node" ]]; then
    printf '%s\n' "$home/node/bin/node"
    return
  fi
  local candidate
  while IFS= read -r candidate; do
    case "$candidate" in
      "${1%/}"/* | /app/*) ;;
      *)
        printf '%s\n' "$candidate"
        return
        ;;
    esac
  done < <(type -ap node)
}

node="$(find_node "${1:-/app}")"
if [[ -z "$node" ]]; then
  printf '\n !     pyflow needs Node.js 20.19 or newer, but this machine has none.\n' >&2
  printf ' !     Install it, put it into %s/node, or name it with PYFLOW_NODE.\n\n' "$home" >&2
  exit 75
fi
exec "$node" "$home/lib/start.cjs" "$step" "$home" "$@"

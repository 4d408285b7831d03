// The text of the profile script. The app's shell sources it, so it must pass under `set -eu`, leave only its variables behind, and
// never end the shell.

export const concurrencyScript = (setBy: string): string => `${READ_MEMORY}${READ_CORES}${chooseNumber(setBy)}${REST}`;

const READ_MEMORY = `\
# Sets WEB_CONCURRENCY, the number of web processes, to what the container can carry: one for every 256 MB of memory,
# yet no more than twice the cores plus one. A WEB_CONCURRENCY that is set already, even to nothing, stays as it is.

_web_concurrency() {
  local root="\${WEB_CONCURRENCY_CGROUP_ROOT:-/sys/fs/cgroup}"
  local bytes="" memory="" cores="" by_memory by_cores

  # cgroup 1: a limit above 1 TB is the kernel's way to say that there is none.
  if [ -f "$root/memory/memory.limit_in_bytes" ]; then
    read -r bytes < "$root/memory/memory.limit_in_bytes" || :
    case "$bytes" in
      "" | *[!0-9]*) ;;
      *)
        memory=$((bytes / 1048576))
        if [ "$memory" -gt 1048576 ]; then memory=""; fi
        ;;
    esac
  fi
  # cgroup 2: the word "max" where there is no limit.
  if [ -z "$memory" ] && [ -f "$root/memory.max" ]; then
    read -r bytes < "$root/memory.max" || :
    case "$bytes" in
      "" | *[!0-9]*) ;;
      *) memory=$((bytes / 1048576)) ;;
    esac
  fi
  if [ -z "$memory" ]; then
    _web_concurrency_say "no memory limit found, so WEB_CONCURRENCY is left alone"
    return 0
  fi
`;

const READ_CORES = `
  cores=$(nproc 2> /dev/null) || cores=""
  if [ -z "$cores" ]; then
    _web_concurrency_say "the number of cores is unknown, so WEB_CONCURRENCY is left alone"
    return 0
  fi
`;

const chooseNumber = (setBy: string): string => `
  _web_concurrency_say "this container has $memory MB of memory and $cores cores"
  export DYNO_RAM="$memory"
  if [ -n "\${WEB_CONCURRENCY+set}" ]; then
    _web_concurrency_say "WEB_CONCURRENCY is set already and stays '$WEB_CONCURRENCY'"
    return 0
  fi

  by_memory=$((memory / 256))
  if [ "$by_memory" -lt 1 ]; then by_memory=1; fi
  by_cores=$((cores * 2 + 1))
  export WEB_CONCURRENCY_SET_BY="${setBy}"
  if [ "$by_memory" -lt "$by_cores" ]; then
    export WEB_CONCURRENCY="$by_memory"
    _web_concurrency_say "WEB_CONCURRENCY=$WEB_CONCURRENCY, as many as the memory allows"
  else
    export WEB_CONCURRENCY="$by_cores"
    _web_concurrency_say "WEB_CONCURRENCY=$WEB_CONCURRENCY, as many as the cores can serve"
  fi
}
`;

const REST = `
# Only where it is of use: in containers that serve the web.
_web_concurrency_say() {
  case "\${CONTAINER:-}" in
    web-*) echo "python: $1" >&2 ;;
  esac
}

_web_concurrency
unset -f _web_concurrency _web_concurrency_say
`;

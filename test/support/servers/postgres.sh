# Prints the folder of PostgreSQL's programs. Installs Debian's package if there is none. Ends with 3 if it can't.
set -eu
find_programs() { ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -n 1; }
if [ -z "$(find_programs)" ]; then
  [ "$(id -u)" -eq 0 ] || exit 3
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql || exit 3
fi >&2
find_programs

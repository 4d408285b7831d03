# Installs BuildGrid, the scheduler of a cluster, from PyPI into the folder $1, once for later runs, and prints the path of its program.
# Ends with 3 if there is no Python for it, or no package.
set -eu
target=$1/buildgrid-0.9.1
mkdir -p "$1"
exec 9>"$target.lock"
flock 9
# Its programs name their own place, so it can't be made elsewhere and moved.
if [ ! -e "$target/complete" ]; then
  rm -rf "$target"
  python=''
  for one in python3 python3.14 python3.13 "$HOME"/.pyenv/versions/3.1[3-9].*/bin/python3; do
    if "$one" -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2> /dev/null; then python=$one; fi
  done
  if [ -z "$python" ]; then
    echo 'It needs Python 3.13 or later.'
    exit 3
  fi
  "$python" -m venv "$target"
  nice "$target/bin/python" -m pip install --quiet --disable-pip-version-check buildgrid==0.9.1 || exit 3
  touch "$target/complete"
fi >&2
echo "$target/bin/bgd"

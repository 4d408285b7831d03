# Builds bazel-remote into the folder $1, once for later runs, and prints its path. Ends with 3 if the module can't be had.
set -eu
folder=$1
module=github.com/buchgr/bazel-remote/v2
version=v2.6.2
. "$(dirname "$0")/go-module.sh"

# Builds umoci, a program for OCI images of another project, into the folder $1, once for later runs, and prints its path. Ends with
# 3 if it can't be had.
set -eu
folder=$1
module=github.com/opencontainers/umoci
package=$module/cmd/umoci
version=v0.6.0
command -v go >/dev/null || { echo 'there is no Go on this machine' >&2; exit 3; }
. "$(dirname "$0")/go-module.sh"

# Builds crane, a client for OCI images of another project, into the folder $1, once for later runs, and prints its path. Ends with
# 3 if the module can't be had.
set -eu
folder=$1
module=github.com/google/go-containerregistry
package=$module/cmd/crane
version=v0.20.3
command -v go >/dev/null || { echo 'there is no Go on this machine' >&2; exit 3; }
. "$(dirname "$0")/go-module.sh"

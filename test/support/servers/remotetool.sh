# Builds remotetool, a client of another project, into the folder $1, once for later runs, and prints its path. Ends with 3 if the
# module can't be had.
set -eu
folder=$1
module=github.com/bazelbuild/remote-apis-sdks
package=$module/go/cmd/remotetool
version=v0.0.0-20250818214745-5c719541ba4a
. "$(dirname "$0")/go-module.sh"

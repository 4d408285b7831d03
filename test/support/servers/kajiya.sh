# Builds kajiya, a strict server, into the folder $1, once for later runs, and prints its path. Ends with 3 if the module can't be had.
set -eu
folder=$1
module=go.chromium.org/build/kajiya
version=v0.0.0-20251015062654-cd7695ac03de
. "$(dirname "$0")/go-module.sh"

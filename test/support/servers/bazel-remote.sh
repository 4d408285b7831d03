# Builds bazel-remote into the folder $1, once for later runs, and prints its path. Ends with 3 if the module can't be had.
set -eu
module=github.com/buchgr/bazel-remote/v2
version=v2.6.2
program=$1/bazel-remote-$version
mkdir -p "$1"
exec 9>"$program.lock"
flock 9
if [ ! -x "$program" ]; then
  place=$(mktemp -d "$1/build-XXXXXX")
  trap 'rm -rf "$place"' EXIT
  cd "$place"
  # `go install MODULE@VERSION` refuses the module because it replaces dependencies. A main module of our own is not refused.
  go mod init example.invalid/servers
  go mod edit -require "$module@$version" -tool "$module"
  go mod download "$module@$version" >&2 || exit 3
  go mod tidy
  CGO_ENABLED=0 nice -n 19 go build -trimpath -o bazel-remote "$module"
  mv bazel-remote "$program"
fi >&2
echo "$program"

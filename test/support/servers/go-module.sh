# Builds the program of a Go module, once for later runs, and prints its path. For a script that has set `folder`, `module`, `version`
# and, unless it is the module's own, `package`. Ends the script with 3 if the module can't be had.
package=${package:-$module}
program=$folder/${package##*/}-$version
case $package in */v[0-9]) program=$folder/$(basename "$(dirname "$package")")-$version ;; esac
mkdir -p "$folder"
exec 9>"$program.lock"
flock 9
if [ ! -x "$program" ]; then
  place=$(mktemp -d "$folder/build-XXXXXX")
  trap 'rm -rf "$place"' EXIT
  cd "$place"
  # `go install MODULE@VERSION` refuses modules that replace dependencies. A main module of our own is not refused.
  go mod init example.invalid/servers
  go mod edit -require "$module@$version" -tool "$package"
  go mod download "$module@$version" >&2 || exit 3
  go mod tidy
  CGO_ENABLED=0 nice -n 19 go build -trimpath -o program "$package"
  mv program "$program"
fi >&2
echo "$program"

# Makes a root file system with this machine's release of Debian but another compiler, in the folder $1, once for later runs, and prints its
# path. Nothing is installed on the machine. Ends with 3 if it can't be had.
set -eu
. /etc/os-release
[ "${ID:-}" = debian ] || { echo 'it is for Debian only, because keys hold the release' >&2; exit 3; }
target=$1/debian-root-$VERSION_CODENAME
mkdir -p "$1"
exec 9>"$target.lock"
flock 9
if [ ! -d "$target" ]; then
  place=$(mktemp -d "$1/unpack-XXXXXX")
  trap 'rm -rf "$place"' EXIT
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' "Codename: $VERSION_CODENAME" | grep -v security | sort -u | head -n 1)
  own=$(gcc -dumpversion 2>/dev/null || echo none)
  compiler=$(apt-cache pkgnames gcc- | grep -x 'gcc-[0-9][0-9]*' | grep -vx "gcc-${own%%.*}" | sort -V | tail -n 1)
  [ -n "$mirror" ] && [ -n "$compiler" ] || { echo 'no other compiler in the package lists' >&2; exit 3; }
  (cd "$place" && apt-get -qq download debootstrap) || exit 3
  dpkg-deb -x "$place"/debootstrap_*.deb "$place/tool"
  # The libraries that Node and a Python of this machine need, and what unpacks archives of the platform.
  packages=$compiler,libc6-dev,ca-certificates,libstdc++6,libssl3,libsqlite3-0,libffi8,libbz2-1.0,liblzma5,libreadline8,libncursesw6,zlib1g,libuuid1,zstd
  DEBOOTSTRAP_DIR=$place/tool/usr/share/debootstrap sh "$place/tool/usr/sbin/debootstrap" --variant=minbase --merged-usr \
    --include="$packages" "$VERSION_CODENAME" "$place/root" "$mirror" || exit 3
  for name in gcc cc; do ln -sf "$compiler" "$place/root/usr/bin/$name"; done
  : >> "$place/root/etc/hosts"
  rm -rf "$place/root/var/cache/apt" "$place/root/var/lib/apt/lists"
  mv "$place/root" "$target"
fi >&2
echo "$target"

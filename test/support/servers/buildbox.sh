# Unpacks buildbox, the worker of a cluster, from Debian's packages into the folder $1, once for later runs, and prints the folder of
# its programs. Nothing is installed. Ends with 3 if the packages can't be had.
set -eu
target=$1/buildbox-of-debian
mkdir -p "$1"
exec 9>"$target.lock"
flock 9
if [ ! -d "$target" ]; then
  place=$(mktemp -d "$1/unpack-XXXXXX")
  trap 'rm -rf "$place"' EXIT
  mkdir -p "$place/lists" "$place/cache/archives/partial" "$place/content/bin"
  # Nothing counts as installed, so the packages bring all that they need. Only unstable has the worker.
  : > "$place/status"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v security | sort -u | head -n 1)
  key=/usr/share/keyrings/debian-archive-keyring.gpg
  for suite in trixie sid; do echo "deb [signed-by=$key] $mirror $suite main"; done > "$place/sources.list"
  apt() {
    apt-get -oDir::Etc::sourcelist="$place/sources.list" -oDir::Etc::sourceparts=- -oDir::State::Lists="$place/lists" \
      -oDir::Cache="$place/cache" -oDir::State::status="$place/status" -oAPT::Install-Recommends=0 \
      -oAPT::Sandbox::User=root -oDebug::NoLocking=1 -oAcquire::Languages=none -qq "$@"
  }
  apt update || exit 3
  apt -y -d install buildbox || exit 3
  root=$place/content/root
  for folder in bin lib lib64 sbin; do
    mkdir -p "$root/usr/$folder"
    ln -s "usr/$folder" "$root/$folder"
  done
  for package in "$place"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -xf - -C "$root" --keep-directory-symlink --exclude='./usr/share/*'
  done
  # The programs need the C library that came with them. An argument of its loader, unlike a variable, does not reach the actions.
  for program in "$root"/usr/bin/*; do
    name=${program##*/}
    printf '#!/bin/sh\nexec %s --library-path %s --argv0 %s %s "$@"\n' "$target/root/usr/lib64/ld-linux-x86-64.so.2" \
      "$target/root/usr/lib/x86_64-linux-gnu" "$name" "$target/root/usr/bin/$name" > "$place/content/bin/$name"
    chmod 755 "$place/content/bin/$name"
  done
  mv "$place/content" "$target"
fi >&2
echo "$target/bin"

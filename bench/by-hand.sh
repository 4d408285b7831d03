#!/usr/bin/env bash
# What a person would type to build the example without pyflow: unpack or copy the runtime, bring it into its normal form,
# bootstrap pip, install, compile, copy the slug. bash bench/by-hand.sh RUNTIME APP WORK OUT PIP_CACHE
set -euo pipefail

runtime=$1 app=$2 work=$3 out=$4 pip_cache=$5
home=$work/.scalingo/python
mkdir -p "$home"
cp -a "$app/." "$work"
rm -rf "$work/.pyflow"

if [ -d "$runtime" ]; then
  tar -C "$runtime" --exclude='site-packages/*' --exclude=test --exclude=tests --exclude=idlelib --exclude=turtledemo \
    --exclude=__pycache__ --exclude='*.a' --exclude='config-*' --exclude=lib2to3 -cf - bin include lib | tar -C "$home" -xf -
else
  tar -C "$home" --strip-components=1 -xzf "$runtime"
  find "$home/lib" \( -name test -o -name tests -o -name idlelib -o -name turtledemo -o -name __pycache__ -o -name 'config-*' \) \
    -type d -prune -exec rm -rf {} +
  find "$home/lib" -name '*.a' -delete
  rm -rf "$home"/lib/python3.*/site-packages/* "$home/share"
fi
find "$home/bin" -mindepth 1 ! -name 'python' ! -name 'python3' ! -name 'python3.[0-9]*[0-9]' -delete
grep -rlI "$runtime" "$home/lib" 2> /dev/null | xargs -r sed -i "s#$runtime#/app/.scalingo/python#g" || true

export LD_LIBRARY_PATH=$home/lib PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
python=$home/bin/python3
compile=("$python" -S -m compileall -q -f -j 1 --invalidation-mode unchecked-hash -s "$work" -p /app)
"${compile[@]}" "$home/lib" || true

pip_wheel=$(echo "$home"/lib/python3.*/ensurepip/_bundled/pip-*.whl)
"$python" "$pip_wheel/pip" --cache-dir "$pip_cache" install -q --no-compile --disable-pip-version-check --target "$work.pip" pip
"$python" "$work.pip/pip" --cache-dir "$pip_cache" install -q --no-compile --disable-pip-version-check \
  --root-user-action=ignore --no-warn-script-location -r "$work/requirements.txt"
"${compile[@]}" "$home"/lib/python3.*/site-packages || true

rm -rf "$work.pip"
cp -a "$work" "$out"

#!/usr/bin/env bash
# What you would type to build an app without pyflow, in the order of the buildpack: unpack or copy the runtime, normalize it,
# bootstrap the package manager, install, compile, collect Django's static files, copy the slug.
#
#   by-hand.sh build MANAGER VERSION RUNTIME APP WORK CACHE OUT   the whole build
#   by-hand.sh prepare MANAGER VERSION RUNTIME APP WORK CACHE     up to the install command
#   by-hand.sh install MANAGER VERSION RUNTIME APP WORK CACHE     only the buildpack's install command
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
what=$1 manager=$2 version=$3 runtime=$4 app=$5 work=$6 cache=$7 out=${8-}
home=$work/.scalingo/python
tool=$work.tool
python=$home/bin/python3

copy_source() {
  mkdir -p "$home"
  cp -a "$app/." "$work"
  rm -rf "$work/.pyflow"
}

put_runtime() {
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
  compile "$home/lib"
}

# Like the package managers, ignores files that don't compile.
compile() {
  "$python" -S -m compileall -q -f -j 1 --invalidation-mode unchecked-hash -s "$work" -p /app "$@" || true
}

# Python's bundled pip, run from its wheel by the interpreter in the first argument.
bundled_pip() {
  local interpreter=$1 wheel
  shift
  wheel=$(echo "$home"/lib/python3.*/ensurepip/_bundled/pip-*.whl)
  "$interpreter" "$wheel/pip" install -q --disable-pip-version-check --no-input --root-user-action=ignore \
    --no-warn-script-location "$@"
}

put_tool() {
  case $manager in
    pip)
      local setuptools=()
      [ -z "${SETUPTOOLS-}" ] || setuptools=("setuptools==$SETUPTOOLS")
      bundled_pip "$python" "pip==$version" "${setuptools[@]}"
      ;;
    pipenv)
      "$python" -m venv --without-pip "$home/pipenv/venv"
      bundled_pip "$home/pipenv/venv/bin/python" "pipenv==$version"
      ;;
    poetry)
      "$python" -m venv --without-pip "$tool"
      bundled_pip "$tool/bin/python" "poetry==$version"
      ;;
    uv) bundled_pip "$python" --target "$tool" "uv==$version" ;;
  esac
}

# `bare`: the tool compiles too, in its own way.
install() {
  local bare=${1-} flags=()
  [ -n "$bare" ] || export PIP_NO_COMPILE=1
  cd "$work"
  case $manager in
    pip) "$python" -m pip install -r requirements.txt ;;
    pipenv) PIPENV_SYSTEM=1 PIPENV_VERBOSITY=-1 VIRTUAL_ENV=$home "$home/pipenv/venv/bin/pipenv" install --deploy ;;
    poetry)
      [ -z "$bare" ] || flags=(--compile)
      "$tool/bin/python" "$here/poetry-by-index.py" sync --only main --no-ansi --no-interaction "${flags[@]}"
      ;;
    uv)
      [ -z "$bare" ] || flags=(--compile-bytecode)
      "$tool/bin/uv" sync --locked --no-default-groups --no-progress "${flags[@]}"
      ;;
  esac
}

collect_static() {
  [ ! -e "$work/manage.py" ] || (cd "$work" && "$python" manage.py collectstatic --noinput --traceback)
}

export PATH=$home/bin:$PATH LD_LIBRARY_PATH=$home/lib PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
export PIP_CACHE_DIR=$cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_WARN_SCRIPT_LOCATION=1
export PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore PIP_SRC=$home/src
export PIPENV_CACHE_DIR=$cache/pipenv PIPENV_NOSPIN=1
export POETRY_CACHE_DIR=$cache/poetry POETRY_VIRTUALENVS_CREATE=false POETRY_VIRTUALENVS_USE_POETRY_PYTHON=true
export UV_CACHE_DIR=$cache/uv UV_PROJECT_ENVIRONMENT=$home UV_NO_MANAGED_PYTHON=1 UV_PYTHON_DOWNLOADS=never
export UV_LINK_MODE=hardlink

case $what in
  build)
    copy_source
    put_runtime
    put_tool
    install
    compile "$home"/lib/python3.*/site-packages
    collect_static
    cp -a "$work" "$out"
    ;;
  prepare)
    copy_source
    put_runtime
    put_tool
    ;;
  install) install bare ;;
esac

#!/usr/bin/env bash
# The bare commands of a build, in the order of the platform's buildpack and in the build folder itself: fetch and unpack the
# archive of the runtime, bootstrap the package manager, install, collect Django's static files, run the hook. It checks and
# caches nothing, and doesn't make the result relocatable.
#
#   bare.sh MANAGER VERSION ARCHIVE_URL BUILD_DIR CACHE_DIR
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
manager=$1 version=$2 url=$3 build=$4 cache=$5
home=$build/.scalingo/python

# Python's bundled pip, run from its wheel by the interpreter in the first argument.
bundled_pip() {
  local interpreter=$1 wheel
  shift
  wheel=$(echo "$home"/lib/python3.*/ensurepip/_bundled/pip-*.whl)
  "$interpreter" "$wheel/pip" install --disable-pip-version-check --no-cache-dir --no-input --quiet \
    --root-user-action=ignore --no-warn-script-location "$@"
}

fetch_runtime() {
  mkdir -p "$home"
  curl --silent --show-error --fail --noproxy 127.0.0.1 "$url" | tar -C "$home" --zstd -xf -
}

bootstrap() {
  case $manager in
    pip)
      local setuptools=()
      [ -z "${SETUPTOOLS-}" ] || setuptools=("setuptools==$SETUPTOOLS")
      bundled_pip "$home/bin/python" "pip==$version" "${setuptools[@]}"
      ;;
    pipenv)
      "$home/bin/python" -m venv --without-pip "$home/pipenv/venv"
      bundled_pip "$home/pipenv/venv/bin/python" "pipenv==$version"
      ;;
    poetry)
      "$home/bin/python" -m venv --without-pip "$cache/poetry/venv"
      bundled_pip "$cache/poetry/venv/bin/python" "poetry==$version"
      ;;
    uv) bundled_pip "$home/bin/python" --target "$cache/uv" "uv==$version" ;;
  esac
}

# Each compiles bytecode, by the buildpack's option or by default.
install() {
  case $manager in
    pip)
      "$home/bin/python" -m pip install --exists-action=w --no-cache-dir --no-input --progress-bar off \
        --src="$home/src" -r requirements.txt
      ;;
    pipenv)
      PIPENV_SYSTEM=1 PIPENV_VERBOSITY=-1 PIPENV_NOSPIN=1 PIP_SRC=$home/src VIRTUAL_ENV=$home \
        "$home/pipenv/venv/bin/pipenv" install --deploy
      ;;
    poetry)
      POETRY_VIRTUALENVS_CREATE=false POETRY_VIRTUALENVS_USE_POETRY_PYTHON=true \
        "$cache/poetry/venv/bin/python" "$here/poetry-by-index.py" sync --only main --compile --no-ansi --no-interaction
      ;;
    uv)
      UV_PROJECT_ENVIRONMENT=$home UV_NO_MANAGED_PYTHON=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=hardlink \
        "$cache/uv/bin/uv" sync --locked --no-default-groups --color always --compile-bytecode --no-progress
      ;;
  esac
}

export PATH=$home/bin:$PATH LD_LIBRARY_PATH=$home/lib LIBRARY_PATH=$home/lib PYTHONUNBUFFERED=1 LANG=en_US.UTF-8
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_WARN_SCRIPT_LOCATION=1
# Each build downloads everything again.
export PIPENV_CACHE_DIR=$cache/downloads/pipenv POETRY_CACHE_DIR=$cache/downloads/poetry UV_CACHE_DIR=$cache/downloads/uv

cd "$build"
fetch_runtime
bootstrap
install
[ ! -e manage.py ] || python manage.py collectstatic --noinput --traceback
bin/post_compile

// The texts of the profile scripts. The app's shell sources them, so they must pass under `set -eu`. They spell the app's folder as
// $HOME, so a slug boots in any folder.

import { inRoot, rootIn } from '../shared/app/root.js';
import { pythonHome } from '../shared/python/home.js';

/** Lines by package manager. They come before the common ones, so the shell finds the runtime's own programs first. */
const MANAGER_LINES: Readonly<Record<string, readonly string[]>> = {
  pip: ['export PIP_DISABLE_PIP_VERSION_CHECK=1'],
  pipenv: [
    'export PATH="$PYTHONHOME/pipenv/bin${PATH:+:$PATH}"',
    'export PIPENV_SYSTEM=1',
    'export PIPENV_VERBOSITY=-1',
    'export VIRTUAL_ENV="$PYTHONHOME"',
  ],
};

export const pythonScript = (vendorDir: string, root: string, manager: string | undefined): string =>
  [
    '# Lets the app find the Python that was built into it.',
    '',
    `export PYTHONHOME="\${HOME:-/app}/${pythonHome(vendorDir)}"`,
    ...(Object.hasOwn(MANAGER_LINES, manager ?? '') ? (MANAGER_LINES[manager ?? ''] ?? []) : []),
    'export PATH="$PYTHONHOME/bin${PATH:+:$PATH}"',
    'export PYTHONUNBUFFERED=true',
    'export LIBRARY_PATH="$PYTHONHOME/lib${LIBRARY_PATH:+:$LIBRARY_PATH}"',
    'export LD_LIBRARY_PATH="$PYTHONHOME/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"',
    'export LANG="${LANG:-en_US.UTF-8}"',
    `export PYTHONPATH="\${PYTHONPATH:-${rootIn('${HOME:-/app}', root)}}"`,
    '',
  ].join('\n');

export const GUNICORN = `\
# Behind the platform's router every forwarded address is the router's own, so all of them can be trusted.
export FORWARDED_ALLOW_IPS='*'

# Requests are logged where the platform collects logs, unless the app says otherwise.
export GUNICORN_CMD_ARGS="\${GUNICORN_CMD_ARGS:---access-logfile -}"
`;

/** Makes the processes of an app in a subfolder start there. */
export const rootScript = (root: string): string => `\
# The files of the project lie here, so its processes start here.
cd "${rootIn('${HOME:-/app}', root)}"
`;

export const sqlalchemyScript = (root: string): string => `\
# SQLAlchemy no longer takes URLs that begin with postgres://. For apps that use it, each SCALINGO_POSTGRESQL_URL... of
# that form gets a companion ..._ALCHEMY_URL that begins with postgresql://.

_sqlalchemy_urls() {
  local file name value companion uses=""
  for file in ${['requirements.txt', 'Pipfile', 'pyproject.toml'].map((name) => inRoot(root, name)).join(' ')}; do
    if [ -f "$file" ] && grep -qi sqlalchemy "$file"; then uses=yes; fi
  done
  if [ -z "$uses" ]; then return 0; fi
  for name in $(env | sed -n 's/^\\(SCALINGO_POSTGRESQL_URL[A-Za-z0-9_]*\\)=.*/\\1/p'); do
    eval "value=\\"\\\${$name:-}\\""
    case "$value" in
      postgres://*)
        companion="$(printf '%s' "$name" | sed 's/_URL//g')_ALCHEMY_URL"
        export "$companion=postgresql://\${value#postgres://}"
        ;;
    esac
  done
}

_sqlalchemy_urls
unset -f _sqlalchemy_urls
`;

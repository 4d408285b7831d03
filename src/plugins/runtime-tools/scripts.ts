// The texts of the commands that start tools in the slug, in any folder.

import { relocatableLauncher } from '../shared/relocate/python-launcher.js';

/** `name = module:function` of `[console_scripts]`, sorted. */
export function consoleScripts(entryPoints: string): readonly (readonly [name: string, target: string])[] {
  const section = /^\[console_scripts\][ \t\r]*$([^[]*)/m.exec(entryPoints)?.[1] ?? '';
  return [...section.matchAll(/^[ \t]*([\w.-]+)[ \t]*=[ \t]*([\w.]+:[\w.]+)[ \t\r]*$/gm)]
    .map(([, name = '', target = '']) => [name, target] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The script that pip would write, except for the first lines. `minor`: X.Y of the Python beside it. */
export function packageScript(minor: string, target: string): string {
  const [module = '', callable = ''] = target.split(':');
  const body = [
    'import sys',
    `from ${module} import ${callable.split('.')[0]}`,
    "if __name__ == '__main__':",
    `    sys.exit(${callable}())`,
    '',
  ].join('\n');
  return relocatableLauncher(`#!/bin/python${minor}\n${body}`, '/bin');
}

/**
 * Starts Pipenv from a separate folder below the Python's. Without `site` (-S) it sees its own modules and the standard library, but not
 * the app's packages. A virtual environment would do the same, but it names its Python by an absolute path.
 */
export const pipenvScript = (minor: string): string => `\
#!/bin/sh
'''exec' "$(dirname "$(realpath "$0")")/../../bin/python${minor}" -I -S "$0" "$@"
' '''
import os
import site
import sys
home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
site.addsitedir(os.path.join(home, 'site-packages'))
from pipenv import cli
if __name__ == '__main__':
    sys.exit(cli())
`;

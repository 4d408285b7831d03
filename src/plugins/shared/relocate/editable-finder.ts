// Changes the finders that setuptools installs for editable packages, so that they work in any folder.
//
// Such a finder is a module `__editable___NAME_finder` with absolute paths in the literals MAPPING and NAMESPACES. A .pth line
// imports it and then calls `install()`, so code at its end runs before the first lookup.

import { PUBLIC_APP_DIR } from '../python/home.js';

const SIGN = '# The app may lie in another folder.';

/** `depth`: the depth of the finder's folder below the app. Paths in `text` already begin with /app. */
export function movableFinder(text: string, depth: number): string {
  if (!/^MAPPING\b/m.test(text) || text.includes(SIGN)) return text;
  return `${text.trimEnd()}


${SIGN}
def _moved(path, app=__import__('os').path.abspath(__file__ + '/..' * ${depth + 1})):
    return app + path[${PUBLIC_APP_DIR.length}:] if (path + '/').startswith('${PUBLIC_APP_DIR}/') else path


MAPPING.update({name: _moved(path) for name, path in MAPPING.items()})
try:
    NAMESPACES.update({name: [_moved(path) for path in paths] for name, paths in NAMESPACES.items()})
except NameError:
    pass
`;
}

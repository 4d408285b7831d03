// Lets the finders that setuptools installs for editable packages find them wherever the slug lies. Unaware of installers.
//
// Such a finder is a module `__editable___NAME_finder` with the literals MAPPING and NAMESPACES, full of absolute paths. Its
// .pth line imports it and then calls `install()`, so what stands at its end runs before anything is looked up.

import { PUBLIC_APP_DIR } from '../python/home.js';

const SIGN = '# The app may lie in another folder.';

/** `depth`: how many folders below the app the finder lies. Its paths already begin with /app. */
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

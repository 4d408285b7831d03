// Makes scripts that start the Python next to them, in any folder.

/** A coding cookie must be in the first two lines, so it becomes the second. */
const COOKIE = /^#.*coding[:=][ \t]*[-\w.]+/;

/**
 * The script with a first line that finds the interpreter next to the script. A script that does not start with an interpreter in
 * `folder` (the `bin` as the installer saw it) stays unchanged. The result is valid as a shell script and as Python: the second
 * line is a command for the shell and a string for Python.
 */
export function relocatableLauncher(script: string, folder: string): string {
  const found = interpreterLine(script, folder);
  if (found === undefined) return script;
  const rest = script.slice(found.length);
  const end = rest.indexOf('\n') + 1;
  const cookie = COOKIE.test(rest) ? rest.slice(0, end || rest.length) : '';
  return [
    '#!/bin/sh\n',
    cookie,
    `'''exec' "$(dirname "$(realpath "$0")")/${found.name}" "$0" "$@"\n`,
    "' '''\n",
    rest.slice(cookie.length),
  ].join('');
}

function interpreterLine(
  script: string,
  folder: string,
): { readonly name: string; readonly length: number } | undefined {
  // The kernel reads less of a first line, and the time of the expressions grows with the square of the length.
  const head = script.slice(0, 4096);
  const plain = /^#!\s*(\S.*?)\/(python[\d.]*)[^\n/]*\r?\n/.exec(head);
  if (plain?.[1] === folder && plain[2] !== undefined) return { name: plain[2], length: plain[0].length };
  // Installers use this form if the path is long or has blanks.
  const wrapped = /^#!\/bin\/sh\n'''exec' (["']?)([^"'\n]+?)\/(python[\d.]*)\1 "\$0" "\$@"\n' '''\n/.exec(head);
  if (wrapped?.[2] === folder && wrapped[3] !== undefined) return { name: wrapped[3], length: wrapped[0].length };
  return undefined;
}

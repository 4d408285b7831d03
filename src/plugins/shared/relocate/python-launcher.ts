// Scripts that start the Python beside them, from wherever the folder lies. Unaware of files.

/** A coding cookie must stand in the first two lines, so it keeps the second. */
const COOKIE = /^#.*coding[:=][ \t]*[-\w.]+/;

/**
 * The script with a first line that finds its interpreter by the script's own place; the script itself when it does not
 * start with an interpreter in `folder` (the `bin` as the installer saw it). Valid both as a shell script and as Python:
 * to the shell the second line is the command, to Python a string.
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
  // The kernel reads less of a first line; the expressions below take time by the square of what they are given.
  const head = script.slice(0, 4096);
  const plain = /^#!\s*(\S.*?)\/(python[\d.]*)[^\n/]*\r?\n/.exec(head);
  if (plain?.[1] === folder && plain[2] !== undefined) return { name: plain[2], length: plain[0].length };
  // The form installers choose when the path is long or has blanks.
  const wrapped = /^#!\/bin\/sh\n'''exec' (["']?)([^"'\n]+?)\/(python[\d.]*)\1 "\$0" "\$@"\n' '''\n/.exec(head);
  if (wrapped?.[2] === folder && wrapped[3] !== undefined) return { name: wrapped[3], length: wrapped[0].length };
  return undefined;
}

// Installs requirements with uv instead of pip, and rewrites the result so that both tools give the same layer.

import type { Files, Folder, PackageAccess, RunContext } from '../../engine/sdk.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { recordColumns, recordPaths } from '../shared/install/record.js';
import { uvCommand } from '../shared/install/tool-command.js';
import type { SlugPython } from '../shared/python/home.js';
import { uvEnvironment } from '../shared/uv/command.js';
import { dropUvNotes } from '../shared/uv/notes.js';

interface UvPipInstall {
  /** The slug's Python, app-relative. */
  readonly home: string;
  /** `-r FILE` and so on. */
  readonly files: readonly string[];
  /** pip requires digests for all requirements if one has a digest; uv needs an option for that. */
  readonly requireHashes: boolean;
  readonly index?: string | undefined;
  readonly extraIndexes?: string | undefined;
  readonly access: PackageAccess;
  /** Variables with logins for the indexes of the app. */
  readonly logins: Readonly<Record<string, string>>;
}

export function uvPipCommand(
  context: RunContext,
  given: Files,
  { home, files, requireHashes, index, extraIndexes, access, logins }: UvPipInstall,
): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const env = uvEnvironment(context, given, { home, hasSettings: false, index, access, logins });
  return {
    // pip chooses the best version from all indexes. By default uv uses the first index that has the package.
    argv: [
      ...uvCommand(context),
      'pip',
      'install',
      ...files,
      '--index-strategy=unsafe-best-match',
      ...(requireHashes ? ['--require-hashes'] : []),
    ],
    env: {
      ...env,
      // Launchers get this name of the interpreter.
      UV_PYTHON: `${context.paths.app}/${home}/bin/python`,
      ...(extraIndexes !== undefined && { UV_EXTRA_INDEX_URL: extraIndexes }),
    },
  };
}

const LONGEST_LAUNCHER = 16 * 1024;
const UV_LAUNCHER =
  /^# -\*- coding: utf-8 -\*-\nimport sys\n(from \S+ import \S+)\nif __name__ == "__main__":\n(?: {4,}.*\n)*? {4}sys\.exit\((\S+)\(\)\)\n?$/m;

/** The text of a launcher as the pip of the catalogue writes it. Other scripts stay unchanged. */
export const pipLauncher = (text: string): string =>
  // A launcher of uv has a few hundred characters, and the time of the expression grows with the square of the length.
  text.length > LONGEST_LAUNCHER
    ? text
    : text.replace(
        UV_LAUNCHER,
        (_, importing: string, called: string) =>
          `import sys\n${importing}\nif __name__ == '__main__':\n    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit(${called}())\n`,
      );

/**
 * Rewrites what uv installed. `listed`: normalized names of the packages in the requirements. The recorded origin of packages
 * from URLs stays as uv writes it, although pip spells it differently.
 */
export async function leaveAsPip(
  app: Folder,
  { home, sitePackages: site }: SlugPython,
  listed: ReadonlySet<string>,
): Promise<void> {
  for (const { path, kind } of await app.walk(`${home}/bin`)) {
    if (kind === 'file') rewrite(app, `${home}/bin/${path}`, (text) => pipLauncher(text));
  }
  dropUvNotes(app, site);
  for (const { name: folder, kind } of app.list(site)) {
    if (kind !== 'directory' || !folder.endsWith('.dist-info')) continue;
    const info = `${site}/${folder}`;
    if (!app.isFile(`${info}/INSTALLER`) || app.readText(`${info}/INSTALLER`)?.trim() !== 'uv') continue;
    const isListed = listed.has(normalizeName(folder.split('-')[0] ?? '')) || app.isFile(`${info}/direct_url.json`);
    if (!isListed) app.remove(`${info}/REQUESTED`);
    rewrite(app, `${info}/INSTALLER`, () => 'pip\n');
    const installer = recordColumns(Buffer.from('pip\n'));
    rewrite(app, `${info}/RECORD`, (text) => pipRecord(text, folder, isListed, installer));
  }
  // Wheels may list empty folders. pip creates only folders with files.
  await app.removeEmptyFolders(site);
}

/** pip sorts the lines and ends them with CRLF, like the csv module. */
function pipRecord(text: string, folder: string, isListed: boolean, installer: string): string {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  const rows = lines.map((line) => ({ line, path: recordPaths(line)[0] ?? line }));
  return rows
    .filter(({ path }) => isListed || path !== `${folder}/REQUESTED`)
    .map(({ line, path }) => ({ path, line: path === `${folder}/INSTALLER` ? `${path},${installer}` : line }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ line }) => `${line}\r\n`)
    .join('');
}

function rewrite(app: Folder, path: string, change: (text: string) => string): void {
  if (!app.isFile(path)) return;
  const before = app.read(path);
  if (before === undefined) return;
  const after = Buffer.from(change(before.toString('latin1')), 'latin1');
  if (!after.equals(before)) app.write(path, after, (app.stat(path)?.mode ?? 0o644) & 0o777);
}

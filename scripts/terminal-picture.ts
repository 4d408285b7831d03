// Draws docs/terminal.svg from real runs of the built program on examples/flask-pip. Needs the package index, and `script`
// of util-linux for a terminal.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type Line, screenOf, steadied, svgOf, textOf } from './terminal-svg.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const COMMANDS = ['pyflow run', "echo '# reviewed' >> requirements.txt", 'pyflow run', 'pyflow run'];

const folder = mkdtempSync(join(tmpdir(), 'pyflow-picture-'));
try {
  const app = join(folder, 'flask-pip');
  cpSync(join(root, 'examples/flask-pip'), app, { recursive: true, filter: (path) => !path.includes('.pyflow') });
  const lines = COMMANDS.flatMap((command, index): readonly Line[] => [
    ...(index > 0 && command.startsWith('echo') ? [[]] : []),
    [{ dim: true, text: '$ ' }, { text: command }],
    ...withoutFallback(screenOf(steadied(outputOf(command, app), app))),
  ]);
  writeFileSync(join(root, 'docs/terminal.svg'), svgOf(lines, 'pyflow builds a Flask app, then only what changed'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function outputOf(command: string, app: string): string {
  const line = command.replace(/^pyflow/, `"${process.execPath}" "${root}dist/cli.js"`);
  const { CI: _ci, GITHUB_ACTIONS: _actions, NO_COLOR: _color, ...env } = process.env;
  const { stdout, status } = spawnSync('script', ['-qec', `stty cols 100 rows 40; ${line}`, '/dev/null'], {
    cwd: app,
    env: { ...env, TERM: 'xterm-256color', PYFLOW_CACHE_DIR: join(folder, 'cache') },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${command} ended with status ${status}:\n${stdout}`);
  return stdout;
}

/** A machine that can't reach the download of Python says so in a notice and at the end, which isn't the usual case. */
function withoutFallback(lines: readonly Line[]): readonly Line[] {
  const texts = lines.map(textOf);
  const isOfFallback = (index: number): boolean => {
    const text = texts[index] ?? '';
    if (text.startsWith('  ')) return isOfFallback(index - 1);
    return /^notice: runtime:|^Degraded: runtime:/.test(text);
  };
  return lines.filter((_, index) => !isOfFallback(index));
}

// Explains why the module of a plugin could not be loaded, with the line at fault: Node does not always name it.

import { readFileSync } from 'node:fs';
import type { Failure } from '../failure.js';
import { runTool } from '../process/subprocess.js';
import { badManifest, cannotLoad, threw, type Culprit } from './failures.js';
import type { LoadAnswer } from './call.js';
import type { Thrown } from './protocol.js';

const CHECK_MS = 10_000;
const MOST_CHECKED = 20;

type NotLoaded = Extract<LoadAnswer, { type: 'not-loaded' }>;

export async function explainImport(file: string, files: readonly string[], answer: NotLoaded): Promise<Failure> {
  const by: Culprit = { file };
  const thrown: Thrown = answer.thrown ?? { text: '' };
  switch (answer.why) {
    case 'no-class':
      return cannotLoad(file, 'It exports no class named `plugin`.');
    case 'no-method':
      return cannotLoad(file, `Its class has no method \`${thrown.text.replace(/^Error: /, '')}\`.`);
    case 'unsendable':
      return badManifest(by, [`${thrown.text.replace(/^Error: /, '')}; it may contain only what JSON can express.`]);
    case 'constructor':
      return threw(by, thrown);
    default:
  }
  if (thrown.text.startsWith('SyntaxError:'))
    return cannotLoad(file, thrown.text, thrown.place ?? (await syntaxErrorPlace(files)));
  const missing = /^(?:Error|TypeError)(?: \[\w+\])?: Cannot find (?:package|module) '([^']+)'/.exec(thrown.text)?.[1];
  if (missing !== undefined || thrown.code?.startsWith('ERR_') === true)
    return cannotLoad(file, thrown.text, placeOfText(files, missing ?? ''));
  return threw(by, thrown);
}

/** Node reports the line of a syntax error only if it runs the file itself. */
async function syntaxErrorPlace(files: readonly string[]): Promise<string | undefined> {
  for (const file of files.slice(0, MOST_CHECKED)) {
    const checked = await runTool(process.execPath, ['--check', file], { timeoutMs: CHECK_MS, env: {}, cwd: '/' });
    if (!checked.ok || checked.value.exitCode === 0) continue;
    const line = /^(?:file:\/\/)?\/.*:(\d+)$/m.exec(checked.value.stderr)?.[1];
    if (line !== undefined) return `${file}:${line}`;
  }
  return undefined;
}

/** The line that imports this name, which Node may have turned into an absolute path. */
function placeOfText(files: readonly string[], name: string): string | undefined {
  const last = name.slice(name.lastIndexOf('/') + 1);
  if (last === '') return undefined;
  for (const file of files) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const at = lines.findIndex((line) => /\b(?:import|from)\b/.test(line) && line.includes(last));
    if (at >= 0) return `${file}:${at + 1}`;
  }
  return undefined;
}

// `pyflow fix`: shows the patches that apply to an app, and writes one.

import { cleanLines } from '../engine/files/clean-text.js';
import type { Patch } from '../manifests/app/patches/patch.js';
import { complain, didYouMean, type Command, type Given } from './command.js';
import { versionTraceOf } from './explain.js';
import { NEGATIVE_ANSWER_STATUS } from './exit-status.js';
import { patchPlaceOf } from './patch-place.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { APP_OPTIONS, PARAM_OPTION } from './run-options.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'fix',
  operands: '[CODE]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Show the patch for a failure of an app, or write it',
  details: [
    'Without CODE, lists the patches that apply to the app as it is now. With CODE, the code in brackets of a failure or notice, shows the patch as a diff. Looks at the files of the app only: it builds nothing and uses no network.',
    'With --write, changes the files of the app. pyflow never runs the command of a patch, such as `uv lock`: it shows it.',
  ],
  options: [
    ...APP_OPTIONS,
    PARAM_OPTION,
    { name: 'write', summary: 'Write the patch' },
    { name: 'json', summary: 'Print the patches as JSON' },
  ],
  examples: ['pyflow fix', 'pyflow fix python-version-file::misspelled', 'pyflow fix hooks::crlf --write'],
  run: async (given, world) => {
    const place = patchPlaceOf(given, world);
    if (!place.ok) return complain(world, place.failure);
    const [code] = given.operands;
    if (code === undefined && given.flag('write'))
      return complain(world, { message: '--write needs the code of one patch.', remedy: '`pyflow fix` lists them.' });
    const { PATCHED_CODES, patchesFor, readAppPatches, writePatch } = await import('./app-patches.js');
    const { app, root } = place.value;
    const trace = await versionTraceOf(given, world);
    const found = readAppPatches({ place: app, root, now: world.now(), trace });
    if (!found.ok) return printFailure(found.failure, world);
    const { patches, seen } = found.value;
    if (code === undefined) return list(patches, given, world);
    const wanted = patchesFor(code, patches);
    if (given.flag('json') && !given.flag('write')) printJSON(wanted, world);
    if (wanted.length === 0) return given.flag('json') ? NEGATIVE_ANSWER_STATUS : noPatch(code, PATCHED_CODES, world);
    for (const patch of wanted) {
      const failure = given.flag('write') ? writePatch(app.appDir, patch, seen) : undefined;
      if (failure !== undefined) return printFailure(failure, world);
      if (given.flag('write')) printWritten(patch, world);
      else if (!given.flag('json')) printPatch(patch, world);
    }
    return 0;
  },
};

function list(patches: readonly Patch[], given: Given, world: World): number {
  if (given.flag('json')) printJSON(patches, world);
  else if (patches.length === 0) world.stdout.write('pyflow knows no patch for this app.\n');
  for (const { code, title } of given.flag('json') ? [] : patches) say(world, `${code}: ${title}`);
  if (patches.length > 0 && !given.flag('json'))
    world.stdout.write('\n`pyflow fix CODE` shows a patch, `pyflow fix CODE --write` writes it.\n');
  return 0;
}

function printPatch({ title, edits, command: next }: Patch, world: World): void {
  say(world, title);
  for (const { diff } of edits) say(world, diff.replace(/\n$/, '').replaceAll('\r', '^M'));
  if (next !== undefined) say(world, `Then run: ${next}`);
}

function printWritten({ title, edits, command: next }: Patch, world: World): void {
  if (edits.length > 0) say(world, `${title}: done. Commit the change.`);
  if (next !== undefined) say(world, edits.length > 0 ? `Then run: ${next}` : `Run: ${next}`);
}

const say = (world: World, text: string): void => world.stdout.write(`${cleanLines(text).join('\n')}\n`);

function noPatch(code: string, known: readonly string[], world: World): number {
  if (!known.includes(code)) {
    return complain(world, {
      message: `pyflow has no patch for ${code}.`,
      remedy: `docs/failure-codes.md says what to do.${didYouMean(code, known)}`,
    });
  }
  world.stderr.write(`The patch for ${code} does not apply to this app.\n`);
  return NEGATIVE_ANSWER_STATUS;
}

// `--output FORM=PATH`: what it may say, and what the run is asked for.

import { resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import type { OutputRequest } from '../engine/request.js';
import { wrongUsage, type Given, type Option, type UsageProblem } from './command.js';
import type { World } from './world.js';

export const OUTPUT_OPTION: Option = {
  name: 'output',
  value: 'FORM=PATH',
  repeatable: true,
  summary:
    'Also write the finished app as dir=PATH, tar=FILE (.tar, .tar.gz or .tar.zst) or oci=PATH, an OCI image layout',
};

const FORMS = 'Write dir=PATH, tar=FILE or oci=PATH[,base=LAYOUT[:NAME]][,compression=gzip|zstd][,user=UID[:GID]].';

export function outputsOf(given: Given, world: World): Result<readonly OutputRequest[], UsageProblem> {
  const outputs: OutputRequest[] = [];
  for (const text of given.values('output')) {
    const cut = text.indexOf('=');
    const [form, rest] = cut < 0 ? [text, ''] : [text.slice(0, cut), text.slice(cut + 1)];
    const refuse = (why: string) => wrongUsage(`--output does not accept "${text}": ${why}`, FORMS);
    if (rest === '') return refuse('it needs a form and a path.');
    if (form === 'dir') outputs.push({ type: 'dir', path: resolve(world.cwd, rest) });
    else if (form === 'tar') {
      const compression = compressionOf(rest);
      if (compression === undefined) return refuse('the name of the file must end in .tar, .tar.gz, .tgz or .tar.zst.');
      outputs.push({ type: 'tar', path: resolve(world.cwd, rest), compression });
    } else if (form === 'oci') {
      const image = imageOf(rest, world);
      if (typeof image === 'string') return refuse(image);
      outputs.push(image);
    } else return refuse(`"${form}" is no form that pyflow knows.`);
  }
  return succeed(outputs);
}

function compressionOf(file: string): 'none' | 'gzip' | 'zstd' | undefined {
  if (file.endsWith('.tar')) return 'none';
  if (/\.(tar\.gz|tgz)$/.test(file)) return 'gzip';
  return /\.(tar\.zst|tzst)$/.test(file) ? 'zstd' : undefined;
}

/** A text says what is wrong. */
function imageOf(rest: string, world: World): OutputRequest | string {
  const [path = '', ...options] = rest.split(',');
  if (path === '') return 'it needs a path.';
  const found = new Map<string, string>();
  for (const option of options) {
    const cut = option.indexOf('=');
    const name = option.slice(0, Math.max(cut, 0));
    if (!['base', 'compression', 'user'].includes(name) || cut === option.length - 1)
      return `"${option}" is no option of oci.`;
    if (found.has(name)) return `it names ${name} twice.`;
    found.set(name, option.slice(cut + 1));
  }
  const compression = found.get('compression') ?? 'zstd';
  if (compression !== 'gzip' && compression !== 'zstd') return `"${compression}" is no compression of layers.`;
  const [base, user] = [found.get('base'), found.get('user')];
  if (user !== undefined && !/^\d{1,10}(:\d{1,10})?$/.test(user)) return `"${user}" is no number of a user.`;
  return {
    type: 'oci',
    path: resolve(world.cwd, path),
    compression,
    ...(base === undefined ? {} : { base: baseOf(base, world) }),
    ...(user === undefined ? {} : { user }),
  };
}

/** What follows the last colon is the name of an image in the layout, unless it is a part of the path. */
function baseOf(text: string, world: World): { readonly layout: string; readonly ref?: string } {
  const cut = text.lastIndexOf(':');
  if (cut <= 0 || text.slice(cut).includes('/')) return { layout: resolve(world.cwd, text) };
  return { layout: resolve(world.cwd, text.slice(0, cut)), ref: text.slice(cut + 1) };
}

/** What eleven octal digits of a tar header can hold. */
const LATEST_S = 0o77777777777;

/** SOURCE_DATE_EPOCH of the environment; undefined if it isn't set. */
export function sourceTimeOf(world: World): Result<number | undefined, UsageProblem> {
  const text = world.env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return succeed(undefined);
  if (/^\d{1,11}$/.test(text) && Number(text) <= LATEST_S) return succeed(Number(text));
  return wrongUsage(
    `SOURCE_DATE_EPOCH is "${text}".`,
    'Set it to seconds since 1970, such as the output of `git log -1 --format=%ct`, or unset it.',
  );
}

// Why a node runs, in words. A reason names a field; here it becomes a short sentence, without digests.

import type { Reason } from '../events.js';
import { escapeUnsafe } from '../files/shown-path.js';
import { cleanText } from '../files/clean-text.js';

const MAX_VALUE = 60;
const shorten = (text: string): string => {
  const clean = cleanText(text);
  return clean.length > MAX_VALUE ? `${[...clean].slice(0, MAX_VALUE - 1).join('')}…` : clean;
};

const DIGEST = /^[0-9a-f]{40}/;
/** Groups of facts whose parts are versions by name. */
const PACKAGES = /^(?:packages|requirements) (\S+)$/;

export function formatReason(reason: Reason): string {
  const { what, from, to } = reason;
  const [word = '', ...rest] = what.split(' ');
  const name = escapeUnsafe(rest.join(' '));
  if (word === 'tree' || word === 'tool') return changedLayer(reason, name);
  if (from === undefined && to === undefined && word !== 'variable' && word !== 'node') return cleanText(what);
  switch (word) {
    case 'file':
      return fileChange(name, from, to);
    case 'variable':
      return `the variable ${name} changed`;
    case 'node':
      return `needs ${name}`;
    case 'presence':
      return `${name.replace(/^of /, '')} ${to === 'true' ? 'is there now' : 'is gone'}`;
    default:
      return valueChange(what, from, to);
  }
}

function changedLayer({ nodes = [] }: Reason, port: string): string {
  if (nodes.length === 0) return `what comes in at ${port} changed`;
  const names = nodes.length > 1 ? `${nodes.slice(0, -1).join(', ')} and ${nodes.at(-1)}` : nodes[0];
  return `the ${nodes.length > 1 ? 'layers' : 'layer'} of ${cleanText(names ?? '')} changed`;
}

function fileChange(path: string, from: string | undefined, to: string | undefined): string {
  if (from === undefined) return `${path} was ${to === 'removed' ? 'removed' : 'added'}`;
  const [before, after] = [from, to ?? ''].map((text) => text.replace(/ executable$/, ''));
  if (before !== after) return `${path} changed`;
  return `${path} is ${to?.endsWith(' executable') === true ? 'now' : 'no longer'} executable`;
}

function valueChange(what: string, from: string | undefined, to: string | undefined): string {
  const name = cleanText(PACKAGES.exec(what)?.[1] ?? what);
  if (DIGEST.test(from ?? to ?? '') || to === 'changed further on' || what === 'plugin code') return `${name} changed`;
  if (from === undefined) return `${name} is new: ${shorten(to ?? '')}`;
  if (to === undefined) return `${name} is gone: ${shorten(from)}`;
  return `${name} ${shorten(from)} -> ${shorten(to)}`;
}

/** The first reasons on one line. */
export function formatReasons(reasons: readonly Reason[], shown = 2): string {
  const first = reasons.slice(0, shown).map(formatReason).join('; ');
  return reasons.length > shown ? `${first}; and ${reasons.length - shown} more` : first;
}

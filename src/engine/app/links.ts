// Follows symbolic links of the app as nodes see them, step by step and only inside the app.

import { posix } from 'node:path';
import type { Failure } from '../failure.js';
import type { RunFiles, Winner } from './run-files.js';

/** Why a link can't be followed. */
export interface LinkProblem {
  /** The links on the way; the last one has no usable target. */
  readonly steps: readonly { readonly link: string; readonly target: string }[];
  readonly why: 'outside' | 'missing' | 'circle';
}

export interface Followed {
  /** The links on the way, in order. */
  readonly links: readonly string[];
  /** Where the path leads; undefined if it doesn't exist. */
  readonly end?: { readonly path: string; readonly winner: Winner };
  readonly problem?: LinkProblem;
}

/** As many as Linux follows. */
const MOST_LINKS = 40;
const NO_LINKS: readonly string[] = [];
const ROOT: Winner = { writer: -1, entry: { type: 'directory' } };

interface Part {
  readonly name: string;
  /** Comes from the target of a link, not from the requested path. */
  readonly isOfTarget: boolean;
}

/** `path`: app-relative, '' for the app. Notes every path that decides where it leads as looked at. */
export function followLinks(files: RunFiles, node: number, path: string): Followed {
  if (path === '') return { links: NO_LINKS, end: { path, winner: ROOT } };
  // If the path itself has an entry, none of its folders is a link.
  const winner = files.winner(node, path);
  if (winner !== undefined && winner.entry.type !== 'symlink') return { links: NO_LINKS, end: { path, winner } };
  return winner === undefined && !path.includes('/') ? { links: NO_LINKS } : walkPath(files, node, path);
}

function walkPath(files: RunFiles, node: number, path: string): Followed {
  const steps: { readonly link: string; readonly target: string }[] = [];
  const pending = partsOf(path, false);
  const done: string[] = [];
  const stop = (why?: LinkProblem['why']): Followed => ({
    links: steps.map(({ link }) => link),
    ...(why === undefined ? {} : { problem: { steps, why } }),
  });
  let winner = ROOT;
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part.name === '..') {
      if (done.pop() === undefined) return stop(part.isOfTarget ? 'outside' : undefined);
      winner = done.length === 0 ? ROOT : (files.winner(node, done.join('/')) ?? ROOT);
      continue;
    }
    done.push(part.name);
    const at = done.join('/');
    const found = winner.entry.type === 'directory' ? files.winner(node, at) : undefined;
    if (found === undefined) return stop(part.isOfTarget ? 'missing' : undefined);
    winner = found;
    if (found.entry.type !== 'symlink') continue;
    const { target } = found.entry;
    steps.push({ link: at, target });
    if (target.startsWith('/')) return stop('outside');
    if (steps.length > MOST_LINKS) return stop('circle');
    done.pop();
    pending.push(...partsOf(target, true));
    // Continue from the folder that contains the link.
    winner = ROOT;
  }
  return { links: steps.map(({ link }) => link), end: { path: done.join('/'), winner } };
}

/** The last part first. */
const partsOf = (path: string, isOfTarget: boolean): Part[] =>
  path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map((name) => ({ name, isOfTarget }))
    .reverse();

const TITLES: Readonly<Record<LinkProblem['why'], string>> = {
  outside: 'is a symbolic link that points outside the app',
  missing: 'is a symbolic link to a path that is not in the app',
  circle: 'is a symbolic link that points back to itself',
};

/** `Title: steps`, on one line. */
export const linkNotice = ({ steps, why }: LinkProblem): string =>
  `${steps[0]!.link} ${TITLES[why]}: ${steps
    .slice(0, SHOWN_STEPS)
    .map(({ link, target }) => `${link} -> ${target}`)
    .join(', ')}`;

const SHOWN_STEPS = 6;

/** `before`: the failure of the node when it did not find the file. */
export function linkFailure(problem: LinkProblem, appDir: string, before?: Failure): Failure {
  const { steps, why } = problem;
  const [first] = steps;
  const last = why === 'circle' ? first : steps.at(-1);
  const shown = steps.slice(0, SHOWN_STEPS).map(({ link, target }) => `  ${link} -> ${target}`);
  if (steps.length > SHOWN_STEPS) shown.push(`  ... and ${steps.length - SHOWN_STEPS} more`);
  return {
    code: 'app::unusable-link',
    blame: 'app',
    title: `${first!.link} ${TITLES[why]}`,
    subject: first!.link,
    detail: [
      'A node needs the file or folder behind this link:',
      ...shown,
      ...(before === undefined ? [] : ['', `${before.title}. ${before.detail}`.trim()]),
    ].join('\n'),
    remedy: remedyOf(last!.link, last!.target, why, appDir),
  };
}

function remedyOf(link: string, target: string, why: LinkProblem['why'], appDir: string): string {
  switch (why) {
    case 'outside': {
      const inside = target.startsWith(`${appDir}/`) ? target.slice(appDir.length + 1) : undefined;
      if (inside !== undefined) {
        return `Make the link relative: ln -sfn ${posix.relative(posix.dirname(link), inside)} ${link}`;
      }
      return [
        'Only files in the app folder are part of a build. Do one of the following:',
        `- Replace ${link} with a copy of its target.`,
        `- Move the target into the app and make ${link} a relative link to it.`,
      ].join('\n');
    }
    case 'missing':
      return [
        `1. Check that the target of ${link} exists and that neither .gitignore nor .slugignore excludes it.`,
        `2. If the target has moved, make the link again: ln -sfn TARGET ${link}`,
      ].join('\n');
    case 'circle':
      return `Replace ${link} with a file or folder, or with a link that does not point back to itself.`;
  }
}

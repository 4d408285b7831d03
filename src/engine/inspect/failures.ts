// Failures of commands that look at a slug.

import type { Failure } from '../failure.js';
import { SLUG_MARKER } from '../app/source-names.js';

export const noSlugAt = (slugDir: string): Failure => ({
  code: 'slug::not-found',
  blame: 'pipeline',
  title: `No slug at ${slugDir}`,
  detail: "The path doesn't exist.",
  remedy: 'Build the app first with `pyflow run`, or name the folder of the slug.',
});

export const notASlug = (slugDir: string): Failure => ({
  code: 'slug::not-a-slug',
  blame: 'pipeline',
  title: `${slugDir} is not a finished slug`,
  detail: `It has no readable ${SLUG_MARKER}, the file that a run writes last.`,
  remedy: 'Build the app again with `pyflow run`, or name another folder.',
});

export const noPythonIn = (slugDir: string): Failure => ({
  code: 'inspect::no-python',
  blame: 'app',
  title: `The slug ${slugDir} has no Python`,
  detail: 'No folder in it has both bin/python and lib/pythonX.Y.',
  remedy: 'Name the folder of a slug that was built by the pipeline for Python apps.',
});

const listed = (items: readonly string[]): string =>
  items.length <= 5 ? items.join(', ') : `${items.slice(0, 5).join(', ')} and ${items.length - 5} more`;

export const alteredSlug = (paths: readonly string[]): Failure => ({
  code: 'inspect::altered',
  blame: 'app',
  title: 'The slug changed after the run that wrote it',
  detail: `These differ from what the run wrote: ${listed(paths)}. Provenance would say that the run made them.`,
  remedy: 'Build the app again with `pyflow run`, and make the provenance before anything else writes to the slug.',
});

export const noRunOfSlug = (digest: string): Failure => ({
  code: 'inspect::no-run',
  blame: 'pipeline',
  title: 'No record of the run that wrote the slug',
  detail: `No run of the app in the cache wrote a slug with the digest ${digest}. Provenance says who built what, and only that record knows it.`,
  remedy:
    'Name the app and the cache of the run with --app, --app-id and --cache-dir. If the record is gone, build the app again with `pyflow run`.',
});

export const unusableSigningKey = (path: string, detail: string): Failure => ({
  code: 'inspect::unusable-key',
  blame: 'pipeline',
  title: `pyflow can't sign with ${path}`,
  detail,
  remedy: 'Name a PEM file with an ed25519 key: `openssl genpkey -algorithm ed25519 -out sign.pem` makes one.',
});

export const overBudget = (
  sizes: { readonly bytes: string; readonly budget: string },
  contributors: readonly string[],
  grown: readonly string[],
): Failure => ({
  code: 'inspect::over-budget',
  blame: 'app',
  title: `The slug has ${sizes.bytes}, and its budget is ${sizes.budget}`,
  detail: [
    'The largest parts:',
    ...contributors.map((line) => `  ${line}`),
    ...(grown.length === 0 ? [] : ['What grew:', ...grown.map((line) => `  ${line}`)]),
  ].join('\n'),
  remedy: 'Remove what the app does not need, list files in .slugignore, or ask the operator for a larger budget.',
});

export const noRunToCompare = (run: string, runs: readonly string[]): Failure => ({
  code: 'inspect::unknown-run',
  blame: 'pipeline',
  title: `pyflow finds neither a slug nor a run "${run}"`,
  detail:
    runs.length === 0
      ? 'The cache has no run of the app.'
      : `The latest runs of the app are ${runs.slice(-3).join(', ')}.`,
  remedy: 'Name a run with its whole id (`pyflow report --list` shows the ids), or the folder of a slug.',
});

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

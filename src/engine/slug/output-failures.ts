// Failures of `--output`.

import type { Failure } from '../failure.js';
import { shownPath } from '../files/shown-path.js';

export const baseUnusable = (layout: string, detail: string): Failure => ({
  code: 'output::base-unusable',
  blame: 'pipeline',
  title: `The base image can't be used: ${shownPath(layout)}`,
  detail,
  remedy:
    '1. Name a folder with an OCI image layout, for example one that `skopeo copy docker://debian:12 oci:debian` wrote.\n2. If it has several images, name one: --output oci=PATH,base=LAYOUT:NAME.',
});

export const notOurOutput = (path: string, what: string): Failure => ({
  code: 'output::not-ours',
  blame: 'pipeline',
  title: `pyflow won't write to ${shownPath(path)}`,
  detail: what,
  remedy: '1. Name another path with --output.\n2. Or pass --force to write there anyway.',
});

export const unsafeOutput = (path: string, what: string): Failure => ({
  code: 'output::unsafe-path',
  blame: 'pipeline',
  title: `pyflow can't write an output to ${shownPath(path)}`,
  detail: what,
  remedy: 'Name another path with --output, outside the app, the slug and the other outputs.',
});

export const reservedName = (path: string): Failure => ({
  code: 'output::reserved-name',
  blame: 'app',
  title: `A file can't be part of an image: ${shownPath(path)}`,
  detail: 'In the layers of images, a name that starts with `.wh.` says that a file was deleted.',
  remedy: '1. Rename the file.\n2. Or leave it out of the slug with a line in .slugignore.',
});

export const tooManyProcesses = (count: number, most: number): Failure => ({
  code: 'output::too-many-processes',
  blame: 'app',
  title: 'The Procfile has too many process types for images',
  detail: `It has ${count}. Each becomes an image, and pyflow writes at most ${most}.`,
  remedy: 'Remove process types that the app does not need from the Procfile.',
});

// The building blocks of the schemas in manifests.

import type { JSONSchema } from '../../../engine/sdk.js';

/** The fields of an object, by name. */
export type Properties = Readonly<Record<string, JSONSchema>>;

interface ClosedObject<P extends Properties, R extends readonly string[]> {
  readonly type: 'object';
  readonly properties: P;
  readonly required: R;
  readonly additionalProperties: false;
}

/** The schema of an object with exactly these fields. Every config, inputs and outputs is one. */
export function closedObject<const P extends Properties>(properties: P): Omit<ClosedObject<P, []>, 'required'>;
export function closedObject<const P extends Properties, const R extends readonly (keyof P & string)[]>(
  properties: P,
  required: R,
): ClosedObject<P, R>;
export function closedObject(properties: Properties, required?: readonly string[]): JSONSchema {
  return { type: 'object', properties, ...(required !== undefined && { required }), additionalProperties: false };
}

/** An input with all files of another node, or the output with the files of this one. */
export const outputTree = (description: string) => ({ type: 'string', format: 'output-tree', description }) as const;

/** An input or output with a program. */
export const toolTree = (description: string) => ({ type: 'string', format: 'tool-tree', description }) as const;

/** An input or output with the packages of a Python, or of a distribution. */
export const versionsByName = (description: string) =>
  ({ type: 'object', additionalProperties: { type: 'string' }, description }) as const;

/** The schema of every `root`: a plain relative path, because it becomes part of patterns and scripts. */
export const rootSchema = {
  type: 'string',
  pattern: '^(\\.|(?!\\.{1,2}(/|$)|-)[A-Za-z0-9@+._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9@+._-]+)*)$',
  default: '.',
  description: 'Folder with the files of the project, relative to the app, e.g. services/web. `.` is the app itself.',
} as const;

/** The schema of every `vendorDir`: a plain relative path, because it becomes part of launchers and patterns. */
export const vendorDirSchema = {
  type: 'string',
  pattern: '^(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+)*$',
  default: '.scalingo',
  description: 'Folder of the slug for the runtime and the packages, relative to the app.',
} as const;

/** A path below `root` that programs can't mistake for an option. */
export const pathSchema = { type: 'string', pattern: '^(?![-/])(?!(.*/)?\\.\\.(/|$)).+$' } as const;

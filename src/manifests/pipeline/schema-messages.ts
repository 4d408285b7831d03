// Explains errors of a schema validator. Serves the schema of pipeline files and the config schemas of plugins.

import type { SchemaError } from '../plugin-manifest.js';
import { describe } from './assignable.js';
import { foreignField } from './foreign-fields.js';
import { isRecord, nameOfType, type Path, type Problem, type Report, type Suggester } from './problem.js';
import { descriptionOf, follow, schemaAt, withoutRefs } from './schema-paths.js';
import { DURATION, wordsForPattern } from './schema-patterns.js';

export interface Refused {
  readonly errors: readonly SchemaError[];
  /** The data that was validated. */
  readonly data: unknown;
  readonly schema: unknown;
  /** Path of `data` in the file. */
  readonly at: Path;
  /** Name of the data as a whole. Default: the last part of `at`. */
  readonly subject?: string;
  /** Parts of the data whose values are unknown, so that they can't be wrong. */
  readonly unknown?: readonly Path[];
  /** Paths where a template is the whole text. */
  readonly wholes?: readonly Path[];
}

export function explainSchemaErrors(refused: Refused, report: Report, suggester: Suggester): void {
  for (const error of withoutAlternatives(refused)) {
    const problem = explain(error, refused, suggester);
    if (problem !== undefined) report(problem);
  }
}

/** When a value matches none of several alternatives, keeps only the errors of the one that was probably meant. */
function withoutAlternatives({ errors }: Refused): readonly SchemaError[] {
  const alternatives = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  if (alternatives.length === 0) return errors;
  const choices = new Map(alternatives.map((error) => [error.instancePath, error]));
  const ownerOf = (path: string): SchemaError | undefined => {
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
      const found = choices.get(at);
      if (found || at === '') return found;
    }
  };
  // An error inside the value says more than one about the value itself; one about its type says nothing.
  const weight = (error: SchemaError, owner: SchemaError): number =>
    error.instancePath !== owner.instancePath || STRUCTURAL.has(error.keyword) ? 2 : error.keyword === 'type' ? 0 : 1;
  const best = new Map<SchemaError, number>();
  for (const error of errors) {
    const owner = ownerOf(error.instancePath);
    if (owner === undefined || owner === error) continue;
    best.set(owner, Math.max(best.get(owner) ?? 0, weight(error, owner)));
  }
  return errors.filter((error) => {
    const owner = ownerOf(error.instancePath);
    if (owner === undefined) return true;
    const most = best.get(owner) ?? 0;
    return owner === error ? most === 0 : most > 0 && weight(error, owner) === most;
  });
}

const STRUCTURAL: ReadonlySet<string> = new Set(['required', 'additionalProperties', 'minItems', 'maxItems']);

type Explanation = Omit<Problem, 'severity'>;

/** An error together with the value it is about. */
interface Found {
  readonly error: SchemaError;
  readonly refused: Refused;
  readonly path: Path;
  readonly value: unknown;
  /** Name of the value in messages. */
  readonly name: string;
  /** The value is the data as a whole. */
  readonly isWhole: boolean;
  readonly suggester: Suggester;
}

/** Undefined when another check or another error reports the problem. */
function explain(error: SchemaError, refused: Refused, suggester: Suggester): Explanation | undefined {
  if ('propertyName' in error) return undefined; // reported by the keyword propertyNames
  const { path: inside, value } = follow(refused.data, error.instancePath);
  const path: Path = [...refused.at, ...inside];
  if (refused.unknown?.some((known) => startsWith(path, known))) return undefined;
  const isWhole = inside.length === 0;
  const name = isWhole && refused.subject !== undefined ? refused.subject : nameOf(path);
  const found: Found = { error, refused, path, value, name, isWhole, suggester };
  const explainer = Object.hasOwn(EXPLAINERS, error.keyword) ? EXPLAINERS[error.keyword] : undefined;
  return (explainer ?? explainLimit)(found);
}

function nameOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return 'the pipeline';
  return typeof last === 'number' ? 'this entry' : `\`${last}\``;
}

const EXPLAINERS: Readonly<Record<string, (found: Found) => Explanation | undefined>> = {
  additionalProperties: explainField,
  unevaluatedProperties: explainField,
  required: explainMissing,
  type: explainType,
  enum: explainChoice,
  const: explainConst,
  pattern: explainPattern,
  propertyNames: explainName,
  uniqueItems: explainDuplicate,
  anyOf: explainAlternatives,
  oneOf: explainAlternatives,
};

function explainField({ error, refused, path, suggester }: Found): Explanation | undefined {
  const { params, schemaPath } = error;
  const field = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
  if (field === '__proto__' || field === 'constructor' || field === 'prototype') return undefined; // reported by load.ts
  const place = { code: 'pipeline::unknown-field', path: [...path, field], atKey: true } as const;
  if (field === '<<') {
    return {
      ...place,
      message: 'Merge keys (`<<`) are not supported.',
      reason: 'YAML 1.2 no longer has them.',
      remedy: 'Write out the fields.',
    };
  }
  const owner = schemaAt(refused.schema, schemaPath);
  const known = isRecord(owner) && isRecord(owner['properties']) ? Object.keys(owner['properties']) : [];
  return {
    ...place,
    message: `Unknown field \`${field}\`.`,
    remedy: foreignField(field, known) ?? suggester.remedy(field, known, 'field'),
  };
}

function explainMissing({ error, refused, path, name, isWhole }: Found): Explanation {
  const field = String(error.params['missingProperty']);
  return {
    code: 'pipeline::missing-field',
    path,
    atKey: true,
    message: `${capital(name)} is missing the field \`${field}\`.`,
    remedy: refused.subject !== undefined && isWhole ? `Add \`with: { ${field}: ... }\`.` : `Add \`${field}\`.`,
  };
}

function explainType(found: Found): Explanation | undefined {
  const { error, path, value, name } = found;
  if (typeof value === 'number' && !Number.isFinite(value)) return undefined; // reported by load.ts
  const wanted = describe({ type: error.params['type'] });
  return {
    code: 'pipeline::wrong-type',
    path,
    message:
      value === null
        ? `${capital(name)} is empty.`
        : `${capital(name)} is ${typeof value === 'number' ? value : nameOfType(value)}, not ${wanted}.`,
    ...wrongTypeHelp(found, wanted),
  };
}

function wrongTypeHelp({ error, refused, path, value }: Found, wanted: string): Pick<Problem, 'reason' | 'remedy'> {
  if (refused.wholes?.some((whole) => whole.length === path.length && startsWith(path, whole))) {
    return {
      reason: 'The value comes from a template. A template that is the whole value keeps the type of its param.',
      remedy: 'Change the type of the param.',
    };
  }
  if (value === null) return { remedy: `Write ${wanted}, or remove the key.` };
  const owner = schemaAt(refused.schema, error.schemaPath);
  if (isRecord(owner) && owner['pattern'] === DURATION) return { remedy: wordsForPattern(DURATION)?.remedy ?? '' };
  switch (error.params['type']) {
    case 'array':
      return { remedy: 'Write a list: `[a, b]`, or one entry per line, each after `- `.' };
    case 'object':
      return { remedy: 'Write a mapping: `key: value`.' };
    case 'boolean':
      return { remedy: 'Write `true` or `false`, without quotes.' };
    case 'string':
      if (typeof value === 'object') break;
      return {
        reason: 'Without quotes, YAML reads `3.10` as the number 3.1 and `true` as a boolean.',
        remedy: 'Put quotes around it.',
      };
  }
  const isQuotedNumber = typeof value === 'string' && value !== '' && Number.isFinite(Number(value));
  return { remedy: isQuotedNumber ? 'Remove the quotes.' : `Write ${wanted}.` };
}

function explainChoice({ error, path, value, name, suggester }: Found): Explanation {
  const allowed = Array.isArray(error.params['allowedValues']) ? error.params['allowedValues'] : [];
  const words = allowed.filter((item) => typeof item === 'string');
  return {
    code: 'pipeline::bad-value',
    path,
    message: `${JSON.stringify(value)} is not a valid value for ${name}.`,
    remedy:
      typeof value === 'string' ? suggester.remedy(value, words, 'choice') : `Use ${describe({ enum: allowed })}.`,
  };
}

function explainConst({ error, path, value, name }: Found): Explanation {
  const allowed = error.params['allowedValue'];
  const place = { code: 'pipeline::bad-value', path };
  const isFormat = path.length === 1 && path[0] === 'pyflow';
  if (isFormat && typeof value === 'number' && value > Number(allowed)) {
    return {
      ...place,
      message: `The file has format ${value}, which is newer than this version of pyflow supports (${String(allowed)}).`,
      remedy: `Update pyflow. If the file was written for this version, begin it with \`pyflow: ${String(allowed)}\`.`,
    };
  }
  return {
    ...place,
    message:
      value === null
        ? `${capital(name)} is empty.`
        : isFormat
          ? `${shortJSON(value)} is not a format of pipeline files.`
          : `${capital(name)} must be ${JSON.stringify(allowed)}.`,
    remedy: `Write ${isFormat ? `\`pyflow: ${String(allowed)}\`` : JSON.stringify(allowed)}.`,
  };
}

function explainPattern({ error, refused, path, value, name }: Found): Explanation {
  const known = wordsForPattern(error.params['pattern']);
  const isTemplate = typeof value === 'string' && value.includes('${{');
  const description = known === undefined ? descriptionOf(refused.schema, error.schemaPath) : undefined;
  const reason = isTemplate
    ? 'Templates work only in `with`, `env` and the labels of secrets.'
    : description && `The kind describes the field like this: ${description}`;
  return {
    code: 'pipeline::bad-value',
    path,
    message: `${shortJSON(value)} ${known?.message ?? `is not a valid value for ${name}`}.`,
    ...(reason !== undefined && { reason }),
    remedy: known?.remedy ?? 'Run `pyflow plugins show KIND` to see the description of the field.',
  };
}

/** The schema allows at most this many characters in a name. */
const LONGEST_NAME = 100;

function explainName({ error, refused, path }: Found): Explanation {
  const key = String(error.params['propertyName']);
  const place = { code: 'pipeline::bad-name', path: [...path, key], atKey: true } as const;
  if (key.length > LONGEST_NAME) {
    return { ...place, message: 'This name is too long.', remedy: `Use at most ${LONGEST_NAME} characters.` };
  }
  const shape = schemaAt(refused.schema, `${error.schemaPath}/x`);
  const known = isRecord(shape) ? wordsForPattern(shape['pattern']) : undefined;
  return {
    ...place,
    message: `${JSON.stringify(key)} ${known?.message ?? 'is not a valid name'}.`,
    remedy: known?.remedy ?? 'Choose another name.',
  };
}

function explainDuplicate({ error, path }: Found): Explanation {
  return {
    code: 'pipeline::bad-value',
    path: [...path, Number(error.params['i'])],
    message: 'This entry appears twice in the list.',
    remedy: 'Remove one of them.',
  };
}

function explainAlternatives({ error, refused, path, value, name }: Found): Explanation {
  const owner = schemaAt(refused.schema, error.schemaPath);
  const resolved = isRecord(owner) ? withoutRefs(owner, refused.schema) : {};
  const wanted = describe(resolved);
  const choices: readonly unknown[] = Array.isArray(resolved['anyOf']) ? resolved['anyOf'] : [];
  const [known] = choices.flatMap((choice) => (isRecord(choice) ? (wordsForPattern(choice['pattern']) ?? []) : []));
  return {
    code: 'pipeline::wrong-type',
    path,
    message: value === null ? `${capital(name)} is empty.` : `${capital(name)} is ${nameOfType(value)}.`,
    reason: `It must be ${wanted}.`,
    remedy: known?.remedy ?? `Write ${wanted}.`,
  };
}

function explainLimit({ error, path, name }: Found): Explanation {
  const { keyword, params } = error;
  const limit = String(params['limit']);
  const texts: Readonly<Record<string, string>> = {
    minimum: `${capital(name)} must be at least ${limit}.`,
    exclusiveMinimum: `${capital(name)} must be more than ${limit}.`,
    maximum: `${capital(name)} must be at most ${limit}.`,
    exclusiveMaximum: `${capital(name)} must be less than ${limit}.`,
    minLength:
      limit === '1'
        ? `${capital(name)} is an empty string.`
        : `${capital(name)} must have at least ${limit} characters.`,
    maxLength: `${capital(name)} must have at most ${limit} characters.`,
    minItems:
      limit === '1' ? `${capital(name)} is an empty list.` : `${capital(name)} must have at least ${limit} entries.`,
    maxItems: `${capital(name)} must have at most ${limit} entries.`,
    minProperties:
      limit === '1' ? `${capital(name)} is empty.` : `${capital(name)} must have at least ${limit} fields.`,
    maxProperties: `${capital(name)} must have at most ${limit} fields.`,
    multipleOf: `${capital(name)} must be a multiple of ${String(params['multipleOf'])}.`,
  };
  return {
    code: 'pipeline::bad-value',
    path,
    message: texts[keyword] ?? `${capital(name)} is not valid here.`,
    remedy:
      texts[keyword] === undefined
        ? 'Run `pyflow plugins show KIND` to see what the kind accepts.'
        : 'Change the value.',
  };
}

const LONGEST_VALUE = 80;
const shortJSON = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text;
};

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
const startsWith = (path: Path, prefix: Path): boolean =>
  prefix.length <= path.length
    ? prefix.every((part, index) => path[index] === part)
    : path.every((part, index) => prefix[index] === part);

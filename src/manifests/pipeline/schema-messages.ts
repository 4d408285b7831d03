// Says in our own words what a schema refused, and where. Serves the pipeline's own schema and the configs of plugins.

import type { SchemaError } from '../plugin-manifest.js';
import { describe } from './assignable.js';
import { isRecord, nameOfType, type Path, type Report, type Suggester } from './problem.js';

export interface Refused {
  readonly errors: readonly SchemaError[];
  /** The data that was validated. */
  readonly data: unknown;
  readonly schema: unknown;
  /** Where `data` stands in the file. */
  readonly at: Path;
  /** What the data as a whole is called. Default: the last part of `at`. */
  readonly subject?: string;
  /** Parts of the data that are not known yet, and so cannot be wrong. */
  readonly unknown?: readonly Path[];
  /** Where a template is the whole text. */
  readonly wholes?: readonly Path[];
}

const DURATION = '^[0-9]{1,9}(ms|s|m|h|d)$';

/** What the patterns of the pipeline schema and of the kinds' schemas are for: none of them is ever shown. */
const PATTERNS: Readonly<Record<string, { readonly message: string; readonly remedy: string }>> = {
  '^[a-z][a-z0-9_-]*$': {
    message: 'is not a name',
    remedy: 'Start with a small letter; go on with small letters, digits, `-` and `_`.',
  },
  '^[a-z][a-z0-9_-]*\\.[A-Za-z_][A-Za-z0-9_-]*$': {
    message: 'is not a reference',
    remedy: 'Write `NODE.PORT`, an output of another node. Literal values belong into `with`.',
  },
  '^[A-Za-z_][A-Za-z0-9_]*$': {
    message: 'is not a name of a variable',
    remedy: 'Use letters, digits and `_`, and do not start with a digit.',
  },
  '^[A-Za-z][A-Za-z0-9_]*$': {
    message: 'is not a name of a param',
    remedy: 'Use letters, digits and `_`, and start with a letter.',
  },
  '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$': {
    message: 'is not a name of a group',
    remedy: 'Use letters, digits, `.`, `_` and `-`, with a letter or a digit at both ends.',
  },
  [DURATION]: {
    message: 'is not a duration',
    remedy: 'Write a whole number and a unit: `500ms`, `90s`, `10m`, `2h` or `7d`.',
  },
  '^[A-Za-z0-9][A-Za-z0-9 ._-]*$': {
    message: 'is not a name for a pipeline',
    remedy: 'Start with a letter or digit; go on with those, blanks, `.`, `-` and `_`.',
  },
  '^[0-9]{1,12}[kKmMgGtT]?$': {
    message: 'is not a size',
    remedy: 'Write a whole number and a unit: `64m`, `512m`, `2g`.',
  },
  '^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))': {
    message: 'is not a path inside the app',
    remedy: 'Write it relative to the app: without `/` in front and without `..`.',
  },
  '^(?![-/])(?!(.*/)?\\.\\.(/|$)).+$': {
    message: 'is not a path inside the app',
    remedy: 'Write it relative to the app: without `/` or `-` in front and without `..`.',
  },
  '^(\\.|(?!\\.{1,2}(/|$)|-)[A-Za-z0-9@+._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9@+._-]+)*)$': {
    message: 'is not a folder inside the app',
    remedy:
      'Write its path relative to the app, such as `services/web`, or `.` for the app itself: letters, digits and `@ + . _ -`, without `/` at either end and without `..`.',
  },
  '^(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+)*$': {
    message: 'is not a folder inside the app',
    remedy:
      'Write its path relative to the app, such as `.heroku`: letters, digits and `. _ -`, without `/` at either end and without `..`.',
  },
  '^[A-Za-z0-9._/-]+$': { message: 'is not accepted here', remedy: 'Use letters, digits and `. _ / -`.' },
  '^\\d+(\\.\\d+)*$': { message: 'is not a version', remedy: 'Write numbers with dots between, such as "25.1".' },
  '^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$': {
    message: 'is not a minor version of Python',
    remedy: 'Write two numbers with a dot between and quotes around, such as "3.13".',
  },
  '^(https?|file)://[^@\\s]+$': {
    message: 'is not the URL of an index',
    remedy: 'Write a URL with http, https or file, without a user and password in it.',
  },
};

export function explainSchemaErrors(refused: Refused, report: Report, suggester: Suggester): void {
  for (const error of withoutAlternatives(refused)) explain(error, refused, report, suggester);
}

/** Of a value that fits none of several alternatives, only the errors of the one that was meant are kept. */
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
  // How much an error of a branch tells: one inside the value more than one about it, one about its type nothing.
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

/** Fields of nodes as other pipeline systems call them, and what to write here. */
const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  args: 'Write the command as `with: { argv: [...] }`.',
  command: 'Use `uses: command` and write the command as `with: { argv: [...] }`.',
  commands: 'Use `uses: command` with one node for each command: `with: { argv: [...] }`.',
  condition: 'Use `when`.',
  depends: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  depends_on: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  dependsOn: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  environment: 'Use `env`.',
  if: 'Use `when`, for example `when: params.stack == "scalingo-24"`.',
  image: 'Nodes run on this machine; `uses` names the kind of a node.',
  kind: 'Use `uses`.',
  name: 'The key of a node is its name; use `description` for a text.',
  needs: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  only: 'Use `when`.',
  outputs: 'A command names the files it writes as `with: { writes: [...] }`.',
  plugin: 'Use `uses`.',
  requires: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  retry: 'Use `retries`.',
  run: 'Use `uses: command` and write the command as `with: { argv: [sh, -c, "..."] }`.',
  runs: 'Use `uses: command` and write the command as `with: { argv: [sh, -c, "..."] }`.',
  script: 'Use `uses: command` and write the script as `with: { argv: [sh, -c, "..."] }`.',
  shell: 'Name the shell in the command: `with: { argv: [sh, -c, "..."] }`.',
  skip: 'Use `when` with the opposite condition.',
  steps: 'A node is one step; write each step as a node of its own.',
  'timeout-minutes': 'Use `timeout`, for example `timeout: 10m`.',
  type: 'Use `uses`.',
  unless: 'Use `when` with the opposite condition.',
  variables: 'Use `env`.',
  'working-directory': 'A command takes `with: { cwd: FOLDER }`.',
  workdir: 'A command takes `with: { cwd: FOLDER }`.',
};
const FOREIGN_TOP: Readonly<Record<string, string>> = {
  jobs: 'Use `nodes`.',
  stages: 'Use `nodes`; `after` and `inputs` order them.',
  steps: 'Use `nodes`.',
  tasks: 'Use `nodes`.',
  parameters: 'Use `params`.',
  inputs: 'Use `params`.',
  version: 'Use `pyflow: 1`.',
};

/** `known`: the fields of the place, which tell whether it is a node or the top of the file. */
function foreignField(field: string, known: readonly string[]): string | undefined {
  if (known.includes('uses')) return Object.hasOwn(FOREIGN_FIELDS, field) ? FOREIGN_FIELDS[field] : undefined;
  if (known.includes('nodes')) return Object.hasOwn(FOREIGN_TOP, field) ? FOREIGN_TOP[field] : undefined;
  return undefined;
}

const STRUCTURAL: ReadonlySet<string> = new Set(['required', 'additionalProperties', 'minItems', 'maxItems']);

function explain(error: SchemaError, refused: Refused, report: Report, suggester: Suggester): void {
  if ('propertyName' in error) return; // the keyword propertyNames tells
  const { path: inside, value } = follow(refused.data, error.instancePath);
  if (refused.unknown?.some((known) => startsWith([...refused.at, ...inside], known))) return;
  const path: Path = [...refused.at, ...inside];
  const { params, keyword } = error;
  const name =
    inside.length === 0 && refused.subject !== undefined
      ? refused.subject
      : path.length === 0
        ? 'the pipeline'
        : typeof path.at(-1) === 'number'
          ? 'this entry'
          : `\`${path.at(-1)}\``;
  switch (keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const field = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
      if (field === '__proto__' || field === 'constructor' || field === 'prototype') return; // told when loading
      const owner = schemaAt(refused.schema, error.schemaPath);
      const known = isRecord(owner) && isRecord(owner['properties']) ? Object.keys(owner['properties']) : [];
      const isMerge = field === '<<';
      report({
        code: 'pipeline::unknown-field',
        path: [...path, field],
        atKey: true,
        message: isMerge ? 'Merge keys (`<<`) are not read.' : `There is no field \`${field}\` here.`,
        ...(isMerge && { reason: 'They were dropped from YAML with version 1.2.' }),
        remedy: isMerge
          ? 'Write the fields out.'
          : (foreignField(field, known) ?? suggester.remedy(field, known, 'field')),
      });
      return;
    }
    case 'required': {
      const field = String(params['missingProperty']);
      report({
        code: 'pipeline::missing-field',
        path,
        atKey: true,
        message: `${capital(name)} lacks the field \`${field}\`.`,
        remedy:
          refused.subject !== undefined && inside.length === 0
            ? `Add \`with: { ${field}: ... }\`.`
            : `Add \`${field}\`.`,
      });
      return;
    }
    case 'type': {
      if (typeof value === 'number' && !Number.isFinite(value)) return; // told when loading
      const wanted = describe({ type: params['type'] });
      const owner = schemaAt(refused.schema, error.schemaPath);
      const pattern = isRecord(owner) ? String(owner['pattern']) : '';
      const isDuration = pattern === DURATION && value !== null;
      report({
        code: 'pipeline::wrong-type',
        path,
        message:
          value === null
            ? `${capital(name)} is empty.`
            : `${capital(name)} is ${typeof value === 'number' ? value : nameOfType(value)}, not ${wanted}.`,
        ...(refused.wholes?.some((whole) => whole.length === path.length && startsWith(path, whole))
          ? {
              reason: 'It comes from a template; one that is the whole text keeps the type of its param.',
              remedy: 'Change the type of the param.',
            }
          : isDuration
            ? { remedy: PATTERNS[DURATION]?.remedy ?? '' }
            : wrongTypeHelp(value, params['type'], wanted)),
      });
      return;
    }
    case 'enum': {
      const allowed = Array.isArray(params['allowedValues']) ? params['allowedValues'] : [];
      const words = allowed.filter((item) => typeof item === 'string');
      report({
        code: 'pipeline::bad-value',
        path,
        message: `${JSON.stringify(value)} is not a choice for ${name}.`,
        remedy:
          typeof value === 'string' ? suggester.remedy(value, words, 'choice') : `Use ${describe({ enum: allowed })}.`,
      });
      return;
    }
    case 'const':
      report({ code: 'pipeline::bad-value', path, ...constWords(name, path, value, params['allowedValue']) });
      return;
    case 'pattern': {
      const pattern = String(params['pattern']);
      const known = Object.hasOwn(PATTERNS, pattern) ? PATTERNS[pattern] : undefined;
      const isTemplate = typeof value === 'string' && value.includes('${{');
      const description = descriptionOf(refused.schema, error.schemaPath);
      report({
        code: 'pipeline::bad-value',
        path,
        message: `${shortJSON(value)} ${known?.message ?? `is not accepted for ${name}`}.`,
        ...(isTemplate
          ? { reason: 'Templates are filled in `with`, `env` and labels of secrets only.' }
          : known || description === undefined
            ? {}
            : { reason: `What the kind says of it: ${description}` }),
        remedy: known?.remedy ?? 'Write it as the description of the field says; `pyflow plugins show KIND` shows it.',
      });
      return;
    }
    case 'propertyNames': {
      const key = String(params['propertyName']);
      const shape = schemaAt(refused.schema, `${error.schemaPath}/x`);
      const pattern = isRecord(shape) ? String(shape['pattern']) : '';
      const known = Object.hasOwn(PATTERNS, pattern) ? PATTERNS[pattern] : undefined;
      const isLong = key.length > 100;
      report({
        code: 'pipeline::bad-name',
        path: [...path, key],
        atKey: true,
        message: isLong ? 'This name is too long.' : `${JSON.stringify(key)} ${known?.message ?? 'is not a name'}.`,
        remedy: isLong ? 'Use a shorter one.' : (known?.remedy ?? 'Choose another name.'),
      });
      return;
    }
    case 'uniqueItems': {
      const index = Number(params['i']);
      report({
        code: 'pipeline::bad-value',
        path: [...path, index],
        message: 'This entry is in the list twice.',
        remedy: 'Remove one of them.',
      });
      return;
    }
    case 'anyOf':
    case 'oneOf': {
      const owner = schemaAt(refused.schema, error.schemaPath);
      const resolved = isRecord(owner) ? withoutRefs(owner, refused.schema) : {};
      const wanted = describe(resolved);
      const choices: readonly unknown[] = Array.isArray(resolved['anyOf']) ? resolved['anyOf'] : [];
      const meant = choices.flatMap((choice) =>
        isRecord(choice) ? (PATTERNS[String(choice['pattern'])] ?? []) : [],
      )[0];
      report({
        code: 'pipeline::wrong-type',
        path,
        message: value === null ? `${capital(name)} is empty.` : `${capital(name)} is ${nameOfType(value)}.`,
        reason: `It must be ${wanted}.`,
        remedy: meant?.remedy ?? `Write ${wanted}.`,
      });
      return;
    }
    default:
      report({ code: 'pipeline::bad-value', path, ...limits(name, keyword, params) });
  }
}

const LONGEST_VALUE = 80;
const shortJSON = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text;
};

/** The nearest description above a keyword. */
function descriptionOf(schema: unknown, schemaPath: string): string | undefined {
  for (let at = schemaPath; at.includes('/'); at = at.slice(0, at.lastIndexOf('/'))) {
    const owner = schemaAt(schema, at);
    if (isRecord(owner) && typeof owner['description'] === 'string') return owner['description'];
  }
  return undefined;
}

function constWords(
  name: string,
  path: Path,
  value: unknown,
  allowed: unknown,
): { readonly message: string; readonly reason?: string; readonly remedy: string } {
  const isFormat = path.length === 1 && path[0] === 'pyflow';
  if (isFormat && typeof value === 'number' && value > Number(allowed)) {
    return {
      message: `The format ${value} of this file is newer than this pyflow, which reads format ${String(allowed)}.`,
      remedy: `Update pyflow. If the file is written for this one, begin it with \`pyflow: ${String(allowed)}\`.`,
    };
  }
  return {
    message:
      value === null
        ? `${capital(name)} is empty.`
        : isFormat
          ? `${shortJSON(value)} is not a format of pipeline files.`
          : `${capital(name)} must be ${JSON.stringify(allowed)}.`,
    remedy: `Write ${isFormat ? `\`pyflow: ${String(allowed)}\`` : JSON.stringify(allowed)}.`,
  };
}

function limits(
  name: string,
  keyword: string,
  params: SchemaError['params'],
): { readonly message: string; readonly remedy: string } {
  const limit = String(params['limit']);
  const texts: Readonly<Record<string, string>> = {
    minimum: `${capital(name)} must be ${limit} or more.`,
    exclusiveMinimum: `${capital(name)} must be more than ${limit}.`,
    maximum: `${capital(name)} must be ${limit} or less.`,
    exclusiveMaximum: `${capital(name)} must be less than ${limit}.`,
    minLength:
      limit === '1' ? `${capital(name)} is an empty text.` : `${capital(name)} needs ${limit} characters or more.`,
    maxLength: `${capital(name)} must have ${limit} characters or fewer.`,
    minItems: limit === '1' ? `${capital(name)} is an empty list.` : `${capital(name)} needs ${limit} entries or more.`,
    maxItems: `${capital(name)} must have ${limit} entries or fewer.`,
    minProperties: limit === '1' ? `${capital(name)} is empty.` : `${capital(name)} needs ${limit} fields or more.`,
    maxProperties: `${capital(name)} must have ${limit} fields or fewer.`,
    multipleOf: `${capital(name)} must be a multiple of ${String(params['multipleOf'])}.`,
  };
  return {
    message: texts[keyword] ?? `${capital(name)} is not accepted here.`,
    remedy:
      texts[keyword] === undefined
        ? 'See the description of the kind with `pyflow plugins show KIND`.'
        : 'Change the value.',
  };
}

function wrongTypeHelp(
  value: unknown,
  type: unknown,
  wanted: string,
): { readonly reason?: string; readonly remedy: string } {
  if (value === null) return { remedy: `Give it ${wanted}, or remove the key.` };
  if (type === 'string' && typeof value !== 'object') {
    return {
      reason: 'Without quotes YAML reads numbers, true, false and null as such; `3.10` even becomes 3.1.',
      remedy: 'Put quotes around it.',
    };
  }
  if (type === 'array') return { remedy: 'Write a list: `[a, b]`, or one entry a line after `- `.' };
  if (type === 'object') return { remedy: 'Write fields: `key: value`.' };
  if (type === 'boolean') return { remedy: 'Write `true` or `false`, without quotes.' };
  if (typeof value === 'string' && value !== '' && Number.isFinite(Number(value)))
    return { remedy: 'Write it without quotes.' };
  return { remedy: `Write ${wanted}.` };
}

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
const startsWith = (path: Path, prefix: Path): boolean =>
  prefix.length <= path.length
    ? prefix.every((part, index) => path[index] === part)
    : path.every((part, index) => prefix[index] === part);

/** Follows a JSON pointer through data: indexes become numbers. */
function follow(data: unknown, pointer: string): { readonly path: Path; readonly value: unknown } {
  const path: (string | number)[] = [];
  let value = data;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) {
      path.push(Number(key));
      value = value[Number(key)];
    } else {
      path.push(key);
      value = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
  }
  return { path, value };
}

/** The schema that holds the keyword at the end of a schema path. */
function schemaAt(schema: unknown, schemaPath: string): unknown {
  let at = schema;
  for (const part of schemaPath.split('/').slice(1, -1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (isRecord(at) && typeof at['$ref'] === 'string' && !Object.hasOwn(at, key))
      at = schemaAt(schema, `${at['$ref']}/x`);
    if (Array.isArray(at)) at = at[Number(key)];
    else at = isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  if (isRecord(at) && typeof at['$ref'] === 'string') return schemaAt(schema, `${at['$ref']}/x`);
  return at;
}

function withoutRefs(schema: Readonly<Record<string, unknown>>, root: unknown): Readonly<Record<string, unknown>> {
  const choices = schema['anyOf'] ?? schema['oneOf'];
  if (!Array.isArray(choices)) return schema;
  const resolved = choices.map((choice: unknown) =>
    isRecord(choice) && typeof choice['$ref'] === 'string' ? schemaAt(root, `${choice['$ref']}/x`) : choice,
  );
  return {
    anyOf: resolved.map((choice) => (isRecord(choice) && isRecord(choice['items']) ? { type: 'array' } : choice)),
  };
}

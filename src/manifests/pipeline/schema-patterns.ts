// Words for the patterns in the pipeline schema and in the schemas of the kinds, so that no message shows a regular
// expression.

export const DURATION = '^[0-9]{1,9}(ms|s|m|h|d)$';

interface PatternWords {
  /** What follows the value in a sentence. */
  readonly message: string;
  readonly remedy: string;
}

const PATTERNS: Readonly<Record<string, PatternWords>> = {
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

export const wordsForPattern = (pattern: unknown): PatternWords | undefined =>
  typeof pattern === 'string' && Object.hasOwn(PATTERNS, pattern) ? PATTERNS[pattern] : undefined;

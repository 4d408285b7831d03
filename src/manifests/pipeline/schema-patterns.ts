// Explains the patterns in the schemas of pyflow, so that no message shows a regular expression.

export const DURATION = '^[0-9]{1,9}(ms|s|m|h|d)$';

interface PatternWords {
  /** What follows the value in a sentence. */
  readonly message: string;
  readonly remedy: string;
}

const PATTERNS: Readonly<Record<string, PatternWords>> = {
  '^[a-z][a-z0-9_-]*$': {
    message: 'is not a valid name',
    remedy: 'Use lowercase letters, digits, `-` and `_`, and start with a letter.',
  },
  '^[a-z][a-z0-9_-]*\\.[A-Za-z_][A-Za-z0-9_-]*$': {
    message: 'is not a reference to an output',
    remedy: 'Write `NODE.PORT`, an output of another node. Literal values go into `with`.',
  },
  '^[A-Za-z_][A-Za-z0-9_]*$': {
    message: 'is not a valid name for a variable',
    remedy: "Use letters, digits and `_`, and don't start with a digit.",
  },
  '^[A-Za-z][A-Za-z0-9_]*$': {
    message: 'is not a valid name for a param',
    remedy: 'Use letters, digits and `_`, and start with a letter.',
  },
  '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$': {
    message: 'is not a valid name for a group',
    remedy: 'Use letters, digits, `.`, `_` and `-`, and begin and end with a letter or digit.',
  },
  [DURATION]: {
    message: 'is not a valid duration',
    remedy: 'Write a whole number and a unit: `500ms`, `90s`, `10m`, `2h` or `7d`.',
  },
  '^[A-Za-z0-9][A-Za-z0-9 ._-]*$': {
    message: 'is not a valid name for a pipeline',
    remedy: 'Use letters, digits, spaces, `.`, `-` and `_`, and start with a letter or digit.',
  },
  '^[0-9]{1,12}[kKmMgGtT]?$': {
    message: 'is not a valid size',
    remedy: 'Write a whole number and a unit: `64m`, `512m`, `2g`.',
  },
  '^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))': {
    message: 'is not a path inside the app',
    remedy: 'Write a path relative to the app, without a leading `/` and without `..`.',
  },
  '^(?![-/])(?!(.*/)?\\.\\.(/|$)).+$': {
    message: 'is not a path inside the app',
    remedy: 'Write a path relative to the app, without a leading `/` or `-` and without `..`.',
  },
  '^(\\.|(?!\\.{1,2}(/|$)|-)[A-Za-z0-9@+._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9@+._-]+)*)$': {
    message: 'is not a folder inside the app',
    remedy:
      'Write a path relative to the app, such as `services/web`, or `.` for the app itself. Use letters, digits and `@ + . _ -`, no `/` at either end and no `..`.',
  },
  '^(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+)*$': {
    message: 'is not a folder inside the app',
    remedy:
      'Write a path relative to the app, such as `.heroku`. Use letters, digits and `. _ -`, no `/` at either end and no `..`.',
  },
  '^[A-Za-z0-9._/-]+$': {
    message: 'contains characters that are not allowed here',
    remedy: 'Use letters, digits and `. _ / -`.',
  },
  '^[a-z0-9][a-z0-9_.-]*$': {
    message: 'is not a valid name for a header',
    remedy: 'Use lowercase letters, digits and `_ . -`, and start with a letter or digit.',
  },
  '^[A-Za-z0-9][A-Za-z0-9._/-]*$': {
    message: 'is not a valid name for a set of results',
    remedy: 'Use letters, digits and `. _ / -`, and start with a letter or digit.',
  },
  '^\\d+(\\.\\d+)*$': { message: 'is not a valid version', remedy: 'Write numbers separated by dots, such as "25.1".' },
  '^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$': {
    message: 'is not a minor version of Python',
    remedy: 'Write two numbers separated by a dot, in quotes, such as "3.13".',
  },
  '^(https?|file)://[^@\\s]+$': {
    message: 'is not a valid index URL',
    remedy: 'Write an http, https or file URL without a user name and password.',
  },
};

export const wordsForPattern = (pattern: unknown): PatternWords | undefined =>
  typeof pattern === 'string' && Object.hasOwn(PATTERNS, pattern) ? PATTERNS[pattern] : undefined;

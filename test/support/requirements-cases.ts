// Random requirements files with options, continuations, comments, encodings, variables and includes, in common and in
// unlikely forms.

import * as fc from 'fast-check';

export interface RequirementsCase {
  /** Content of the files, by path. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly env: Readonly<Record<string, string>>;
  readonly path: string;
}

const PATHS = ['requirements.txt', 'base.txt', 'requirements/dev.txt', 'requirements/deep/more.txt'] as const;
const HASH = 'a'.repeat(64);

const requirement = fc.constantFrom(
  'flask',
  'Flask==3.0',
  'a_b[extra,two]>=1,<2',
  'requests ; python_version < "3.9"',
  "x;python_version<'3'",
  'name @ https://example.com/a.whl#sha256=1',
  'git+https://example.com/r.git@main#egg=r',
  'https://example.com/${TOKEN}/b.whl',
  './libs/local[extra]',
  'file:///app/libs/x',
  'pkg (>=1)',
  '${NAME}==1',
  'é==1',
  'x#y',
);
const url = fc.constantFrom(
  'https://u:p@example.com/simple',
  'https://${TOKEN}@host/',
  '"quoted url"',
  "'a'",
  '""',
  'a\\ b',
);
const option = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        '-i',
        '--index-url',
        '--index',
        '--pypi-url',
        '--extra-index-url',
        '--extra',
        '-f',
        '--find-links',
        '--trusted-host',
      ),
      fc.constantFrom(' ', '=', '  ', ''),
      url,
    )
    .map((parts) => parts.join('')),
  fc.constantFrom(
    '--pre',
    '--no-index',
    '--prefer-binary',
    '--require-hashes',
    '--no-in',
    '--pre=x',
    '--unknown',
    '--',
    '-x',
    '--req',
    '--no-binary :all:',
  ),
  fc
    .tuple(
      fc.constantFrom('-r', '--requirement', '-c', '--constraint', '--constr'),
      fc.constantFrom(' ', '=', ''),
      fc.constantFrom(
        'base.txt',
        'dev.txt',
        'deep/more.txt',
        'requirements/dev.txt',
        '"base.txt"',
        'ba\\se.txt',
        '${FILE}',
        './base.txt',
      ),
    )
    .map((parts) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('-e ', '--editable=', '-e'),
      fc.constantFrom('.', './libs/a[x]', 'git+https://example.com/r.git#egg=r', '"./libs/b"'),
    )
    .map((parts) => parts.join('')),
);
const hash = fc.constantFrom(
  `--hash=sha256:${HASH}`,
  `--hash sha256:${HASH}`,
  `--hash=md5:${'b'.repeat(32)}`,
  '--config-settings=a=b',
  '--global-option="x"',
);
const blank = fc.constantFrom(' ', '  ', '\t', '\u00a0', '\x1f', '');
const comment = fc.constantFrom('# note', '#', '# -r base.txt', '#egg', '\\# no', '# ends with \\', '# ${NAME}');
const lineEnd = fc.constantFrom(
  '\n',
  '\n',
  '\n',
  '\r\n',
  '\r',
  '\f',
  '\v',
  '\x85',
  '\u2028',
  '\x1c',
  '\\\n',
  ' \\\n',
  '\\\\\n',
  '\\\r\n',
  '\\ \n',
);

const piece = fc.oneof(
  { weight: 4, arbitrary: requirement },
  { weight: 3, arbitrary: option },
  { weight: 2, arbitrary: hash },
  { weight: 2, arbitrary: comment },
  { weight: 1, arbitrary: fc.constantFrom('"', "'", '\\', '-', '- ', ';', '${', '${TOKEN}', '"- a"', '\ufeff') },
);
const line = fc
  .tuple(blank, fc.array(fc.tuple(piece, blank), { maxLength: 3 }), lineEnd)
  .map(([start, pieces, end]) => start + pieces.map(([text, after]) => text + after).join('') + end);
const text = fc.array(line, { maxLength: 7 }).map((lines) => lines.join(''));

const encoded = fc
  .tuple(
    text,
    fc.constantFrom(
      'utf-8',
      'utf-8',
      'utf-8',
      'utf-8',
      'utf-8-mark',
      'utf-16le',
      'utf-16be',
      'utf-32le',
      'utf-32be',
      'latin-1',
      'utf-8-named',
    ),
  )
  .map(([content, encoding]) => encode(content, encoding));

function encode(content: string, encoding: string): Uint8Array {
  switch (encoding) {
    case 'utf-8-mark':
      return Buffer.from(`\ufeff${content}`);
    case 'utf-16le':
      return Buffer.from(`\ufeff${content}`, 'utf16le');
    case 'utf-16be':
      return Buffer.from(`\ufeff${content}`, 'utf16le').swap16();
    case 'utf-32le':
    case 'utf-32be': {
      const points = [...`\ufeff${content}`].map((character) => character.codePointAt(0)!);
      const bytes = Buffer.alloc(points.length * 4);
      for (const [index, point] of points.entries()) {
        if (encoding === 'utf-32le') bytes.writeUInt32LE(point, index * 4);
        else bytes.writeUInt32BE(point, index * 4);
      }
      return bytes;
    }
    case 'latin-1':
      return Buffer.from(`# -*- coding: latin-1 -*-\n${content}`, 'latin1');
    case 'utf-8-named':
      return Buffer.from(`#!/usr/bin/env x\n# vim: set fileencoding=utf-8 :\n${content}`);
    default:
      return Buffer.from(content);
  }
}

export const requirementsCase: fc.Arbitrary<RequirementsCase> = fc.record({
  files: fc
    .tuple(
      encoded,
      fc.option(encoded, { nil: undefined }),
      fc.option(encoded, { nil: undefined }),
      fc.option(encoded, { nil: undefined }),
    )
    .map((contents) =>
      Object.fromEntries(
        contents.flatMap((content, index) => (content === undefined ? [] : [[PATHS[index]!, content]])),
      ),
    ),
  env: fc.record(
    {
      TOKEN: fc.constantFrom('secret', 'a b', '-x', '#c', ''),
      NAME: fc.constantFrom('flask', '${TOKEN}'),
      FILE: fc.constantFrom('base.txt', 'requirements/dev.txt'),
    },
    { requiredKeys: [] },
  ),
  path: fc.constant('requirements.txt'),
});

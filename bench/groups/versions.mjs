// How long pyflow takes to say which Pythons fit the 500 packages of a lockfile, compared with printing its own version. No network.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { boundFigure, interleave, makeFolder, pyflowTime, ratioFigure, remove, summarize } from '../measure.mjs';

const PACKAGES = 500;
const MINORS = [10, 11, 12, 13, 14];
const PLATFORMS = [
  'macosx_10_13_x86_64',
  'macosx_11_0_arm64',
  'manylinux_2_17_x86_64.manylinux2014_x86_64',
  'manylinux_2_17_aarch64.manylinux2014_aarch64',
  'musllinux_1_2_x86_64',
  'win_amd64',
];
const HASH = `sha256:${'d'.repeat(64)}`;

export function versions({ rounds }) {
  const folder = makeFolder();
  try {
    const empty = app(join(folder, 'empty'), { 'requirements.txt': '' });
    const apps = {
      'uv.lock': app(join(folder, 'uv'), { 'uv.lock': uvLock(), '.python-version': '3.13\n' }),
      'poetry.lock': app(join(folder, 'poetry'), { 'poetry.lock': poetryLock() }),
    };
    const explain = (dir) => pyflowTime(['explain', 'version', '--app', dir, '--cache-dir', join(folder, 'cache')]);
    const steps = Object.entries(apps).map(([name, dir]) => ({
      name,
      floor: () => pyflowTime(['--version']),
      pyflow: () => explain(dir),
    }));
    const none = { name: 'none', floor: () => explain(empty) };
    for (const { floor, pyflow } of [none, ...steps]) [floor, pyflow].forEach((run) => run?.());
    const samples = interleave(rounds, [...steps, { ...none, pyflow: none.floor }]);
    const without = summarize(samples.none.floor).median;
    return steps.flatMap(({ name }) => {
      const added = summarize(samples[name].pyflow).median - without;
      return [
        ratioFigure(`explain version, ${name} with ${PACKAGES} packages`, samples[name], 7),
        boundFigure(`${name}, more than an app without packages`, 'ms', added, 100),
      ];
    });
  } finally {
    remove(folder);
  }
}

function app(dir, files) {
  mkdirSync(dir, { recursive: true });
  const project = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n';
  for (const [name, text] of Object.entries({ 'pyproject.toml': project, ...files }))
    writeFileSync(join(dir, name), text);
  return dir;
}

/** Every third package is compiled, and every tenth of those lacks a wheel for the newest Python. */
const wheelsOf = (index) =>
  index % 3 !== 0
    ? ['py3-none-any']
    : MINORS.filter((minor) => minor !== 14 || index % 30 !== 0).flatMap((minor) =>
        PLATFORMS.map((platform) => `cp3${minor}-cp3${minor}-${platform}`),
      );

const numbers = () => Array.from({ length: PACKAGES }, (_, index) => index);

function uvLock() {
  const file = (name) =>
    `{ url = "https://files.pythonhosted.org/packages/aa/bb/${'c'.repeat(60)}/${name}", hash = "${HASH}", size = 12345, upload-time = "2025-01-01T00:00:00Z" }`;
  const one = (index) => `[[package]]
name = "pkg-${index}"
version = "1.${index}.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "pkg-${(index + 1) % PACKAGES}" },
    { name = "pkg-${(index * 7) % PACKAGES}", marker = "python_full_version < '3.12'" },
]
sdist = ${file(`pkg_${index}-1.${index}.0.tar.gz`)}
wheels = [
${wheelsOf(index)
  .map((tags) => `    ${file(`pkg_${index}-1.${index}.0-${tags}.whl`)},\n`)
  .join('')}]
`;
  const root = `[[package]]\nname = "app"\nversion = "1"\nsource = { virtual = "." }\ndependencies = [{ name = "pkg-0" }]\n`;
  return `version = 1\nrevision = 3\nrequires-python = ">=3.10"\n\n${[root, ...numbers().map(one)].join('\n')}`;
}

function poetryLock() {
  const file = (name) => `    {file = "${name}", hash = "${HASH}"},\n`;
  const one = (index) => `[[package]]
name = "pkg-${index}"
version = "1.${index}.0"
description = "A package"
optional = false
python-versions = ">=3.8"
groups = ["main"]
files = [
${[`pkg_${index}-1.${index}.0.tar.gz`, ...wheelsOf(index).map((tags) => `pkg_${index}-1.${index}.0-${tags}.whl`)]
  .map(file)
  .join('')}]
`;
  const metadata = `[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\ncontent-hash = "${'b'.repeat(64)}"\n`;
  return [...numbers().map(one), metadata].join('\n');
}

// Compares pages of the real index, and what pyflow renders from them, with pip's own reader.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fileNameParts } from '../../src/engine/packages/file-name.js';
import { parseProjectPage, renderProjectPage, type ProjectPage } from '../../src/engine/packages/page.js';
import { prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';

const PROJECTS = ['requests', 'PyYAML', 'python-dateutil', 'zope.interface', 'uv', 'typing_extensions'];
const FORMS = ['application/vnd.pypi.simple.v1+json', 'text/html'];

interface Page {
  readonly body: Buffer;
  readonly contentType: string;
  readonly url: string;
}

describe('pages of the real index', function () {
  this.timeout(300_000);
  let runtime: PreparedRuntime;
  let pip: string;
  before(async function () {
    runtime = await prepareRuntime(this);
    pip = await prepareTool(runtime, 'pip');
  });

  it('have the files that pip finds, before and after they are rendered in either form', async () => {
    const cases: { readonly page: Page; readonly read: ProjectPage }[] = [];
    for (const project of PROJECTS) {
      for (const accept of FORMS) {
        const page = await fetchPage(project, accept);
        const parsed = parseProjectPage({ ...page, project });
        if (!parsed.ok) throw new Error(parsed.failure.detail);
        const read = parsed.value;
        expect(read.files.length, project).to.be.greaterThan(5);
        cases.push({ page, read });
        for (const form of ['json', 'html'] as const) {
          const rendered = renderProjectPage(read, form);
          cases.push({ page: { ...rendered, url: 'https://elsewhere.example/' }, read });
        }
        expect(read.files.filter(({ filename }) => isNamed(filename, project)).length, project).to.equal(
          read.files.filter(({ filename }) => !/\.(egg|exe|rpm|msi|dmg)$/.test(filename)).length,
        );
      }
    }
    const links = linksByPip(
      join(runtime.appDir, '.scalingo/python/bin/python3'),
      pip,
      cases.map(({ page }) => page),
    );
    for (const [index, { read, page }] of cases.entries()) {
      const own = read.files.map(asPip);
      for (const [at, link] of (links[index] as unknown[]).entries()) expect(own[at], page.url).to.deep.equal(link);
    }
  });
});

const isNamed = (filename: string, project: string): boolean => fileNameParts(filename, project) !== undefined;

async function fetchPage(project: string, accept: string): Promise<Page> {
  const response = await fetch(`https://pypi.org/simple/${project}/`, { headers: { accept } });
  return {
    body: Buffer.from(await response.arrayBuffer()),
    contentType: response.headers.get('content-type') ?? '',
    url: response.url,
  };
}

function asPip(file: ProjectPage['files'][number]): object {
  const { filename, url, sha256, requiresPython, yanked, metadata } = file;
  return {
    filename,
    url,
    hash: sha256 === undefined ? null : ['sha256', sha256],
    requiresPython: requiresPython ?? null,
    yanked: yanked === false ? null : yanked,
    metadata: metadata !== false,
  };
}

function linksByPip(python: string, pip: string, pages: readonly Page[]): readonly unknown[] {
  const input = JSON.stringify(pages.map((page) => ({ ...page, body: page.body.toString('base64') })));
  const reader = fileURLToPath(new URL('../support/pip-links.py', import.meta.url));
  return JSON.parse(
    execFileSync(python, ['-I', '-B', reader, pip], { input, maxBuffer: 2 ** 30, encoding: 'utf8' }),
  ) as readonly unknown[];
}

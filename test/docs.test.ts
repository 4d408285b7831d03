import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fillReference, readReference } from '../scripts/reference.js';
import { parse } from '../src/cli/command.js';
import { COMMANDS } from '../src/cli/main.js';
import { outcomesOf, Workspace } from './support/workspace.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const documents = [
  ...readdirSync(root),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
/** Without examples, in which nothing is a link or a heading. */
const proseOf = (name: string): string => read(name).replace(/^```[^]*?^```/gm, '');

describe('docs', () => {
  describe('the ten-line pipeline of the README', () => {
    const [, pipeline = ''] = /```yaml\n(pyflow: 1\n[^]*?)```/.exec(read('README.md')) ?? [];
    let workspace: Workspace;
    beforeEach(() => {
      workspace = new Workspace().write({ 'words.txt': 'one\ntwo\n' }).pipeline(pipeline);
    });
    afterEach(() => workspace.cleanUp());

    it('has ten lines', () => {
      expect(pipeline.trimEnd().split('\n')).to.have.length(10);
    });

    it('runs, and then is up to date', async () => {
      expect(outcomesOf(await workspace.run())).to.deep.equal({ words: 'executed', count: 'executed' });
      expect(workspace.slugFile('upper.txt')).to.equal('ONE\nTWO\n');
      expect(workspace.slugFile('count.txt').trim()).to.equal('2');
      expect(outcomesOf(await workspace.run())).to.deep.equal({ words: 'up-to-date', count: 'up-to-date' });
    });

    it('runs both nodes when a word changes', async () => {
      await workspace.run();
      workspace.write({ 'words.txt': 'one\nthree\nfour\n' });
      expect(outcomesOf(await workspace.run())).to.deep.equal({ words: 'executed', count: 'executed' });
      expect(workspace.slugFile('count.txt').trim()).to.equal('3');
    });

    it('does not run count again when upper.txt comes out the same', async () => {
      await workspace.run();
      workspace.write({ 'words.txt': 'One\nTwo\n' });
      expect(outcomesOf(await workspace.run())).to.deep.equal({ words: 'executed', count: 'up-to-date' });
    });
  });

  it('have a pipeline reference that matches the source (else: npm run reference)', () => {
    const text = readReference();
    expect(fillReference(text) === text, 'docs/pipeline-reference.md is out of date: npm run reference').to.equal(true);
  });

  it('list every event, and every field of the report', () => {
    const source = read('src/engine/events.ts');
    const namesIn = (text: string): readonly string[] =>
      [...text.matchAll(/readonly (\w+)\??:/g)].map(([, name = '']) => name);
    const [, events = ''] = read('docs/events.md').split(/^## /m);
    const listed = [...events.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, type = '']) => type);
    expect(listed).to.have.members([...source.matchAll(/readonly type: '([a-z-]+)'/g)].map(([, type = '']) => type));
    const words = new Set([...read('docs/events.md').matchAll(/\w+/g)].map(([word]) => word));
    expect(namesIn(source).filter((name) => !words.has(name))).to.deep.equal([]);
  });

  it('show pipelines that have no problems', async () => {
    const shown = documents.flatMap((name) =>
      [...read(name).matchAll(/```yaml\n([^]*?)```/g)].flatMap(([, text = '']) =>
        /^pyflow: 1$/m.test(text) ? [{ name, text }] : [],
      ),
    );
    expect(shown.map(({ name }) => name)).to.include.members(['README.md', 'docs/pipeline-reference.md']);
    const workspace = new Workspace();
    try {
      for (const { name, text } of shown) {
        const { lines } = await workspace.pipeline(text).plan();
        expect(lines, `${name}:\n${text}`).to.not.deep.equal([]);
      }
    } finally {
      workspace.cleanUp();
    }
  });

  it('link to files and headings that exist', () => {
    const broken: string[] = [];
    for (const name of documents) {
      for (const [, target = ''] of proseOf(name).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? name : relative(root, join(root, dirname(name), path));
        const isThere = existsSync(join(root, file)) && (anchor === undefined || anchorsOf(file).has(anchor));
        if (!isThere) broken.push(`${name}: ${target}`);
      }
    }
    expect(broken).to.deep.equal([]);
  });

  it('list every decision once, under the file that holds it', () => {
    const listed = [...read('docs/decisions.md').matchAll(/^- \[(\d+\. .+)\]\(decisions\/([a-z-]+\.md)#/gm)].map(
      ([, heading = '', file = '']) => `${file}: ${heading}`,
    );
    const held = readdirSync(join(root, 'docs/decisions')).flatMap((file) =>
      [...read(`docs/decisions/${file}`).matchAll(/^## (\d+\. .+)$/gm)].map(
        ([, heading = '']) => `${file}: ${heading}`,
      ),
    );
    expect(listed).to.have.members(held);
    // Numbers may be given out before the decisions are written, so there may be gaps.
    const numbers = held.map((line) => Number(/: (\d+)\./.exec(line)?.[1]));
    expect(new Set(numbers).size).to.equal(numbers.length);
  });

  it('name source files that exist', () => {
    const missing = documents.flatMap((name) =>
      [
        ...read(name).matchAll(
          /\b(?:src|test|scripts|bench|examples|schemas|pipelines)\/[\w./-]+\.(?:ts|mjs|js|json|ya?ml|sh)\b/g,
        ),
      ]
        .filter(([path]) => !path.includes('KIND') && !existsSync(join(root, path)))
        .map(([path]) => `${name}: ${path}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it('name every command, and no other', () => {
    for (const name of ['README.md', 'docs/command-line.md']) {
      const [table = ''] = /^\| Command \|[^]*?\n(?=\n)/m.exec(read(name)) ?? [];
      const named = [...table.matchAll(/^\| `(?:pyflow )?([a-z]+)/gm)].map(([, command = '']) => command);
      expect(named, name).to.have.members(Object.keys(COMMANDS));
    }
  });

  it('name only scripts in package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
    const named = documents.flatMap((name) => [...read(name).matchAll(/npm run ([a-z:-]+)/g)].map(([, it = '']) => it));
    expect(named).to.include('reference');
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).to.deep.equal([]);
  });

  it('show only command lines that pyflow understands', () => {
    const lines = documents.flatMap((name) => commandLinesOf(read(name)).map((line) => ({ name, line })));
    expect(lines.length).to.be.greaterThan(20);
    const wrong = lines.flatMap(({ name, line }) => {
      const problem = problemOf(line);
      return problem === undefined ? [] : [`${name}: ${line}: ${problem}`];
    });
    expect(wrong).to.deep.equal([]);
  });
});

/** Spans of code that begin with `pyflow`, and such lines of code blocks. */
const commandLinesOf = (text: string): readonly string[] => {
  const blocks = [...text.matchAll(/^```[^]*?^```/gm)].join('\n');
  return [...text.matchAll(/`pyflow ([^`]+)`/g), ...blocks.matchAll(/^(?:npx )?pyflow (.+?)(?: +#.*)?$/gm)].map(
    ([, line = '']) => line.replaceAll('\n', ' ').replaceAll('\\|', '|'),
  );
};

function problemOf(line: string): string | undefined {
  // What the shell would substitute counts as one word.
  const [name = '', ...args] = (line.split(' | ')[0] ?? '')
    .replace(/"[^"]*"/g, 'WORD')
    .trim()
    .split(/ +/);
  if (['help', '--version', '...'].includes(name)) return undefined;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return 'there is no such command';
  // A span may name the command alone.
  if (args.length === 0) return undefined;
  const { choices } = command;
  const unknown = choices === undefined ? [] : (args[0] ?? '').split('|').filter((word) => !choices.includes(word));
  if (unknown.length > 0) return `there is no ${unknown.join(', ')}`;
  const parsed = parse(command, args);
  return parsed.ok ? undefined : parsed.failure.message;
}

/** The anchors that renderers of Markdown make from headings. */
const anchorsOf = (name: string): ReadonlySet<string> =>
  new Set(
    [...proseOf(name).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withoutKinds } from '../../../scripts/editor-schema.js';
import { wordsForPattern } from '../../../src/manifests/pipeline/schema-patterns.js';
import { shippedKinds } from '../../../src/plugins/index.js';
import { checkText } from '../../support/check-text.js';
import { Refused, Workspace } from '../../support/workspace.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** Words that only people who know JSON Schema or regular expressions understand. */
const SCHEMA_WORDS =
  /regular expression|regex|pattern|schema|JSON pointer|\(\?|\^\[|\]\+|\$\)|anyOf|oneOf|const\b|enum\b/i;

interface Schema {
  readonly type?: unknown;
  readonly pattern?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}

describe('messages of check', () => {
  for (const [kind, { manifest }] of shippedKinds) {
    const fields = Object.entries((manifest.config as Schema).properties ?? {});
    for (const [field, schema] of fields) {
      if (schema.pattern === undefined && schema.items?.pattern === undefined) continue;
      it(`shows no regular expression for ${field} of ${kind}`, async () => {
        const wrong = schema.items === undefined ? '"../ @"' : '["../ @"]';
        const diagnostics = await checkText(
          `pyflow: 1\nnodes:\n  a: { uses: ${kind}, with: { ${field}: ${wrong} } }\n`,
        );
        const own = diagnostics.filter(({ message }) => message.includes('../ @'));
        expect(own, JSON.stringify(diagnostics)).to.have.length(1);
        const text = [own[0]!.message, own[0]!.reason, own[0]!.remedy].join(' ');
        expect(text).not.to.match(SCHEMA_WORDS);
        expect(own[0]!.remedy).not.to.match(/Change the value/);
      });
    }
  }

  it('shows no regular expression for the patterns of the file itself', async () => {
    const text = `
pyflow: 1
name: "-x"
params: { "1a": { type: string } }
pools: { "A": 1 }
nodes:
  a: { uses: command, with: { argv: [x] }, after: ["B"], timeout: soon, inputs: { tree: nowhere }, limits: { memory: much } }
  "C": { uses: command, with: { argv: [x] }, env: { "1X": a }, secrets: ["1Y"], cache: { maxAge: old } }
`;
    const diagnostics = await checkText(text);
    expect(diagnostics.length).to.be.at.least(9);
    for (const { message, reason = '', remedy } of diagnostics)
      expect(`${message} ${reason} ${remedy}`).not.to.match(SCHEMA_WORDS);
  });

  it('explains every pattern in the schemas', () => {
    const found = new Set<string>();
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('pattern' in value && typeof value.pattern === 'string') found.add(value.pattern);
      Object.values(value).forEach(visit);
    };
    const files = readdirSync(`${root}/schemas/plugins`).map((file) => `schemas/plugins/${file}`);
    for (const file of ['schemas/pipeline.schema.json', ...files]) {
      const schema = JSON.parse(readFileSync(`${root}/${file}`, 'utf8')) as Record<string, { config?: unknown }>;
      // pyflow never checks what the schema adds for editors only.
      visit(file.includes('plugins/') ? schema['properties']?.config : withoutKinds(schema));
    }
    expect([...found].filter((pattern) => wordsForPattern(pattern) === undefined)).to.deep.equal([]);
  });

  for (const [version, says] of [
    ['2', /newer.*update/is],
    ['7', /newer.*update/is],
    ['0', /Write `pyflow: 1`/],
    ['"1"', /Write `pyflow: 1`/],
  ] as const) {
    it(`says how to fix pyflow: ${version}`, async () => {
      const [problem] = await checkText(`pyflow: ${version}\nnodes: { a: { uses: detect } }\n`);
      expect(`${problem?.message} ${problem?.remedy}`).to.match(says);
    });
  }

  for (const [text, says] of [
    ['{"pyflow": 1, "nodes": {"a": {"uses": "detect",}}}', 'JSON does not allow a comma before `}` or `]`.'],
    [
      '{"pyflow": 1, "description": ",}",\n "nodes": {"a": {"uses": "command", "with": {"argv": ["x" , ]}}}}',
      'JSON does not allow a comma before `}` or `]`.',
    ],
    ['{"pyflow": 1, "nodes": {"a": {"uses": "detect"}}} # why', 'This file is named .json but contains YAML.'],
    ['{"pyflow": 1, "description": ",}", "nodes": {"a": {"uses": "detect"}}}', undefined],
  ] as const) {
    it(`${says === undefined ? 'accepts' : 'warns about'} ${text} in a .json file`, async () => {
      const found = await checkText(text, 'pipeline.json');
      expect(found.map(({ severity, message }) => `${severity}: ${message}`)).to.deep.equal(
        says === undefined ? [] : [`warning: ${says}`],
      );
      expect(await checkText(text, 'pipeline.yml')).to.deep.equal([]);
    });
  }

  it('reports missing plugins with their lines, together with all other problems', async () => {
    const work = new Workspace().pipeline(`pyflow: 1
plugins: [./first.mjs, ./second.mjs]
nodes:
  a: { uses: command, with: { argv: [x] }, colour: red }
  b: { uses: of-the-plugin }
`);
    try {
      await work.plan();
      expect.fail('accepted');
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.type !== 'diagnostics') throw error;
      expect(error.refusal.diagnostics.map(({ code, start }) => [code, start.line])).to.deep.equal([
        ['plugin::cannot-load', 2],
        ['plugin::cannot-load', 2],
        ['pipeline::unknown-field', 4],
      ]);
    } finally {
      work.cleanUp();
    }
  });
});

describe('a run', () => {
  it('reports unused `writes` and missing `reads` once', async () => {
    const work = new Workspace().write({ there: 'x', kept: 'x' }).pipeline(`pyflow: 1
nodes:
  a:
    uses: command
    with:
      argv: [sh, -c, "cp there made && printf x > kept"]
      reads: [there, kept, absent, 'absent/*']
      writes: [made, kept, 'never/**', missing]
`);
    try {
      const notices = (): readonly string[] =>
        work.events.flatMap((event) =>
          event.type === 'node-printed' && event.stream === 'notice' ? [event.text] : [],
        );
      await work.run();
      expect(notices().map((text) => text.replace(/, but .*/s, ''))).to.deep.equal([
        '[node::nothing-read] `reads` of node a names absent',
        '[node::nothing-written] `writes` of node a names never/**, missing',
      ]);
    } finally {
      work.cleanUp();
    }
  });
});

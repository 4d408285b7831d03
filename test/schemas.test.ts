import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { generate } from '../scripts/schemas.js';
import { composeFor } from '../src/composition.js';
import { KIND_AJV_OPTIONS, KIND_KEYWORDS } from '../src/manifests/pipeline/compile-kind.js';
import { validatePipeline } from '../src/manifests/pipeline/validate-schema.generated.js';
import { shippedKinds } from '../src/plugins/index.js';
import { validators } from '../src/plugins/validators.generated.js';

describe('generated schemas and validators', () => {
  let files: ReadonlyMap<string, string>;
  before(async () => {
    files = await generate();
  });

  it('match what `npm run schemas` writes', () => {
    for (const [path, content] of files) {
      expect(existsSync(path), `${path} is missing: npm run schemas`).to.equal(true);
      expect(readFileSync(path, 'utf8') === content, `${path} is out of date: npm run schemas`).to.equal(true);
    }
  });

  it('have no schema of a removed kind', () => {
    const written = readdirSync('schemas/plugins').map((name) => `schemas/plugins/${name}`);
    expect([...files.keys()]).to.include.members(written);
  });

  it('cover every shipped kind', () => {
    expect(Object.keys(validators)).to.have.members([...shippedKinds.keys()]);
  });

  it('are named in the error for a kind that has none yet', async () => {
    const open = validators as Record<string, unknown>;
    const { hook } = open;
    delete open['hook'];
    try {
      const composed = composeFor({})({ cacheDir: '/nonexistent', settings: {} });
      const error: unknown = await composed.catch((thrown: unknown) => thrown);
      expect((error as Error).message)
        .to.contain('kind hook')
        .and.to.contain('`npm run schemas`');
    } finally {
      open['hook'] = hook;
    }
  });

  it('import nothing', () => {
    for (const [path, content] of files) {
      if (path.endsWith('.js')) expect(content, path).to.not.match(/\brequire\(|^import /m);
    }
  });

  it('give the same verdicts as validators made at run time', () => {
    const ajv = new Ajv2020(KIND_AJV_OPTIONS);
    for (const keyword of KIND_KEYWORDS) ajv.addKeyword({ ...keyword });
    const samples: readonly unknown[] = [
      {},
      [],
      'x',
      null,
      { unknown: 1 },
      { script: 'x' },
      { argv: ['x'] },
      { tree: 'x' },
    ];
    for (const [kind, { manifest }] of shippedKinds) {
      const generated = validators[kind] ?? expect.fail(kind);
      for (const part of ['config', 'inputs', 'outputs'] as const) {
        const made = ajv.compile(manifest[part] as object);
        for (const sample of samples) {
          const [one, other] = [structuredClone(sample), structuredClone(sample)];
          expect(generated[part](one), `${kind} ${part} ${JSON.stringify(sample)}`).to.equal(made(other));
          expect(one).to.deep.equal(other); // the same defaults
          expect((generated[part].errors ?? []).length).to.equal((made.errors ?? []).length);
        }
      }
    }
  });

  it('describe every field of a pipeline file for editors', () => {
    const schema = JSON.parse(readFileSync('schemas/pipeline.schema.json', 'utf8')) as Node;
    type Node = {
      $ref?: string;
      description?: string;
      properties?: Record<string, Node>;
      definitions?: Record<string, Node>;
    };
    const lacking: string[] = [];
    const visit = (part: Node, at: string): void => {
      for (const [name, field] of Object.entries(part.properties ?? {})) {
        const target = field.$ref ? schema.definitions?.[field.$ref.replace('#/definitions/', '')] : undefined;
        if ((field.description ?? target?.description) === undefined) lacking.push(`${at}.${name}`);
        visit(field, `${at}.${name}`);
      }
    };
    visit(schema, '');
    for (const [name, part] of Object.entries(schema.definitions ?? {})) visit(part, name);
    expect(lacking).to.deep.equal([]);
  });

  it('accept a pipeline and refuse anything else', () => {
    expect(validatePipeline({ pyflow: 1, nodes: { a: { uses: 'detect' } } })).to.equal(true);
    for (const bad of [{}, [], { pyflow: 2, nodes: {} }, { pyflow: 1, nodes: { A: { uses: 'x' } } }]) {
      expect(validatePipeline(bad)).to.equal(false);
    }
  });
});

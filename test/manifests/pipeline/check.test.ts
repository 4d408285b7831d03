import { expect } from 'chai';
import * as fc from 'fast-check';
import { dump } from 'js-yaml';
import {
  checkPipeline,
  MAX_NODES,
  type CheckOptions,
  type CheckResult,
} from '../../../src/manifests/pipeline/check.js';
import { parsePipeline } from '../../../src/manifests/pipeline/load.js';
import type { CheckedNode, CheckedPipeline } from '../../../src/manifests/pipeline/manifest.js';
import { testKinds } from '../../support/kinds.js';
import { compileKind } from '../../../src/manifests/pipeline/compile-kind.js';
import type { PluginManifest } from '../../../src/manifests/plugin-manifest.js';
import { cpuMs } from '../../support/cpu-time.js';

const RUN = { mode: 'build', os: 'linux', arch: 'x64' } as const;

const PYTHON = `
pyflow: 1
name: python
params:
  stack: { type: string, enum: [scalingo-22, scalingo-24], default: scalingo-24 }
  limit: { type: integer, default: 3 }
  tags: { type: array, items: { type: string }, default: [a] }
pools: { network: 2 }
nodes:
  detect:      { uses: detect, description: What is it? }
  pre-compile: { uses: hook, with: { script: "bin/\${{ run.mode }}" }, after: [detect] }
  manager:     { uses: package-manager, after: [pre-compile], cache: never, timeout: 90s }
  version:
    uses: version-resolve
    with: { stack: "\${{ params.stack }}", limit: "\${{ params.limit }}", tags: "\${{params.tags}}" }
    inputs: { manager: manager.name }
    cache: { maxAge: 7d }
  dependencies: { uses: first-of, inputs: { candidates: [pip.tree, uv.tree] } }
  runtime:
    uses: fetch-runtime
    retries: 2
    inputs: { python: version.python }
    env: { STACK: "\${{ params.stack }}", LIMIT: "\${{ params.limit }}", BOTH: "\${{ params.limit }}-\${{ params.stack }}" }
    secrets: [TOKEN, { name: KEY, label: "v\${{ params.limit }}" }]
  pip: { uses: install, when: manager.name == "pip", inputs: { runtime: runtime.tree } }
  uv: { uses: install, when: 'manager.name == "uv" && nodes["pre-compile"].ran', inputs: { runtime: runtime.tree } }
  extra: { uses: install, inputs: { runtime: dependencies.tree, cache: pip.tree }, network: true }
`;

describe('checkPipeline', () => {
  const check = async (text: string, options: Partial<CheckOptions> = {}): Promise<CheckResult> => {
    const loaded = await parsePipeline('test.yml', text);
    if (!loaded.ok) return loaded;
    return checkPipeline(loaded.value, { kinds: await testKinds(), params: {}, run: RUN, ...options });
  };
  const sound = async (text: string, options: Partial<CheckOptions> = {}): Promise<CheckedPipeline> => {
    const result = await check(text, options);
    if (!result.ok) expect.fail(JSON.stringify(result.failure.diagnostics));
    return result.value;
  };
  const codes = async (text: string, options: Partial<CheckOptions> = {}): Promise<readonly string[]> => {
    const result = await check(text, options);
    return (result.ok ? result.value.warnings : result.failure.diagnostics).map(({ code }) => code);
  };
  const node = (pipeline: CheckedPipeline, id: string): CheckedNode => {
    const found = pipeline.nodes.find((item) => item.id === id);
    return found ?? expect.fail(`no node ${id}`);
  };

  it('requires an input that the config makes necessary', async () => {
    const kinds = new Map(await testKinds());
    const tool = { type: 'string', format: 'tool-tree', 'x-may-be-absent': true } as const;
    const manifest: PluginManifest = {
      kind: 'choosy',
      revision: 1,
      description: 'Works with one of two tools.',
      config: { type: 'object', properties: { by: { type: 'string', default: 'a' } }, additionalProperties: false },
      inputs: {
        type: 'object',
        properties: { a: { ...tool, 'x-needed-when': { by: 'a' } }, b: { ...tool, 'x-needed-when': { by: 'b' } } },
        additionalProperties: false,
      },
      outputs: { type: 'object', properties: {}, additionalProperties: false },
      writes: [],
    };
    kinds.set('choosy', await compileKind(manifest));
    const text = (by: string): string =>
      `pyflow: 1\nname: x\nparams: { by: { type: string, default: ${by} } }\nnodes:\n  n: { uses: choosy, with: { by: "\${{ params.by }}" } }\n`;
    for (const by of ['a', 'b']) {
      const result = await check(text(by), { kinds });
      const [first, ...others] = result.ok ? [] : result.failure.diagnostics;
      expect(first, by).to.include({ code: 'pipeline::missing-input' });
      expect(first?.message).to.contain(`the input \`${by}\``);
      expect(others).to.deep.equal([]);
    }
    expect((await check(text('c'), { kinds })).ok).to.equal(true);
  });

  it('returns a pipeline with everything resolved', async () => {
    const pipeline = await sound(PYTHON);
    expect(pipeline).to.deep.include({
      name: 'python',
      params: { stack: 'scalingo-24', limit: 3, tags: ['a'] },
      pools: { network: 2 },
      warnings: [],
    });
    expect(node(pipeline, 'detect')).to.deep.equal({
      id: 'detect',
      kind: 'detect',
      config: {},
      inputs: {},
      optionalInputs: [],
      after: [],
      whenReads: [],
      dependencies: [],
      writes: [],
      env: {},
      secrets: [],
      cache: 'auto',
      retries: 0,
      network: false,
      description: 'What is it?',
    });
    expect(node(pipeline, 'manager')).to.deep.include({ cache: 'never', timeoutMs: 90_000 });
    expect(node(pipeline, 'runtime')).to.deep.include({ retries: 2 });
    expect(node(pipeline, 'pre-compile').config).to.deep.equal({ script: 'bin/build' });
    expect(node(pipeline, 'version')).to.deep.include({
      config: { stack: 'scalingo-24', limit: 3, tags: ['a'] },
      cache: { maxAgeMs: 604_800_000 },
      inputs: { manager: { node: 'manager', port: 'name' } },
    });
    expect(node(pipeline, 'runtime')).to.deep.include({
      config: { vendorDir: '.scalingo' },
      writes: ['.scalingo/python/bin/**'],
      env: { STACK: 'scalingo-24', LIMIT: '3', BOTH: '3-scalingo-24' },
      secrets: [
        { name: 'TOKEN', label: '' },
        { name: 'KEY', label: 'v3' },
      ],
      pool: 'network',
      network: true,
      timeoutMs: 600_000,
    });
    expect(node(pipeline, 'uv')).to.deep.include({
      when: 'manager.name == "uv" && nodes["pre-compile"].ran',
      whenReads: [
        { node: 'manager', port: 'name' },
        { node: 'pre-compile', port: 'ran' },
      ],
      dependencies: ['pre-compile', 'manager', 'runtime'],
    });
    expect(node(pipeline, 'dependencies')).to.deep.include({
      inputs: {
        candidates: [
          { node: 'pip', port: 'tree' },
          { node: 'uv', port: 'tree' },
        ],
      },
      optionalInputs: ['candidates'],
    });
    expect(node(pipeline, 'extra')).to.deep.include({ optionalInputs: ['cache'], network: true });
  });

  it('sorts nodes topologically, ties in file order', async () => {
    const { nodes } = await sound(PYTHON);
    expect(nodes.map(({ id }) => id)).to.deep.equal([
      'detect',
      'pre-compile',
      'manager',
      'version',
      'runtime',
      'pip',
      'uv',
      'dependencies',
      'extra',
    ]);
  });

  it('returns plain JSON', async () => {
    const pipeline = await sound(PYTHON);
    expect(JSON.parse(JSON.stringify(pipeline))).to.deep.equal(pipeline);
  });

  it('parses params from the command line by their declared type', async () => {
    const pipeline = await sound(PYTHON, { params: { stack: 'scalingo-22', limit: '7', tags: '["x","y"]' } });
    expect(pipeline.params).to.deep.equal({ stack: 'scalingo-22', limit: 7, tags: ['x', 'y'] });
    expect(node(pipeline, 'version').config).to.deep.equal({ stack: 'scalingo-22', limit: 7, tags: ['x', 'y'] });
  });

  it('keeps string params from the command line as strings', async () => {
    const file =
      'pyflow: 1\nparams: { v: { type: string } }\nnodes: { a: { uses: command, with: { argv: ["${{ params.v }}"] } } }';
    for (const given of ['3.10', 'true', '', '[1]', '${{ params.v }}', 'null']) {
      expect(node(await sound(file, { params: { v: given } }), 'a').config).to.deep.include({ argv: [given] });
    }
  });

  it('accepts params without values when nothing is going to run', async () => {
    const file =
      'pyflow: 1\nparams: { n: { type: integer } }\nnodes: { a: { uses: version-resolve, with: { limit: "${{ params.n }}" } } }';
    expect(await codes(file)).to.deep.equal(['pipeline::missing-param']);
    expect(await codes(file, { paramsMayMiss: true })).to.deep.equal([]);
  });

  it('copies configs, so that nodes with the same YAML alias do not share defaults', async () => {
    const pipeline = await sound(
      'pyflow: 1\nnodes:\n  a: { uses: command, with: &w { argv: [x] } }\n  b: { uses: command, with: *w, after: [a] }',
    );
    expect(node(pipeline, 'a').config).to.deep.equal({ argv: ['x'], reads: [], writes: [] });
    expect(node(pipeline, 'a').config).to.not.equal(node(pipeline, 'b').config);
  });

  it('names the pipeline after its file by default', async () => {
    expect((await sound('pyflow: 1\nnodes: { a: { uses: detect } }')).name).to.equal('test');
  });

  it('gives a default size to a pool that only a kind names', async () => {
    const file =
      'pyflow: 1\nnodes: { m: { uses: package-manager }, a: { uses: fetch-runtime, inputs: { python: m.name } } }';
    expect((await sound(file)).pools).to.deep.equal({ network: 4 });
  });

  it('gives an alias the type of the outputs that feed it, even through other aliases', async () => {
    const file = (last: string): string => `pyflow: 1
nodes:
  c: { uses: first-of, inputs: { candidates: [b.tree] } }
  b: { uses: first-of, inputs: { candidates: [a.${last}] } }
  a: { uses: hook, with: { script: x } }
  d: { uses: install, inputs: { runtime: c.tree }, after: [c] }`;
    expect(await codes(file('tree'))).to.deep.equal([]);
    expect(await codes(file('ran'))).to.deep.equal(['pipeline::type-mismatch']);
  });

  it('lets guards compare values from an alias', async () => {
    const file = (when: string): string => `pyflow: 1
nodes:
  m: { uses: package-manager }
  one: { uses: first-of, inputs: { candidates: [m.count] } }
  a: { uses: detect, when: '${when}' }`;
    expect(await codes(file('one.tree > 3'))).to.deep.equal([]);
    expect(await codes(file('one.tree == "x"'))).to.deep.equal(['pipeline::when-type']);
  });

  it('accepts a consumer whose guard implies that the producer ran', async () => {
    const file = (when: string): string => `pyflow: 1
nodes:
  m: { uses: package-manager }
  p: { uses: hook, with: { script: x }, when: m.name == "pip" && m.isLocked }
  t: { uses: fetch-tool, with: { tool: x }, inputs: { runtime: p.tree }, when: '${when}' }`;
    for (const when of [
      'm.isLocked && m.name == "pip"',
      'p.ran',
      'm.count > 1 && m.isLocked && m.name == "pip"',
      '!p.ran',
    ]) {
      expect(await codes(file(when)), when).to.deep.equal([]);
    }
    for (const when of ['m.name == "pip"', 'm.isLocked || m.name == "pip"', '!has(p.ran)', 'm.count > 1']) {
      expect(await codes(file(when)), when).to.deep.equal(['pipeline::may-be-skipped']);
    }
  });

  it('returns the same result for JSON and YAML', async () => {
    const loaded = await parsePipeline('test.yml', PYTHON);
    if (!loaded.ok) expect.fail('the sample does not load');
    const asJSON = JSON.stringify(loaded.value.data, undefined, 2);
    expect(await sound(asJSON)).to.deep.equal(await sound(PYTHON));
  });

  it('depends on the order of nodes only, not of other keys', async () => {
    const loaded = await parsePipeline('test.yml', PYTHON);
    if (!loaded.ok) expect.fail('the sample does not load');
    const data = loaded.value.data as Record<string, unknown>;
    const reversed = dump(Object.fromEntries(Object.entries(data).reverse()));
    expect(await sound(reversed)).to.deep.equal(await sound(PYTHON));
  });

  it('refuses more nodes than the limit', async () => {
    const nodes = Array.from({ length: MAX_NODES + 1 }, (_, index) => `  n${index}: { uses: detect }`).join('\n');
    expect(await codes(`pyflow: 1\nnodes:\n${nodes}`)).to.deep.equal(['pipeline::too-many-nodes']);
  });

  it('reports diagnostics inside the text, however a valid file is mutated', async () => {
    const loaded = await parsePipeline('test.yml', PYTHON);
    if (!loaded.ok) expect.fail('the sample does not load');
    const sample = JSON.stringify(loaded.value.data);
    const junk = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        '',
        0,
        -1,
        true,
        [],
        {},
        [[]],
        [null],
        'a.b',
        'manager.name',
        '${{ params.x }}',
        '${{',
        'a-b.c == 1',
        '__proto__',
        'detect',
        { uses: 'detect' },
      ),
      fc.jsonValue({ depthSize: 'small' }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), fc.constantFrom('replace', 'remove', 'rename', 'add'), junk), {
          minLength: 1,
          maxLength: 4,
        }),
        async (changes) => {
          const data = JSON.parse(sample) as unknown;
          // A copy, because a value inserted twice could end up inside itself.
          for (const [at, how, value] of changes) mutate(data, at, how, structuredClone(value));
          const text = JSON.stringify(data);
          const result = await check(text);
          if (result.ok) return;
          expect(result.failure.diagnostics).to.not.have.length(0);
          for (const { start, end, message, remedy, code } of result.failure.diagnostics) {
            expect(code).to.match(/^pipeline::[a-z0-9-]+$/);
            expect(message, message).to.match(/\.$/);
            expect(remedy, remedy).to.match(/[.?]$/);
            expect(start.line).to.equal(1);
            expect(end.column).to.be.within(start.column, text.length + 1);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('checks ten thousand nodes in linear time', async function () {
    const lines = Array.from(
      { length: 10_000 },
      (_, index) =>
        `  n${index}: { uses: command, with: { argv: [x], writes: [out/*] }, when: m.count > ${index % 7} && m.name != "x"${index > 0 ? `, after: [n${index - 1}]` : ''} }`,
    );
    const loaded = await parsePipeline(
      'test.yml',
      `pyflow: 1\nnodes:\n  m: { uses: package-manager }\n${lines.join('\n')}`,
    );
    if (!loaded.ok) expect.fail('the sample does not load');
    const kinds = await testKinds();
    const ms = await cpuMs(async () => {
      const result = await checkPipeline(loaded.value, { kinds, params: {}, run: RUN });
      expect(result.ok).to.equal(true);
    });
    // Far above the usual time, and far below that of a quadratic check.
    expect(ms).to.be.lessThan(10_000);
  });
});

/** Changes the value that comes `at`-th in a walk over the data. */
function mutate(data: unknown, at: number, how: string, value: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (item: unknown): void => {
    if (typeof item !== 'object' || item === null) return;
    for (const key of Object.keys(item)) {
      places.push([item as Record<string, unknown>, key]);
      walk((item as Record<string, unknown>)[key]);
    }
  };
  walk(data);
  const [owner, key] = places[at % Math.max(1, places.length)] ?? [];
  if (owner === undefined || key === undefined) return;
  if (how === 'replace') owner[key] = value;
  else if (Array.isArray(owner)) owner.push(value);
  else if (how === 'remove') delete owner[key];
  else if (how === 'add') owner[`${key}x`] = value;
  else {
    owner[String(JSON.stringify(value)).slice(0, 20)] = owner[key];
    delete owner[key];
  }
}

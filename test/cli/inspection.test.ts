import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/cli/engine.js';
import type { Diagnostic } from '../../src/manifests/pipeline/diagnostic.js';
import type { CheckedPipeline } from '../../src/manifests/pipeline/manifest.js';
import { renderGraph } from '../../src/engine/render/graph.js';
import { reportPage } from '../../src/engine/render/report-page.js';
import { shippedKinds } from '../../src/plugins/index.js';
import { checkedNode, idOf, refOf } from '../support/checked-pipeline.js';
import { failedReport, nodeReport, pipFailure } from '../support/events.js';
import { pyflow } from '../support/fake-world.js';

const pipeline: CheckedPipeline = {
  name: 'two "quoted" words',
  params: {},
  pools: {},
  warnings: [
    {
      code: 'pipeline::unused-param',
      severity: 'warning',
      file: '/work/a.yml',
      start: { line: 1, column: 1 },
      end: { line: 1, column: 4 },
      message: 'The param `old` is never used.',
      remedy: 'Remove it.',
    },
  ],
  nodes: [
    checkedNode('end', { kind: 'detect' }),
    checkedNode('b', {
      inputs: { python: refOf('end', 'version'), trees: [refOf('end', 'tree')] },
      when: 'end.ok',
      whenReads: [refOf('end', 'ok')],
      after: [idOf('end')],
    }),
  ],
};
const unknownKind = (file: string): Diagnostic => ({
  code: 'pipeline::unknown-kind',
  severity: 'error',
  file,
  start: { line: 1, column: 4 },
  end: { line: 1, column: 5 },
  message: 'There is no such kind.',
  remedy: 'Name another.',
});
const checked: Partial<Engine> = { check: () => Promise.resolve({ ok: true, value: pipeline }) };

describe('cli/check', () => {
  it('says that there are no problems, and lists warnings', async () => {
    const { status, stdout, stderr } = await pyflow(['check', 'a.yml', 'b.yml'], { engine: checked });
    expect(status).to.equal(0);
    expect(stdout).to.equal('a.yml: no problems, 1 warning\nb.yml: no problems, 1 warning\n');
    expect(stderr).to.contain('a.yml:1:1: warning: The param `old` is never used. [pipeline::unused-param]');
    expect(stderr).to.contain('= fix: Remove it.');
  });

  it('shows the line that a warning is about', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-check-'));
    try {
      const file = join(folder, 'a.yml');
      writeFileSync(file, 'old: 1\n');
      const warnings = pipeline.warnings.map((warning) => ({ ...warning, file }));
      const engine: Partial<Engine> = { check: () => Promise.resolve({ ok: true, value: { ...pipeline, warnings } }) };
      const { stderr } = await pyflow(['check', file], { engine });
      expect(stderr).to.match(/^1 \| old: 1\n +\| \^~~$/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('checks all files and exits with the worst status', async () => {
    const engine: Partial<Engine> = {
      check: ({ pipelineFile }) =>
        Promise.resolve(
          pipelineFile.endsWith('good.yml')
            ? { ok: true, value: pipeline }
            : { ok: false, failure: { type: 'diagnostics', diagnostics: [unknownKind(pipelineFile)], text: 'a: b' } },
        ),
    };
    const { status, stderr, stdout } = await pyflow(['check', 'bad.yml', 'good.yml', 'worse.yml'], { engine });
    expect(status).to.equal(2);
    expect(stderr).to.contain('bad.yml:1:4: error: ');
    expect(stderr).to.contain('worse.yml:1:4: error: ');
    expect(stdout).to.contain('worse.yml: 1 problem\n');
    expect(stdout).to.contain('good.yml: no problems');
  });

  it('prints one JSON document for all files', async () => {
    const { stdout, stderr } = await pyflow(['check', 'a.yml', 'b.yml', '--json'], { engine: checked });
    expect(JSON.parse(stdout)).to.deep.equal(
      ['/work/a.yml', '/work/b.yml'].map((file) => ({ file, diagnostics: [], warnings: pipeline.warnings })),
    );
    expect(stderr).to.equal('');
  });

  it('checks a package policy, alone or beside pipelines, and says what it means', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-check-'));
    try {
      const file = join(folder, 'policy.yml');
      writeFileSync(file, 'contact: platform@example.com\nminimumAge: 7d\ndeny: [left.pad]\n');
      const alone = await pyflow(['check', '--policy', file]);
      expect(alone).to.deep.include({ status: 0, stderr: '' });
      expect(alone.stdout).to.equal(
        [
          `${file}: no problems`,
          '  minimumAge: pyflow refuses files uploaded less than 7 days ago.',
          '  deny: pyflow refuses left.pad.',
          '  platform@example.com may waive a rule.',
          '',
        ].join('\n'),
      );
      writeFileSync(file, 'minimum: 7d\n');
      const beside = await pyflow(['check', 'a.yml'], { engine: checked, env: { PYFLOW_POLICY: file } });
      expect(beside.status).to.equal(2);
      expect(beside.stdout).to.equal(`a.yml: no problems, 1 warning\n${file}: 1 problem\n`);
      expect(beside.stderr).to.contain('error: Unknown field `minimum`. [policy::invalid]');
      const document = await pyflow(['check', '--json', '--policy', file]);
      const codes = JSON.parse(document.stdout) as readonly { diagnostics: readonly { code: string }[] }[];
      expect(codes[0]?.diagnostics.map(({ code }) => code)).to.deep.equal(['policy::invalid']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('needs a file to check', async () => {
    const { status, stderr } = await pyflow(['check']);
    expect(status).to.equal(2);
    expect(stderr).to.contain('pyflow check needs PIPELINE..., --app DIR or --policy FILE.');
  });
});

describe('cli/graph', () => {
  it('quotes names in Mermaid that are its keywords or contain quotes', () => {
    expect(renderGraph(pipeline, 'mermaid')).to.equal(
      [
        'flowchart TD',
        '  n0["end<br/>detect"]',
        '  n1{{"b<br/>command"}}',
        '  n0 -->|"version as python"| n1',
        '  n0 -->|"tree as trees"| n1',
        '  n0 -.->|"ok"| n1',
        '  n0 -.->|"after"| n1',
        '',
      ].join('\n'),
    );
  });

  it('quotes all names for Graphviz', () => {
    const text = renderGraph(pipeline, 'dot');
    expect(text).to.match(/^digraph "two \\"quoted\\" words" \{\n/);
    expect(text).to.contain('  "end" -> "b" [label="ok", style=dashed];\n');
    expect(text).to.contain('  "b" [label="b\\ncommand", shape=hexagon];\n');
  });

  it('prints JSON, or the format that was asked for', async () => {
    const { stdout } = await pyflow(['graph', 'a.yml', '--format', 'json'], { engine: checked });
    const graph = JSON.parse(stdout) as { nodes: object[]; edges: object[] };
    expect(graph.nodes).to.have.length(2);
    expect(graph.edges[0]).to.deep.equal({ from: 'end', to: 'b', type: 'input', port: 'version', into: 'python' });
    expect((await pyflow(['graph', 'a.yml'], { engine: checked })).stdout).to.match(/^flowchart TD/);
    expect((await pyflow(['graph', 'a.yml', '--format', 'png'])).status).to.equal(2);
  });

  it('prints a drawing, or a page with the drawing', async () => {
    const svg = (await pyflow(['graph', 'a.yml', '--format', 'svg'], { engine: checked })).stdout;
    expect(svg)
      .to.match(/^<svg xmlns="[^"]+" viewBox="0 0 \d+ \d+"/)
      .and.to.match(/<\/svg>\n$/);
    expect(svg).to.contain('<title id="graph-title">Pipeline two &quot;quoted&quot; words</title>');
    expect(svg).to.contain('2 nodes and 1 edge between them');
    const html = (await pyflow(['graph', 'a.yml', '--format', 'html'], { engine: checked })).stdout;
    expect(html)
      .to.match(/^<!doctype html>\n<html lang="en">/)
      .and.to.contain('<h1>two &quot;quoted&quot; words</h1>');
  });

  it('says what to do if a graph is too large to draw', async () => {
    const nodes = Array.from({ length: 2001 }, (_, index) => checkedNode(`n${index}`));
    const engine: Partial<Engine> = { check: () => Promise.resolve({ ok: true, value: { ...pipeline, nodes } }) };
    const { status, stdout, stderr } = await pyflow(['graph', 'a.yml', '--format', 'html'], { engine });
    expect(status).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.contain('[graph::too-large]').and.to.contain('--format dot');
  });
});

describe('cli/why', () => {
  it('names the inputs that changed', async () => {
    const asked: unknown[] = [];
    const engine: Partial<Engine> = {
      why: (place, name, against) => {
        asked.push(place.appDir, name, against);
        const reasons = [{ type: 'file-changed', path: 'requirements.txt' }] as const;
        const report = nodeReport({ kind: 'install-deps-pip', outcome: 'executed', durationMs: 3200, reasons });
        return Promise.resolve({ ok: true, value: { node: name, runId: 'R2', report, against: 'R1', reasons } });
      },
    };
    const { status, stdout } = await pyflow(['why', 'pip', '--app', 'shop', '--against', 'R1'], { engine });
    expect(status).to.equal(0);
    expect(asked).to.deep.equal(['/work/shop', 'pip', 'R1']);
    expect(stdout).to.equal(
      'pip (install-deps-pip): executed in 3.2 s in run R2\ncompared with run R1:\n  requirements.txt changed\n',
    );
  });

  it('exits with the status of a failure', async () => {
    const why: Engine['why'] = () => Promise.resolve({ ok: false, failure: pipFailure });
    expect((await pyflow(['why', 'pip'], { engine: { why } })).status).to.equal(1);
  });
});

describe('cli/plugins', () => {
  const engine: Partial<Engine> = {
    kinds: () => Promise.resolve([...shippedKinds.values()].map(({ manifest }) => manifest)),
  };

  it('lists every kind with its description', async () => {
    const { stdout } = await pyflow(['plugins', 'ls'], { engine });
    for (const { manifest } of shippedKinds.values()) {
      expect(stdout).to.contain(manifest.kind);
      expect(stdout).to.contain(manifest.description);
    }
  });

  it('shows config and ports of every kind', async () => {
    for (const { manifest } of shippedKinds.values()) {
      const { status, stdout } = await pyflow(['plugins', 'show', manifest.kind], { engine });
      expect(status).to.equal(0);
      expect(stdout).to.contain('Config (with)').and.to.contain('Inputs').and.to.contain('Outputs');
      for (const schema of [manifest.config, manifest.inputs, manifest.outputs]) {
        for (const name of Object.keys(schema.properties ?? {}))
          expect(stdout).to.match(new RegExp(`^  ${name} +\\S`, 'm'));
      }
      expect(JSON.parse((await pyflow(['plugins', 'show', manifest.kind, '--json'], { engine })).stdout)).to.deep.equal(
        manifest,
      );
    }
  });

  it('suggests the kind that was probably meant', async () => {
    const { status, stderr } = await pyflow(['plugins', 'show', 'comand'], { engine });
    expect(status).to.equal(2);
    expect(stderr).to.contain('Did you mean command?');
  });
});

describe('cli/report', () => {
  let cacheDir: string;
  beforeEach(() => {
    cacheDir = mkdtempSync(join(tmpdir(), 'pyflow-report-'));
    mkdirSync(join(cacheDir, 'runs/shop'), { recursive: true });
    for (const runId of ['20260101T000000-old', failedReport.runId]) {
      writeFileSync(join(cacheDir, `runs/shop/${runId}.json`), JSON.stringify({ ...failedReport, runId }));
    }
  });
  afterEach(() => rmSync(cacheDir, { recursive: true, force: true }));

  const report = (...args: string[]) => pyflow(['report', ...args, '--app-id', 'shop', '--cache-dir', cacheDir]);

  it('shows the latest run by default', async () => {
    expect((await report()).stdout).to.contain(`Run ${failedReport.runId} of python for shop`);
    expect((await report('20260101')).stdout).to.contain('Run 20260101T000000-old');
    expect(JSON.parse((await report('--json')).stdout)).to.deep.equal(failedReport);
  });

  it('lists the runs, oldest first', async () => {
    expect((await report('--list')).stdout).to.equal(
      `20260101T000000-old  failed  python\n${failedReport.runId}  failed  python\n`,
    );
  });

  it('refuses an id that matches no run or several', async () => {
    const { status, stderr } = await report('2031');
    expect(status).to.equal(2);
    expect(stderr).to.contain('The cache has no run 2031 of shop.');
    const both = await report('2026');
    expect(both.status).to.equal(2);
    expect(both.stderr)
      .to.contain('2 runs of shop have an id that starts with "2026".')
      .and.to.contain(failedReport.runId);
  });

  it('shows times, saved time, sizes and reasons of all nodes', async () => {
    const { stdout } = await report();
    expect(stdout).to.match(/^NODE +KIND +OUTCOME +TIME +SAVED +LAYER +WHY$/m);
    expect(stdout).to.match(/^runtime +fetch-runtime +restored +12\.3 s$/m);
    expect(stdout).to.match(/^assets +command +executed +1\.8 s +20\.5 kB +assets\/main\.js changed$/m);
    expect(stdout).to.match(/^profile +runtime-environment +blocked +needs pip$/m);
    expect(stdout).to.contain('  -> Use a version that exists in requirements.txt.');
  });

  it('does not find a run whose record is damaged', async () => {
    const damaged = { ...failedReport, nodes: { a: nodeReport({ outcome: 'executed', reasons: [{} as never] }) } };
    for (const text of ['', 'null', '{}', '{"schema":"pyflow.report/3"}', '{"schema":2}', JSON.stringify(damaged)]) {
      writeFileSync(join(cacheDir, `runs/shop/${failedReport.runId}.json`), text);
      const { status, stderr } = await report();
      expect(status).to.equal(2);
      expect(stderr).to.contain('The cache has no run of shop.');
    }
  });

  it('says that another version of pyflow recorded the run', async () => {
    writeFileSync(join(cacheDir, `runs/shop/${failedReport.runId}.json`), '{"schema":"pyflow.report/1"}');
    const { status, stderr } = await report();
    expect(status).to.equal(2);
    expect(stderr)
      .to.contain(`Run ${failedReport.runId} was recorded by another version of pyflow (schema pyflow.report/1).`)
      .and.to.contain('This version reads pyflow.report/3.');
    expect((await report('--list')).stdout).to.equal(
      `20260101T000000-old  failed  python\n${failedReport.runId}  recorded by another version of pyflow\n`,
    );
  });

  it('writes a page completely or not at all', async () => {
    const file = join(cacheDir, 'page.html');
    expect(await report('--html', file)).to.deep.equal({
      status: 0,
      stdout: `Wrote the page of run ${failedReport.runId} to ${file}.\n`,
      stderr: '',
    });
    expect(readFileSync(file, 'utf8')).to.equal(reportPage(failedReport));
    const lost = await report('20260101', '--html', join(cacheDir, 'none/page.html'));
    expect(lost.status).to.equal(75);
    expect(lost.stderr).to.contain('[report::cannot-write]');
    const folder = await report('--html', join(cacheDir, 'runs'));
    expect(folder.status).to.equal(75);
    expect(readdirSync(cacheDir).sort()).to.deep.equal(['page.html', 'runs']);
  });

  it('refuses --html together with --json or --list', async () => {
    for (const more of ['--json', '--list']) expect((await report('--html', 'a.html', more)).status).to.equal(2);
    expect((await report('--html=')).stderr).to.contain('--html needs a file.');
  });
});

describe('cli/exec', () => {
  it('passes on the command and the named variables only', async () => {
    let seen: Parameters<Engine['exec']>[0] | undefined;
    const ran = await pyflow(
      ['exec', '--slug', 's', '-e', 'A=1', '--env', 'LANG', '-e', 'NOT_SET', '--', 'echo', '--slug', '-x'],
      {
        env: { LANG: 'de', PORT: '8000', SECRET: 'x' },
        engine: {
          exec: (request) => {
            seen = request;
            return Promise.resolve({ ok: true, value: 42 });
          },
        },
      },
    );
    expect(ran.status).to.equal(42);
    const { signal: _signal, ...request } = seen!;
    expect(request).to.deep.equal({
      slugDir: '/work/s',
      argv: ['echo', '--slug', '-x'],
      env: { A: '1', LANG: 'de', PORT: '8000' },
      sandbox: 'auto',
      writable: false,
      cacheDir: '/home/ada/.cache/pyflow',
    });
  });

  it('needs a process or a command, and variables with a name', async () => {
    expect((await pyflow(['exec', '--slug', 's'])).stderr).to.contain('needs a process or a command');
    expect((await pyflow(['exec', '--slug', 's', 'ls'])).status).to.equal(2);
    expect((await pyflow(['exec', '-e', '=1', '--', 'ls'])).stderr).to.contain('--env does not accept');
  });

  it('exits with the status of the signal if the command was interrupted', async () => {
    const { status } = await pyflow(['exec', '--', 'sleep', '9'], {
      interruption: () => ({ signal: 'SIGINT', exitStatus: 130 }),
      engine: { exec: () => Promise.resolve({ ok: false, failure: pipFailure }) },
    });
    expect(status).to.equal(130);
  });
});

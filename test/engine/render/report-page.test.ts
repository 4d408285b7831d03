import { expect } from 'chai';
import type { RunReport } from '../../../src/engine/events.js';
import { reportPage } from '../../../src/engine/render/report-page.js';
import { HOSTILE } from '../../support/checked-pipeline.js';
import { readStoredReport } from '../../../src/engine/run/stored-report.js';
import { failedReport, nodeReport, succeededReport } from '../../support/events.js';
import { Workspace } from '../../support/workspace.js';

/** Without markup. */
const textOf = (html: string): string => html.replace(/<style>[^]*?<\/style>|<[^>]+>/g, ' ').replace(/\s+/g, ' ');

describe('engine/render/report-page', () => {
  it('shows saved time and the slug, and no section for failures when there are none', () => {
    const text = textOf(reportPage(succeededReport));
    expect(text).to.contain('Duration 1 min 15 s exit status 0');
    expect(text).to.contain('Time saved 12.3 s');
    expect(text).to.contain('Slug 67.1 MB 1,575 files in /srv/shop/.pyflow/slug');
    expect(text).to.contain('4 1 executed, 1 restored, 1 up to date, 1 skipped');
    expect(text).to.contain('Degraded: made from the Python of this machine');
    expect(text).to.not.contain('What failed');
  });

  it('shows a failure once, with code, blame and remedy', () => {
    const page = reportPage(failedReport);
    expect(page.match(/class="panel failure"/g)).to.have.length(1);
    const text = textOf(page);
    expect(text).to.contain('pip : pip could not install the requirements');
    expect(text).to.contain('install-dependencies::pip · The app is at fault.');
    expect(text).to.contain('What to do: Use a version that exists in requirements.txt.');
  });

  it('shows a failure that belongs to no node', () => {
    const failure = { ...failedReport.failure!, code: 'slug::not-ours', title: 'The folder is in the way' };
    const text = textOf(reportPage({ ...succeededReport, status: 'failed', failure }));
    expect(text).to.contain('The folder is in the way').and.to.contain('slug::not-ours');
  });

  it('makes a page of a run that was refused, and of a part of a pipeline', () => {
    const none = textOf(reportPage({ ...failedReport, nodes: {}, buildData: {} }));
    expect(none).to.contain('What failed').and.to.not.contain('Where the time went').and.to.not.contain('Build data');
    const { slug: _slug, ...rest } = succeededReport;
    expect(textOf(reportPage({ ...rest, partial: true }))).to.contain('only part of the pipeline ran');
  });

  it('says which results stay on the machine, and why', () => {
    const nodes = { a: nodeReport({ outcome: 'executed', unshared: { type: 'degraded' } }) };
    expect(textOf(reportPage({ ...succeededReport, nodes }))).to.contain(
      'not shared, because the result is a fallback for this machine',
    );
  });

  it('escapes what tools printed', () => {
    const nodes = {
      a: nodeReport({
        kind: HOSTILE,
        outcome: 'failed',
        reasons: [{ type: 'file-changed', path: HOSTILE }],
        degraded: HOSTILE,
      }),
    };
    const failure = { ...failedReport.failure!, title: HOSTILE, detail: HOSTILE, remedy: HOSTILE };
    const page = reportPage({
      ...failedReport,
      pipeline: HOSTILE,
      appId: HOSTILE,
      nodes,
      failure,
      buildData: { [HOSTILE]: HOSTILE },
    });
    expect(page)
      .to.contain('&lt;script&gt;alert(1)')
      .and.to.not.match(/<script|<img/)
      .and.to.not.include('\u0007');
  });

  it('hides the user part of every URL in the report', () => {
    const url = 'https://ada:hunter2@index.example/simple';
    const report: RunReport = {
      ...failedReport,
      failure: { ...failedReport.failure!, code: 'x::y', detail: `cannot reach ${url}` },
      nodes: {
        a: nodeReport({
          outcome: 'executed',
          degraded: url,
          reasons: [{ type: 'config-changed', field: 'index', to: url }],
        }),
      },
      buildData: { index: url },
    };
    const page = reportPage(report);
    expect(page.match(/https:\/\/\*\*\*@index\.example/g)).to.have.length(4);
    expect(page).to.not.contain('hunter2');
  });

  it('shows outputs, and puts them after the slug in the timeline', () => {
    const { slug } = succeededReport;
    const outputs = [
      { form: 'oci' as const, path: '/srv/image', digest: 'sha256:a', bytes: 41_000_000, durationMs: 500 },
      { form: 'tar' as const, path: '/srv/<b>.tar', digest: 'sha256:b', bytes: 5_000_000 },
    ];
    const page = reportPage({ ...succeededReport, durationMs: 4000, slug: { ...slug!, durationMs: 1000 }, outputs });
    const text = textOf(page);
    expect(text).to.contain('Output oci 41.0 MB /srv/image').and.to.contain('Output tar 5.0 MB /srv/&lt;b&gt;.tar');
    expect(text).to.contain('writing the slug 2.5 s 1.0 s').and.to.contain('writing oci 3.5 s 500 ms');
    expect(text).to.not.contain('writing tar');
  });

  it('puts the slug at the end of the timeline if writing it took time', () => {
    const { slug } = succeededReport;
    expect(textOf(reportPage(succeededReport))).to.not.contain('writing the slug');
    const page = reportPage({ ...succeededReport, durationMs: 4000, slug: { ...slug!, durationMs: 1000 } });
    expect(textOf(page)).to.contain('writing the slug 3.0 s 1.0 s');
    expect(page).to.contain('x="75%" y="3" width="25%"');
  });

  it('shows no secret that a command of a real run printed', async () => {
    const workspace = new Workspace().write({ 'in.txt': '' }).pipeline(`pyflow: 1
name: secrets
nodes:
  leak:
    uses: command
    secrets: [TOKEN]
    with: { argv: [sh, -c, 'echo "the token is $TOKEN" >&2; exit 3'], reads: [in.txt], writes: [] }
`);
    try {
      const report = await workspace.run({ variables: { TOKEN: 'hunter2-hunter2' } });
      const recorded = readStoredReport(workspace.cacheDir, report.appId, report.runId);
      const page = reportPage(recorded.type === 'report' ? recorded.report : report);
      expect(recorded.type).to.equal('report');
      expect(page).to.contain('the token is ***');
      expect(page).to.not.contain('hunter2');
    } finally {
      workspace.cleanUp();
    }
  });

  it('draws runs of one millisecond to several days', () => {
    for (const durationMs of [0, 1, 999, 59_999, 60_000, 3_600_000, 9e8]) {
      const nodes = { a: nodeReport({ outcome: 'executed', durationMs, startedAt: failedReport.startedAt }) };
      const page = reportPage({ ...failedReport, durationMs, nodes });
      const ticks = page.match(/class="tick"/g)?.length ?? 0;
      expect(ticks, String(durationMs)).to.be.within(1, 8);
      expect(page).to.not.contain('NaN');
    }
  });
});

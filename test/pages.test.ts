// Pages in a real browser: they work there, load nothing, and show text that looks like markup as text.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import type { RunReport } from '../src/engine/events.js';
import { graphPage } from '../src/engine/render/graph-page.js';
import { drawGraph } from '../src/engine/render/graph-svg.js';
import { reportPage } from '../src/engine/render/report-page.js';
import type { CheckedPipeline } from '../src/manifests/pipeline/manifest.js';
import { browserOr, openPage } from './support/browser.js';
import { branching, HOSTILE, HOSTILE_SHOWN, layered } from './support/checked-pipeline.js';
import { failedReport, pipFailure } from './support/events.js';

interface Span {
  readonly left: number;
  readonly right: number;
}

/** The failed run, with text that a tool could print or a lockfile could contain. */
const hostileReport: RunReport = {
  ...failedReport,
  nodes: {
    ...failedReport.nodes,
    pip: {
      ...failedReport.nodes['pip']!,
      startedAt: '2026-01-02T03:04:05.100Z',
      failure: { ...pipFailure, detail: HOSTILE },
      reasons: [
        { type: 'package-changed', name: HOSTILE, from: HOSTILE, to: HOSTILE },
        ...['a', 'b', 'c', 'd', 'e'].map((field) => ({ type: 'config-changed' as const, field, to: 1 })),
      ],
    },
    assets: { ...failedReport.nodes['assets']!, startedAt: '2026-01-02T03:04:05.400Z' },
  },
  buildData: { ...failedReport.buildData, note: HOSTILE },
};

describe('pages', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;
  let folder: string;
  before(async function () {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-pages-'));
    browser = await browserOr(() => this.skip());
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const open = (name: string, text: string, options?: Parameters<typeof openPage>[2]) =>
    openPage(browser!, write(name, text), options);
  const backgroundOf = (page: Page): Promise<string> =>
    page.evaluate('getComputedStyle(document.body).backgroundColor');

  describe('of a graph', () => {
    const pageOf = (pipeline: CheckedPipeline): string => {
      const page = graphPage(pipeline);
      if (!page.ok) throw new Error(page.failure.title);
      return page.value;
    };

    it('shows a node and what it needs, and follows the edges', async () => {
      const { page, complaints } = await open('graph.html', pageOf(branching));
      await page.click('[data-id="left"]');
      const details = page.locator('#details');
      expect(await details.locator('h2').innerText()).to.equal('left');
      expect(await details.locator('pre').innerText()).to.equal('pick.name == "left"');
      expect(await details.locator('li').allInnerTexts()).to.deep.equal([
        'pick when name, after',
        'early after',
        'join tree as candidates',
      ]);
      await details.locator('button', { hasText: 'join' }).click();
      expect(await details.locator('h2').innerText()).to.equal('join');
      expect(await page.locator('.node.selected').getAttribute('data-id')).to.equal('join');
      expect(complaints).to.deep.equal([]);
    });

    it('shows text that looks like markup or a script as text', async () => {
      const { page, complaints } = await open('hostile.html', pageOf(branching));
      await page.click('[data-id="pick"]');
      expect(await page.locator('#details > p').nth(1).textContent()).to.equal(HOSTILE_SHOWN);
      expect(await page.locator('h1').textContent()).to.equal(`branching ${HOSTILE_SHOWN}`);
      expect(await page.locator('img').count()).to.equal(0);
      expect(await page.locator('script').count()).to.equal(2);
      expect(complaints).to.deep.equal([]);
    });

    it('runs no script but its own, even if one is injected', async () => {
      const spoilt = pageOf(branching).replace('<main>', '<script>document.title = "taken"</script><main>');
      const { page, complaints } = await open('spoilt.html', spoilt);
      expect(await page.title()).to.contain(' - pipeline');
      expect(complaints.join()).to.contain('Content Security Policy');
    });

    it('works with keys: one stop for tab, arrows along the edges, escape to leave', async () => {
      const { page } = await open('keys.html', pageOf(branching));
      const selected = async () => page.locator('.node.selected').getAttribute('data-id', { timeout: 2000 });
      expect(await page.locator('.node[tabindex="0"]').count()).to.equal(1);
      await page.locator('.node[tabindex="0"]').focus();
      await page.keyboard.press('Enter');
      expect(await selected()).to.equal('pick');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowDown');
      expect(await selected()).to.equal('left');
      await page.keyboard.press('ArrowUp');
      await page.keyboard.press('End');
      expect(await selected()).to.equal('end');
      expect(await page.evaluate('document.activeElement.dataset.id')).to.equal('end');
      expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).to.equal('end, command');
      await page.keyboard.press('Escape');
      expect(await page.locator('.node.selected').count()).to.equal(0);
    });

    it('finds nodes by name, kind and guard', async () => {
      const { page } = await open('search.html', pageOf(branching));
      await page.fill('#search', 'PACKAGE-man');
      expect(await page.locator('.node.match').count()).to.equal(1);
      expect(await page.locator('#found').innerText()).to.equal('1 of 6');
      await page.fill('#search', 'pick.name');
      await page.keyboard.press('Enter');
      expect(await page.locator('.node.selected').getAttribute('data-id')).to.equal('left');
      await page.keyboard.press('Enter');
      expect(await page.locator('.node.selected').getAttribute('data-id')).to.equal('right');
    });

    it('zooms by button, key and wheel, and moves by dragging', async () => {
      const { page } = await open('zoom.html', pageOf(layered(100)));
      const view = async (): Promise<readonly number[]> =>
        ((await page.locator('svg.graph').getAttribute('viewBox')) ?? '').split(' ').map(Number);
      await page.click('#fit');
      const whole = await view();
      await page.click('#zoom-in');
      const nearer = await view();
      expect(nearer[2]).to.be.closeTo((whole[2] ?? 0) / 1.25, 0.1);
      await page.mouse.move(400, 400);
      await page.mouse.wheel(0, -400);
      await page.waitForFunction(
        `Number(document.querySelector('svg.graph').getAttribute('viewBox').split(' ')[2]) < ${nearer[2]} - 1`,
      );
      const before = await view();
      await page.mouse.down();
      await page.mouse.move(500, 430, { steps: 4 });
      await page.mouse.up();
      const after = await view();
      expect(after[0]).to.be.lessThan(before[0] ?? 0);
      expect(after[1]).to.be.lessThan(before[1] ?? 0);
      expect(after[2]).to.equal(before[2]);
    });

    it('is dark if the reader prefers that, and complete without scripts', async () => {
      const text = pageOf(branching);
      const light = await open('light.html', text);
      const dark = await open('dark.html', text, { scheme: 'dark' });
      expect(await backgroundOf(light.page)).to.equal('rgb(247, 248, 249)');
      expect(await backgroundOf(dark.page)).to.equal('rgb(20, 23, 27)');
      const { page } = await open('still.html', text, { scripts: false });
      expect(await page.locator('.tools').isVisible()).to.equal(false);
      expect(await page.locator('[data-id="join"]').isVisible()).to.equal(true);
      await page.locator('summary').click();
      expect(await page.locator('tbody tr').count()).to.equal(6);
    });

    it('stays quick with 1,000 nodes', async () => {
      const { page, complaints } = await open('large.html', pageOf(layered(1000)));
      await page.fill('#search', 'n99');
      expect(await page.locator('#found').innerText()).to.equal('11 of 1000');
      const ms = await page.evaluate<number>(`(() => {
        const startedAt = performance.now();
        for (let round = 0; round < 20; round++) {
          document.querySelector('#zoom-in').click();
          document.querySelector('[data-id="n' + round + '"]').dispatchEvent(new MouseEvent('click'));
          document.body.offsetHeight;
        }
        return performance.now() - startedAt;
      })()`);
      expect(ms / 20).to.be.lessThan(500);
      expect(complaints).to.deep.equal([]);
    });

    it('is also a separate drawing', async () => {
      const drawn = drawGraph(branching, { alone: true });
      if (!drawn.ok) throw new Error(drawn.failure.title);
      const { page, complaints } = await open('graph.svg', drawn.value.svg);
      // Chromium shows an error instead of a drawing that isn't XML.
      expect(await page.locator('parsererror').count()).to.equal(0);
      expect(await page.locator('.node').count()).to.equal(6);
      expect(await page.locator('#graph-title').textContent()).to.equal(`Pipeline branching ${HOSTILE_SHOWN}`);
      expect(await page.locator('script, img').count()).to.equal(0);
      expect(complaints).to.deep.equal([]);
    });
  });

  describe('of a report', () => {
    it('shows failures, times and reasons, and runs and loads nothing', async () => {
      const { page, complaints } = await open('report.html', reportPage(hostileReport));
      expect(await page.locator('h1').innerText()).to.match(/^python failed$/i);
      expect(await page.locator('.tile').nth(1).innerText()).to.match(/12\.3 s/);
      const failure = page.locator('.failure').first();
      expect(await failure.locator('h3').innerText()).to.equal('pip: pip could not install the requirements');
      expect(await failure.locator('pre').textContent()).to.equal(HOSTILE_SHOWN);
      expect(await failure.innerText())
        .to.contain('install-dependencies::pip')
        .and.to.contain(pipFailure.remedy);
      expect(await page.locator('script, img').count()).to.equal(0);
      expect(complaints).to.deep.equal([]);
    });

    it('draws each node at the time it ran', async () => {
      const { page } = await open('timeline.html', reportPage(hostileReport));
      const bars = await page.evaluate<readonly Span[]>(
        `[...document.querySelectorAll('.lane rect')].map((bar) => bar.getBoundingClientRect().toJSON())`,
      );
      expect(bars).to.have.length(2);
      const [pip, assets] = bars as [Span, Span];
      expect(assets.left - pip.left).to.be.closeTo(((pip.right - pip.left) * 300) / 2500, 2);
      expect(assets.right - assets.left).to.be.closeTo(((pip.right - pip.left) * 1800) / 2500, 2);
    });

    it('links from a failure to its node, and opens the other reasons', async () => {
      const { page } = await open('links.html', reportPage(hostileReport), { scripts: false });
      await page.click('.failure a');
      expect(page.url()).to.match(/#node-pip$/);
      const row = page.locator('tr', { has: page.locator('#node-pip') });
      expect(await row.locator('li').last().isVisible()).to.equal(false);
      await row.locator('summary').click();
      expect(await row.locator('li').last().innerText()).to.equal('config e was set to 1');
    });

    it('fits a narrow window and a dark one', async () => {
      const { page } = await open('narrow.html', reportPage(hostileReport), { scheme: 'dark', width: 400 });
      expect(await backgroundOf(page)).to.equal('rgb(20, 23, 27)');
      expect(await page.evaluate('document.documentElement.scrollWidth')).to.be.at.most(400);
    });
  });
});

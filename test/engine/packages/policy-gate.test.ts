import { expect } from 'chai';
import type { PageFile, ProjectPage } from '../../../src/engine/packages/page.js';
import { PolicyGate, type IndexPage } from '../../../src/engine/packages/policy-gate.js';
import { makePolicy } from '../../../src/engine/packages/policy.js';
import type { Failure } from '../../../src/engine/failure.js';
import type { PolicyFile } from '../../../src/manifests/packages/policy.js';

const NOW = Date.UTC(2026, 11, 1);
const DAY = 86_400_000;
const PUBLIC = 'https://pypi.org/simple/';

const file = (filename: string, ageDays = 100): PageFile => ({
  filename,
  url: `https://files.example/a%2Bb/${filename}`,
  hashes: {},
  yanked: false,
  metadata: true,
  uploadTime: NOW - ageDays * DAY,
});
const page = (project: string, ...files: readonly PageFile[]): ProjectPage => ({ project, files, apiVersion: '1.0' });
const ofInstaller = (detail: string): Failure => ({
  code: 'pip::no-matching-version',
  blame: 'app',
  title: 'pip found no matching version',
  detail,
  remedy: 'Change it.',
});

describe('the policy at the gate of a node', () => {
  const warnings: string[] = [];
  const asked: string[] = [];
  const gate = (rules: PolicyFile, pages: readonly IndexPage[] = []): PolicyGate => {
    warnings.length = asked.length = 0;
    return new PolicyGate({
      policy: makePolicy(rules, undefined),
      now: NOW,
      pagesOf: (project) => {
        asked.push(project);
        return Promise.resolve(pages.filter((one) => one.page.project === project));
      },
      onWarning: (code, text) => warnings.push(`${code} ${text}`),
    });
  };
  const old = file('a-1.0.tar.gz');
  const young = file('a-2.0.tar.gz', 1);

  it('hides files, and explains the failure of an installer that missed one of them', () => {
    const opened = gate({ minimumAge: '7d', contact: 'jane' });
    expect(opened.filter(page('a', old, young), PUBLIC).files).to.deep.equal([old]);
    const refused = opened.explain(ofInstaller('ERROR: No matching distribution found for A==2.0'));
    expect(refused.code).to.equal('packages::refused');
    expect(refused.title).to.equal('The package policy refuses a 2.0');
    expect(refused.detail).to.contain('The newest allowed version is 1.0.\nThe package manager stopped: pip found');
    expect(refused.remedy).to.contain('ask jane to waive the rule `minimumAge`');
  });

  it('leaves a failure alone that has another cause', () => {
    const opened = gate({ minimumAge: '7d' });
    opened.filter(page('a', old, young), PUBLIC);
    for (const detail of [
      'No matching distribution found for b==2.0',
      'a==3.0 not found',
      'a>=1.0,<2: it did not build',
    ]) {
      const failure = ofInstaller(detail);
      expect(opened.explain(failure), detail).to.equal(failure);
    }
    expect(opened.explain(ofInstaller('because a (>=1.5) has no versions')).code).to.equal('packages::refused');
  });

  it('refuses the file of a lockfile by what the index says of it', async () => {
    const opened = gate({ minimumAge: '7d' }, [{ page: page('a', old, young), index: PUBLIC }]);
    const locked = (one: PageFile) => ({
      file: { ...one, url: one.url.replace('%2B', '+'), uploadTime: 0 },
      index: undefined,
      project: '',
    });
    const refused = await opened.refusal(locked(young));
    expect(refused?.title).to.equal('The package policy refuses a 2.0');
    expect(refused?.detail).to.contain('The newest allowed version is 1.0.');
    expect(await opened.refusal(locked(old))).to.equal(undefined);
    expect(asked).to.deep.equal(['a']);
    expect(opened.explain(ofInstaller('403 Forbidden')).code).to.equal('packages::refused');
  });

  it('refuses metadata of a file as it refuses the file', async () => {
    const opened = gate({ deny: ['a ==2.0'] });
    const metadata = { ...young, filename: `${young.filename}.metadata`, url: `${young.url}.metadata` };
    expect((await opened.refusal({ file: metadata, index: PUBLIC, project: 'a' }))?.subject).to.equal('a');
  });

  it('keeps private names from other indexes, also by URL', async () => {
    const own = 'https://own.example/simple/';
    const rules: PolicyFile = { indexes: { private: [{ packages: ['acme*'], from: [own] }] } };
    const acme = file('acme-1.0.tar.gz');
    const opened = gate(rules, [{ page: page('acme', acme), index: own }]);
    expect(await opened.refusal({ file: acme, index: undefined, project: '' })).to.equal(undefined);
    const elsewhere = { ...acme, url: 'https://evil.example/acme-1.0.tar.gz' };
    expect((await opened.refusal({ file: elsewhere, index: undefined, project: '' }))?.detail).to.contain(
      'rule `private`',
    );
    expect(opened.filter(page('acme', acme), PUBLIC).files).to.deep.equal([]);
  });

  it('asks no index if the rules need none', async () => {
    const opened = gate({ deny: ['b'] });
    expect(await opened.refusal({ file: old, index: undefined, project: '' })).to.equal(undefined);
    expect(asked).to.deep.equal([]);
  });

  it('warns once about a version, when it is fetched', async () => {
    const opened = gate({
      deny: ['a'],
      levels: { deny: 'warn' },
      indexes: { private: [{ packages: ['acme-core'], from: [PUBLIC] }] },
    });
    opened.filter(page('a', old, young), PUBLIC);
    await opened.refusal({ file: old, index: PUBLIC, project: 'a' });
    await opened.refusal({ file: old, index: PUBLIC, project: 'a' });
    await opened.refusal({ file: file('acne_core-1.0.tar.gz'), index: PUBLIC, project: 'acne-core' });
    expect(warnings).to.deep.equal([
      'packages::warned a 1.0 (rule `deny`): The policy denies `a`.',
      'packages::warned acne-core 1.0 (rule `private`): The name is almost the private name `acme-core`.',
    ]);
  });

  it('reads the words of an installer in linear time', () => {
    const opened = gate({ deny: ['a'] });
    opened.filter(page('a', old), PUBLIC);
    const started = performance.now();
    for (const text of ['a', 'a==', 'a[', 'a ', '=', ',>'].map((piece) => piece.repeat(100_000)))
      opened.explain(ofInstaller(text));
    expect(performance.now() - started).to.be.below(2000);
  });
});

import { expect } from 'chai';
import { Advisories, readRecord, type Advisory } from '../../../src/engine/packages/advisories.js';
import { filterPage, refusalText } from '../../../src/engine/packages/filter-page.js';
import { AddressSet } from '../../../src/engine/packages/index-address.js';
import { judgeLicences } from '../../../src/engine/packages/licences.js';
import type { PageFile } from '../../../src/engine/packages/page.js';
import { judgeFile, makePolicy, policyDigest, typoOfPrivate } from '../../../src/engine/packages/policy.js';
import type { PolicyFile } from '../../../src/manifests/packages/policy.js';

const NOW = Date.UTC(2026, 11, 1, 12);
const DAY = 86_400_000;
const PUBLIC = 'https://pypi.org/simple';
const OWN = 'https://own.example/simple';

const file = (filename: string, more: Partial<PageFile> = {}): PageFile => ({
  filename,
  url: `https://files.example/${filename}`,
  hashes: {},
  yanked: false,
  metadata: false,
  uploadTime: NOW - 100 * DAY,
  ...more,
});

/** The rule that refuses, `warn RULE`, or `allowed`. */
function judge(rules: PolicyFile, filename: string, more: Partial<PageFile> & { index?: string } = {}): string {
  const { index = PUBLIC, ...fields } = more;
  const [project = ''] = filename.split(/-\d/);
  const verdict = judgeFile(makePolicy(rules, advisories), { index, project, file: file(filename, fields), now: NOW });
  if (!verdict.allowed) return verdict.rule;
  return verdict.warnings.length === 0 ? 'allowed' : `warn ${verdict.warnings.map(({ rule }) => rule).join()}`;
}

const affected = (name: string, rest: object) => [{ package: { ecosystem: 'PyPI', name }, ...rest }];
const RECORDS = [
  { id: 'MAL-2026-1', summary: 'Steals\u001b[2J keys.', affected: affected('Evil.Pkg', { versions: ['1.0.0'] }) },
  {
    id: 'GHSA-1',
    affected: affected('weak', {
      ranges: [
        {
          type: 'ECOSYSTEM',
          events: [{ introduced: '0' }, { fixed: '1.5' }, { introduced: '2.0' }, { last_affected: '2.2' }],
        },
      ],
    }),
  },
  { id: 'MAL-2026-2', affected: affected('all-bad', {}) },
  { id: 'MAL-2026-3', withdrawn: '2026-01-01T00:00:00Z', affected: affected('fine', {}) },
  { id: 'MAL-2026-4', affected: [{ package: { ecosystem: 'npm', name: 'fine' } }] },
];
const byProject = new Map<string, Advisory[]>();
for (const record of RECORDS)
  for (const [name, found] of readRecord(record) ?? []) byProject.set(name, [...(byProject.get(name) ?? []), ...found]);
const advisories = new Advisories(byProject, 'digest');

describe('the package policy', () => {
  it('allows everything without rules', () => {
    expect(judge({}, 'a-1.0-py3-none-any.whl')).to.equal('allowed');
  });

  it('refuses files that are too young, or of unknown age, with exceptions by package and by index', () => {
    const rules: PolicyFile = {
      minimumAge: { age: '7d', except: [{ package: 'quick', age: '1d' }, { package: 'acme-*' }, { index: OWN }] },
    };
    expect(judge(rules, 'a-1.0.tar.gz', { uploadTime: NOW - 7 * DAY })).to.equal('allowed');
    expect(judge(rules, 'a-1.0.tar.gz', { uploadTime: NOW - 7 * DAY + 1 })).to.equal('minimumAge');
    expect(judge(rules, 'a-1.0.tar.gz', { uploadTime: NOW + DAY })).to.equal('minimumAge');
    expect(judge(rules, 'a-1.0.tar.gz', { uploadTime: undefined } as object)).to.equal('minimumAge');
    expect(judge(rules, 'a-1.0.tar.gz', { uploadTime: NOW, index: OWN })).to.equal('allowed');
    expect(judge(rules, 'Acme_x-1.0.tar.gz', { uploadTime: NOW })).to.equal('allowed');
    expect(judge(rules, 'quick-1.0.tar.gz', { uploadTime: NOW - 2 * DAY })).to.equal('allowed');
    expect(judge(rules, 'quick-1.0.tar.gz', { uploadTime: NOW })).to.equal('minimumAge');
  });

  it('knows denied and allowed packages in every spelling, by version', () => {
    const rules: PolicyFile = { deny: ['left.pad', 'half <2'], allow: ['left-pad', 'half', 'django >=4.2,<6'] };
    expect(judge(rules, 'Left_Pad-1.0-py3-none-any.whl')).to.equal('deny');
    expect(judge(rules, 'half-1.9.tar.gz')).to.equal('deny');
    expect(judge(rules, 'half-2.0.tar.gz')).to.equal('allowed');
    expect(judge(rules, 'half-2.0.egg')).to.equal('deny');
    expect(judge(rules, 'django-5.0.tar.gz')).to.equal('allowed');
    expect(judge(rules, 'django-6.0.tar.gz')).to.equal('allow');
    expect(judge(rules, 'other-1.0.tar.gz')).to.equal('allow');
  });

  it('keeps private names from public indexes, in every spelling', () => {
    const rules: PolicyFile = { indexes: { private: [{ packages: ['acme', 'Acme.*'], from: [OWN] }] } };
    for (const name of [
      'acme-1.0.tar.gz',
      'ACME-1.0.tar.gz',
      'acme_utils-1.0.tar.gz',
      'Acme.Utils-1.0-py3-none-any.whl',
    ])
      expect(judge(rules, name), name).to.equal('private');
    expect(judge(rules, 'acme_utils-1.0.tar.gz', { index: `${OWN}/` })).to.equal('allowed');
    expect(judge(rules, 'acme_utils-1.0.tar.gz', { index: `${OWN}-evil/` })).to.equal('private');
    expect(judge(rules, 'acme_utils-1.0.tar.gz', { index: 'https://own.example.evil/simple' })).to.equal('private');
  });

  it('warns about a name that is almost private', () => {
    const policy = makePolicy(
      { indexes: { private: [{ packages: ['acme-core', 'acme-*'], from: [OWN] }] } },
      undefined,
    );
    for (const name of ['acmecore', 'acne-core', 'acm-utils', 'amce-utils', 'acme2-utils'])
      expect(typoOfPrivate(policy, name)?.level, name).to.equal('warn');
    for (const name of ['acme-core', 'acme-utils', 'requests', 'core'])
      expect(typoOfPrivate(policy, name), name).to.equal(undefined);
  });

  it('allows and denies indexes', () => {
    expect(judge({ indexes: { allow: [OWN] } }, 'a-1.0.tar.gz')).to.equal('indexes');
    expect(judge({ indexes: { allow: [OWN, 'https://pypi.org'] } }, 'a-1.0.tar.gz')).to.equal('allowed');
    expect(judge({ indexes: { deny: ['https://pypi.org/'] } }, 'a-1.0.tar.gz')).to.equal('indexes');
  });

  it('refuses malicious releases and warns about vulnerable ones', () => {
    const rules: PolicyFile = { advisories: './osv' };
    expect(judge(rules, 'evil_pkg-1.0.tar.gz')).to.equal('malicious');
    expect(judge(rules, 'evil_pkg-1.1.tar.gz')).to.equal('allowed');
    expect(judge(rules, 'all_bad-7.tar.gz')).to.equal('malicious');
    expect(judge(rules, 'fine-1.0.tar.gz')).to.equal('allowed');
    for (const [version, expected] of [
      ['1.4', 'warn advisories'],
      ['0.0.dev1', 'warn advisories'],
      ['1.5', 'allowed'],
      ['2.0rc1', 'allowed'],
      ['2.2.0', 'warn advisories'],
      ['2.2.1', 'allowed'],
    ] as const)
      expect(judge(rules, `weak-${version}.tar.gz`), version).to.equal(expected);
    expect(judge({ ...rules, levels: { advisories: 'refuse' } }, 'weak-1.0.tar.gz')).to.equal('advisories');
  });

  it('refuses source archives and withdrawn files if it is told to', () => {
    expect(judge({ wheelsOnly: true }, 'a-1.0.tar.gz')).to.equal('wheelsOnly');
    expect(judge({ wheelsOnly: true }, 'a-1.0.egg')).to.equal('wheelsOnly');
    expect(judge({ wheelsOnly: true }, 'a-1.0-py3-none-any.whl')).to.equal('allowed');
    expect(judge({ wheelsOnly: ['a'] }, 'b-1.0.tar.gz')).to.equal('allowed');
    expect(judge({ wheelsOnly: { except: ['a'] } }, 'a-1.0.tar.gz')).to.equal('allowed');
    expect(judge({ wheelsOnly: { except: ['a'] } }, 'b-1.0.tar.gz')).to.equal('wheelsOnly');
    expect(judge({}, 'a-1.0.tar.gz', { yanked: '' })).to.equal('allowed');
    expect(judge({ yanked: 'warn' }, 'a-1.0.tar.gz', { yanked: '' })).to.equal('warn yanked');
    expect(judge({ yanked: 'refuse' }, 'a-1.0.tar.gz', { yanked: 'broken' })).to.equal('yanked');
  });

  it('honours levels and waivers, until they end', () => {
    const rules: PolicyFile = { deny: ['a'] };
    const waiver = { package: 'a ==1.0', rule: 'deny', until: '2026-12-01', by: 'jane' } as const;
    expect(judge({ ...rules, levels: { deny: 'warn' } }, 'a-1.0.tar.gz')).to.equal('warn deny');
    expect(judge({ ...rules, waivers: [waiver] }, 'a-1.0.tar.gz')).to.equal('allowed');
    expect(judge({ ...rules, waivers: [waiver] }, 'a-1.1.tar.gz')).to.equal('deny');
    expect(judge({ ...rules, waivers: [{ ...waiver, rule: 'yanked' }] }, 'a-1.0.tar.gz')).to.equal('deny');
    expect(judge({ ...rules, waivers: [{ ...waiver, until: '2026-11-30' }] }, 'a-1.0.tar.gz')).to.equal('deny');
  });

  it('has another digest when a decision could change, and only then', () => {
    const digest = (rules: PolicyFile, now = NOW, of = advisories): string => policyDigest(makePolicy(rules, of), now);
    const waivers = [{ package: 'a', rule: 'deny', until: '2026-12-01', by: 'jane' }] as const;
    expect(digest({ deny: ['a'], contact: 'x' })).to.equal(digest({ deny: ['a'], contact: 'y' }));
    expect(digest({ deny: ['a'] })).to.not.equal(digest({ deny: ['b'] }));
    expect(digest({ deny: ['a'], waivers })).to.not.equal(digest({ deny: ['a'] }));
    expect(digest({ deny: ['a'], waivers }, NOW + DAY)).to.equal(digest({ deny: ['a'] }));
    expect(digest({}, NOW, new Advisories(new Map(), 'other'))).to.not.equal(digest({}));
  });

  it('compares addresses of indexes without logins, cases of hosts and slashes at the end', () => {
    const isBelowAddress = (address: string, above: string): boolean => new AddressSet([above]).has(address);
    expect(isBelowAddress('https://user:secret@PyPI.org/simple//', PUBLIC)).to.equal(true);
    expect(isBelowAddress('https://pypi.org/simple/../evil', PUBLIC)).to.equal(false);
    expect(isBelowAddress('http://pypi.org/simple', PUBLIC)).to.equal(false);
    expect(isBelowAddress('nonsense', PUBLIC)).to.equal(false);
  });

  it('judges a page with thousands of files by thousands of rules in a moment', () => {
    const names = Array.from({ length: 5000 }, (_, at) => `name-${at}*`);
    const indexes = { allow: [...names.map((name) => `https://${name.slice(0, -1)}.example/`), PUBLIC] };
    const policy = makePolicy(
      {
        deny: names,
        wheelsOnly: { except: names },
        indexes: { ...indexes, private: [{ packages: names, from: [OWN] }] },
      },
      advisories,
    );
    const started = performance.now();
    for (let count = 0; count < 5000; count++) {
      const offered = file(`other-1.${count}-py3-none-any.whl`);
      expect(judgeFile(policy, { index: PUBLIC, project: 'other', file: offered, now: NOW }).allowed).to.equal(true);
    }
    expect(performance.now() - started).to.be.below(3000);
  });
});

describe('a page under the policy', () => {
  const files = [
    file('a-1.0.tar.gz'),
    file('a-1.1.tar.gz'),
    file('a-1.1-py3-none-any.whl'),
    file('a-2.0.tar.gz', { uploadTime: NOW - DAY }),
  ];
  const rules: PolicyFile = { minimumAge: '7d', deny: ['a ==1.1'], contact: 'platform@example.com' };
  const policy = makePolicy(rules, undefined);
  const page = { project: 'a', files, versions: ['0.9', '1.0.0', '1.1', '2.0'], apiVersion: '1.1' };
  const filtered = filterPage(page, (one) => judgeFile(policy, { index: PUBLIC, project: 'a', file: one, now: NOW }));

  it('lacks the refused files, and versions that have no other files', () => {
    expect(filtered.page.files.map(({ filename }) => filename)).to.deep.equal(['a-1.0.tar.gz']);
    expect(filtered.page.versions).to.deep.equal(['0.9', '1.0.0']);
    expect(filtered.hidden.map(({ rule }) => rule)).to.deep.equal(['deny', 'deny', 'minimumAge']);
  });

  it('has a refusal that names package, rule, the newest allowed version and who may waive the rule', () => {
    expect(refusalText('a', filtered.hidden, filtered.page)).to.deep.equal({
      title: 'The package policy refuses a',
      detail: [
        'a 2.0 (rule `minimumAge`): It was uploaded 24 hours ago (2026-11-30); the policy wants an age of 7 days.',
        'a 1.1 (rule `deny`): The policy denies `a ==1.1`.',
        'The newest allowed version is 1.0.',
      ].join('\n'),
      remedy: [
        '1. Require a version that the policy allows, such as `a==1.0`.',
        '2. Or ask platform@example.com to waive the rule `minimumAge` for a in the policy file (`waivers`).',
      ].join('\n'),
    });
    const none = refusalText('a', filtered.hidden.slice(0, 1), { files: [] });
    expect(none.title).to.equal('The package policy refuses a 1.1');
    expect(none.detail).to.contain('The policy allows no version of a.');
  });
});

describe('licences under the policy', () => {
  const judged = (
    licence: string | undefined,
    rules: PolicyFile['licences'] = { warn: ['GPL-*'], refuse: ['AGPL-3.0*'] },
  ) =>
    judgeLicences(
      makePolicy({ licences: rules }, undefined),
      [{ name: 'A_b', version: '1', ...(licence !== undefined && { licence }) }],
      NOW,
    )[0]?.level;

  it('count unless the package offers another one', () => {
    expect(judged('GPL-3.0-only')).to.equal('warn');
    expect(judged('agpl-3.0-or-later')).to.equal('refuse');
    expect(judged('MIT AND GPL-2.0-only')).to.equal('warn');
    expect(judged('MIT OR GPL-2.0-only')).to.equal(undefined);
    expect(judged('(MIT OR GPL-2.0-only)')).to.equal('warn');
    expect(judged('MIT')).to.equal(undefined);
    expect(judged(undefined)).to.equal(undefined);
  });
});

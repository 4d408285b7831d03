import { expect } from 'chai';
import { parsePolicyFile } from '../../../src/manifests/packages/policy.js';

const NOW = Date.UTC(2026, 11, 1);

const parse = (text: string) => parsePolicyFile('policy.yml', text, NOW);

async function problems(text: string): Promise<readonly string[]> {
  const parsed = await parse(text);
  if (parsed.ok) return [];
  const { diagnostics } = parsed.failure;
  return diagnostics.map(({ start, message, code }) => `${start.line}:${start.column} ${message} ${code}`);
}

describe('policy files', () => {
  it('may have every rule', async () => {
    const text = `
contact: platform@example.com
minimumAge: { age: 7d, except: [{ package: acme-*, age: 0d }, { index: https://own.example/simple }] }
allow: [requests, 'django >=4.2,<6', 'a ==1.*']
deny: [leftpad]
indexes:
  allow: [https://pypi.org/simple]
  deny: [https://test.pypi.org]
  private: [{ packages: [acme-*], from: [https://own.example/simple] }]
advisories: ./osv
licences: { warn: [GPL-*], refuse: [AGPL-3.0-only] }
wheelsOnly: { except: [old] }
yanked: refuse
levels: { deny: warn, advisories: refuse }
waivers: [{ package: leftpad ==1.0, rule: deny, until: 2026-12-01, by: jane }]
`;
    const parsed = await parse(text);
    expect(parsed.ok && parsed.value.warnings).to.deep.equal([]);
    for (const wheelsOnly of ['true', '[a, b]'])
      expect(await problems(`wheelsOnly: ${wheelsOnly}\nminimumAge: 36h\n`), wheelsOnly).to.deep.equal([]);
  });

  it('have all their problems shown, with their place and the name that was meant', async () => {
    expect(
      await problems('wheelOnly: true\nyanked: refused\nlevels: { minimumage: warn }\nminimumAge: 7 days\n'),
    ).to.deep.equal([
      '1:1 Unknown field `wheelOnly`. policy::invalid',
      '2:9 "refused" is not a valid value for `yanked`. policy::invalid',
      '3:11 Unknown field `minimumage`. policy::invalid',
      '4:13 "7 days" is not a valid value for `minimumAge`. policy::invalid',
    ]);
    const parsed = await parse('wheelOnly: true\n');
    expect(!parsed.ok && parsed.failure.diagnostics[0]?.remedy).to.equal('Did you mean `wheelsOnly`?');
  });

  it('name packages and addresses that can exist', async () => {
    const text = `
allow: ['two words', 'a >=new', 'a >=1,', '']
deny: ['a[extra]']
wheelsOnly: ['a ==1']
indexes: { allow: ['https://user:password@own.example/simple', 'https://[x'] }
waivers: [{ package: a, rule: deny, until: 2026-02-31, by: jane }]
`;
    expect(
      (await problems(text.replace(", ''", ''))).map((line) => line.split(' ').slice(0, 3).join(' ')),
    ).to.deep.equal([
      '2:9 `two words`',
      '2:22 `a >=new`',
      '2:33 `a >=1,`',
      '3:8 `a[extra]` names',
      '4:14 `a ==1`',
      '5:20 The address',
      '5:64 The address',
      '6:44 `2026-02-31` is',
    ]);
  });

  it('have a warning for a waiver that has ended', async () => {
    const parsed = await parse('waivers: [{ package: a, rule: deny, until: 2026-11-30, by: jane }]\n');
    expect(parsed.ok && parsed.value.warnings.map(({ message }) => message)).to.deep.equal([
      'The waiver for `a` by jane has ended.',
    ]);
  });

  it('are refused with words about policies if they are empty, no YAML or no mapping', async () => {
    expect(await problems('')).to.deep.equal(['1:1 The policy file is empty. policy::invalid']);
    const empty = await parse('# nothing\n');
    expect(!empty.ok && empty.failure.diagnostics[0]?.remedy).to.equal('Begin with a rule, such as `minimumAge: 7d`.');
    for (const text of ['[', '- a', 'a: [*x]', 'a: 1\na: 2'])
      expect((await problems(text)).join(), text).to.match(/policy::invalid$/);
  });
});

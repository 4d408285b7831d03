import { expect } from 'chai';
import * as fc from 'fast-check';
import { KnownSecrets } from '../../../src/engine/secrets/known-secrets.js';
import { Matcher, START, type Progress } from '../../../src/engine/secrets/matcher.js';
import { pythonSpellings, SPELLINGS } from '../../support/secret-spellings.js';
import { skipBecause } from '../../support/skip.js';
import { cpuMs } from '../../support/cpu-time.js';

const SECRET = 'S3cr3t/C4n+ry=Value&x';
const AWKWARD = 'pä$s "w0rd"\'s <&> ü\\n%41 日本😀';

const secretsOf = (variables: Readonly<Record<string, string>>, declared = Object.keys(variables)): KnownSecrets =>
  new KnownSecrets({ declared: new Set(declared), variables, ofOperator: {} });
/** The text with only the hidden parts removed. */
const linesOf = (secrets: KnownSecrets, lines: readonly string[]): readonly string[] => {
  const shown: string[] = [];
  const masker = secrets.lines((line) => shown.push(line));
  for (const line of lines) masker.write(line);
  masker.end();
  return shown;
};

describe('engine/secrets/text-masker', () => {
  for (const [name, spell] of Object.entries(SPELLINGS)) {
    it(`hides a secret in this spelling: ${name}`, () => {
      for (const value of [SECRET, AWKWARD]) {
        if (name === 'UTF-16' && value === AWKWARD) continue;
        const shown = secretsOf({ TOKEN: value }).mask(`before ${spell(value)} after`);
        expect(shown).to.match(/^before .*\*\*\*.* after$/s);
        const rest = shown.replaceAll('***', '');
        expect(rest.length, shown).to.be.lessThan('before  after'.length + 40);
        expect(shown).not.to.contain(value.slice(4, 12));
      }
    });
  }

  it('hides the spellings that Python writes', function () {
    for (const value of [SECRET, AWKWARD]) {
      const spellings = pythonSpellings(value);
      if (spellings === undefined) skipBecause(this, 'needs python3');
      const secrets = secretsOf({ TOKEN: value });
      for (const [name, text] of Object.entries(spellings)) {
        expect(secrets.mask(`<${text}>`), `${name}: ${text}`)
          .to.contain('***')
          .and.not.to.contain(text.trim());
      }
    }
  });

  it('hides a secret that escape sequences split, and one inside a sequence', () => {
    const secrets = secretsOf({ TOKEN: SECRET });
    expect(secrets.mask(`a \u001b[1mS3cr3t\u001b[0m/C4n+ry\u001b]0;title\u0007=Value&x b`)).to.equal('a *** b');
    expect(secrets.mask(`a \u001b]0;${SECRET}\u0007 b`)).to.equal('a  b');
    expect(secrets.mask('\u001b[31mred\u001b[0m')).to.equal('\u001b[31mred\u001b[0m');
    expect(secrets.mask('https:\u001b[0m//ada:pw@example.org')).to.equal('https://***@example.org');
  });

  it('leaves text without a secret unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!text.includes('@'));
        expect(secretsOf({ TOKEN: SECRET, KEY: AWKWARD }).mask(text)).to.equal(text);
      }),
    );
  });

  it('hides any secret in any spelling, wherever the bytes are cut', () => {
    const value = fc
      .string({ unit: 'grapheme', minLength: 8, maxLength: 40 })
      .filter((text) => text.trim().length >= 10);
    const spelling = fc.constantFrom(...Object.keys(SPELLINGS));
    fc.assert(
      fc.property(value, spelling, fc.array(fc.nat(30), { maxLength: 20 }), (text, name, cuts) => {
        const secret = text.trim();
        const bytes = Buffer.from(`x ${SPELLINGS[name]!(secret)} y`, name === 'UTF-16' ? 'latin1' : 'utf8');
        const matcher = new Matcher([{ secret: 0, value: secret }]);
        let progress: Progress = START;
        let isFound = false;
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = 1 + (cuts[turn] ?? 40);
          const scanned = matcher.scan(bytes.subarray(at, at + size), progress);
          isFound ||= scanned.hits !== undefined;
          progress = scanned.progress;
          at += size;
        }
        expect(isFound, `${name}: ${JSON.stringify(secret)}`).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });

  describe('lines that arrive one by one', () => {
    it('hides a secret that is split over lines, at every position', () => {
      const secrets = secretsOf({ TOKEN: SECRET });
      for (let at = 1; at < SECRET.length; at++) {
        const shown = linesOf(secrets, [`one ${SECRET.slice(0, at)}`, `  ${SECRET.slice(at)} two`, 'three']);
        expect(shown.length).to.equal(3);
        expect(shown.join('').length, shown.join('|')).to.be.at.most('one *** two three'.length + 12);
        expect(shown[1]).to.match(/\*\*\* two$/);
        expect(shown[0]).not.to.contain(SECRET.slice(0, 4));
        expect(shown[2]).to.equal('three');
      }
    });

    it('hides base64 and hex that is wrapped at some width', () => {
      const secrets = secretsOf({ TOKEN: SECRET.repeat(5) });
      for (const encoding of ['base64', 'hex'] as const) {
        const text = Buffer.from(`user:${SECRET.repeat(5)}`).toString(encoding);
        const shown = linesOf(secrets, ['head', ...(text.match(/.{1,60}/g) ?? []), 'tail']);
        expect(
          shown
            .filter((line) => !line.endsWith('***'))
            .every((line) => line === 'head' || line === 'tail' || line.length < 16),
        ).to.equal(true);
      }
    });

    it('hides the lines of a multi-line secret, also a short last line', () => {
      const key = `-----BEGIN KEY-----\n${'MIIEvQIBADANBgkq1/+x'}\n${'kiG9w0BAQEFAASCBKcw'}\nab==\n-----END KEY-----\n`;
      const shown = linesOf(secretsOf({ KEY: key }), ['key:', ...key.trim().split('\n'), 'done']);
      expect(shown.join('\n')).not.to.match(/MIIE|kiG9|ab==/);
      expect(linesOf(secretsOf({ KEY: key }), ['see kiG9w0BAQEFAASCBKcw'])).to.deep.equal(['see ***']);
    });

    it('hides the beginning of a secret at the end of the output', () => {
      expect(linesOf(secretsOf({ TOKEN: SECRET }), [`x ${SECRET.slice(0, 12)}`])).to.deep.equal(['x ***']);
    });

    it('keeps all lines in order and passes them on when they cannot be part of a secret', () => {
      const shown: string[] = [];
      const masker = secretsOf({ TOKEN: SECRET }).lines((line) => shown.push(line));
      masker.write('one S3');
      masker.write('two');
      expect(shown).to.deep.equal(['one S3', 'two']);
      masker.write('three S3cr3t');
      expect(shown.length).to.equal(2);
      masker.write('four');
      masker.end();
      expect(shown).to.deep.equal(['one S3', 'two', 'three S3cr3t', 'four']);
    });

    it('limits how much of an endless line it holds back', () => {
      const shown: string[] = [];
      const masker = secretsOf({ TOKEN: 'ab'.repeat(100) }).lines((line) => shown.push(line));
      for (let count = 0; count < 1000; count++) masker.write('abab');
      expect(shown.length).to.be.greaterThan(900);
      expect(new Set(shown)).to.deep.equal(new Set(['***']));
    });
  });

  it('recognizes logins in URLs and of indexes, and variables that look like credentials', () => {
    const secrets = new KnownSecrets({
      declared: new Set(),
      variables: {
        DATABASE_URL: 'postgres://shop:d4tabase%21pass@db/shop',
        PIP_EXTRA_INDEX_URL: 'https://ada:1ndex-p4ss@example.org/simple https://t0k3n-of-ada@example.org/',
        UV_INDEX_ACME_USERNAME: 'ada',
        UV_INDEX_ACME_PASSWORD: 'sh0rt',
        SENTRY_TOKEN: 'abcdef0123456789',
        STRIPE: 'sk_live_51HabcdefGHIJ',
        RANDOM: 'aB3dE6gH9jK2mN5pQ8sT1vW4',
        SOURCE_VERSION: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b',
        NAME: 'a-long-name-of-the-app',
        POSTGRES_PASSWORD: 'postgres',
      },
      ofOperator: { INDEX: 'https://op:0perators-pass@example.org' },
    });
    const hidden = [
      'd4tabase%21pass',
      'd4tabase!pass',
      '1ndex-p4ss',
      't0k3n-of-ada',
      'abcdef0123456789',
      '0perators-pass',
      'sk_live_51HabcdefGHIJ',
      'aB3dE6gH9jK2mN5pQ8sT1vW4',
    ];
    for (const text of [...hidden, Buffer.from('ada:sh0rt').toString('base64')]) {
      expect(secrets.mask(`x ${text} y`)).to.equal('x *** y');
    }
    const shown = 'a-long-name-of-the-app postgres sh0rt ada 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b';
    expect(secrets.mask(shown)).to.equal(shown);
  });

  it('hides the strings in a JSON secret, but not its names', () => {
    const key = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC1/KcwggSj';
    const account = JSON.stringify(
      { type: 'service_account', private_key: `${key}\n${key}\n`, id: 'shop' },
      undefined,
      2,
    );
    const secrets = secretsOf({ ACCOUNT: account });
    expect(secrets.mask(`key ${key} of service_account`)).to.equal('key *** of service_account');
    expect(secrets.mask('  "type": "service_account",')).to.equal('  "type": "service_account",');
    expect(secrets.mask(account)).to.equal('***' + '\n***'.repeat(4));
  });

  it('handles hostile secrets and texts in linear time', async () => {
    const ms = await cpuMs(() => {
      const secrets = secretsOf({
        A: 'a'.repeat(5000),
        B: 'ab'.repeat(3000),
        C: '\\'.repeat(500),
        D: '%25'.repeat(300),
        E: '&amp;'.repeat(200),
      });
      for (const text of ['a', 'ab', '\\', '%25', '%', '&amp;', '&', 'a\u0000', 'a\n '])
        secrets.mask(text.repeat(20_000));
    });
    expect(ms).to.be.lessThan(15_000);
  });

  it('masks data, and returns data without secrets itself', () => {
    const secrets = secretsOf({ TOKEN: SECRET });
    const value = { a: ['x', { b: 1 }], c: null, d: 'git+ssh://git@example.org/x' };
    expect(secrets.maskValue(value)).to.equal(value);
    expect(secrets.maskValue({ a: [SECRET], b: 'https://u:p@example.org' })).to.deep.equal({
      a: ['***'],
      b: 'https://example.org',
    });
  });

  it('masks the data of a reason, but keeps its type', () => {
    const secrets = new KnownSecrets({
      declared: new Set(['TYPE']),
      variables: { TYPE: 'file-changed' },
      ofOperator: {},
    });
    expect(secrets.maskReasons([{ type: 'file-changed', path: 'a/file-changed' }])).to.deep.equal([
      { type: 'file-changed', path: 'a/***' },
    ]);
  });

  it('hides secrets in property names and numbers of reasons, and logins of URLs there too', () => {
    const secrets = secretsOf({ TOKEN: SECRET, PIN: '9182736455' });
    const to = { sources: { [SECRET]: 'x', 'https://ada:hunter22aa@h/p': 'y' }, pins: [9182736455, 7] };
    expect(secrets.maskReasons([{ type: 'fact-changed', field: '', to }])).to.deep.equal([
      { type: 'fact-changed', field: '', to: { sources: { '***': 'x', 'https://h/p': 'y' }, pins: ['***', 7] } },
    ]);
  });
});

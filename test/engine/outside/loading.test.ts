import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Failure } from '../../../src/engine/failure.js';
import { Refused, Workspace } from '../../support/workspace.js';

const NONE = "{ type: 'object', properties: {}, additionalProperties: false }";
const manifest = (more = ''): string =>
  `export const manifest = { kind: 'some', revision: 1, description: 'Some.', config: ${NONE}, inputs: ${NONE}, outputs: ${NONE}, writes: [], ${more} };\n`;
const CLASS = `export class plugin {
  manifest = manifest;
  async reads() { return { ok: true, value: {} }; }
  async run() { return { ok: true, value: { outputs: {} } }; }
}
`;

interface Refusal {
  readonly text: string;
  readonly code: string;
  readonly blame: 'pipeline' | 'internal';
  readonly says: RegExp;
}
const bad = (more: string, says: RegExp): Refusal => ({
  text: manifest(more) + CLASS,
  code: 'plugin::bad-manifest',
  blame: 'internal',
  says,
});
const cannotLoad = (text: string, says: RegExp): Refusal => ({
  text,
  code: 'plugin::cannot-load',
  blame: 'pipeline',
  says,
});
const internal = (code: string, text: string, says: RegExp): Refusal => ({ text, code, blame: 'internal', says });

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'a syntax error': cannotLoad(`${manifest()}${CLASS}const a = ;\n`, /Unexpected token ';'\nat .*some\.mjs:7$/),
  'a syntax error in a file that it imports': cannotLoad(
    `import './broken.mjs';\n${manifest()}${CLASS}`,
    /SyntaxError.*\nat .*broken\.mjs:2$/,
  ),
  'a missing file that it imports': cannotLoad(
    `${manifest()}import './gone.mjs';\n${CLASS}`,
    /It imports .*gone\.mjs, which can't be read[^]*\nat .*some\.mjs:2$/,
  ),
  'a missing package': cannotLoad(`${manifest()}import 'no-such-package';\n`, /no-such-package[^]*some\.mjs:2$/),
  'a missing export of another file': cannotLoad(
    `import { nothing } from './fine.mjs';\n${manifest()}${CLASS}`,
    /does not provide an export named 'nothing'[^]*some\.mjs/,
  ),
  'no class': cannotLoad(manifest(), /exports no class named `plugin`/),
  'a class that is none': cannotLoad(`${manifest()}export const plugin = 1;`, /exports no class/),
  'no manifest': internal('plugin::bad-manifest', `const manifest = 1;\n${CLASS}`, /the manifest must be an object/),
  'a class without a method': cannotLoad(`${manifest()}export class plugin { reads() {} }`, /has no method `run`/),
  'an error of the module': internal(
    'plugin::threw',
    `${manifest()}\nthrow new Error('boom');`,
    /Error: boom\nat .*some\.mjs:3/,
  ),
  'a text that the module throws': internal(
    'plugin::threw',
    `${manifest()}\nthrow 'boom';`,
    /It threw 'boom'[^]*some\.mjs/,
  ),
  'an error of the constructor': internal(
    'plugin::threw',
    `${manifest()}export class plugin {\n  constructor() {\n    null.x;\n  }\n}`,
    /TypeError.*\nat .*some\.mjs:4/,
  ),
  'a rejection at load': internal(
    'plugin::threw',
    `${manifest()}Promise.reject(new Error('early'));\nawait new Promise(() => {});`,
    /Error: early\nat .*some\.mjs:2/,
  ),
  'an exit at load': internal(
    'plugin::exited',
    `${manifest()}\nprocess.exit(0);`,
    /process\.exit\(0\)\nat .*some\.mjs:3/,
  ),
  'a hang at load': internal(
    'plugin::timeout',
    `${manifest()}await new Promise(() => {});`,
    /did not return within 5 s[^]*some\.mjs/,
  ),
  'a loop at load': internal('plugin::timeout', `${manifest()}\nfor (;;);`, /did not return within 5 s[^]*some\.mjs:3/),
  'an unknown service': internal(
    'plugin::bad-manifest',
    `${manifest()}${CLASS}plugin.inject = ['Subproces'];`,
    /unknown service `Subproces`\. Did you mean `Subprocess`\?/,
  ),
  'services that are no list': internal(
    'plugin::bad-manifest',
    `${manifest()}${CLASS}plugin.inject = 'Clock';`,
    /must be a list/,
  ),
  'an unknown field': bad('write: []', /the manifest has no field `write`\. Did you mean `writes`\?/),
  'another unknown field': bad('pures: true', /no field `pures`\. Did you mean `pure`\?/),
  'a kind with blanks': bad("kind: 'My Kind'", /`kind` of the manifest must be .* but is "My Kind"/),
  'a kind with a path': bad("kind: '../evil'", /`kind` of the manifest/),
  'a revision that is a text': bad("revision: '1'", /`revision` .* must be a whole number/),
  'no description': bad('description: undefined', /lacks the field `description`/),
  'an empty description': bad("description: ' '", /`description` .* not empty/),
  'a config that is a list': bad('config: []', /`config` .* must be an object/),
  'writes outside the app': bad("writes: ['/etc/**']", /entry 0 that must be a path inside the app.*\/etc/),
  'writes above the app': bad("writes: ['a/../../x']", /must be a path inside the app/),
  'writes that are a text': bad("writes: 'x'", /`writes` .* must be a list/),
  'a placeholder of no field': bad(
    "writes: ['${config.into}/**']",
    /`\$\{config\.into\}`, but config has no such field/,
  ),
  'a timeout below 0': bad('timeoutMs: -1', /`timeoutMs` .* must be a number of milliseconds/),
  'pure that is a text': bad("pure: 'yes'", /`pure` .* must be true/),
  'a function in the manifest': bad('config: { type: () => 1 }', /manifest\.config\.type is a function/),
  'a class in the manifest': bad('inputs: new Map()', /manifest\.inputs is an object of the class Map/),
};

describe('engine/outside: loading', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
    work.pipeline('pyflow: 1\nname: some\nplugins: [plugins/some.mjs]\nnodes:\n  some: { uses: some }\n');
    mkdirSync(join(work.root, 'plugins'));
    writeFileSync(join(work.root, 'plugins/fine.mjs'), 'export const one = 1;\n');
    writeFileSync(join(work.root, 'plugins/broken.mjs'), 'const one = 1;\nconst two = ;\n');
  });
  afterEach(() => work.cleanUp());

  /** Failures that blame the pipeline are reported at its line of the file. */
  const refused = async (): Promise<Pick<Failure, 'code' | 'blame' | 'title' | 'detail' | 'remedy'>> => {
    const settings = { PLUGIN_LOAD_SECONDS: '5' };
    const error: unknown = await work.run({ settings }).then(JSON.stringify, (thrown: unknown) => thrown);
    if (!(error instanceof Refused)) throw error;
    const { refusal } = error;
    if (refusal.type === 'failure') return refusal.failure;
    const [{ code, message, reason = '', remedy, start }] = refusal.diagnostics as [(typeof refusal.diagnostics)[0]];
    expect(start.line).to.equal(3);
    return { code, blame: 'pipeline', title: message, detail: reason, remedy };
  };

  for (const [name, { text, code, blame, says }] of Object.entries(REFUSALS)) {
    it(`refuses ${name}`, async () => {
      writeFileSync(join(work.root, 'plugins/some.mjs'), text);
      const failure = await refused();
      expect(failure, failure.detail).to.include({ code, blame });
      expect(`${failure.title}\n${failure.detail}`).to.match(says);
      expect(`${failure.title}\n${failure.detail}`).to.contain(`${work.root}/plugins/`);
      expect(failure.detail).not.to.match(/plugin-host|node:internal/);
      expect(failure.remedy).to.match(/^[A-Z].*\./);
    });
  }

  it('blames the pipeline for a file that does not exist', async () => {
    expect(await refused()).to.include({ code: 'plugin::cannot-load', blame: 'pipeline' });
  });

  it('accepts a plugin that prints while it is loaded', async () => {
    writeFileSync(join(work.root, 'plugins/some.mjs'), `console.log('loading');\n${manifest('pure: false')}${CLASS}`);
    expect(await work.run()).to.include({ status: 'succeeded' });
  });
});

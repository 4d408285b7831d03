import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { digestOf, type Digest } from '../../../src/engine/files/digest.js';
import { actionMessages, KEY_FORMAT, type InputRoot } from '../../../src/engine/node/key.js';
import type { KeyRecord } from '../../../src/engine/store/store.js';
import { buildTree, directoriesOf, EMPTY_DIRECTORY } from '../../../src/engine/trees/directories.js';
import { OUTPUT_PATHS } from '../../../src/engine/trees/output-paths.js';
import { decodeAction, decodeCommand, decodeDirectory } from '../../../src/engine/trees/reapi.js';
import type { DirectoryTable } from '../../../src/engine/trees/tree.js';
import { expectGolden } from '../../support/golden.js';

const GOLDEN = fileURLToPath(new URL('../../fixtures/keys/vectors.json', import.meta.url));

const file = (text: string, executable = false) => ({ digest: digestOf(Buffer.from(text)), executable });
const table: DirectoryTable = new Map();
const app = buildTree(
  [
    ['manage.py', file('print()\n', true)],
    ['shop/settings.py', file('DEBUG = False\n')],
    ['shop/é.txt', { ...file('private'), mode: 0o640 }],
    ['static', { directory: true, mode: 0o700 }],
    ['current', { target: 'shop/settings.py' }],
  ],
  table,
).root;
const python = buildTree([['bin/python3.13', file('ELF', true)]], table).root;
const pip = buildTree([['pip/__init__.py', file('')]], table).root;

const PLATFORM = { OSFamily: 'linux', ISA: 'x86-64', libc: 'glibc-2.36', 'os-release': 'debian-12' };
const RECORD: KeyRecord = {
  format: KEY_FORMAT,
  kind: 'command',
  revision: 1,
  config: {},
  values: {},
  facts: null,
  env: {},
  secrets: {},
  platform: PLATFORM,
  files: {},
  exists: {},
  trees: {},
  tools: {},
  scope: '',
};
const BARE: InputRoot = { record: RECORD, env: {}, app: EMPTY_DIRECTORY, tools: {} };
const WHOLE: InputRoot = {
  record: {
    ...RECORD,
    kind: 'install-deps-pip',
    revision: 7,
    config: { requirements: ['requirements.txt', 'é😀.txt'], groups: {} },
    values: { version: '3.13.2', packages: { flask: '3.1.0' } },
    facts: { isHashed: true, none: null },
    env: { PATH: '/usr/bin', TOKEN: 'sha256:00' },
    secrets: { LICENCE: { label: 'v2', isSet: true } },
    platform: { ...PLATFORM, network: '1' },
    files: { 'requirements.txt': `${digestOf(Buffer.from('flask\n'))}` },
    exists: { 'setup.py': false, 'poetry.lock': true },
    trees: { runtime: [digestOf(Buffer.from('layer'))] },
    tools: { tool: [digestOf(Buffer.from('tool'))] },
    scope: 'shop',
  },
  env: { TOKEN: 'of the app', PATH: '/usr/bin', EMPTY: '' },
  app,
  tools: { runtime: python, pip },
};
const SHAPES: Readonly<Record<string, InputRoot>> = {
  'nothing but a kind': BARE,
  'a view': { ...BARE, app },
  'a tool': { ...BARE, tools: { runtime: python } },
  'a plugin from outside, with the network': {
    ...BARE,
    record: { ...RECORD, kind: 'own', code: digestOf(Buffer.from('code')), platform: { ...PLATFORM, network: '1' } },
  },
  'programs of the machine': { ...BARE, record: { ...RECORD, builder: 'name:image-24' } },
  everything: WHOLE,
};

describe('engine/node/key', () => {
  it('gives the committed messages and keys', () => {
    const vectors = Object.entries(SHAPES).map(([name, root]) => {
      const { key, blobs } = actionMessages(root);
      const action = decodeAction(blobs.get(key)!)!;
      const hex = (digest: Digest | undefined) => digest && blobs.get(digest)!.toString('hex');
      const inputRoot = decodeDirectory(blobs.get(action.inputRoot)!)!;
      return {
        name,
        key,
        action: hex(key),
        command: hex(action.command),
        inputRoot: hex(action.inputRoot),
        tools: hex(inputRoot.directories.find((entry) => entry.name === 'tools')?.digest),
        spec: blobs.get(inputRoot.files[0]!.digest)!.toString(),
      };
    });
    expectGolden(GOLDEN, `${JSON.stringify({ format: KEY_FORMAT, vectors }, undefined, 2)}\n`);
  });

  it('describes an action that any worker can run', () => {
    const { key, blobs } = actionMessages(WHOLE);
    const action = decodeAction(blobs.get(key)!)!;
    const command = decodeCommand(blobs.get(action.command)!)!;
    expect(command).to.deep.equal({
      arguments: ['pyflow-node', '1'],
      environment: [
        { name: 'EMPTY', value: '' },
        { name: 'PATH', value: '/usr/bin' },
        { name: 'TOKEN', value: 'of the app' },
      ],
      outputPaths: ['out/app', 'out/app.layer', 'out/result.json', 'out/tool', 'out/tool.layer'],
    });
    expect(Object.values(OUTPUT_PATHS).toSorted()).to.deep.equal(command.outputPaths);
    expect(action.platform).to.deep.equal([
      { name: 'ISA', value: 'x86-64' },
      { name: 'OSFamily', value: 'linux' },
      { name: 'libc', value: 'glibc-2.36' },
      { name: 'network', value: '1' },
      { name: 'os-release', value: 'debian-12' },
      { name: 'pyflow-runner', value: '1' },
    ]);
    expect(Buffer.from(action.salt!).toString()).to.equal('2\nshop');
  });

  it('holds each blob under its digest, and every directory below the input root', () => {
    for (const [name, root] of Object.entries(SHAPES)) {
      const { key, blobs } = actionMessages(root);
      for (const [digest, bytes] of blobs) expect(digestOf(bytes), name).to.equal(digest);
      const directories: DirectoryTable = new Map(table);
      for (const [digest, bytes] of blobs) {
        const directory = decodeDirectory(bytes);
        if (directory !== undefined) directories.set(digest, directory);
      }
      const { inputRoot, command } = decodeAction(blobs.get(key)!)!;
      expect(blobs.has(command), name).to.equal(true);
      // Throws if one is missing.
      const below = directoriesOf(directories, inputRoot);
      const { viewRoot, tools } = { viewRoot: root.app, tools: Object.values(root.tools) };
      for (const digest of [viewRoot, ...tools]) expect(below.has(digest), name).to.equal(true);
    }
  });

  it('changes with every field that is part of the key', () => {
    const { key } = actionMessages(WHOLE);
    const changes: Partial<KeyRecord>[] = [
      { format: KEY_FORMAT + 1 },
      { kind: 'install-deps-uv' },
      { revision: 8 },
      { code: digestOf(Buffer.from('code')) },
      { config: {} },
      { values: { version: '3.13.3', packages: { flask: '3.1.0' } } },
      { facts: null },
      { secrets: {} },
      { platform: PLATFORM },
      { exists: { 'setup.py': true, 'poetry.lock': true } },
      { scope: 'other' },
      { builder: 'name:a' },
      { builder: 'name:b' },
    ];
    const others: InputRoot[] = [
      ...changes.map((change) => ({ ...WHOLE, record: { ...WHOLE.record, ...change } })),
      { ...WHOLE, env: { ...WHOLE.env, TOKEN: 'of an app' } },
      { ...WHOLE, app: python },
      { ...WHOLE, tools: { runtime: pip, pip: python } },
      { ...WHOLE, tools: { runtime: python, tool: pip } },
    ];
    const keys = others.map((other) => actionMessages(other).key);
    expect(new Set([key, ...keys]).size).to.equal(keys.length + 1);
  });

  it('leaves out what the view and the tools already say, and digests of values', () => {
    const { key } = actionMessages(WHOLE);
    for (const change of [{ files: {} }, { trees: {} }, { tools: {} }, { env: {} }] satisfies Partial<KeyRecord>[]) {
      expect(actionMessages({ ...WHOLE, record: { ...WHOLE.record, ...change } }).key).to.equal(key);
    }
  });

  it('gives the action of a result that belongs to a builder the key of a node that depends on it', () => {
    const record = { ...WHOLE.record, builder: 'name:a' };
    expect(actionMessages(WHOLE, { builder: 'name:a' })).to.deep.equal(actionMessages({ ...WHOLE, record }));
  });

  it('gives an action of a branch another key, and nothing else another digest', () => {
    const [local, branch, other] = [{}, { branch: 'main' }, { branch: 'pr-17' }].map((variant) =>
      actionMessages(WHOLE, variant),
    );
    expect(new Set([local!.key, branch!.key, other!.key]).size).to.equal(3);
    const besides = ({ key, blobs }: typeof local & {}) => [...blobs.keys()].filter((digest) => digest !== key);
    expect(besides(branch!)).to.deep.equal(besides(local!));
  });
});

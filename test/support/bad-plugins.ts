// Ways in which the code of a plugin can be wrong, and what the failure must say about each.

/** `run` or `reads` is the body of that method; the other method is correct. */
export interface Way {
  readonly reads?: string;
  readonly run?: string;
  readonly code: string;
  /** Of the node; as short as possible if the test has to wait for it. */
  readonly timeout?: string;
  /** Matches the title or the detail. */
  readonly says: RegExp;
  readonly exitCode?: number;
}

const threw = (run: string, says: RegExp): Way => ({ run, code: 'plugin::threw', says });
const wrong = (run: string, says: RegExp): Way => ({ run, code: 'plugin::wrong-answer', says });
const wrongReads = (reads: string, says: RegExp): Way => ({ reads, code: 'plugin::wrong-answer', says });
const failure = (fields: string): string =>
  `return { ok: false, failure: { code: 'bad::x', blame: 'app', title: 'T', detail: 'D', remedy: 'R', ${fields} } };`;
const output = (fields: string): string => `return { ok: true, value: { outputs: { n: 1 }, ${fields} } };`;
const exited = (run: string, says: RegExp): Way => ({ run, code: 'plugin::exited', says });

/** All of them in one run, with other nodes that must not be affected. */
export const WAYS: Readonly<Record<string, Way>> = {
  // What `reads` and `run` return.
  'reads-undefined': wrongReads('return undefined;', /reads returned undefined instead of/),
  'reads-null': wrongReads('return null;', /reads returned null/),
  'reads-bare': wrongReads("return { files: ['x'] };", /reads returned an object with `files`/),
  'reads-text': wrongReads("return 'x';", /reads returned "x"/),
  'reads-no-value': wrongReads('return { ok: true };', /lacks the field `value`/),
  'reads-no-failure': wrongReads('return { ok: false };', /lacks the field `failure`/),
  'reads-unknown-field': wrongReads(
    "return { ok: true, value: { file: ['x'] } };",
    /no field `file`\. Did you mean `files`\?/,
  ),
  'reads-files-text': wrongReads(
    "return { ok: true, value: { files: 'x' } };",
    /`files` of the value .* must be a list/,
  ),
  'reads-outside': wrongReads("return { ok: true, value: { files: ['../x'] } };", /must be a path inside the app/),
  'reads-absolute': wrongReads(
    "return { ok: true, value: { exists: ['/etc/passwd'] } };",
    /must be a path inside the app/,
  ),
  'reads-scope': wrongReads("return { ok: true, value: { scope: 'apps' } };", /must be one of "shared", "app"/),
  'reads-env': wrongReads('return { ok: true, value: { env: [1] } };', /must be the name of a variable/),
  'reads-throws': {
    reads: "throw new Error('boom');",
    code: 'plugin::threw',
    says: /threw an error in reads\nError: boom/,
  },
  'reads-misses-view': { reads: 'view.exist("x");', code: 'plugin::threw', says: /view\.exist is not a function/ },
  'run-undefined': wrong('', /run returned undefined/),
  'run-ok-text': wrong("return { ok: 'yes', value: { outputs: { n: 1 } } };", /instead of/),
  'run-extra': wrong('return { ok: true, value: { outputs: { n: 1 } }, also: 1 };', /no field `also`/),
  'run-no-outputs': wrong('return { ok: true, value: {} };', /lacks the field `outputs`/),
  'run-outputs-list': wrong(
    'return { ok: true, value: { outputs: [1] } };',
    /`outputs` of the value .* must be an object/,
  ),
  'run-output': wrong(
    'return { ok: true, value: { output: { n: 1 } } };',
    /no field `output`\. Did you mean `outputs`\?/,
  ),
  'run-degraded': wrong(output('degraded: { reason: "x" }'), /`degraded` .* lacks the field `maxAgeMs`/),
  'run-degraded-for-ever': wrong(output('degraded: { reason: "x", maxAgeMs: -1 }'), /must be a number above 0/),
  'run-scope': wrong(output("scope: 'shared'"), /`scope` .* must be one of "app"/),
  'run-uncacheable': wrong(output('uncacheable: true'), /`uncacheable` .* must be a string/),
  'run-state': wrong(output('state: [1]'), /`state` .* must be an object/),
  'run-outputs-schema': {
    run: "return { ok: true, value: { outputs: { n: 'one' } } };",
    code: 'plugin::wrong-answer',
    says: /`outputs\.n` does not match its schema \(type: "integer"\)/,
  },
  // Failures.
  'failure-blame': wrong(
    failure("blame: 'user'"),
    /`blame` .* must be one of "app", "pipeline", "internal", "environment"/,
  ),
  'failure-no-code': wrong(failure('code: undefined'), /lacks the field `code`[^]*The plugin's own message: T/),
  'failure-code': wrong(failure('code: 7'), /`code` .* must be a code/),
  'failure-title': wrong(failure("title: ''"), /`title` .* must be a string that is not empty/),
  'failure-remedy': wrong(failure('remedy: null'), /`remedy` .* must be a string/),
  'failure-detail': wrong(failure('detail: {}'), /`detail` .* must be a string/),
  'failure-unknown': wrong(failure('retriable: true'), /no field `retriable`\. Did you mean `retryable`\?/),
  'failure-reserved': wrong(failure("code: 'cache::blob-lost'"), /is reserved/),
  // Values that JSON can't express.
  'value-cyclic': wrong(
    'const a = {}; a.a = a; return { ok: true, value: { outputs: { n: a } } };',
    /`value\.outputs\.n\.a` .* contains itself/,
  ),
  'value-bigint': wrong('return { ok: true, value: { outputs: { n: 1n } } };', /`value\.outputs\.n` .* a bigint/),
  'value-date': wrong('return { ok: true, value: { outputs: { n: new Date(0) } } };', /an object of the class Date/),
  'value-map': wrong('return { ok: true, value: { outputs: new Map([["n", 1]]) } };', /an object of the class Map/),
  'value-nan': wrong('return { ok: true, value: { outputs: { n: NaN } } };', /is NaN/),
  'value-function': wrong('return { ok: true, value: { outputs: { n() {} } } };', /is a function/),
  'value-deep': wrong(
    'let a = 1; for (let i = 0; i < 5000; i++) a = [a]; return { ok: true, value: { outputs: { n: a } } };',
    /levels of nesting/,
  ),
  'value-huge': wrong("return { ok: true, value: { outputs: { n: 'x'.repeat(2e7) } } };", /MiB of text/),
  'value-proto': wrong(
    'return JSON.parse(\'{"ok":true,"value":{"outputs":{"n":1},"state":{"__proto__":{"a":1}}}}\');',
    /__proto__/,
  ),
  'value-getter': threw('return { get ok() { throw new Error("in a getter"); } };', /in a getter/),
  'value-thenable': wrong(
    'return { ok: true, value: { outputs: { n: Promise.resolve(1) } } };',
    /an object of the class Promise/,
  ),
  // Thrown values.
  'throws-error': threw("throw new TypeError('boom');", /TypeError: boom/),
  'throws-text': threw("throw 'boom';", /It threw 'boom', which is not an Error/),
  'throws-undefined': threw('throw undefined;', /It threw undefined/),
  'throws-null': threw('throw null;', /It threw null/),
  'throws-object': threw('throw { a: 1 };', /It threw \{ a: 1 \}/),
  'throws-system': threw("throw Object.assign(new Error('gone'), { code: 'ENOENT' });", /gone/),
  'throws-proxy': threw(
    'throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; } });',
    /cannot be shown/,
  ),
  'throws-in-timer': threw(
    "await new Promise(() => setTimeout(() => { throw new Error('late'); }, 1));",
    /Error: late/,
  ),
  'rejects-unhandled': threw("Promise.reject(new Error('nobody waits')); await new Promise(() => {});", /nobody waits/),
  'throws-deep': threw('const f = () => f(); f();', /Maximum call stack/),
  'asks-wrong': threw(
    "await this.subprocess.run(context, { args: ['true'] });",
    /no field `args`\. Did you mean `argv`\?/,
  ),
  'asks-nobody': threw("await this.subprocess.run({}, { argv: ['true'] });", /must be the context/),
  'asks-number': threw('await this.subprocess.run(context, { argv: [1] });', /entry 0 that must be a string/),
  'downloads-wrong': threw(
    "await this.download.fetch(context, { url: 'http://x', sha256: 'x' });",
    /64 hexadecimal digits/,
  ),
  // Ways to end the process.
  'exits-0': exited('process.exit(0);', /process\.exit\(0\)/),
  'exits-3': exited('process.exit(3);', /process\.exit\(3\)/),
  'exits-in-timer': exited('setTimeout(() => process.exit(), 1); await new Promise(() => {});', /process\.exit/),
  'exits-really': exited('process.reallyExit(0);', /process\.reallyExit/),
  aborts: exited('process.abort();', /process\.abort/),
  'kills-itself': exited("process.kill(process.pid, 'SIGKILL'); await new Promise(() => {});", /process\.kill/),
  'kills-its-group': exited("process.kill(0, 'SIGKILL'); await new Promise(() => {});", /process\.kill/),
  'kills-its-parent': exited("process.kill(process.ppid, 'SIGKILL'); await new Promise(() => {});", /process\.kill/),
  // Floods.
  'floods-requests': {
    run: 'for (let i = 0; i < 2000; i++) void context.view.read("x.txt"); await new Promise(() => {});',
    code: 'plugin::flood',
    says: /more than 1000 requests at once/,
  },
  // Forged messages.
  'forges-answer': {
    run: forged('{ type: "returned", id: "x", value: { ok: true } }'),
    code: 'plugin::protocol',
    says: /had not asked/,
  },
  'answers-twice': {
    run: `const write = fs.writeSync;
        fs.writeSync = (fd, frame, ...rest) =>
          String(frame).includes('"returned"') ? write(fd, Buffer.concat([frame, frame])) : write(fd, frame, ...rest);
        syncBuiltinESMExports();
        return { ok: true, value: { outputs: { n: 1 } } };`,
    code: 'plugin::protocol',
    says: /received it twice/,
  },
  'forges-type': { run: forged('{ type: "x", id: "x" }'), code: 'plugin::protocol', says: /unknown type/ },
  'forges-garbage': {
    run: 'fs.writeSync(4, "Hello, world"); await new Promise(() => {});',
    code: 'plugin::protocol',
    says: /not a message/,
  },
};

/** Each takes a while: until its timeout, or until it has used all allowed memory. */
export const SLOW_WAYS: Readonly<Record<string, Way>> = {
  'hangs-run': { run: 'await new Promise(() => {});', code: 'node::timeout', says: /did not return from run/ },
  'loops-run': { run: 'for (;;);', code: 'node::timeout', says: /did not return from run/ },
  'hangs-reads': { reads: 'await new Promise(() => {});', code: 'plugin::timeout', says: /did not return within/ },
  'loops-reads': { reads: 'for (;;);', code: 'plugin::timeout', says: /did not return within/ },
  'blocks-run': {
    run: 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
    code: 'node::timeout',
    says: /did not return/,
  },
  'loops-forever-printing': { run: 'for (;;) console.log("again");', code: 'node::timeout', says: /did not return/ },
  'eats-heap': {
    run: 'const a = []; for (;;) a.push(new Array(1e5).fill(a.length));',
    timeout: '60s',
    code: 'plugin::out-of-memory',
    says: /needed more than 64 MB/,
  },
  'eats-buffers': {
    run: 'const a = []; for (;;) { a.push(Buffer.alloc(5e7, 1)); await new Promise((done) => setTimeout(done, 1)); }',
    timeout: '60s',
    code: 'plugin::out-of-memory',
    says: /needed more than 64 MB/,
  },
};

function forged(message: string): string {
  return `const text = JSON.stringify(${message}); const head = Buffer.alloc(4); head.writeUInt32BE(text.length); fs.writeSync(4, Buffer.concat([head, Buffer.from(text)])); await new Promise(() => {});`;
}

/** A module with a kind `bad`; its config chooses the mistake. */
export function badPlugin(ways: Readonly<Record<string, Way>>): string {
  const cases = (method: 'reads' | 'run'): string =>
    Object.entries(ways)
      .flatMap(([name, way]) =>
        way[method] === undefined ? [] : [`      case '${name}': {\n        ${way[method]}\n        break;\n      }`],
      )
      .join('\n');
  return `import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export const manifest = {
  kind: 'bad',
  revision: 1,
  description: 'Goes wrong.',
  config: {
    type: 'object',
    properties: { how: { type: 'string', description: 'In which way.' } },
    required: ['how'],
    additionalProperties: false,
  },
  inputs: { type: 'object', properties: {}, additionalProperties: false },
  outputs: {
    type: 'object',
    properties: { n: { type: 'integer', description: 'A number.' } },
    required: ['n'],
    additionalProperties: false,
  },
  writes: ['good-\${config.how}.txt'],
};

export class plugin {
  static inject = ['Subprocess', 'Download'];
  manifest = manifest;
  constructor(subprocess, download) {
    this.subprocess = subprocess;
    this.download = download;
  }

  async reads({ config: { how } }, view) {
    switch (how) {
${cases('reads')}
      default:
        return { ok: true, value: { files: ['x.txt'] } };
    }
  }

  async run({ config: { how } }, context) {
    switch (how) {
${cases('run')}
      default: {
        console.log('good', how);
        const ran = await this.subprocess.run(context, { argv: ['sh', '-c', \`echo \${how} > good-\${how}.txt\`] });
        return ran.ok ? { ok: true, value: { outputs: { n: 1 } } } : ran;
      }
    }
  }
}
`;
}

/** The line of the mistake in the plugin's file. */
export const lineOfWay = (text: string, name: string): number =>
  text.split('\n').findIndex((line) => line.includes(`case '${name}'`)) + 2;

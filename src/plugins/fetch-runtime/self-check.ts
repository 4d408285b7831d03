// Runs a new runtime once and compares what it says of itself with what it should be. A moved interpreter may start
// and yet be another one: it loads whichever libpython the search path finds.

import { fail, succeed, type Result, type RunContext, type Subprocess } from '../../engine/sdk.js';
import { selfCheckFailed } from './failures.js';

const SCRIPT = `import json, platform, sys
problems = []
for name in ('ctypes', 'sqlite3', 'ssl', 'zlib'):
    try:
        __import__(name)
    except ImportError as error:
        problems.append('%s: %s' % (name, error))
libraries = []
try:
    with open('/proc/self/maps') as maps:
        libraries = sorted({line.split(None, 5)[5].strip() for line in maps if 'libpython' in line})
except OSError:
    pass
print(json.dumps({'version': '.'.join(map(str, sys.version_info[:3])), 'text': platform.python_version(), 'prefix': sys.prefix, 'libraries': libraries, 'problems': problems}))`;

interface Answer {
  readonly version: string;
  /** From the version text compiled in, which edits of the file could damage. */
  readonly text: string;
  readonly prefix: string;
  readonly libraries: readonly string[];
  readonly problems: readonly string[];
}

export async function checkRuntime(
  subprocess: Subprocess,
  context: RunContext,
  runtime: { readonly home: string; readonly version: string },
): Promise<Result<void>> {
  const prefix = `${context.paths.app}/${runtime.home}`;
  let printed = '';
  const exit = await subprocess.run(context, {
    argv: [`${prefix}/bin/python`, '-I', '-B', '-c', SCRIPT],
    cwd: context.paths.scratch,
    network: false,
    filter: (stream, text) => {
      if (stream !== 'stdout') return text;
      printed += text;
      return undefined;
    },
  });
  if (!exit.ok) return exit;
  if (exit.value.exitCode !== 0) {
    const problem = `The interpreter ended with status ${exit.value.exitCode}.`;
    return fail(selfCheckFailed(runtime.version, problem, exit.value));
  }
  const problem = compare(printed, prefix, runtime.version);
  return problem === undefined ? succeed(undefined) : fail(selfCheckFailed(runtime.version, problem));
}

function compare(printed: string, prefix: string, version: string): string | undefined {
  let answer: Answer;
  try {
    answer = JSON.parse(printed) as Answer;
  } catch {
    return `The interpreter answered \`${printed.slice(0, 200)}\`.`;
  }
  for (const told of [answer.version, answer.text]) if (told !== version) return `It says it is Python ${told}.`;
  if (answer.prefix !== prefix) return `It says its prefix is ${answer.prefix}, not ${prefix}.`;
  const foreign = answer.libraries.find((library) => !library.startsWith(`${prefix}/lib/`));
  if (foreign !== undefined) return `It loads ${foreign}, which is not its own library.`;
  if (answer.problems.length > 0) return `Modules that do not load: ${answer.problems.join('; ')}`;
  return undefined;
}

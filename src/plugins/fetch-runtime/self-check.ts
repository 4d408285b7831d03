// Runs a new runtime once and compares what it reports with what it should be. A moved interpreter may start and still be another
// one, because it loads the first libpython on the search path.

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
  /** The version text compiled into the file, which editing the file could damage. */
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
    const problem = `The interpreter exited with status ${exit.value.exitCode}.`;
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
    return `The interpreter printed \`${printed.slice(0, 200)}\`.`;
  }
  for (const told of [answer.version, answer.text]) if (told !== version) return `It reports version ${told}.`;
  if (answer.prefix !== prefix) return `It reports the prefix ${answer.prefix} instead of ${prefix}.`;
  const foreign = answer.libraries.find((library) => !library.startsWith(`${prefix}/lib/`));
  if (foreign !== undefined) return `It loads the library ${foreign} instead of its own.`;
  if (answer.problems.length > 0) return `These modules cannot be imported: ${answer.problems.join('; ')}`;
  return undefined;
}

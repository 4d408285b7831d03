// The pinned digests of the platform's archives: those that pyflow ships and those of the operator.

import { fail, succeed, type Failure, type Host, type Result } from '../../../engine/sdk.js';
import { parsePins } from '../../../manifests/catalogue/pin-file.js';
import { SHIPPED_PINS, type Pins } from '../../../manifests/catalogue/platform-archives.js';

/** Pins of the operator override the shipped ones. The setting is the text of the file that PYFLOW_PINS names. */
export function readPins(host: Host): Result<Pins> {
  const text = host.setting('PINS');
  if (text === undefined || text === '') return succeed(SHIPPED_PINS);
  const parsed = parsePins(text);
  return parsed.ok ? succeed({ ...SHIPPED_PINS, ...parsed.pins }) : fail(badPins(parsed.problems));
}

const badPins = (problems: readonly string[]): Failure => ({
  code: 'install-python::bad-pins',
  blame: 'pipeline',
  title: "pyflow can't use the file that PYFLOW_PINS names",
  detail: problems.slice(0, 10).join('\n'),
  remedy: 'Fix the file. `pyflow catalogue pin` adds valid entries.',
});

// Variables of the caller that commands with a network need to reach it. They are part of no key.

import { CERTIFICATE_VARIABLES } from '../process/certificate-variables.js';

const NAMES = ['ALL_PROXY', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', ...CERTIFICATE_VARIABLES];
/** Tools disagree about the case of these. */
const IN_BOTH_CASES = /_PROXY$/;

export function passThroughOf(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const passed: Record<string, string> = {};
  for (const name of NAMES) {
    for (const spelled of IN_BOTH_CASES.test(name) ? [name, name.toLowerCase()] : [name]) {
      const value = env[spelled];
      if (value !== undefined && value !== '') passed[spelled] = value;
    }
  }
  return passed;
}

// What of the environment that bin/compile runs in is passed on to the app's hooks: what the operator names. Nothing else
// of the platform's own variables reaches an app.

/** The app's hooks may ask which base image they build for. */
const ALWAYS = ['STACK'];

/** As the entry for tests has always set them; a variable of the app wins. */
const IN_TESTS: Readonly<Record<string, string>> = {
  INSTALL_TEST: '1',
  DISABLE_COLLECTSTATIC: '1',
  LC_ALL: 'C.UTF-8',
};

/** For runs, where variables of the app win over these. */
export function variablesOf(
  env: Readonly<Record<string, string | undefined>>,
  isTest: boolean,
): Readonly<Record<string, string>> {
  const named = (env['PYFLOW_PASS_ENV'] ?? '').split(/[\s,]+/).filter((name) => name !== '');
  const passed: Record<string, string> = {};
  for (const name of [...ALWAYS, ...named]) {
    const value = env[name];
    if (value !== undefined) passed[name] = value;
  }
  return isTest ? { ...passed, ...IN_TESTS } : passed;
}

// The message for a bug in pyflow.

/** The stack is shown only with PYFLOW_DEBUG. */
export function describeBug(error: unknown, withStack: boolean): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = withStack && error instanceof Error ? `${error.stack ?? ''}\n` : '';
  return (
    `pyflow: this is a bug in pyflow, not in your app: ${text.split('\n')[0] ?? ''} [pyflow::bug]\n` +
    `The cache is still valid. Please report the bug with the command that you ran. Set PYFLOW_DEBUG=1 to see where it happened.\n` +
    stack
  );
}

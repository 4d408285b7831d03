// What is said when pyflow itself is at fault. Unaware of what happened.

/** One paragraph; the stack only for whoever asked for it. */
export function describeBug(error: unknown, withStack: boolean): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = withStack && error instanceof Error ? `${error.stack ?? ''}\n` : '';
  return (
    `pyflow: this is a bug in pyflow, not in your app: ${text.split('\n')[0] ?? ''} [pyflow::bug]\n` +
    `The cache stays valid. Please report it with the command you ran; with PYFLOW_DEBUG=1 set, pyflow prints where it happened.\n` +
    stack
  );
}

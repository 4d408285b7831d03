// Shows the change of a text file as a unified diff, in the form of Git: `patch -p1` and `git apply` accept it.

const CONTEXT = 3;

interface Change {
  /** Absent for a new file. */
  readonly from?: { readonly path: string; readonly text: string };
  /** Absent for a file that is deleted. */
  readonly to?: { readonly path: string; readonly text: string };
}

export function unifiedDiff({ from, to }: Change): string {
  const [before, after] = [linesOf(from?.text ?? ''), linesOf(to?.text ?? '')];
  const old = from === undefined ? '/dev/null' : quoted(`a/${from.path}`);
  const now = to === undefined ? '/dev/null' : quoted(`b/${to.path}`);
  const hunk = hunkOf(before, after);
  const isRename = from !== undefined && to !== undefined && from.path !== to.path;
  const heading = [
    `diff --git ${quoted(`a/${(from ?? to)!.path}`)} ${quoted(`b/${(to ?? from)!.path}`)}`,
    ...(isRename ? [`rename from ${quoted(from.path)}`, `rename to ${quoted(to.path)}`] : []),
    ...(from === undefined ? ['new file mode 100644'] : []),
    ...(to === undefined ? ['deleted file mode 100644'] : []),
    ...(hunk.length === 0 ? [] : [`--- ${old}`, `+++ ${now}`]),
  ];
  return `${[...heading, ...hunk].join('\n')}\n`;
}

/** With their ends, because the last line may have none. */
const linesOf = (text: string): readonly string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** One hunk from the first line that differs to the last. */
function hunkOf(before: readonly string[], after: readonly string[]): readonly string[] {
  let same = 0;
  while (same < Math.min(before.length, after.length) && before[same] === after[same]) same++;
  if (same === before.length && same === after.length) return [];
  let tail = 0;
  while (tail < Math.min(before.length, after.length) - same && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const start = Math.max(0, same - CONTEXT);
  const behind = Math.min(tail, CONTEXT);
  const [oldCount, newCount] = [before, after].map((lines) => lines.length - tail + behind - start) as [number, number];
  const range = (count: number): string => (count === 0 ? '0,0' : `${start + 1},${count}`);
  const shown = (mark: string, lines: readonly string[]): string[] =>
    lines.map((line) =>
      line.endsWith('\n') ? mark + line.slice(0, -1) : `${mark}${line}\n\\ No newline at end of file`,
    );
  return [
    `@@ -${range(oldCount)} +${range(newCount)} @@`,
    ...shown(' ', before.slice(start, same)),
    ...shown('-', before.slice(same, before.length - tail)),
    ...shown('+', after.slice(same, after.length - tail)),
    ...shown(' ', before.slice(before.length - tail, before.length - tail + behind)),
  ];
}

/** As Git quotes a path that would be ambiguous. */
const quoted = (path: string): string => (/^[\w./@%+,=:~-]+$/.test(path) ? path : JSON.stringify(path));

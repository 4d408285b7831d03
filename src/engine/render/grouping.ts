// Brings the output of parallel nodes into blocks, one node after the other: one node streams, the others wait for
// their turn. Unaware of what a block looks like.

import type { Event, NodeReport } from '../events.js';

export type Printed = Extract<Event, { type: 'node-printed' }>;

export interface Blocks {
  /** The node's first line follows. `report` is there when it has finished already. */
  open(node: string, report: NodeReport | undefined): void;
  line(printed: Printed): void;
  /** Another node's failure comes between; the block goes on with the node's next line. */
  pause(node: string): void;
  resume(node: string): void;
  /** Every node gets this once; `opened` tells whether lines came before. */
  close(node: string, report: NodeReport, opened: boolean): void;
}

export interface Grouping {
  printed(printed: Printed): void;
  finished(node: string, report: NodeReport): void;
  /** No event follows: lines of nodes that never finished are printed, too. */
  end(): void;
}

export function groupByNode(blocks: Blocks): Grouping {
  /** The node whose block is open. */
  let leader: string | undefined;
  /** Lines of nodes that are not the leader, in the order of their first line. */
  const waiting = new Map<string, Printed[]>();
  /** Finished while another node had the word, in the order of finishing. */
  let isPaused = false;
  let done: { readonly node: string; readonly report: NodeReport }[] = [];

  const closeWhole = (node: string, report: NodeReport): void => {
    const lines = waiting.get(node);
    waiting.delete(node);
    if (lines !== undefined) {
      blocks.open(node, report);
      for (const line of lines) blocks.line(line);
    }
    blocks.close(node, report, lines !== undefined);
  };

  /** A failure waits for no one. */
  const interrupt = (node: string, report: NodeReport): void => {
    if (!isPaused) blocks.pause(leader!);
    isPaused = true;
    closeWhole(node, report);
  };

  const passTheWord = (): void => {
    leader = undefined;
    isPaused = false;
    const finished = done;
    done = [];
    for (const { node, report } of finished) closeWhole(node, report);
    const [next] = waiting.keys();
    if (next !== undefined) lead(next);
  };

  const lead = (node: string): void => {
    leader = node;
    blocks.open(node, undefined);
    for (const line of waiting.get(node) ?? []) blocks.line(line);
    waiting.delete(node);
  };

  return {
    printed: (printed) => {
      if (leader === undefined && !printed.replayed) lead(printed.node);
      if (leader === printed.node) {
        if (isPaused) blocks.resume(leader);
        isPaused = false;
        blocks.line(printed);
        return;
      }
      const lines = waiting.get(printed.node);
      if (lines === undefined) waiting.set(printed.node, [printed]);
      else lines.push(printed);
    },
    finished: (node, report) => {
      if (leader === node) {
        blocks.close(node, report, !isPaused);
        passTheWord();
      } else if (leader === undefined) closeWhole(node, report);
      else if (report.failure !== undefined) interrupt(node, report);
      else done.push({ node, report });
    },
    end: () => {
      passTheWord();
      for (const node of waiting.keys()) lead(node);
      leader = undefined;
    },
  };
}

// Groups the output of parallel nodes into blocks, one node after the other: one node streams, the others wait for their
// turn.

import type { NodeReport } from '../events.js';
import type { EventOf } from './renderer.js';

export type Printed = EventOf<'node-printed'>;

/** What a log does with each block. */
export interface Blocks {
  /** The node's first line follows. `report` is set if the node has already finished. */
  open(node: string, report: NodeReport | undefined): void;
  line(printed: Printed): void;
  /** The failure of another node interrupts the block. */
  pause(node: string): void;
  /** The node's next line follows. */
  resume(node: string): void;
  /** Called once for every node; `opened` says whether it printed lines before. */
  close(node: string, report: NodeReport, opened: boolean): void;
}

export class NodeGroups {
  readonly #blocks: Blocks;
  /** The node whose block is open. */
  #streaming: string | undefined;
  #isPaused = false;
  /** Lines of the other nodes, in the order of their first line. */
  readonly #waiting = new Map<string, Printed[]>();
  /** Nodes that finished while another one was streaming, in the order in which they finished. */
  #finished: { readonly node: string; readonly report: NodeReport }[] = [];

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  printed(printed: Printed): void {
    if (this.#streaming === undefined && !printed.replayed) this.#stream(printed.node);
    if (this.#streaming === printed.node) {
      if (this.#isPaused) this.#blocks.resume(printed.node);
      this.#isPaused = false;
      this.#blocks.line(printed);
      return;
    }
    const lines = this.#waiting.get(printed.node);
    if (lines === undefined) this.#waiting.set(printed.node, [printed]);
    else lines.push(printed);
  }

  finished(node: string, report: NodeReport): void {
    if (this.#streaming === node) {
      this.#blocks.close(node, report, !this.#isPaused);
      this.#streamNext();
    } else if (this.#streaming === undefined) this.#showWhole(node, report);
    else if (report.failure !== undefined) this.#interrupt(this.#streaming, { node, report });
    else this.#finished.push({ node, report });
  }

  /** No event follows: also shows the lines of nodes that never finished. */
  end(): void {
    this.#streamNext();
    for (const node of this.#waiting.keys()) this.#stream(node);
    this.#streaming = undefined;
  }

  #stream(node: string): void {
    this.#streaming = node;
    this.#blocks.open(node, undefined);
    for (const line of this.#waiting.get(node) ?? []) this.#blocks.line(line);
    this.#waiting.delete(node);
  }

  #streamNext(): void {
    this.#streaming = undefined;
    this.#isPaused = false;
    const finished = this.#finished;
    this.#finished = [];
    for (const { node, report } of finished) this.#showWhole(node, report);
    const [next] = this.#waiting.keys();
    if (next !== undefined) this.#stream(next);
  }

  /** A failure is shown at once. */
  #interrupt(streaming: string, failed: { readonly node: string; readonly report: NodeReport }): void {
    if (!this.#isPaused) this.#blocks.pause(streaming);
    this.#isPaused = true;
    this.#showWhole(failed.node, failed.report);
  }

  #showWhole(node: string, report: NodeReport): void {
    const lines = this.#waiting.get(node);
    this.#waiting.delete(node);
    if (lines !== undefined) {
      this.#blocks.open(node, report);
      for (const line of lines) this.#blocks.line(line);
    }
    this.#blocks.close(node, report, lines !== undefined);
  }
}

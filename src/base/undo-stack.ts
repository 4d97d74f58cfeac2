import { NodeletError, asNodeletError } from './errors.js';

/** What undid badly: the description given at push, and why. */
export interface UndoFailure {
  description: string;
  error: NodeletError;
}

/**
 * Undos of the effects done so far, run in reverse order. Every undo runs even when an earlier one fails;
 * the failures are gathered and handed back, so that nothing is left behind silently.
 */
export class UndoStack {
  private readonly undos: { description: string; undo: () => Promise<void> }[] = [];

  push(description: string, undo: () => Promise<void>): void {
    this.undos.push({ description, undo });
  }

  /** Forgets all undos: the work is committed. */
  commit(): void {
    this.undos.length = 0;
  }

  async unwind(): Promise<UndoFailure[]> {
    const failures: UndoFailure[] = [];
    for (let entry = this.undos.pop(); entry !== undefined; entry = this.undos.pop()) {
      try {
        await entry.undo();
      } catch (thrown) {
        failures.push({ description: entry.description, error: asNodeletError(thrown) });
      }
    }
    return failures;
  }
}

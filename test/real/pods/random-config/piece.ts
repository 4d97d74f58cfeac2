import fc from 'fast-check';
import {
  newLinuxContainerResources,
  newLinuxContainerSecurityContext,
} from '../../../../src/ports/cri/messages.js';
import type {
  ContainerConfig,
  ContainerStatus,
  LinuxContainerResources,
  LinuxContainerSecurityContext,
} from '../../../../src/ports/cri/messages.js';
import type { RunningProcess } from './running-process.js';

/** A container config that pieces are put into, with the parts that several of them share. */
export interface Draft {
  config: Partial<ContainerConfig>;
  security: LinuxContainerSecurityContext;
  resources: LinuxContainerResources;
}

/** What became of an accepted config: its process as the kernel shows it, and the status that CRI gives. */
export interface Outcome {
  process: RunningProcess;
  status: ContainerStatus;
}

/**
 * One wish of a random config, and how it must turn out: either as `holds` says of the running container, or refused
 * by the name of the field `refused`.
 */
export interface Piece {
  readonly label: string;
  readonly put: (draft: Draft) => void;
  readonly refused?: string;
  readonly holds: (outcome: Outcome) => void;
}

export const emptyDraft = (): Draft => ({
  config: {},
  security: newLinuxContainerSecurityContext(),
  resources: newLinuxContainerResources(),
});

/** Shows as its label where fast-check reports a counterexample. */
export const piece = (made: Piece): Piece & { [fc.toStringMethod]: () => string } => ({
  ...made,
  [fc.toStringMethod]: () => (made.refused === undefined ? made.label : `${made.label} (bad)`),
});

/** A wish that must be refused by the name of `field`, or of a part of it. */
export const badPiece = (field: string, label: string, put: (draft: Draft) => void): Piece =>
  piece({ label, put, refused: field, holds: () => undefined });

/** How a program inside a container behaves, from its argv: the few busybox words that tests use, and pause. */
export interface ProgramBehaviour {
  /** Milliseconds until it ends by itself; undefined: never. */
  endsAfterMs: number | undefined;
  exitCode: number;
  stdout: string;
  /** Takes no notice of signals that can be ignored. */
  ignoresSignals: boolean;
}

/** Undefined for words that the model doesn't know, which makes a test fail rather than guess. */
export function programBehaviour(argv: readonly string[]): ProgramBehaviour | undefined {
  const name = argv[0]?.split('/').at(-1);
  const still = { endsAfterMs: undefined, exitCode: 0, stdout: '', ignoresSignals: false };
  if (name === 'pause') return { ...still, ignoresSignals: true };
  if (name === 'true') return { ...still, endsAfterMs: 0 };
  if (name === 'sleep') return { ...still, endsAfterMs: Number(argv[1]) * 1000 };
  if (name === 'sh' && argv[1] === '-c') return scriptBehaviour(argv[2] ?? '');
  return undefined;
}

/** `sleep S; echo TEXT; trap "" TERM; exit N` in any number and order. */
function scriptBehaviour(script: string): ProgramBehaviour | undefined {
  const behaviour = { endsAfterMs: 0, exitCode: 0, stdout: '', ignoresSignals: false };
  for (const command of script.split(';').map((text) => text.trim())) {
    const [word, rest = ''] = command.split(/ (.*)/);
    if (word === 'sleep') behaviour.endsAfterMs += Number(rest) * 1000;
    else if (word === 'echo') behaviour.stdout += `${rest}\n`;
    else if (word === 'trap') behaviour.ignoresSignals = true;
    else if (word === 'exit') return { ...behaviour, exitCode: Number(rest) };
    else return undefined;
  }
  return behaviour;
}

import { NodeletError } from '../../base/errors.js';

/** When a rule counts, in the form that Docker and podman share. */
export interface SeccompConditions {
  arches?: string[];
  caps?: string[];
  minKernel?: string;
}

export interface SeccompArgument {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}

export interface SeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args: SeccompArgument[];
  includes: SeccompConditions;
  excludes: SeccompConditions;
}

/** A profile as its file has it: the OCI form (`architectures`) or the one of Docker and podman (`archMap`, conditions). */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures: string[];
  archMap: { architecture: string; subArchitectures: string[] }[];
  flags: string[];
  syscalls: SeccompRule[];
}

const actions = ['KILL', 'KILL_PROCESS', 'KILL_THREAD', 'TRAP', 'ERRNO', 'TRACE', 'ALLOW', 'LOG'].map(
  (name) => `SCMP_ACT_${name}`,
);
const withErrno = ['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE'];
const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);
const architectures = (
  'X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X ' +
  'PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB'
)
  .split(' ')
  .map((name) => `SCMP_ARCH_${name}`);
const flags = ['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'];
/** Linux numbers its errors up to here. */
const highestErrno = 4095;
/** A system call has six arguments. */
const lastArgument = 5;

type Fields = Record<string, unknown>;

/** One place in the profile; its path goes into errors. */
class Place {
  constructor(
    readonly value: unknown,
    private readonly path: string,
  ) {}

  /** The error that says what is wrong here. */
  wrong(message: string, kind: 'invalid' | 'unsupported' = 'invalid'): NodeletError {
    return new NodeletError(kind, this.path === '' ? message : `${this.path} ${message}`);
  }

  /** The object's fields, none beside those that are known. */
  fields(known: readonly string[]): (key: string) => Place {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) {
      throw this.wrong(this.path === '' ? 'is no seccomp profile: it has no JSON object' : 'is no object');
    }
    const fields = this.value as Fields;
    const at = (key: string) => new Place(fields[key], this.path === '' ? key : `${this.path}.${key}`);
    for (const key of Object.keys(fields)) if (!known.includes(key)) throw at(key).wrong('is unknown');
    return at;
  }

  get absent(): boolean {
    return this.value === undefined || this.value === null;
  }

  list(): Place[] {
    if (this.absent) return [];
    if (!Array.isArray(this.value)) throw this.wrong('is no list');
    return this.value.map((entry, index) => new Place(entry, `${this.path}[${index}]`));
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.wrong('is no text');
    return this.value;
  }

  oneOf(known: readonly string[], what: string): string {
    const text = this.text();
    if (!known.includes(text)) throw this.wrong(`"${text}" is no ${what}`);
    return text;
  }

  number(highest: number): number {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > highest) {
      throw this.wrong(`is no whole number up to ${highest}`);
    }
    return value;
  }
}

function action(place: Place): string {
  if (place.value === 'SCMP_ACT_NOTIFY') {
    throw place.wrong('SCMP_ACT_NOTIFY needs a listener, which nodelet has not', 'unsupported');
  }
  return place.oneOf(actions, 'action');
}

function errno(place: Place, of: string): number | undefined {
  if (place.absent) return undefined;
  if (!withErrno.includes(of)) throw place.wrong(`does not go with ${of}`);
  return place.number(highestErrno);
}

function conditions(place: Place): SeccompConditions {
  if (place.absent) return {};
  const at = place.fields(['arches', 'caps', 'minKernel']);
  const texts = (key: string) =>
    at(key)
      .list()
      .map((entry) => entry.text());
  const kernel = at('minKernel');
  if (!kernel.absent && !/^\d+\.\d+$/.test(kernel.text())) throw kernel.wrong('is no version such as 4.8');
  return {
    arches: texts('arches'),
    caps: texts('caps'),
    ...(kernel.absent ? {} : { minKernel: kernel.text() }),
  };
}

function argument(place: Place): SeccompArgument {
  const at = place.fields(['index', 'value', 'valueTwo', 'op']);
  return {
    index: at('index').number(lastArgument),
    // Larger ones lose digits in JSON.
    value: at('value').number(Number.MAX_SAFE_INTEGER),
    ...(at('valueTwo').absent ? {} : { valueTwo: at('valueTwo').number(Number.MAX_SAFE_INTEGER) }),
    op: at('op').oneOf(operators, 'comparison'),
  };
}

const ruleFields = 'names name action errnoRet errno args comment includes excludes'.split(' ');

function rule(place: Place): SeccompRule {
  const at = place.fields(ruleFields);
  const [names, name] = [at('names'), at('name')];
  if (!names.absent && !name.absent) throw name.wrong('is set beside names');
  const wanted = name.absent ? names.list().map((entry) => entry.text()) : [name.text()];
  if (wanted.length === 0) throw names.wrong('names no system call');
  const act = action(at('action'));
  const errnoRet = errno(at('errnoRet'), act);
  return {
    names: wanted,
    action: act,
    ...(errnoRet === undefined ? {} : { errnoRet }),
    args: at('args').list().map(argument),
    includes: conditions(at('includes')),
    excludes: conditions(at('excludes')),
  };
}

const profileFields =
  'defaultAction defaultErrnoRet defaultErrno architectures archMap flags listenerPath listenerMetadata syscalls'.split(
    ' ',
  );

/** Reads a profile; `invalid` or `unsupported` saying what is wrong where in it. Names of system calls may be newer than this machine. */
export function parseSeccompProfile(text: string): SeccompProfile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new NodeletError('invalid', `is no JSON: ${reason}`);
  }
  const at = new Place(parsed, '').fields(profileFields);
  for (const key of ['listenerPath', 'listenerMetadata']) {
    if (!at(key).absent && at(key).value !== '') throw at(key).wrong('is not supported', 'unsupported');
  }
  if (at('defaultAction').absent) throw at('defaultAction').wrong('is missing');
  const defaultAction = action(at('defaultAction'));
  const defaultErrnoRet = errno(at('defaultErrnoRet'), defaultAction);
  const architecture = (place: Place) => place.oneOf(architectures, 'architecture');
  const archMap = at('archMap')
    .list()
    .map((entry) => {
      const map = entry.fields(['architecture', 'subArchitectures']);
      return {
        architecture: architecture(map('architecture')),
        subArchitectures: map('subArchitectures').list().map(architecture),
      };
    });
  const plain = at('architectures').list().map(architecture);
  if (plain.length > 0 && archMap.length > 0) throw at('architectures').wrong('is set beside archMap');
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: plain,
    archMap,
    flags: at('flags')
      .list()
      .map((entry) => entry.oneOf(flags, 'flag of a filter')),
    syscalls: at('syscalls').list().map(rule),
  };
}

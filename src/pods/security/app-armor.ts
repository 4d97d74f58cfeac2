import { NodeletError } from '../../base/errors.js';
import type { Host } from '../../ports/host.js';
import { appArmorDefaultName, appArmorDefaultText } from '../../spec/security/app-armor-default.js';
import type { ProfileChoice } from '../../spec/security/security-profile.js';

/** The kernel's list of loaded profiles, a line `NAME (MODE)` each. */
const loadedFile = '/sys/kernel/security/apparmor/profiles';
const loadTimeoutMs = 30_000;

/** AppArmor profiles that containers can be given: those that somebody has loaded, and nodelet's default, which it loads itself. */
export class AppArmorProfiles {
  constructor(private readonly host: Pick<Host, 'files' | 'processes'>) {}

  /** The loaded profile to run under; undefined for none. */
  async profileFor(choice: ProfileChoice): Promise<string | undefined> {
    if (choice.kind === 'none') return undefined;
    const loaded = await this.loaded();
    if (choice.kind === 'default') {
      if (!loaded.includes(appArmorDefaultName)) await this.loadDefault(choice.field);
      return appArmorDefaultName;
    }
    const { name, field } = choice;
    if (loaded.includes(name)) return name;
    throw new NodeletError('invalid', `the AppArmor profile "${name}" is not loaded`, {
      field,
      remedy: 'load it with apparmor_parser on this machine',
    });
  }

  private async loaded(): Promise<string[]> {
    const text = (await this.host.files.read(loadedFile))?.toString('utf8') ?? '';
    return text.split('\n').map((line) => line.replace(/ \(\w+\)$/, ''));
  }

  private async loadDefault(field: string): Promise<void> {
    const refuse = (reason: string, cause?: unknown) =>
      new NodeletError('unsupported', `the default AppArmor profile can't be loaded: ${reason}`, {
        field,
        remedy: 'install apparmor_parser (apt-get install apparmor), or ask for Unconfined',
        cause,
      });
    const { exitCode, stderr } = await this.host.processes
      .run({
        argv: ['apparmor_parser', '--replace', '--skip-cache'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
        stdin: Buffer.from(appArmorDefaultText),
        timeoutMs: loadTimeoutMs,
      })
      .catch((thrown: unknown) => {
        throw refuse(thrown instanceof Error ? thrown.message : String(thrown), thrown);
      });
    if (exitCode !== 0) throw refuse(stderr.toString('utf8').trim());
  }
}

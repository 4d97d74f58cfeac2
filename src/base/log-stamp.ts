/** When a container's log was rotated, as its name then says it: `20260131-235959.123`, UTC, of milliseconds since the epoch. */
export function logStamp(ms: number): string {
  const [day = '', time = ''] = new Date(ms).toISOString().split('T');
  return `${day.replaceAll('-', '')}-${time.replaceAll(':', '').replace('Z', '')}`;
}

import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { silentLog } from '../../src/base/call-context.js';
import { createLog } from '../../src/telemetry/log.js';
import { createMetricsServer } from '../../src/telemetry/metrics-server.js';
import { createMetrics } from '../../src/telemetry/metrics.js';

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('telemetry', () => {
  it('writes one JSON object per log line, with child fields and a level', () => {
    const lines: string[] = [];
    const log = createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } });
    log.debug({}, 'dropped');
    log.child({ operation: 'Version' }).warn({ code: 'OK' }, 'told');
    expect(lines).to.have.lengthOf(1);
    expect(JSON.parse(lines[0] ?? '')).to.include({
      level: 'warn',
      operation: 'Version',
      code: 'OK',
      message: 'told',
    });
  });

  it('serves metrics over HTTP: counts of calls and pulls, states as they are now', async () => {
    const pods = { ready: 2 } as Record<string, number>;
    const metrics = createMetrics({ version: '1.2.3', podsByState: () => pods });
    const server = createMetricsServer({ metrics, log: silentLog, host: '127.0.0.1', port: 0 });
    const port = await server.start();
    try {
      metrics.criOperation({ operation: 'Version', code: 'OK', durationMs: 2 });
      metrics.criOperation({ operation: 'Version', code: 'INTERNAL', durationMs: 2 });
      metrics.imagePull({ result: 'success', bytes: 1000 });
      for (const outcome of ['success', 'success', 'failure'] as const) metrics.logRotation(outcome);
      const labels = { uid: 'u1', namespace: 'default', pod: 'web', container: 'main' };
      metrics.observeLogs(() => [{ labels, bytes: 4096 }]);
      const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const first = await scrape();
      expect(first).to.include('nodelet_cri_operations_total{operation="Version"} 2');
      expect(first).to.include('nodelet_cri_operation_errors_total{operation="Version",code="INTERNAL"} 1');
      expect(first).to.include(
        'nodelet_cri_operation_duration_seconds_bucket{le="0.0025",operation="Version"} 2',
      );
      expect(first).to.include('nodelet_image_pull_bytes_total 1000');
      expect(first).to.include('nodelet_log_rotations_total 2');
      expect(first).to.include('nodelet_log_rotation_failures_total 1');
      expect(first).to.include(
        'kubelet_container_log_filesystem_used_bytes{uid="u1",namespace="default",pod="web",container="main"} 4096',
      );
      expect(first).to.include('nodelet_pods{state="ready"} 2');
      expect(first).to.include('nodelet_build_info{version="1.2.3"');
      expect(first).to.include('process_resident_memory_bytes');
      delete pods['ready'];
      pods['notready'] = 1;
      const second = await scrape();
      expect(second).to.include('nodelet_pods{state="notready"} 1').and.not.include('state="ready"');
      expect((await fetch(`http://127.0.0.1:${port}/other`)).status).to.equal(404);
    } finally {
      await server.stop();
      metrics.close();
    }
  });

  it('follows the conventions that promtool checks', async function () {
    if (!hasPromtool()) this.skip();
    const metrics = createMetrics({ version: '1', podsByState: () => ({ ready: 1 }) });
    metrics.criOperation({ operation: 'Version', code: 'INTERNAL', durationMs: 2 });
    const exposition = await metrics.expose();
    metrics.close();
    expect(execFileSync('promtool', ['check', 'metrics'], { input: exposition, encoding: 'utf8' })).to.equal(
      '',
    );
  }).timeout(20_000);
});

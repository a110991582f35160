import { describe, expect, test } from 'vitest';
import { cgroupQuota, cpuBudget, cpuList, performanceCores, type ReadText } from './cpu-budget.ts';

const files =
  (content: Readonly<Record<string, string>>): ReadText =>
  (path) =>
    content[path];

const unified = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const cpuController = '33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n';

describe('quotas of cgroups', () => {
  test('version 2: the least of the own and all above', () => {
    const read = files({
      '/proc/self/mountinfo': unified,
      '/proc/self/cgroup': '0::/kube/pod/app\n',
      '/sys/fs/cgroup/kube/pod/app/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/kube/pod/cpu.max': '250000 100000\n',
      '/sys/fs/cgroup/kube/cpu.max': '800000 100000\n',
    });
    expect(cgroupQuota(read)).toBe(2.5);
    expect(cpuBudget(read, 16)).toEqual({ threads: 3, reason: 'quota' });
  });

  test('version 2 in a container that sees itself as the root', () => {
    const read = files({
      '/proc/self/mountinfo': '30 23 0:26 /../../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n',
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': '50000 100000\n',
    });
    expect(cpuBudget(read, 8)).toEqual({ threads: 1, reason: 'quota' });
  });

  test('version 1, with the path of the host', () => {
    const content = {
      '/proc/self/mountinfo': cpuController.replace(' / /sys', ' /docker/abc /sys'),
      '/proc/self/cgroup': '4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    };
    expect(cpuBudget(files(content), 4)).toEqual({ threads: 2, reason: 'quota' });
    const none = { ...content, '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n' };
    expect(cpuBudget(files(none), 4)).toEqual({ threads: 4, reason: 'cores' });
  });

  test('a path of the host that is not mounted: the root of the mount counts', () => {
    const read = files({
      '/proc/self/mountinfo': cpuController,
      '/proc/self/cgroup': '2:cpu,cpuacct:/docker/abc\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '100000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    });
    expect(cgroupQuota(read)).toBe(1);
  });

  test.each([
    ['nothing to read', {}],
    ['no quota', { '/sys/fs/cgroup/cpu.max': 'max 100000\n' }],
    ['nonsense', { '/sys/fs/cgroup/cpu.max': 'fast\n' }],
    ['an empty file', { '/sys/fs/cgroup/cpu.max': '' }],
  ])('%s sets no limit', (_, content) => {
    const read = files({ '/proc/self/mountinfo': unified, '/proc/self/cgroup': '0::/\n', ...content });
    expect(cpuBudget(read, 3)).toEqual({ threads: 3, reason: 'cores' });
  });

  test('a quota of more than the cores changes nothing', () => {
    const read = files({
      '/proc/self/mountinfo': unified,
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': '1600000 100000',
    });
    expect(cpuBudget(read, 4).threads).toBe(4);
  });
});

describe('cores of two kinds', () => {
  test('Intel: those that the kernel lists as cores, not as atoms', () => {
    const read = files({ '/sys/devices/cpu_core/cpus': '0-11\n', '/sys/devices/cpu_atom/cpus': '12-19\n' });
    expect(cpuBudget(read, 20)).toEqual({ threads: 12, reason: 'performance cores' });
    // Bound to fewer.
    expect(cpuBudget(read, 4)).toEqual({ threads: 4, reason: 'cores' });
  });

  test('ARM: those of about the greatest capacity', () => {
    const capacities = (values: number[]) =>
      files(Object.fromEntries(values.map((c, i) => [`/sys/devices/system/cpu/cpu${i}/cpu_capacity`, `${c}\n`])));
    expect(performanceCores(capacities([290, 290, 290, 290, 870, 870, 1024]))).toBe(3);
    expect(performanceCores(capacities([1024, 1024]))).toBeUndefined();
  });

  test('lists of CPUs', () => {
    expect(cpuList('0-2,5,7-8\n')).toEqual([0, 1, 2, 5, 7, 8]);
    expect(cpuList('')).toEqual([]);
  });
});

test('this machine has at least one', () => {
  expect(cpuBudget().threads).toBeGreaterThanOrEqual(1);
});

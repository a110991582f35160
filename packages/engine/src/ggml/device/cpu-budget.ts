/**
 * How many threads can compute at once: the cores that this process may use, the share of them that its cgroups grant,
 * the fast ones where there are slow ones; and how many are free at the moment.
 *
 * Reads the system's files through a function, so that any machine can be told of. Whatever cannot be read sets no limit.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { posix } from 'node:path';

/** A file's text; undefined where it cannot be read. */
export type ReadText = (path: string) => string | undefined;

export interface CpuBudget {
  /** Threads to compute with. */
  readonly threads: number;
  /** What decided: `cores`, `affinity`, `quota` or `performance cores`. */
  readonly reason: string;
}

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** @param cores what the process may use, by its affinity. Defaults to what the system says */
export function cpuBudget(read: ReadText = readText, cores = availableParallelism()): CpuBudget {
  const fast = performanceCores(read);
  const quota = cgroupQuota(read);
  let budget: CpuBudget = { threads: Math.max(1, cores), reason: 'cores' };
  if (fast !== undefined && fast < budget.threads) budget = { threads: fast, reason: 'performance cores' };
  // Half a core more or less: threads that are throttled wait for each other.
  const granted = quota === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(quota));
  return granted < budget.threads ? { threads: granted, reason: 'quota' } : budget;
}

/**
 * The CPU time per time that the process's cgroups grant, in cores: the least of cpu.max (version 2) or of
 * cpu.cfs_quota_us (version 1) from its own up to the root. Undefined where there is no limit.
 */
export function cgroupQuota(read: ReadText = readText): number | undefined {
  const quotas: number[] = [];
  const mounts = (read('/proc/self/mountinfo') ?? '').split('\n').map(parseMount);
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, id, controllers = '', path = '/'] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === undefined) continue;
    const unified = controllers === '';
    if (!unified && !controllers.split(',').includes('cpu')) continue;
    for (const mount of mounts) {
      if (mount?.type !== (unified ? 'cgroup2' : 'cgroup')) continue;
      if (!unified && !mount.options.split(',').includes('cpu')) continue;
      for (const folder of foldersUpTo(mount, path)) {
        const quota = unified ? quotaOf(read(`${folder}/cpu.max`)) : firstVersion(read, folder);
        if (quota !== undefined) quotas.push(quota);
      }
    }
  }
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

interface Mount {
  /** Which folder of the hierarchy is mounted, and where. */
  readonly root: string;
  readonly at: string;
  readonly type: string;
  readonly options: string;
}

/** A line of mountinfo: id, parent, device, root, mount point, options, optional fields, -, type, source, options. */
function parseMount(line: string): Mount | undefined {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root, at] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  return root === undefined || at === undefined || type === undefined ? undefined : { root, at, type, options };
}

/** The folders of a cgroup and of all above it, as far as they are mounted. */
function foldersUpTo({ root, at }: Mount, path: string): string[] {
  // In a container the root of the mount is the container's own cgroup, and the path may be the host's or `/`.
  const relative = path.startsWith(root) && root !== '/' ? path.slice(root.length) : path;
  const folders: string[] = [];
  for (let part = posix.normalize(`/${relative}`); ; part = posix.dirname(part)) {
    folders.push(posix.join(at, part).replace(/\/$/, ''));
    if (part === '/') return folders;
  }
}

/** `max 100000` or `150000 100000`: quota and period in µs. */
function quotaOf(text: string | undefined): number | undefined {
  const [quota = '', period = ''] = (text ?? '').trim().split(/\s+/);
  const share = Number(quota) / Number(period);
  return quota !== '' && period !== '' && Number.isFinite(share) && share > 0 ? share : undefined;
}

/** -1 stands for no limit. */
function firstVersion(read: ReadText, folder: string): number | undefined {
  const [quota, period] = [read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`)];
  return quota === undefined || period === undefined ? undefined : quotaOf(`${quota.trim()} ${period.trim()}`);
}

/**
 * Cores that are not the slow ones of a processor of two kinds; undefined where all are alike or nobody says.
 * Intel's are listed by the kernel; ARM's by capacity, where those below three quarters of the greatest are slow.
 */
export function performanceCores(read: ReadText = readText): number | undefined {
  const intel = read('/sys/devices/cpu_core/cpus');
  if (intel !== undefined && read('/sys/devices/cpu_atom/cpus') !== undefined) return cpuList(intel).length;
  const capacities: number[] = [];
  for (let i = 0; ; i++) {
    const text = read(`/sys/devices/system/cpu/cpu${i}/cpu_capacity`);
    if (text === undefined) break;
    capacities.push(Number(text));
  }
  if (capacities.length > 0) {
    const most = Math.max(...capacities);
    const fast = capacities.filter((capacity) => capacity >= 0.75 * most).length;
    return fast < capacities.length ? fast : undefined;
  }
  return process.platform === 'darwin' && read === readText ? appleCores() : undefined;
}

function appleCores(): number | undefined {
  try {
    const text = execFileSync('/usr/sbin/sysctl', ['-n', 'hw.perflevel0.logicalcpu'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const count = Number(text.toString());
    return Number.isInteger(count) && count > 0 ? count : undefined;
  } catch {
    return undefined;
  }
}

/** `0-3,8,10-11` */
export function cpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
    });
}

/** Numbers for people. */

export function milliseconds(ms: number): string {
  if (ms < 0.1) return '< 0.1 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(1)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

export function integer(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** `1 block`, `1,812 blocks`. @param noun whose plural ends in s */
export function counted(count: number, noun: string): string {
  return `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `2.4 ×`, `18 ×`. */
export function ratio(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ×`;
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}

export function parameters(count: number): string {
  return count >= 1e9
    ? `${(count / 1e9).toFixed(1)}B`
    : count >= 1e6
      ? `${Math.round(count / 1e6)}M`
      : `${Math.round(count / 1e3)}K`;
}

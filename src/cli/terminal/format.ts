/** Figures as people read them. Pure. */

/** `812 B`, `40.1 MiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** `1,812`. Without Intl, whose first use takes longer than many a command. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 block`, `1,812 blocks`. @param noun whose plural ends in s */
export function counted(value: number, noun: string): string {
  return `${formatCount(value)} ${noun}${Math.round(value) === 1 ? '' : 's'}`;
}

/** A measured time: `0.4 ms`, `182 ms`, `4.01 s`, `3 min 20 s`. */
export function formatMs(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 9_999.5) return `${formatCount(ms)} ms`;
  return ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : formatDuration(ms);
}

/** Time that passes, to the second: `7 s`, `3 min 20 s`, `1 h 05 min`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Floating-point operations: `1.2e+11` as `1.2e11`. */
export function formatFlops(flops: number): string {
  return flops.toExponential(1).replace('e+', 'e');
}

/** How much smaller `part` is than `whole`: `-97.2 %`. Two digits where one would say -100.0. */
export function formatReduction(part: number, whole: number): string {
  const percent = (part / whole - 1) * 100;
  const digits = percent < -99.5 ? 2 : 1;
  const text = percent.toFixed(digits);
  return `${Number(text) === 0 ? (0).toFixed(digits) : `${percent > 0 ? '+' : ''}${text}`} %`;
}

/** Columns side by side: numbers to the right, the first column to the left when `leftFirst`. */
export function formatTable(rows: readonly (readonly string[])[], options: { readonly left?: number } = {}): string[] {
  const { left = 0 } = options;
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** Text broken at spaces to lines of at most `width` characters. Longer words stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

/** A map that forgets: bounds what is remembered about blocks, of which a process may see any number. */
import type { BlockKey } from '../block-store.ts';

const most = 65_536;

/** Sets an entry, and drops the one that was set longest ago when there are more than 65,536. */
export function rememberLatest<V>(map: Map<BlockKey, V>, key: BlockKey, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

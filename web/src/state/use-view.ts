/** Which view is shown: what the address names, else what the server is for. */
import { useEffect, useState } from 'preact/hooks';
import type { Documents } from './use-documents.ts';

export type View = 'ask' | 'race';

/** Undefined until it is known what the server is for. */
export function useView(documents: Documents['status'], failed: boolean): View | undefined {
  const [named, setNamed] = useState(fromAddress);
  useEffect(() => {
    // Other anchors leave the view as it is.
    const follow = () => setNamed((before) => fromAddress() ?? before);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  if (named !== undefined) return named;
  if (documents === 'there') return 'ask';
  return documents === 'absent' || failed ? 'race' : undefined;
}

function fromAddress(): View | undefined {
  const name = location.hash.slice(1);
  return name === 'ask' || name === 'race' ? name : undefined;
}

/** What the server answers from: asked for again and again, oftener while something happens. And sending files to it. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Client } from '../api/client.ts';
import { asFailure } from '../api/failure.ts';
import type { DocumentsState, FileInfo } from '../api/types.ts';

/** A file on its way, or that did not arrive. */
export interface Sending {
  readonly key: number;
  readonly name: string;
  /** Why it did not arrive; undefined while it is on its way. */
  readonly failure: string | undefined;
}

export interface Documents {
  /** `absent`: the server has none. */
  readonly status: 'asking' | 'there' | 'absent';
  readonly state: DocumentsState | undefined;
  readonly files: readonly FileInfo[];
  readonly sending: readonly Sending[];
  readonly send: (files: readonly File[]) => Promise<void>;
  readonly dismiss: (key: number) => void;
  readonly remove: (id: string) => Promise<void>;
}

const busyMs = 700;
const idleMs = 4000;

/** @param served whether the server has documents; undefined before that is known */
export function useDocuments(client: Client, served: boolean | undefined, announce: (text: string) => void): Documents {
  const [state, setState] = useState<DocumentsState>();
  const [files, setFiles] = useState<readonly FileInfo[]>([]);
  const [sending, setSending] = useState<readonly Sending[]>([]);
  const wake = useRef(() => {});
  const nextKey = useRef(1);

  useEffect(() => {
    if (served !== true) return;
    const control = new AbortController();
    const ask = async () => {
      for (let first = true; !control.signal.aborted; first = false) {
        let pause = idleMs;
        try {
          if (first || document.visibilityState === 'visible') {
            const found = await client.documents(control.signal);
            setState(found);
            setFiles(await client.files(control.signal));
            if (found.phase !== 'ready') pause = busyMs;
          }
        } catch {
          // The server may be gone for a while: what is known stays.
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause);
          wake.current = () => {
            clearTimeout(timer);
            resolve();
          };
          control.signal.addEventListener('abort', wake.current, { once: true });
        });
      }
    };
    void ask();
    return () => control.abort();
  }, [client, served]);

  const send = useCallback(
    async (chosen: readonly File[]) => {
      const all = chosen.map((file) => ({ file, key: nextKey.current++ }));
      const waiting = all.map(({ file, key }) => ({ key, name: file.name, failure: undefined }));
      setSending((before) => [...before.filter(({ failure }) => failure === undefined), ...waiting]);
      let arrived = 0;
      for (const { file, key } of all) {
        try {
          await client.upload(file);
          arrived += 1;
          setSending((before) => before.filter((one) => one.key !== key));
        } catch (error) {
          const failure = asFailure(error)?.message ?? 'It was not sent.';
          setSending((before) => before.map((one) => (one.key === key ? { ...one, failure } : one)));
          announce(`${file.name} was refused: ${failure}`);
        }
        wake.current();
      }
      if (arrived > 0) announce(`${arrived} ${arrived === 1 ? 'file' : 'files'} added.`);
    },
    [client, announce],
  );
  const dismiss = useCallback((key: number) => setSending((all) => all.filter((one) => one.key !== key)), []);
  const remove = useCallback(
    async (id: string) => {
      try {
        await client.deleteFile(id);
        announce('The file and everything kept of it are deleted.');
      } catch (error) {
        announce(asFailure(error)?.message ?? 'It was not deleted.');
      }
      wake.current();
    },
    [client, announce],
  );
  const status = served === false ? 'absent' : state === undefined ? 'asking' : 'there';
  return { status, state, files, sending, send, dismiss, remove };
}

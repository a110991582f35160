/**
 * Keeps the native libraries from writing to the terminal.
 *
 * ggml and libllama log through one process-wide callback, from any of their threads. A JavaScript callback on a
 * foreign thread deadlocks while the main thread sits in a synchronous native call, so the callback must be native.
 * No library exports "do nothing"; `ggml_tensor_overhead(void)` comes as close: it returns a constant and looks at no
 * argument, and every calling convention koffi knows on 64-bit systems lets a callee ignore arguments it was passed.
 */
import koffi, { type LibraryHandle } from 'koffi';

/** Set to 1, native messages go to stderr as the libraries write them. */
export const nativeLogVariable = 'BLOCK_ATTENTION_NATIVE_LOG';

function wanted(): boolean {
  return process.env[nativeLogVariable] === '1';
}

function ignoringFunction(base: LibraryHandle): unknown {
  return base.symbol('ggml_tensor_overhead');
}

/** Silences libggml. Call before any backend is loaded: that is what logs first. */
export function silenceGgml(base: LibraryHandle): void {
  if (wanted()) return;
  base.func('void ggml_log_set(void *callback, void *user_data)')(ignoringFunction(base), null);
}

/** Silences libllama, which keeps a callback of its own. */
export function silenceLlama(base: LibraryHandle, llama: LibraryHandle): void {
  if (wanted()) return;
  llama.func('void llama_log_set(void *callback, void *user_data)')(ignoringFunction(base), null);
}

const errorLevel = 4;
/** What listens at present: the callback stays registered for ever, since another thread may be on its way into it. */
let listener: ((line: string) => void) | undefined;
let listening: unknown;

/**
 * The error lines that libllama logs while `work` runs. For one synchronous call of this thread that starts no other
 * and waits for none: where the main thread waits for a thread that logs, both would wait for ever. Nothing is heard
 * when the log goes to stderr.
 */
export function hearErrors<T>(
  { base, llama }: { readonly base: LibraryHandle; readonly llama: LibraryHandle },
  work: () => T,
): { readonly result: T; readonly errors: readonly string[] } {
  const errors: string[] = [];
  if (wanted()) return { result: work(), errors };
  if (listening === undefined) {
    const proto = koffi.proto('void llama_log_callback(int level, const char *text, void *user_data)');
    const hear = (level: number, text: string) => {
      if (level === errorLevel) listener?.(text);
    };
    listening = koffi.register(hear, koffi.pointer(proto));
  }
  listener = (line) => errors.push(line.trim());
  llama.func('void llama_log_set(void *callback, void *user_data)')(listening, null);
  try {
    return { result: work(), errors };
  } finally {
    silenceLlama(base, llama);
    listener = undefined;
  }
}

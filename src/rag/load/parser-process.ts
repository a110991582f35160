/**
 * The parent's side of the parsing process: one file at a time, each within a time and memory limit.
 *
 * A file that breaks a limit, or ends the process, is reported as unreadable, and the next one gets a fresh process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ParseReply, ParseRequest } from './parser-child.ts';

export interface ParserLimits {
  /** Longest time for one file, in ms; text recognition has its own beside. Defaults to 60 s. */
  readonly parseMs?: number | undefined;
  /** Memory of the parsing process, in bytes. Defaults to 1.5 GiB. */
  readonly parserBytes?: number | undefined;
}

const heapMegabytes = 1024;
/** Against hanging alone: on a busy machine a process may need a minute for its modules. */
const startMs = 300_000;

export class ParserProcess implements AsyncDisposable {
  readonly #parseMs: number;
  readonly #maxRss: number;
  #child: Promise<ChildProcess> | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor({ parseMs = 60_000, parserBytes = 1.5 * 2 ** 30 }: ParserLimits = {}) {
    this.#parseMs = parseMs;
    this.#maxRss = parserBytes;
  }

  /** Reads and parses a file; calls queue up. Never throws for what is wrong with the file. */
  parse(request: ParseRequest): Promise<ParseReply> {
    const result = this.#tail.then(() => this.#parse(request));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #parse(request: ParseRequest): Promise<ParseReply> {
    this.#child ??= this.#start();
    const child = await this.#child;
    const tooLarge = { kind: 'unreadable', digest: undefined, code: 'TOO_LARGE' } as const;
    return new Promise((resolve) => {
      const finish = (reply: ParseReply, broken: boolean) => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit).off('error', onExit);
        if (broken) {
          child.kill('SIGKILL');
          this.#child = undefined;
        }
        resolve(reply);
      };
      const onMessage = (reply: ParseReply) => finish(reply, false);
      const onExit = () =>
        finish({ ...tooLarge, reason: 'parsing it takes more memory than it may, or ends the parser' }, true);
      const ms = this.#parseMs + (request.ocr?.ms ?? 0);
      const onTimeout = () => finish({ ...tooLarge, reason: `parsing it takes longer than ${ms / 1000} s` }, true);
      const timer = setTimeout(onTimeout, ms);
      child.on('message', onMessage).on('exit', onExit).on('error', onExit);
      child.send(request, (error) => {
        if (error !== null) onExit();
      });
    });
  }

  async #start(): Promise<ChildProcess> {
    const source = import.meta.url.endsWith('.ts');
    const script = fileURLToPath(new URL(`./parser-child.${source ? 'ts' : 'js'}`, import.meta.url));
    const child = fork(script, [String(this.#maxRss)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [`--max-old-space-size=${heapMegabytes}`, ...(source ? ['--import', 'tsx'] : [])],
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the parsing process does not start')), startMs);
      const settle = (error?: Error) => {
        clearTimeout(timer);
        child.off('message', onReady).off('exit', onExit).off('error', settle);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onReady = () => settle();
      const onExit = (code: number | null) => settle(new Error(`the parsing process ends with ${code} at its start`));
      child.on('message', onReady).on('exit', onExit).on('error', settle);
    }).catch((error: unknown) => {
      child.kill('SIGKILL');
      this.#child = undefined;
      throw error;
    });
    // An index run that ends without dispose() must not be kept alive by it.
    child.unref();
    child.channel?.unref();
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tail;
    const child = await this.#child?.catch(() => undefined);
    this.#child = undefined;
    child?.kill('SIGKILL');
  }
}

/**
 * Where a command's words go: results to stdout, all else to stderr.
 *
 * With `--json` stdout carries one line, the JSON object, written last. What people would read on stdout then goes to
 * stderr. Colour only on terminals, and never with NO_COLOR.
 */
import { type CliIo, printable, type TextSink } from './io.ts';
import { Progress } from './progress.ts';

export class Output {
  readonly json: boolean;
  readonly progress: Progress;
  readonly #io: CliIo;

  constructor(io: CliIo, options: { readonly json?: boolean | undefined } = {}) {
    this.#io = io;
    this.json = options.json ?? false;
    this.progress = new Progress(io.stderr, io.env);
  }

  /** Whether a person reads the results as they come. */
  get isTerminal(): boolean {
    return !this.json && this.#io.stdout.isTTY === true;
  }

  /** A line of the result for people. */
  print(line = ''): void {
    this.progress.clear();
    this.#people.write(`${line}\n`);
  }

  /** A piece of a result that grows. Dropped with --json, which has it whole. */
  stream(piece: string): void {
    if (this.json) return;
    this.progress.clear();
    this.#io.stdout.write(this.isTerminal ? printable(piece) : piece);
  }

  /** A line about the result. */
  note(line: string): void {
    this.progress.clear();
    this.#io.stderr.write(`${line}\n`);
  }

  /** The result for programs: the last line of stdout. Without --json nothing. */
  result(value: unknown): void {
    this.progress.clear();
    if (this.json) this.#io.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Heading of what print() writes. */
  bold(text: string): string {
    return paint(this.#people, this.#io, 1, text);
  }

  /** Less important part of what print() writes. */
  faint(text: string): string {
    return paint(this.#people, this.#io, 2, text);
  }

  get #people(): TextSink {
    return this.json ? this.#io.stderr : this.#io.stdout;
  }
}

/** Colours a text for a sink that shows colours. @param code an SGR parameter */
export function paint(sink: TextSink, { env }: Pick<CliIo, 'env'>, code: number, text: string): string {
  const colours = sink.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return colours ? `\u001b[${code}m${text}\u001b[0m` : text;
}

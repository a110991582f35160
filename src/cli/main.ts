#!/usr/bin/env node
/** The command: this process's streams and signals around runCli(). */
import { setMaxListeners } from 'node:events';
import { exitCodes, runCli } from './index.ts';

const controller = new AbortController();
// Every block that is being encoded listens.
setMaxListeners(0, controller.signal);
// The first interrupt cancels and lets commands leave things in order, the second does not wait for them.
process.once('SIGINT', () => {
  process.on('SIGINT', () => process.exit(exitCodes.cancelled));
  controller.abort(new Error('interrupted'));
});
// Supervisors send it more than once, and npm passes on what its child has had already: only the first counts.
process.on('SIGTERM', () => controller.abort(new Error('terminated')));

// Whoever read our output has left, as in `… | head -1`: stop, and say nothing.
let readerLeft = false;
const onStreamError = (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  readerLeft = true;
  controller.abort(error);
};
process.stdout.on('error', onStreamError);
process.stderr.on('error', onStreamError);

const code = await runCli(process.argv.slice(2), {
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
});
process.exitCode = readerLeft ? 0 : code;
// What was written is delivered before the process ends; nothing else may keep it alive, such as an unread stdin.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve));
process.exit();

/** What the peers' processes share: tasks asked for by IPC, { id, task, … } in, { id, ms } or { id, error } out. */

/** Answers until the parent is gone. Says once that it is ready. */
export function answerTasks(tasks) {
  process.once('disconnect', () => process.exit(0));
  process.on('message', ({ id, task, ...rest }) => {
    const started = performance.now();
    tasks[task](rest).then(
      () => process.send({ id, ms: performance.now() - started }),
      (error) => process.send({ id, error: String(error?.stack ?? error) }),
    );
  });
  process.send({ id: 0, ms: 0 });
}

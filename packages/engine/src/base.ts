/** The door of what every room stands on: errors, cancellation, clean-up, random numbers, names of parts, the version. */
export * from './abort.ts';
export * from './cleanup.ts';
export * from './errors.ts';
export * from './part-names.ts';
export * from './random.ts';
export * from './version.ts';

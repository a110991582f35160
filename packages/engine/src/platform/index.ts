/** The door of what differs between machines: where files are kept, how they are replaced. */
export { cacheFolder, type Environment } from './cache-folder.ts';
export { renameOver, replaceFile, writeAll } from './replace-file.ts';

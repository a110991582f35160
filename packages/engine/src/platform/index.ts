/** The door of what differs between machines: where files are kept, how they are replaced, who writes a folder. */
export { cacheFolder, type Environment } from './cache-folder.ts';
export { diskError, systemCode } from './disk-error.ts';
export { isLocked, withFolderLock } from './folder-lock.ts';
export { renameOver, replaceFile, writeAll } from './replace-file.ts';

/** The door of what differs between machines: where files are kept. */
export { cacheFolder, type Environment } from './cache-folder.ts';

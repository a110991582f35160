import { describe, expect, it } from 'vitest';
import {
  connectionError,
  parseContentLength,
  parseContentRange,
  parseRetryAfter,
  statusError,
  versionOf,
} from './http-response.ts';

describe('reading an answer', () => {
  it('reads Content-Range', () => {
    expect(parseContentRange('bytes 5-9/10')).toEqual({ start: 5, totalBytes: 10 });
    expect(parseContentRange('bytes 5-9/*')).toEqual({ start: 5, totalBytes: undefined });
    for (const bad of [null, '', 'bytes */10', 'items 0-1/2', 'bytes -1-2/3']) {
      expect(parseContentRange(bad)).toBeUndefined();
    }
  });

  it('does not take the length of a compressed body for the length of the file', () => {
    expect(parseContentLength(new Headers({ 'content-length': '10' }))).toBe(10);
    expect(parseContentLength(new Headers({ 'content-length': '10', 'content-encoding': 'gzip' }))).toBeUndefined();
    expect(parseContentLength(new Headers())).toBeUndefined();
  });

  it('uses a strong entity tag before a date, and a weak one never', () => {
    const date = 'Wed, 21 Oct 2015 07:28:00 GMT';
    expect(versionOf(new Headers({ etag: '"a"', 'last-modified': date }))).toBe('"a"');
    expect(versionOf(new Headers({ etag: 'W/"a"', 'last-modified': date }))).toBe(date);
    expect(versionOf(new Headers({ etag: 'W/"a"' }))).toBeUndefined();
  });

  it('reads Retry-After as seconds or as a date', () => {
    expect(parseRetryAfter('3')).toBe(3000);
    expect(parseRetryAfter(new Date(Date.now() + 5000).toUTCString())).toBeGreaterThan(3000);
    for (const none of [null, 'soon', '0', 'Wed, 21 Oct 2015 07:28:00 GMT'])
      expect(parseRetryAfter(none)).toBeUndefined();
  });
});

describe('what is worth another attempt', () => {
  it('depends on the status', () => {
    const transient = [400, 401, 403, 404, 408, 410, 425, 429, 500, 503].filter(
      (status) => statusError(status, 'h', null).transient,
    );
    expect(transient).toEqual([408, 425, 429, 500, 503]);
  });

  it('depends on the error of the connection, however it is wrapped', () => {
    const wrapped = (code: string) => new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code }) });
    expect(connectionError(wrapped('ECONNRESET'), 'h').transient).toBe(true);
    expect(connectionError(wrapped('ENOTFOUND'), 'h').transient).toBe(false);
    expect(connectionError(wrapped('CERT_HAS_EXPIRED'), 'h').message).toBe('h cannot be reached (CERT_HAS_EXPIRED)');
    const both = new AggregateError([Object.assign(new Error('v6'), { code: 'ECONNREFUSED' })]);
    expect(connectionError(new TypeError('fetch failed', { cause: both }), 'h').message).toMatch(/ECONNREFUSED/);
  });
});

import { expect, it } from 'vitest';
import { jobId, readPassage } from './job.ts';

it('a job is named by all that its blocks depend on', () => {
  const text = 'The bridge was rebuilt.';
  const behind = (before: string) => jobId({ passages: [{ text, previous: { text: before } }] });
  const ids = [jobId({ passages: [{ text }] }), jobId({ passages: [{ text, title: 'x' }] }), behind('x'), behind('y')];
  expect(new Set(ids).size).toBe(4);
  expect(jobId({ passages: [{ id: 'a', text }] })).toBe(ids[0]);
});

it('a passage keeps what stands before it, and says what is wrong with that', () => {
  const passage = { text: 'Later.', previous: { title: 'Bridge', text: 'Before.' } };
  expect(readPassage(passage)).toEqual(passage);
  expect(readPassage({ text: 'Later.', previous: 'Before.' })).toMatch(/^previous: /);
});

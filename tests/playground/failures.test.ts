/** What the page says when things go wrong: keys, a full server, a prompt that does not fit, a server that is gone. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultLimits } from '../../src/server/options.ts';
import { accessibilityFaults, Browser, browserMissing, radio } from './browser.ts';
import { Served } from './served.ts';

if (browserMissing) console.log(browserMissing);
const served = new Served();
const browser = new Browser();
const run = (page: Page) => page.getByRole('button', { name: 'Run the race' });
/** The browser's own note on a status, or on no answer at all. */
const expected = /^Failed to load resource/;

describe.skipIf(browserMissing)('playground, when things go wrong', { timeout: 180_000 }, () => {
  let url = '';
  beforeAll(async () => {
    url = await served.open(512, {
      apiKeys: [{ key: 'a-long-enough-key' }],
      limits: { ...defaultLimits, running: 1, queue: 0 },
    });
    await browser.open();
  });
  afterAll(async () => {
    await browser.close();
    await served.close();
  });

  it('asks for a key, refuses a wrong one, keeps a right one for the tab, and forgets it', async () => {
    const page = await browser.page(url, { expected });
    await page.getByRole('heading', { name: 'This server asks for an API key' }).waitFor();
    expect(await run(page).isDisabled()).toBe(true);
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('API key', { exact: true }).fill('wrong');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('does not know this key').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('API key', { exact: true }).fill('a-long-enough-key');
    await page.getByLabel('Keep it until').check();
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('512 tokens of context').waitFor();
    await page.reload();
    await page.getByText('512 tokens of context').waitFor();
    expect(await page.locator('.snippet code').textContent()).toContain('$BLOCK_ATTENTION_KEY');
    expect(await page.content()).not.toContain('a-long-enough-key');
    await page.getByRole('button', { name: 'Forget the API key' }).click();
    await page.getByRole('heading', { name: 'This server asks for an API key' }).waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    await page.close();
  });

  it('says when the prompt does not fit, and goes on when it does', async () => {
    const page = await signedIn();
    await page.getByText('Too much for the model’s context').waitFor();
    expect(await run(page).isDisabled()).toBe(true);
    expect(await accessibilityFaults(page)).toEqual([]);
    await fitting(page);
    await expect.poll(() => run(page).isEnabled()).toBe(true);
    await page.close();
  });

  it('says when the server is busy, and counts down to the next try', async () => {
    const page = await signedIn();
    await fitting(page);
    await expect.poll(() => run(page).isEnabled()).toBe(true);
    // Both at once, where one is computed and none may wait.
    await page.locator('summary', { hasText: 'Settings' }).click();
    await radio(page, 'Together');
    await run(page).click();
    await page.getByText('The server is busy').waitFor();
    await run(page).waitFor();
    expect(await page.locator('.lane .failure').count()).toBe(1);
    expect(await accessibilityFaults(page)).toEqual([]);
    await radio(page, 'One after the other');
    await page.getByRole('button', { name: 'Try again', exact: true }).click();
    await page.locator('.lane-full .facts').waitFor();
    expect(await page.locator('.failure').count()).toBe(0);
    await page.close();
  });

  it('says when the server is gone, and finds it again', async () => {
    const page = await signedIn();
    await fitting(page);
    await expect.poll(() => run(page).isEnabled()).toBe(true);
    const { port } = new URL(url);
    await served.stop();
    await run(page).click();
    await page.getByText('The server does not answer').first().waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await served.open(512, { apiKeys: [{ key: 'a-long-enough-key' }] }, Number(port));
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await page.locator('.lane-full .facts').waitFor();
    await page.close();
  });

  it('complained of nothing else', () => {
    expect(browser.complaints).toEqual([]);
  });

  async function signedIn(): Promise<Page> {
    const page = await browser.page(url, { expected });
    await page.getByLabel('API key', { exact: true }).fill('a-long-enough-key');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('512 tokens of context').waitFor();
    return page;
  }
});

/** A prompt that a context of 512 tokens holds. */
async function fitting(page: Page): Promise<void> {
  await page.locator('.tools').getByRole('button', { name: 'Clear' }).click();
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Text', { exact: true }).fill('The bridge was opened in 1931.');
  await page.locator('.passage-form').getByRole('button', { name: 'Add' }).click();
  await page.getByLabel('Question', { exact: true }).fill('When was it opened?');
}

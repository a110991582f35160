/** What may be done and what may not, which model has what, prices and numbers of one part beside another's. */

import { said, some, unsaid, type Write } from '../made-up-page.ts';
import { features, only, spareParts, uses, variants } from './device-words.ts';
import { between, type Fact, page, upper } from './fact.ts';

export const modelsAndParts: Readonly<Record<string, Write>> = {
  allowed(random, product) {
    const [absent, ...chosen] = some(random, uses, between(random, 6, 8));
    const facts = chosen.map(([can, doing]): Fact => {
      const yes = random.uniform() < 0.45;
      const question = random.pick([
        `Can I ${can}?`,
        `May I ${can}?`,
        `Is it OK to ${can}?`,
        `Am I allowed to ${can}?`,
      ]);
      const text = yes
        ? random.pick([
            `You can ${can}.`,
            `${upper(doing)} is fine.`,
            `It does no harm to ${can}.`,
            `${upper(doing)} is allowed at any time.`,
            `### Can I ${can}?\n\nYou can, as long as it is clean.`,
            `- ${upper(doing)}: allowed`,
            `If you like, ${can}.`,
          ])
        : random.pick([
            `Do not ${can}.`,
            `${upper(doing)} is not allowed.`,
            `Never ${can}: the warranty ends with it.`,
            `You must not ${can}.`,
            `### Can I ${can}?\n\nPlease do not; it does damage that cannot be mended.`,
            `- ${upper(doing)}: forbidden`,
            `${upper(doing)} ruins the ${product}.`,
          ]);
      const evidence = text.split('\n').at(-1) ?? text;
      return { text, asked: [said(question, yes ? 'Yes' : 'No', evidence)] };
    });
    return page(random, [`${product}: dos and don'ts`, `Using the ${product}`, `${product} FAQ`], facts, [
      `Can I ${absent?.[0]}?`,
    ]);
  },

  only(random, product) {
    const [absent, ...chosen] = some(random, only, between(random, 5, 7));
    const facts = chosen.map(([question, other, statement, what, instead]): Fact => {
      const same = random.uniform() < 0.35;
      const text = statement.replace('{it}', product);
      const open = said(what.replace('{it}', `the ${product}`), instead, text);
      const closed = said((same ? other : question).replace('{it}', `the ${product}`), same ? 'Yes' : 'No', text);
      return { text, asked: random.uniform() < 0.4 ? [closed, open] : [closed] };
    });
    return page(random, [`${product}: good to know`, `Questions about the ${product}`], facts, [
      (absent?.[0] ?? '').replace('{it}', `the ${product}`),
    ]);
  },

  features(random, product) {
    const models = some(random, variants, 3).map((name) => `${product} ${name}`);
    const [absent, ...chosen] = some(random, features, between(random, 5, 8));
    const cells = chosen.map(() => models.map(() => random.uniform() < 0.5));
    const [yes, no] = random.pick<readonly [string, string]>([
      ['yes', 'no'],
      ['yes', '–'],
      ['✓', '–'],
      ['available', 'not available'],
      ['included', 'not included'],
    ]);
    const rows = chosen.map((feature, r): Fact => {
      const text = `| ${upper(feature.replace(/^an? /, ''))} | ${(cells[r] ?? []).map((has) => (has ? yes : no)).join(' | ')} |`;
      const at = random.integer(models.length);
      const has = cells[r]?.[at] === true;
      const ask = random.pick([`Does the {m} have {f}?`, `Is there {f} on the {m}?`, `has the {m} got {f}?`]);
      return {
        text,
        asked: [said(ask.replace('{m}', models[at] ?? '').replace('{f}', feature), has ? 'Yes' : 'No', text)],
      };
    });
    const lines = random.uniform() < 0.5;
    const prose = chosen.map((feature, r): Fact => {
      const at = random.integer(models.length);
      const has = cells[r]?.[at] === true;
      const model = models[at] ?? '';
      const text = has
        ? random.pick([
            `The ${model} has ${feature}.`,
            `With the ${model} you get ${feature}.`,
            `${upper(feature)} comes with the ${model}.`,
          ])
        : random.pick([
            `The ${model} has no ${feature}.`,
            `The ${model} comes without ${feature}.`,
            `There is no ${feature} on the ${model}.`,
          ]);
      return { text, asked: [said(`Does the ${model} have ${feature}?`, has ? 'Yes' : 'No', text)] };
    });
    const facts = lines ? prose : rows;
    const head = `# ${random.pick([`Which ${product}?`, `${product} models`, `${product}: what each can do`])}\n\n`;
    const table = `| | ${models.join(' | ')} |\n|---|---|---|---|\n${rows.map(({ text }) => text).join('\n')}\n`;
    return {
      markdown: head + (lines ? `${prose.map(({ text }) => text).join(' ')}\n` : table),
      questions: [...facts.flatMap(({ asked }) => asked), unsaid(`Does the ${models[0]} have ${absent}?`)],
    };
  },

  parts(random, product) {
    const [absent, ...chosen] = some(random, spareParts, between(random, 5, 8));
    const price = () =>
      random.pick([
        `${between(random, 2, 60)}.${random.pick(['50', '90', '00', '20'])} €`,
        `€${between(random, 2, 90)}`,
        `${between(random, 3, 80)} euros`,
      ]);
    if (random.uniform() < 0.4) {
      const base = between(random, 10, 89);
      const rows = chosen.map((part, i): Fact => {
        const number = `${base}-${1000 + 10 * i + random.integer(10)}`;
        const text = `- ${part}: ${number}`;
        return {
          text,
          asked: [
            said(
              random.pick([
                `What is the article number of the ${part}?`,
                `Which number has the ${part}?`,
                `article number of the ${part}?`,
              ]),
              number,
              text,
            ),
          ],
        };
      });
      return page(random, [`${product}: article numbers`, `Ordering parts of the ${product}`], rows, [
        `What is the article number of the ${absent}?`,
      ]);
    }
    const priced = chosen.map((part) => ({ part, costs: price() }));
    const sentences: string[] = [];
    for (let at = 0; at < priced.length; at += 2) {
      const [first, second] = priced.slice(at, at + 2);
      if (first === undefined) continue;
      sentences.push(
        second === undefined
          ? `The ${first.part} is ${first.costs}.`
          : random.pick([
              `A new ${first.part} costs ${first.costs}, a new ${second.part} ${second.costs}.`,
              `The ${first.part} is ${first.costs}, the ${second.part} ${second.costs}.`,
              `You can have a ${first.part} for ${first.costs} and a ${second.part} for ${second.costs}.`,
            ]),
      );
    }
    const facts = sentences.map(
      (text, s): Fact => ({
        text,
        asked: priced
          .slice(2 * s, 2 * s + 2)
          .map(({ part, costs }) =>
            said(
              random.pick([
                `What does a new ${part} cost?`,
                `How much is a ${part}?`,
                `What do I pay for the ${part}?`,
              ]),
              costs,
              text,
            ),
          ),
      }),
    );
    return {
      markdown: `# ${product}: spare parts\n\n${sentences.join(' ')}\n`,
      questions: [...facts.flatMap(({ asked }) => asked), unsaid(`What does a new ${absent} cost?`)],
    };
  },
};

/** What moved from where to where, signals, amounts, first steps, rules, places. */

import { said, some, type Write } from '../made-up-page.ts';
import { people } from '../manual-words.ts';
import { variants } from './device-words.ts';
import { between, day, type Fact, page, upper } from './fact.ts';
import { emergencies, measures, owned, places, rules, signals } from './use-words.ts';

export const workAndUse: Readonly<Record<string, Write>> = {
  moved(random, product) {
    const [absent, ...chosen] = some(random, owned, between(random, 4, 6));
    const team = some(random, people, people.length);
    const facts = chosen.map((thing, i): Fact => {
      const [before, after] = [team[2 * i] ?? 'Ana', team[2 * i + 1] ?? 'Ivo'];
      const [from, to] = [day(random), day(random)];
      if (random.uniform() < 0.5) {
        const text = random.pick([
          `- ${upper(thing)} moved from ${from} to ${to}.`,
          `- ${upper(thing)} was planned for ${from}; it is on ${to} now.`,
          `- We put off ${thing} from ${from} to ${to}.`,
          `- Not on ${from} but on ${to}: ${thing}.`,
        ]);
        return {
          text,
          asked: [
            said(
              random.pick([
                `To which date was ${thing} moved?`,
                `When is ${thing} now?`,
                `What is the new date of ${thing}?`,
              ]),
              to,
              text,
            ),
            ...(random.uniform() < 0.4
              ? [
                  said(
                    random.pick([`When was ${thing} planned at first?`, `What was the old date of ${thing}?`]),
                    from,
                    text,
                  ),
                ]
              : []),
          ],
        };
      }
      const text = random.pick([
        `- ${before} hands ${thing} over to ${after}.`,
        `- ${after} takes over ${thing} from ${before}.`,
        `- ${upper(thing)} belongs to ${after} from now on, no longer to ${before}.`,
        `- Instead of ${before}, ${after} looks after ${thing}.`,
      ]);
      return {
        text,
        asked: [
          said(
            random.pick([
              `Who owns ${thing} now?`,
              `Who is responsible for ${thing} now?`,
              `who looks after ${thing}?`,
            ]),
            after,
            text,
          ),
          ...(random.uniform() < 0.4
            ? [
                said(
                  random.pick([`Who looked after ${thing} before?`, `From whom was ${thing} taken over?`]),
                  before,
                  text,
                ),
              ]
            : []),
        ],
      };
    });
    return page(
      random,
      [`${product}: weekly meeting`, `Notes of ${day(random)}`, `${product} team, decisions`],
      facts,
      [`Who owns ${absent} now?`],
    );
  },

  signals(random, product) {
    const part = random.pick(['light', 'lamp', 'ring', 'LED']);
    const looks = some(random, signals.looks, between(random, 4, 7));
    const meanings = some(random, signals.meanings, looks.length + 1);
    const table = random.uniform() < 0.6;
    const rows = looks.map(([first, second], i): Fact => {
      const meaning = meanings[i] ?? '';
      const text = table ? `| ${first}, ${second} | ${meaning} |` : `- ${upper(first)} and ${second}: ${meaning}`;
      const look = random.pick([
        `a ${second} ${first} ${part}`,
        `a ${part} that is ${first} and ${second}`,
        `${first}, ${second}`,
      ]);
      return {
        text,
        asked: [
          random.uniform() < 0.75
            ? said(
                random.pick([`What does ${look} mean?`, `What does ${look} on the ${product} tell me?`]),
                meaning,
                text,
              )
            : said(
                `What does the ${part} look like for "${meaning}"?`,
                table ? `${first}, ${second}` : `${first} and ${second}`,
                text,
              ),
        ],
      };
    });
    const body = rows.map(({ text }) => text).join('\n');
    return {
      markdown: `# What the ${part} of the ${product} shows\n\n${table ? `| ${upper(part)} | Meaning |\n|---|---|\n` : ''}${body}\n`,
      questions: rows.flatMap(({ asked }) => asked),
    };
  },

  amounts(random, product) {
    const facts = some(random, measures, between(random, 4, 6)).map(([statement, question, unit, low, high]): Fact => {
      const value = `${between(random, low, high)}${unit}`;
      const text = statement.replace('{v}', value).replace('{it}', product);
      return { text, asked: [said(question.replace('{it}', product), value, text)] };
    });
    const steps = facts.map(({ text }, i) => `${i + 1}. ${text}`).join('\n');
    return {
      markdown: `# Cleaning and filling the ${product}\n\n${random.uniform() < 0.5 ? steps : facts.map(({ text }) => text).join(' ')}\n`,
      questions: facts.flatMap(({ asked }) => asked),
    };
  },

  settingsOfTwo(random, product) {
    const [one, two] = some(random, variants, 2);
    const facts = some(random, measures, 4).map(([, question, unit, low, high]): Fact => {
      const [a, b] = [between(random, low, high), between(random, low, high) + 1].map((n) => `${n}${unit}`);
      const short = question.replace(/\?$/, '').replace('{it}', product);
      const text = random.pick([
        `### ${short}?\n\nOn the ${one} ${a}, on the ${two} ${b}.`,
        `### ${short}?\n\nThat is ${a} with the ${one}. With the ${two} it is ${b}.`,
        `### ${short}?\n\n${one}: ${a}. ${two}: ${b}.`,
      ]);
      const evidence = text.split('\n').at(-1) ?? text;
      const first = random.uniform() < 0.5;
      return {
        text,
        asked: [
          said(`${short} ${random.pick(['on', 'with'])} the ${first ? one : two}?`, (first ? a : b) ?? '', evidence),
        ],
      };
    });
    return page(random, [`${product} ${one} and ${two}`, `${product}: questions and answers`], facts);
  },

  emergencies(random, product) {
    const [absent, ...chosen] = some(random, emergencies, 4);
    const facts = chosen.map(([happens, ...actions]): Fact => {
      const steps = random.shuffle(actions).slice(0, 3);
      const [first = '', second = '', third = ''] = steps;
      const text = random.pick([
        `If ${happens}: ${first}, then ${second} and ${third}.`,
        `When ${happens}, ${first}. After that, ${second}. Last, ${third}.`,
        `${upper(happens)}? ${upper(first)}, ${second}, ${third}.`,
      ]);
      return {
        text,
        asked: [
          random.uniform() < 0.65
            ? said(
                random.pick([
                  `What should I do first if ${happens}?`,
                  `${happens}, what do I do first?`,
                  `What is the first thing to do when ${happens}?`,
                ]),
                first,
                text,
              )
            : said(`What do I do last if ${happens}?`, third, text),
        ],
      };
    });
    return page(random, [`${product}: in an emergency`, `Safety of the ${product}`], facts, [
      `What should I do first if ${absent?.[0]}?`,
    ]);
  },

  rules(random, product) {
    const [absent, ...chosen] = some(random, rules, between(random, 4, 6));
    const facts = chosen.map(([statement, question, values]): Fact => {
      const value = random.pick(values);
      const text = statement.replace('{v}', value);
      return { text, asked: [said(question, value, text)] };
    });
    return page(
      random,
      [`Working at ${product}`, `${product}: rules of the house`, 'Handbook for new colleagues'],
      facts,
      [absent?.[1] ?? ''],
    );
  },

  places(random, product) {
    const [absent, ...chosen] = some(random, places.things, between(random, 4, 6));
    const where = some(random, places.where, chosen.length);
    const facts = chosen.map((thing, i): Fact => {
      const place = where[i] ?? '';
      const text = random.pick([
        `The ${thing} is ${place}.`,
        `You find the ${thing} ${place}.`,
        `Look for the ${thing} ${place}.`,
      ]);
      return {
        text,
        asked: [
          said(
            random.pick([
              `Where is the ${thing}?`,
              `Where do I find the ${thing} of the ${product}?`,
              `where is the ${thing} on the ${product}?`,
            ]),
            place,
            text,
          ),
        ],
      };
    });
    return page(random, [`The parts of the ${product}`, `${product}: where is what?`], facts, [
      `Where is the ${absent}?`,
    ]);
  },
};

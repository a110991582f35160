/** What the made-up passages state, and how it is asked for: several wordings of each. */
import type { Random } from '@block-attention/engine/internal/base';
import { amount, choose, codeName, date, nameOf, number, personName, thingName, value, year } from './random-names.ts';
import { animals, colours, days, materials, trades } from './words.ts';

export interface Fact {
  /** `s` the subject, `o` the object. */
  readonly state: readonly string[];
  readonly ask: readonly string[];
  readonly object: (random: Random) => string;
  /** What the object is to the subject, where it is a person: leads to questions of two hops. */
  readonly role?: string;
}

/** Things of one kind with what can be said of them. */
export interface Topic {
  readonly subject: (random: Random) => string;
  readonly facts: readonly Fact[];
  /** Subjects are written as they are, at the start of a sentence, too. */
  readonly cased?: boolean;
}

const place = (random: Random) => nameOf('place', random);
const oneOf = (values: readonly string[]) => (random: Random) => choose(random, values);

/** A property with a name: asked for by its name, in several orders. */
function property(name: string, object: Fact['object']): Fact {
  return {
    state: [
      `The ${name} of s is o.`,
      `s has the ${name} o.`,
      `${name.slice(0, 1).toUpperCase()}${name.slice(1)} of s: o.`,
      `For s the ${name} is o.`,
    ],
    ask: [
      `What is the ${name} of s?`,
      `Which ${name} does s have?`,
      `What ${name} has s?`,
      `Tell me the ${name} of s.`,
    ],
    object,
  };
}

const person: Topic = {
  subject: personName,
  facts: [
    {
      state: ['s was born in o.', 'The birthplace of s is o.', 'o is where s was born.'],
      ask: ['Where was s born?', 'What is the birthplace of s?'],
      object: place,
    },
    {
      state: ['s lives in o.', 'The home of s is in o.', 's has a house in o.'],
      ask: ['Where does s live?', 'Where is the home of s?'],
      object: place,
    },
    {
      state: ['s was taught by o.', 'The teacher of s was o.', 'o taught s.'],
      ask: ['Who taught s?', 'Who was the teacher of s?'],
      object: personName,
      role: 'the teacher of s',
    },
    {
      state: ['s works as a o.', 's is a o.', 's became a o.'],
      ask: ['What does s work as?', 'What is the trade of s?', 'What is the job of s?'],
      object: oneOf(trades),
    },
    {
      state: ['s was born in the year o.', 's was born in o.'],
      ask: ['When was s born?', 'In which year was s born?'],
      object: year,
    },
    {
      state: ['s died in o.', 's died in the year o.'],
      ask: ['When did s die?', 'In which year did s die?'],
      object: year,
    },
    {
      state: ['s married o.', 'The partner of s is o.'],
      ask: ['Who married s?', 'Who is the partner of s?', 'Whom did s marry?'],
      object: personName,
      role: 'the partner of s',
    },
    {
      state: ['s keeps a o.', 'The animal of s is a o.'],
      ask: ['Which animal does s keep?', 'What animal has s?'],
      object: oneOf(animals),
    },
    {
      state: ['s studied in o.', 's went to school in o.'],
      ask: ['Where did s study?', 'Where did s go to school?'],
      object: place,
    },
    {
      state: ['s moved to o.', 'Later s moved to o.'],
      ask: ['Where did s move?', 'Where did s move to?'],
      object: place,
    },
  ],
};

const work: Topic = {
  subject: (random) =>
    `the ${choose(random, ['novel', 'song', 'painting', 'play', 'film', 'book', 'poem', 'statue'])} of ${place(random)}`,
  facts: [
    {
      state: ['s was made by o.', 'The maker of s is o.', 'o made s.'],
      ask: ['Who made s?', 'Who is the maker of s?'],
      object: personName,
      role: 'the maker of s',
    },
    {
      state: ['s is kept in o.', 'The place where s is kept is o.'],
      ask: ['Where is s kept?', 'In which place is s kept?'],
      object: place,
    },
    {
      state: ['s was finished in o.', 's dates from o.'],
      ask: ['When was s finished?', 'From which year is s?'],
      object: year,
    },
    {
      state: ['s costs o.', 'The price of s is o.'],
      ask: ['What does s cost?', 'How much does s cost?', 'What is the price of s?'],
      object: amount,
    },
  ],
};

const thing: Topic = {
  subject: thingName,
  facts: [
    {
      state: ['s was opened in o.', 's opened in o.', 's has been open since o.'],
      ask: ['When was s opened?', 'When did s open?', 'Since when is s open?'],
      object: year,
    },
    {
      state: ['s was opened on o.', 's opened on o.'],
      ask: ['When was s opened?', 'On which day did s open?'],
      object: date,
    },
    {
      state: ['s was built by o.', 'The builder of s was o.', 'o built s.'],
      ask: ['Who built s?', 'Who was the builder of s?'],
      object: personName,
      role: 'the builder of s',
    },
    {
      state: ['s was founded by o.', 'o founded s.', 's was set up by o.'],
      ask: ['Who founded s?', 'Who set up s?', 'Who was the founder of s?'],
      object: personName,
      role: 'the founder of s',
    },
    {
      state: ['s stands in o.', 's is in o.', 's is located in o.'],
      ask: ['Where is s?', 'Where does s stand?', 'Where is s located?'],
      object: place,
    },
    {
      state: ['s is made of o.', 's was built from o.'],
      ask: ['What is s made of?', 'What was s built from?'],
      object: oneOf(materials),
    },
    {
      state: ['s is o.', 's was painted o.'],
      ask: ['What colour is s?', 'Which colour has s?', 'What is the colour of s?'],
      object: oneOf(colours),
    },
    {
      state: ['s is o long.', 'The length of s is o.'],
      ask: ['How long is s?', 'What is the length of s?'],
      object: amount,
    },
    {
      state: ['s holds o.', 's has room for o.'],
      ask: ['How much does s hold?', 'How many does s hold?'],
      object: amount,
    },
    {
      state: ['s is closed on o.', 'On o s is closed.'],
      ask: ['On which day is s closed?', 'When is s closed?'],
      object: oneOf(days),
    },
    {
      state: ['s is called o.', 'The name of s is o.'],
      ask: ['What is s called?', 'What is the name of s?'],
      object: place,
    },
    {
      state: ['s costs o.', 'The price of s is o.'],
      ask: ['What does s cost?', 'How much is s?', 'What is the price of s?'],
      object: amount,
    },
    {
      state: ['s is run by o.', 's belongs to o.', 'The owner of s is o.'],
      ask: ['Who runs s?', 'Who owns s?', 'Who is the owner of s?', 'Whom does s belong to?'],
      object: personName,
      role: 'the owner of s',
    },
    {
      state: ['s listens on port o.', 'The port of s is o.', 's uses port o.'],
      ask: ['What is the port of s?', 'Which port does s use?', 'On which port does s listen?'],
      object: number,
    },
    property('version', codeName),
    property('timeout', amount),
    property('limit', number),
    property('region', place),
    property('owner', personName),
    property('address', codeName),
    property('weight', amount),
    property('code', codeName),
    property('password', codeName),
    property('default', value),
  ],
};

const setting: Topic = {
  subject: codeName,
  cased: true,
  facts: [
    {
      state: ['s is set to o.', 'The value of s is o.', 's = o', '- s: o', 's: o'],
      ask: ['What is s set to?', 'What is the value of s?', 'What is s?'],
      object: value,
    },
    { state: ['s was added in o.', 's came with o.'], ask: ['When was s added?', 'What added s?'], object: codeName },
    {
      state: ['The default of s is o.', 's defaults to o.'],
      ask: ['What is the default of s?', 'What does s default to?'],
      object: value,
    },
    {
      state: ['s needs o.', 's depends on o.'],
      ask: ['What does s need?', 'What does s depend on?'],
      object: codeName,
    },
  ],
};

export const topics: readonly Topic[] = [person, work, thing, setting];

/** Sentences that answer nothing. `s` is the subject. */
export const fillers: readonly string[] = [
  'Many people know s well.',
  'Little else is known about s.',
  'There are several stories about s.',
  'This page is about s.',
  'See also the other documents.',
  'The rest of this section is not important.',
  'It was a cold day in winter.',
  'Some of this was changed later.',
  'For more information ask the owner.',
  'Nothing here has changed for many years.',
];

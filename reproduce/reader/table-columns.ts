/** Columns of made-up tables: what their cells hold, and how people ask for them. All names are invented. */
import type { Random } from '@block-attention/engine/internal/base';
import { people } from './manual-words.ts';

export interface TableColumn {
  readonly label: string;
  readonly value: (random: Random) => string;
  /** Questions for the cell; `{row}` is the row's name, `{which}` what rows are, `{it}` the product. */
  readonly ask: readonly [string, ...string[]];
  /** Questions for the row, `{cell}` being its cell. */
  readonly which: readonly [string, ...string[]];
}

type Value = TableColumn['value'];
const between = (random: Random, low: number, high: number) => low + random.integer(high - low + 1);
const count =
  (low: number, high: number, unit = ''): Value =>
  (random) =>
    `${between(random, low, high).toLocaleString('en')}${unit}`;
const decimal =
  (low: number, high: number, unit: string): Value =>
  (random) =>
    `${(between(random, low * 10, high * 10) / 10).toFixed(1)}${unit}`;
const money: Value = (random) => {
  const whole = between(random, 1, 240);
  return random.pick([`€${whole}`, `${whole} €`, `$${whole}`, `${whole}.90 €`, `€${whole}.50`, `${whole},00 €`]);
};
const among =
  (...values: [string, ...string[]]): Value =>
  (random) =>
    random.pick(values);
const day: Value = (random) =>
  `${between(random, 1, 28)} ${random.pick(['January', 'March', 'April', 'June', 'July', 'October', 'November'])}`;
const clock: Value = (random) =>
  `${String(between(random, 6, 21)).padStart(2, '0')}:${random.pick(['00', '15', '30', '45'])}`;
const duration: Value = (random) =>
  random.pick([
    `${between(random, 2, 50)} minutes`,
    `${between(random, 2, 12)} hours`,
    `${between(random, 1, 9)} h ${between(random, 1, 5)}0 min`,
    `${between(random, 2, 40)} seconds`,
  ]);
const period: Value = (random) =>
  random.pick([
    `${between(random, 2, 10)} years`,
    `${between(random, 6, 36)} months`,
    `${between(random, 10, 90)} days`,
    `${between(random, 2, 8)} weeks`,
  ]);
const interval: Value = among(
  'every day',
  'once a week',
  'twice a week',
  'every two weeks',
  'once a month',
  'every three months',
  'twice a year',
  'once a year',
  'after every use',
  'every 500 hours',
);
const telephone: Value = (random) => `+${between(random, 30, 59)} 555 0${between(random, 100, 199)}`;
const mail: Value = (random) =>
  `${random.pick(['help', 'desk', 'orders', 'team', 'post', 'office'])}@${random.pick(['north', 'vale', 'harbour', 'birch', 'quarry'])}.example`;
const person: Value = (random) =>
  `${random.pick(people)} ${random.pick(['Okafor', 'Lindqvist', 'Marsh', 'Petrov', 'Alvarez', 'Brandt', 'Sato', 'Ferreira'])}`;

/** Columns by name. */
export const columns: Readonly<Record<string, TableColumn>> = {
  weight: {
    label: 'Weight',
    value: decimal(0.3, 28, ' kg'),
    ask: ['How much does {row} weigh?', 'How heavy is {row}?', 'What is the weight of {row}?'],
    which: ['Which {which} weighs {cell}?'],
  },
  power: {
    label: 'Power',
    value: count(12, 2200, ' W'),
    ask: [
      'How many watts does {row} have?',
      'How much power does {row} need?',
      'What is the power consumption of {row}?',
    ],
    which: ['Which {which} has {cell}?', 'Which {which} needs {cell}?'],
  },
  price: {
    label: 'Price',
    value: money,
    ask: ['How much is {row}?', 'What does {row} cost?', 'What is the price of {row}?', 'Price of {row}?'],
    which: ['Which {which} costs {cell}?', 'What can I get for {cell}?'],
  },
  yearly: {
    label: 'Per year',
    value: money,
    ask: ['How much is {row} per year?', 'What does {row} cost with yearly payment?', 'yearly price of {row}?'],
    which: ['Which {which} costs {cell} per year?'],
  },
  noise: {
    label: 'Noise',
    value: count(18, 79, ' dB'),
    ask: ['How loud is {row}?', 'What is the noise level of {row}?'],
    which: ['Which {which} has a noise level of {cell}?'],
  },
  capacity: {
    label: 'Capacity',
    value: count(2, 900, ' l'),
    ask: ['How much does {row} hold?', 'What is the capacity of {row}?'],
    which: ['Which {which} holds {cell}?'],
  },
  storage: {
    label: 'Storage',
    value: count(2, 96, ' TB'),
    ask: ['How much storage does {row} have?', 'How much space do I get with {row}?'],
    which: ['Which {which} has {cell} of storage?'],
  },
  warranty: {
    label: 'Warranty',
    value: period,
    ask: ['How long is the warranty on {row}?', 'How long is {row} under warranty?'],
    which: ['Which {which} has a warranty of {cell}?'],
  },
  extended: {
    label: 'Extended warranty',
    value: period,
    ask: ['How long is the extended warranty of {row}?', 'How long does the extension for {row} last?'],
    which: ['Which {which} has an extended warranty of {cell}?'],
  },
  standard: {
    label: 'Standard',
    value: money,
    ask: ['What does standard shipping to {row} cost?', 'How much is standard delivery to {row}?'],
    which: ['To which country does standard shipping cost {cell}?'],
  },
  express: {
    label: 'Express',
    value: money,
    ask: ['What does express shipping to {row} cost?', 'How much is express delivery to {row}?'],
    which: ['To which country does express shipping cost {cell}?'],
  },
  deliveryTime: {
    label: 'Delivery time',
    value: (random) => `${between(random, 1, 5)} to ${between(random, 6, 14)} working days`,
    ask: ['How long does delivery to {row} take?', 'When will my parcel arrive in {row}?'],
    which: ['Where does delivery take {cell}?'],
  },
  telephone: {
    label: 'Telephone',
    value: telephone,
    ask: ['What is the telephone number of {row}?', 'How can I call {row}?', 'Which number do I call for {row}?'],
    which: ['Whose number is {cell}?'],
  },
  mail: {
    label: 'E-mail',
    value: mail,
    ask: ['What is the e-mail address of {row}?', 'Where can I write to {row}?'],
    which: ['Who answers {cell}?'],
  },
  hours: {
    label: 'Hours',
    value: (random) => `${clock(random)} to ${clock(random)}`,
    ask: ['When is {row} open?', 'What are the opening hours of {row}?'],
    which: ['Which {which} is open from {cell}?'],
  },
  lead: {
    label: 'Contact',
    value: person,
    ask: ['Who is responsible for {row}?', 'Who do I ask about {row}?', 'Who looks after {row}?'],
    which: ['What is {cell} responsible for?'],
  },
  owner: {
    label: 'Owner',
    value: person,
    ask: ['Who has to {row}?', 'Who will {row}?', 'Who took on to {row}?'],
    which: ['What does {cell} have to do?', 'What is the task of {cell}?'],
  },
  due: {
    label: 'Due',
    value: day,
    ask: ['By when do we {row}?', 'When is the deadline to {row}?', 'Until when must somebody {row}?'],
    which: ['Which task is due on {cell}?'],
  },
  interval: {
    label: 'How often',
    value: interval,
    ask: ['How often should {row} be serviced?', 'How often do I have to clean {row}?', 'How often is {row} due?'],
    which: ['Which {which} is due {cell}?'],
  },
  means: {
    label: 'With',
    value: among(
      'warm water and a soft cloth',
      'compressed air',
      'citric acid',
      'a dry brush',
      'silicone grease',
      'the supplied tablet',
      'rubbing alcohol',
      'a vacuum cleaner',
      'mild soap',
    ),
    ask: ['What do I clean {row} with?', 'What is used for {row}?'],
    which: ['What is cleaned with {cell}?'],
  },
  meaning: {
    label: 'Meaning',
    value: among(
      'waiting for the network',
      'update is being installed',
      'sensor not calibrated',
      'access denied',
      'battery below ten per cent',
      'too many requests',
      'disk almost full',
      'lid open',
      'pairing mode',
      'no permission to write',
      'certificate expired',
      'overheated',
      'name already taken',
      'connection lost',
      'wrong voltage',
      'record not found',
      'calibration running',
      'file is locked',
    ),
    ask: ['What does {row} mean?', 'I see {row}. What is wrong?', 'What is the meaning of {row}?'],
    which: ['Which {which} means {cell}?', 'What is shown for "{cell}"?'],
  },
  remedy: {
    label: 'What to do',
    value: among(
      'Restart the device',
      'Replace the fuse',
      'Sign in again',
      'Free some space',
      'Call the service',
      'Wait a minute and try again',
      'Check the cable',
      'Install the update',
      'Ask an administrator',
      'Empty the tray',
      'Renew the licence',
    ),
    ask: ['What should I do about {row}?', 'What helps against {row}?', 'How do I get rid of {row}?'],
    which: ['When should I "{cell}"?'],
  },
  users: {
    label: 'Users',
    value: count(1, 500),
    ask: ['How many users does {row} allow?', 'How many people can use {row}?'],
    which: ['Which {which} allows {cell} users?'],
  },
  requests: {
    label: 'Requests per minute',
    value: count(10, 9000),
    ask: ['How many requests per minute does {row} allow?', 'What is the rate limit of {row}?'],
    which: ['Which {which} allows {cell} requests per minute?'],
  },
  support: {
    label: 'Support',
    value: among('by e-mail', 'by phone', 'none', 'within 4 hours', 'within one day', 'chat', 'around the clock'),
    ask: ['What support comes with {row}?', 'Which kind of support do I get with {row}?'],
    which: ['Which {which} has support {cell}?'],
  },
  seats: {
    label: 'Seats',
    value: count(2, 80),
    ask: ['How many seats does {row} have?', 'How many people fit into {row}?'],
    which: ['Which {which} has {cell} seats?'],
  },
  floor: {
    label: 'Floor',
    value: among('ground floor', '1st floor', '2nd floor', '3rd floor', 'basement', 'attic'),
    ask: ['On which floor is {row}?', 'Where is {row}?'],
    which: ['Which {which} is on the {cell}?'],
  },
  equipment: {
    label: 'Equipment',
    value: among('projector', 'whiteboard', 'two screens', 'video conferencing', 'piano', 'microphones', 'none'),
    ask: ['What equipment does {row} have?', 'What is there in {row}?'],
    which: ['Which {which} has a {cell}?'],
  },
  budget: {
    label: 'Amount per year',
    value: (random) => `${(between(random, 1, 90) * 50).toLocaleString('en')} €`,
    ask: ['What is the yearly budget for {row}?', 'How much may I spend on {row}?', 'How much do I get for {row}?'],
    which: ['What is the budget of {cell} for?'],
  },
  lowest: {
    label: 'Lowest',
    value: count(-30, 15, ' °C'),
    ask: ['What is the lowest temperature for {row}?', 'How cold may it be for {row}?'],
    which: ['What is allowed down to {cell}?'],
  },
  highest: {
    label: 'Highest',
    value: count(25, 95, ' °C'),
    ask: ['What is the highest temperature for {row}?', 'How hot may it get for {row}?'],
    which: ['What is allowed up to {cell}?'],
  },
  default: {
    label: 'Default',
    value: (random) => random.pick([`${between(random, 1, 9000)}`, 'on', 'off', `${between(random, 1, 90)} s`, 'auto']),
    ask: ['What is the default of {row}?', 'What is {row} set to by default?', 'default value of {row}?'],
    which: ['Which {which} has the default {cell}?'],
  },
  range: {
    label: 'Range',
    value: (random) => `${between(random, 0, 9)} to ${between(random, 10, 5000)}`,
    ask: ['Which values may {row} have?', 'What is the range of {row}?'],
    which: ['Which {which} may be {cell}?'],
  },
  released: {
    label: 'Released',
    value: (random) => `${day(random)} ${between(random, 2015, 2026)}`,
    ask: ['When was {row} released?', 'When did {row} come out?'],
    which: ['Which {which} was released on {cell}?'],
  },
  ends: {
    label: 'End of support',
    value: (random) => `${day(random)} ${between(random, 2026, 2034)}`,
    ask: ['How long is {row} supported?', 'When does support for {row} end?'],
    which: ['For which {which} does support end on {cell}?'],
  },
  teacher: {
    label: 'Teacher',
    value: person,
    ask: ['Who teaches {row}?', 'Who is the teacher of {row}?'],
    which: ['What does {cell} teach?'],
  },
  starts: {
    label: 'Starts',
    value: (random) => `${random.pick(['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'])}, ${clock(random)}`,
    ask: ['When does {row} start?', 'At what time is {row}?'],
    which: ['What starts on {cell}?'],
  },
  dose: {
    label: 'Amount',
    value: (random) =>
      random.pick([
        `${between(random, 5, 900)} g`,
        `${between(random, 2, 12)} spoons`,
        `${between(random, 20, 800)} ml`,
      ]),
    ask: ['How much {row} do I need?', 'What amount of {row} goes in?'],
    which: ['Of what do I need {cell}?'],
  },
  shortcut: {
    label: 'Keys',
    value: (random) =>
      `${random.pick(['Ctrl', 'Alt', 'Ctrl+Shift', 'Alt+Shift'])}+${random.pick(['A', 'B', 'D', 'E', 'G', 'J', 'K', 'M', 'P', 'U', 'F2', 'F8', 'Enter'])}`,
    ask: ['How do I {row} with the keyboard?', 'What is the shortcut to {row}?', 'Which keys {row}?'],
    which: ['What does {cell} do?'],
  },
  duration: {
    label: 'Time',
    value: duration,
    ask: ['How long does {row} take?', 'How much time does {row} need?'],
    which: ['What takes {cell}?', 'Which {which} takes {cell}?'],
  },
  threshold: {
    label: 'After',
    value: count(20, 900, ' uses'),
    ask: ['After how many uses is {row} due?', 'When does the device ask for {row}?'],
    which: ['What is due after {cell}?'],
  },
};

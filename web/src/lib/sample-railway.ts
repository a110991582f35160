/** Ten passages about a railway that does not exist. */
import type { Document } from '../api/types.ts';

export const railway: readonly Document[] = [
  {
    title: 'The line',
    text: 'The Orla Valley Railway runs for forty-one kilometres between the market town of Brenn and the high village of Saint Odile. It climbs 1,120 metres on the way, through nine tunnels and over fourteen bridges, and no part of it is steeper than one in twenty-five. Trains need ninety-four minutes uphill and eighty-eight minutes downhill. The gauge is one metre. Six stations are staffed; the other five are request stops, where a lamp on the platform is lit by whoever wants to board.',
  },
  {
    title: 'The Serpentine tunnel',
    text: 'The longest tunnel of the line is the Serpentine, between Mellin and Kastel. It is 2,318 metres long and turns through almost three quarters of a circle inside the mountain, so that a train leaves it ninety metres above the place where it went in. Work began at both ends in the spring of 1904. Water broke into the lower heading twice, and the two teams met only in October 1908. The tunnel was finished in 1909 and lined with local granite.',
  },
  {
    title: 'Ada Lindqvist',
    text: 'Ada Lindqvist was the chief surveyor of the upper section from 1902 until 1911. She had learned her trade on coastal charts, and measured the valley with the methods of a sailor: bearings from three peaks, repeated at dawn when the air was still. When the headings of the Serpentine met, they were eleven centimetres apart in height and four to the side. Her field books, in pencil, are kept in the museum at Brenn.',
  },
  {
    title: 'The viaduct at Kastel',
    text: 'Above Kastel the line crosses the gorge of the Orla on a viaduct of seven arches. The middle arch spans thirty-eight metres and stands sixty-one metres above the river. It was built without a scaffold from below: two timber half-arches were hung from steel cables and lowered until they met. The viaduct was opened to trains on the second of June 1910. It was repointed in 1957 and again in 2003, and carries a speed limit of thirty kilometres an hour.',
  },
  {
    title: 'Rolling stock',
    text: 'The railway opened with five steam locomotives of one class, numbered 1 to 5 and named after birds of the valley. Number 3, Dipper, is still in working order and heads the morning train on Sundays from May to September. The line was electrified in 1928 with direct current at 1,500 volts. Today eight railcars from 1996 carry most of the traffic; they are to be replaced by six battery railcars, which charge from the overhead line on the climb and need none of it on the way down.',
  },
  {
    title: 'Winter service',
    text: 'Between December and March the upper section, from Kastel to Saint Odile, is kept open by a rotary plough built in 1931. The plough throws snow up to thirty metres to the valley side and is pushed at walking pace by two railcars. In a hard winter it goes out before five in the morning and again after dark. The section was closed for longer than a week only twice: for nine days in 1951 and for twelve days in 1999, both times because of avalanches below Saint Odile.',
  },
  {
    title: 'Fares and passes',
    text: 'A single ticket for the whole line costs 18 francs, a return ticket 29 francs. Children under twelve travel free with an adult. The valley pass, at 240 francs a year, is held by almost every household above Mellin and is also valid on the post bus. Bicycles are carried for 5 francs where there is room, but not on the Sunday steam train. Dogs travel free and are expected, says the timetable, to keep off the seats.',
  },
  {
    title: 'Saint Odile',
    text: 'Saint Odile is a village of 312 people at 1,604 metres above the sea. Before the railway it could be reached in winter only on foot. The station building has the highest post office of the country, a waiting room with a tiled stove, and a bakery that sells rye bread with caraway. The mineral spring behind the church was bottled from 1913 until 1978; the crates went down by the afternoon train, and the empty bottles came back with the first one in the morning.',
  },
  {
    title: 'The power station',
    text: 'The railway makes its own current. A small hydroelectric station at Mellin, built in 1927, uses a fall of 180 metres from the lake of Varn and delivers 2.4 megawatts. On a dry summer it covers four fifths of what the trains need; the rest is bought from the valley grid. Trains that run downhill return about a third of the energy they used on the climb. The two original turbines were overhauled in 2011 and are open to visitors on the first Saturday of each month.',
  },
  {
    title: 'The museum at Brenn',
    text: 'The old engine shed at Brenn has been a museum since 1984. It shows the field books of the surveyors, a model of the Serpentine tunnel cut open along its curve, and locomotive number 1, Wagtail, whose boiler was opened so that its tubes can be seen. Every hour a signal frame from 1910 is worked by hand, and visitors may pull the levers. The museum is closed on Mondays, and in November for repairs. Admission is 9 francs, or free with a ticket of the same day.',
  },
];

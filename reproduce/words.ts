/** Common English words, as material for made-up facts and for the vocabulary. */

function list(text: string): readonly [string, ...string[]] {
  const [first = '', ...rest] = text.trim().split(/\s+/);
  return [first, ...rest];
}

/** What a thing is called by: `the billing service`. */
export const things = list(`
  service server database index queue cache gateway scheduler worker library module plugin pipeline report dashboard
  archive backup router sensor printer camera engine pump valve turbine boiler lamp clock bridge tower garden market
  school hospital station harbour museum theatre hotel bakery factory mill mine farm library team committee project
  contract invoice policy account package order device battery cable panel door room office warehouse vehicle truck
  train ferry tram bus course exam lesson recipe soup bread cheese wine machine robot telescope satellite probe`);

export const qualities = list(`
  billing search payment login message image video audio mail chat network storage backup test main north south east
  west upper lower inner outer old new red blue green black white yellow silver golden small large first second third
  central public private shared local remote internal external daily weekly monthly annual spring summer autumn winter
  morning night fast slow heavy light quiet cold warm dry wet stone iron glass wooden paper copper user order customer
  supplier product sales support training safety water power fuel heat air road river forest mountain island coast`);

export const colours = list('red blue green black white yellow grey brown orange purple silver golden pink violet');
export const materials = list('stone iron glass wood paper copper steel brick clay slate marble plastic leather wool');
export const months = list('January February March April May June July August September October November December');
export const days = list('Monday Tuesday Wednesday Thursday Friday Saturday Sunday');
export const trades = list(`
  baker teacher sailor doctor lawyer painter farmer miner singer writer engineer carpenter tailor nurse pilot judge
  gardener cook librarian chemist potter weaver printer clerk hunter shepherd merchant builder actor dancer`);
export const animals = list('dog cat horse goat sheep cow hen duck goose bee fox wolf bear owl hawk salmon crab otter');
export const units = list(
  'metres kilometres seconds minutes hours days years litres tonnes watts degrees euros people',
);

/** Words of ordinary prose, so that text outside the templates falls into familiar tokens. */
export const prose = list(`
  the of and to in a is that for it was on are as with his they at be this from have or by one had not but what all
  were when we there can an your which their said if do will each about how up out them then she many some so these
  would other into has more her two like him see time could no make than been its who now people my made over did down
  only way find use may long little very after words called just where most know get through back much before go good
  write our me man too any day same right look think also around another came come work three word must because does
  part even place well such here take why things help put years different away again off went number great tell men say
  small every found still between name should home big give air line set own under read last never us left end along
  while might next sound below saw something thought both few those always looked show often together asked house world
  going want important until form food keep children feet land side without boy once animals life enough took sometimes
  four head above kind began almost live page got earth need far hand high year mother light parts country father let
  night following picture being study second eyes soon times story boys since white days ever paper hard near sentence
  better best across during today others however sure means knew try told young miles sun ways thing whole hear example
  heard several change answer room sea against top turned learn point city play toward five using himself usually money
  document question section chapter table figure value key file folder path command option default version release
  error warning message request response client host address port region owner limit size count rate price cost date
  start stop open close run build test deploy install update remove create delete add list show set get send receive
  data model text token block memory disk thread process cpu user password secret access role group license standard
  because although therefore before after within inside outside between against towards including according system
  government company business president university student member history language science nature culture music art
  film song book novel poem letter newspaper journal magazine century decade season week minute hour second moment
  information problem reason result effect cause increase decrease change growth level process period range average
  public social political economic national international local general special particular possible available necessary
  simple complex early late recent modern ancient original final total real true false free full empty strong weak`);

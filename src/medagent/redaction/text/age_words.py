"""Words around an age over 89, and around numbers that are none."""

from __future__ import annotations

import re

from medagent.redaction.text.cues import FILLERS, MEASURED, QUANTITIES, words

OLDEST_KEPT = 89
"""The highest age that Safe Harbor lets stay."""
OLDEST_HUMAN = 122
"""The highest age that anybody has reached."""
LONGEST_AGE = 3
MONTHS_OF_AGE = 12 * (OLDEST_KEPT + 1)
LOOK = 10
WORDS = words("""nonagenarian nonagenarians centenarian centenarians supercentenarian supercentenarians""")
DECADES = words("nineties ninties 90s 90's 90ies 100s")
NEAR_DECADE = words("early mid late low lower high upper middle very - ' ’ to or and")
CENTURY = words("century")
CENTURY_BEFORE = words(
    """hit hits hitting reach reaches reached reaching turn turns turned turning lived live lives living seen past over
    pushing nearly almost approaching made"""
)
DECADE = words("decade decades")
SCORE = words("score fourscore")
PERSON = words(
    """i he she who mother mom mum mama mommy mother's father dad papa daddy husband wife parent parents grandma
    grandmother granny gran nana grandpa grandfather grandad granddad gramps grandparent aunt auntie uncle sister
    brother cousin neighbor neighbour friend lady gentleman man woman male female patient pt client resident
    caller person gal guy fellow widow widower veteran spouse partner in-law law elder senior ma pa nan abuela
    abuelo roommate sibling twin everyone anyone someone somebody anybody nobody people patients residents
    seniors folks adults those ones women men ladies elders daughter son grandparents aunts uncles sisters
    brothers neighbors oldest eldest cousins friends twins husbands wives mothers fathers nun priest teacher
    soldier survivor"""
)
ALSO_PERSON = PERSON | words("they we you")
IS_PERSON = words(
    """i'm he's she's they're you're we're who's he'll she'll i'll they'll we'll you'll he'd she'd i'd they'd we'd you'd
    i've she've im hes shes"""
)
LINKS = FILLERS | words(
    """am is are was were be being been will would must shall could might may has have had 's 're 'll 'd 'm gonna going
    to about almost nearly just only already still now currently actually barely roughly around over past like
    maybe probably well soon approximately approx exactly even basically practically officially technically both
    all - , not yet quite if least turning turns turn becoming become becomes getting today here herself himself
    myself he she i think believe guess say says said a an the close on or so old aged upwards beyond above under
    somewhere someplace way far"""
)
"""Between a person and an age."""
BARE = words("""am is are was were be been being will would 's 're 'll 'd turning now just only""")
AFTER = words("year years yr yrs yearold yo yof yom y.o y/o")
BETWEEN_YEARS = (
    words("""- and a half plus odd some or so more something ish over few whole full long good + ripe healthy""")
    | FILLERS
)
BEFORE = words("age aged ages turned turning turns turn aging agee")
BEFORE_LINKS = FILLERS | words(
    """of is was at about around nearly almost just over under past exactly the group range bracket category sex gender
    / now be to will would : = , - " ' ( – — between from ripe old approximately approx and or maybe like only
    still"""
)
REACHING = words(
    """made pushing hitting hit hits nearing approaching reaching reached reaches knocking nudging crossing crossed
    passing passed touching celebrating celebrated celebrate celebrates rounding rounded rounds edging clocking
    clocked"""
)
GOING = words("gone went goes rolled")
"""Behind a person and one of these a number is an age that was reached, as British English has it."""
LIFE = words(
    """live lives lived living passes passed passing see make makes made making get gets got died dies die dead lasted
    survived survive survives grew grow reach until till since lost went retired retire retires widowed married
    drove driving drives walks walking works working worked dec deceased expired d alive"""
)
KIN = words(
    """mother father mom dad mum mam grandmother grandfather grandma grandpa aunt uncle sister brother husband wife
    spouse maternal paternal gm gf mgm mgf pgm pgf"""
)
STILL = words("still counting going strong sharp independent kicking active healthy alive well driving")
LONGEST_CLAUSE = 7
LIFE_LINKS = FILLERS | words(
    """to be at it age the see . past away on over till until is was she he i when of still just her him them me about
    almost"""
)
CLEAN = words(
    """and but so now who with when then today tomorrow yesterday this next last in still already soon because since or
    as if that which i he she they we you my her his their our lives live has had have was is are were will would
    too also young going come years for both without living though although while where actually almost at by
    before after until on it it's i'm he's she's they're we're can can't cannot does doesn't do don't did didn't
    just may might could should shall needs need wants want takes take lost fell felt feels walks and's the a an
    me not no yes yeah right alone healthy strong sharp um uh er mm god bless thank thanks okay ok please plus
    ish something gets got uses used herself himself myself tomorrow's these those years' according correct i'll
    he'll she'll they'll we'll i'd he'd she'd they'd i've they've you're"""
)
"""Words that follow an age without a unit."""
PRONOUNS = words("""i he she we they you my her his our their i'm he's she's we're they're i've i'd i'll it's""")
OWN = words(
    """my her his their your our one's mother's mom's father's dad's grandma's grandmother's grandpa's grandfather's
    wife's husband's"""
)
NOUNS_OF_PEOPLE = words("gentleman lady man woman male female patient pt widow widower resident")
ASKING = words("can could is are does do should would will how what when was has isn't can't shouldn't may")
NAMED_PERSONS = PERSON - PRONOUNS
FRAIL = words(
    """retired frail widowed demented bedbound independent confused housebound wheelchair-bound lives living"""
)
GETS = words("gets get got getting")
_PLACED = words("room bed floor apartment map")
SUGAR = words("sugar sugars glucose reading readings fasting numbers")
HOT = words(
    """fever fevers feverish temp temps temperature temperatures degrees thermometer tylenol ibuprofen motrin chills hot
    sweating burning advil fahrenheit flu running ran spiked spiking spikes"""
)
MEASURED_OR_HOT, MEASURED_ELSEWHERE = MEASURED | HOT, MEASURED - _PLACED | HOT
KIN_OR_PATIENT, PERSON_NOUNS = KIN | {"patient", "pt"}, PERSON - PRONOUNS - {"who"}
NO_AGE_BEFORE_LETTER = MEASURED_OR_HOT | words("t of walked walk ran swam")
LIVING = LIFE | words("still alone strong begins independent")
METERS = words("pulse monitor meter machine cuff scale oximeter thermometer glucometer reader sensor watch")
OWN_OR_THE = OWN | {"the"}
ON_DEVICE = words("""room oxygen o2 air ra pulse nasal liters supplemental two three four five""")
NO_AGE_AFTER = QUANTITIES - words("year years yr yrs yo y/o time times night nights ' \"") | words(
    """over percentile sure certain yards yard blocks reps pages votes rpm grains liters bags fahrenheit celsius
    systolic diastolic point resting and/or per points beats out calls"""
)
VIGOROUS = words(
    """sprightly lively healthy young spry active sharp feisty frail ripe independent vigorous tough sturdy"""
)
WITNESSES = words("birthday birthdays bday birthdate year b")
SEASONS = words("winters summers springs birthdays christmases candles")
MAKES = words("makes make making made puts")
WHOM = words("me her him them us you")
WRITTEN = re.compile(r"(9\d|1[0-2]\d)-?(f|m|w|fe|ma|yf|ym|yof|yom|yo|y|yrs?|years?|ish|plus|something|th)", re.ASCII)

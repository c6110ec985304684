"""Words of streets, houses, rooms and corners."""

from __future__ import annotations

import re

from medagent.redaction.text.cues import (
    FILLERS,
    FUNCTION,
    NAME_WORDS,
    QUANTITIES,
    ROOMS,
    STREET_ENDINGS,
    STREETS_BEFORE,
    STREETS_WITH_NUMBER,
    ZIPS,
    words,
)

SURE_STREETS = words("street avenue road lane boulevard ave rd blvd")
LEADS = words("highway hwy route rte interstate exit milepost freeway turnpike")
"""A number behind one of these is the road's."""
BEFORE_ROAD = words(
    """county rural state farm township forest fire ranch service us district village logging private access old camp
    mine"""
)
CORNERS = words("corner intersection corners junction crossroads cnr")
THE_STREETS = words(
    """lindens planes aspens alders spruces hazels walnuts magnolias acacias cypresses redwoods dogwoods hickories
    locusts junipers myrtles hemlocks sequoias olives palms ferns heathers roses lilacs brooks hedges hedgerows
    cloister quadrant cottage lodge grange hermitage yews rowans sycamores green close crescent mews terrace
    avenue drive grove mall strand square parade street paddock orchard elms oaks limes firs beeches cedars
    willows laurels hollies lane park high larches hawthorns chestnuts birches elder poplars maples ashes
    maltings ridings spinney meadow meadows lawn lawns wharf priory glebe cottages paddocks rise chase dene copse
    quay croft dell knoll warren causeway rectory vicarage forge stables granary gatehouse coach barn bakery mill
    mount leys gables bungalow broadway embankment cloisters crofts moorings maze cut ropewalk boardwalk
    esplanade promenade brambles conifers orchards vineyard hollow glen beach coppice heights common heath links
    row oval pastures"""
)
OLD = words("old high main upper lower new north south east west")
_OLD_HOUSES = THE_STREETS | words("school post chapel church dairy farm brewery bank library station house hall")
"""Behind `the old` one of these is a house."""
STREET_NAMES = words(
    """main oak elm maple pine cedar walnut chestnut cherry birch spruce willow poplar sycamore hickory magnolia dogwood
    broadway washington lincoln jefferson madison jackson monroe franklin grant adams market church mill spring
    park lake hill river ridge valley mission state union court front center broad grand king queen prince locust
    vine college school railroad water bridge forest meadow prospect pleasant highland jasper sunset harrison
    cleveland mulberry laurel juniper ash beech linden sherman lexington concord central euclid fairview woodland"""
)
"""Words by which streets are called without their type."""
LONE_STREETS = STREET_NAMES - words(
    """state court front center grand school water ash central spring pleasant king grant vine"""
)
AT_CORNER = words(
    """at on near by off from to between and past behind around opposite where outside towards toward corner cnr"""
)
AT_CORNER_ONLY = words("at on near by off around past behind")
AT_CORNER_OR_BETWEEN = AT_CORNER_ONLY | words("opposite outside to between is from")
NO_CROSSINGS = (
    FUNCTION
    | FILLERS
    | QUANTITIES
    | words(
        """work home school day night lunch dinner breakfast foremost last final only monday tuesday wednesday thursday
    friday saturday sunday january february march april may june july august september october november december
    rest bed play noon midnight time church college gym class court foot hand sight risk goal"""
    )
)
CROSSING_WORDS = (
    STREET_NAMES
    | STREET_ENDINGS
    | words(
        """high station summer winter spring autumn academy seminary commerce liberty garden cross castle wall canal
        dock silver gold copper iron plum peach apple orange rose lily fig olive canyon desert ocean coral sun moon star
    eagle hawk dove swan deer fox bear wolf buffalo pearl ruby diamond crystal emerald jade amber plain vineyard
    harvest mason baker cooper weaver potter tanner chapel temple abbey rectory federal capitol congress senate
    independence freedom constitution victory harmony hope faith charity race division commercial industrial
    exchange custom tower fair pier wharf surf palm cypress fir hemlock alder aspen redwood sequoia myrtle ivy
    fern clover heather holly hazel violet daisy rosemary sage pepper library museum theater theatre depot armory
    arsenal factory foundry bank jail prison cemetery grange tavern inn hotel plaza granite marble slate flint
    cathedral convent mission monastery cannon battery rampart fortress citadel province parish county town
    village city hunter fisher shepherd carpenter sailor farmer miller turner archer forester alpine arctic
    pacific atlantic western eastern northern southern royal regent duke earl baron bishop abbot canon crown
    sheep lamb goat horse pony bull ox stable saddle mustang lark robin sparrow raven falcon heron crane dolphin
    salmon trout elk moose beaver otter badger antelope cactus bamboo peachtree poplars elms oaks pines cedars"""
    )
) - words(
    """falls fall fell neck rest walk walks way ways well wells corner corners light club drive center's crest land"""
)
CROSSINGS_ANYWHERE = CROSSING_WORDS - words(
    """water school church college court hotel bank market jail prison salmon trout lamb apple peach plum orange olive
    fig pepper sage rosemary ginger pear hope faith charity freedom harmony sun moon star library gold silver
    iron copper park garden gardens pool lake river beach hill mountain spring summer winter autumn town city
    village county farm forest field fields station inn tavern museum theater theatre factory temple chapel
    mission ocean island islands pacific atlantic western eastern northern southern alpine arctic royal regent
    commercial industrial federal port bridge road roads key keys club mall gate battery wall light center centre
    stream plain plains horse bear deer fox wolf goat sheep bull ox pony dolphin duke ivy heather holly hazel
    violet daisy rose lily jade amber ruby pearl crystal ash oak elm birch maple cedar walnut chestnut willow
    hickory alder palm grass trees pines oaks"""
)
"""Words with which two streets may be meant also behind `on`, `off` and `by`."""
BEFORE_CROSSING = words("at near around past behind opposite outside")
CROSSED = words(
    """live lives lived living stop stops parked park hit crashed crash accident collapsed fell found meet store shop
    clinic office pharmacy building house shelter located drop pick corner bus station light lights van driver
    walgreens cvs apartment apartments address stay stays staying work works"""
)
"""Behind one of these two streets may be meant behind any preposition of place."""
CROSSED_PREPOSITIONS = words("on off by to between is from")
MEETS = words("at meets crosses hits")
NO_CORNER = words(
    """allergic allergy allergies sensitive pollen reacts reaction react smell smells eat eats eating ate drink"""
)
ON_ROAD = words("in on off near at from along down opposite")
ROADS = words("road lane crescent mews parkway")
MORE_STREETS = words(
    """mall parade end acre acres quay yard wharf gate bottom approach embankment rise cottages cottage villas"""
)
"""Types of streets that are so only in an address."""
HEDGES = FILLERS | words("on it's its let me see well sorry no i think mean wait actually , . …")
"""Words between a house's number and its street."""
ROOM_LINKS = HEDGES | words("# number is 's no num : code")
ABBREVIATED = words("apt ste bldg no # rm fl unit flat suite apartment")
SURE_ROOMS = words(
    """plot sector trailer penthouse condo buzzer door apartment's apt's flat's suite's unit's gali townhouse concession
    mailbox buzzer's"""
)
ROOMS_BESIDE = words("tower wing phase space block building level house")
"""A number behind one of these says which beside another part of an address."""
_LINKED_ROOMS = words("apartment apt suite ste flat unit")
SIDES_OF_HOUSES = words("upstairs downstairs left right rear front back")
UNITS = words("basement garden end in at to is my upper lower our the # , front rear left right apartment")
HOUSES = words(
    """gables grange cottage house vicarage farm lodge barn mill rectory villa hall court manor view croft farmhouse
    mews"""
)
LONGEST_SMALL, LONG_NUMBER = 3, 3
NERVES = words(
    """heart nerve av branch bundle facet root plexus spinal femoral epidural field regional degree ganglion beta
    scalene intercostal caudal brachial"""
)
INNS = words("motel hotel inn dorm dormitory shelter lodge hostel")
NO_QUANTITY_STREETS = words("drive walk way run")
NO_NAMES = words("way lane - bath star bed bedroom room person story car man hour top first")
"""Words between a number and a street's type that do not name a street: `one-way`, `a 2 bath place`."""
RESIDENCES = STREET_ENDINGS | words(
    """apartment apartments residences residence nagar vihar garden society complex layout mansion mansions homes house
    houses block palms pines oaks elms maples willows meadows acres lake park city town puram bagh phase sector
    villa villas"""
)
"""The last word of a house's or a quarter's name."""
LIVED_AT = words("at to number is : rents rent renting from it's yes yeah ,")
PAIR = 2
LONE_OR_CROSSING = (LONE_STREETS | CROSSINGS_ANYWHERE) - words("point points square grand mile state")
LIVED_AT_OR_BREATHS = LIVED_AT | FILLERS
HOUSED = words(
    """come ambulance deliver delivery pick taxi uber ride parcel package courier send mail ship place visit live lives
    lived living reside resides residing rent rents renting house home flat apartment address moved mailing"""
)
AFTER_FIGURES = words(
    """daily weekly nightly twice monthly instead total units patients different other more systolic diastolic fasting
    bpm beats percent weeks pounds hours minutes average resting max maximum minimum tops gestation postpartum pm
    am mg watts amps volts fahrenheit celsius below point sats oxygen pressure high low children dogs cats
    roommates stairs steps kids people adults"""
)
SINCE, SHORTEST_HOUSE = words("since now currently alone today until till too"), 2
LARGE = words("great old new upper lower little long high")
NOUNS_ON_STREETS = words(
    """well doctor doctors nurse patient mother father brother sister son daughter wife husband mom dad will may might
    can mine fine great good best better pretty past gone like sure down downs under over near new old right just
    even still quite most least less few once soon later please thanks sorry hi bye yes okay ok rather same own
    other"""
)
"""Small words that are a street's name between its number and its type: `53 doctor lane`, `17 deep well street`."""
NAMED_QUANTITIES = words("stone mile bottle glass drop")
NO_NAME = (FUNCTION - NAME_WORDS) | QUANTITIES
ADDRESSED = words(
    """live lives lived living address addressed mail send deliver ship house located stay stays staying stayed moved
    home bring delivery deliveries drop pickup taxi cab parcel package letters"""
)
SENDING = words("send mail deliver ship bring taxi")
LONGEST_ADDRESSED = 8
ADDRESS_WORDS = (
    STREETS_WITH_NUMBER
    | STREETS_BEFORE
    | ROOMS
    | ZIPS
    | LEADS
    | CORNERS
    | STREET_NAMES
    | SURE_ROOMS
    | ROOMS_BESIDE
    | MORE_STREETS
    | SENDING
    | words("the rr and & address cross marker")
)
"""One of these is in every address."""
WIDEST_NAME = 6
WIDEST_CORNER = 5
LONGEST_ROAD = 6
ON = frozenset(("on", "at", "off", "of", "and"))
_ANY_STREET = words(
    """side busy same next wrong right dirt gravel long short other one two this that back front open high city slippery
    icy rocky bumpy wet muddy paved narrow private country memory fast slow turning passing bike bus carpool exit
    main major winding clear whole rough quiet empty public cross no any every each your his her their our dark
    smooth steep"""
)
SMALL_WORDS = FUNCTION - NAME_WORDS
OLD_HOUSES_AND_STREETS = _OLD_HOUSES | STREETS_WITH_NUMBER
LINKED_OR_SURE_ROOMS, ROOMS_ONLY_BESIDE = _LINKED_ROOMS | SURE_ROOMS, ROOMS_BESIDE - ROOMS
ALL_ROOMS = ROOMS | SURE_ROOMS | ROOMS_BESIDE
SMALL_OR_BREATH, SMALL_OR_COUNTED = FUNCTION | FILLERS, FUNCTION | QUANTITIES
NO_BARE_STREET, COUNTED = SMALL_WORDS | _ANY_STREET, QUANTITIES - ROOMS
NO_STREET, ENDS_STREET = FUNCTION | _ANY_STREET, FUNCTION - {"of", "at"}
JOINTS = frozenset(("the", "and", "&"))
"""Words that are in addresses, and mostly elsewhere: asked only beside a number or another word of addresses."""
OUTWARD, INWARD = re.compile(r"[a-z]{1,2}\d[a-z\d]?", re.ASCII), re.compile(r"\d[abd-hjlnp-uw-z]{2}", re.ASCII)

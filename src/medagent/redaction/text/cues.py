"""The small words by which the patterns know their way; none of them is ever a name."""

from __future__ import annotations


def words(lines: str) -> frozenset[str]:
    """A set of the words of some lines."""
    return frozenset(lines.split())


MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
MONTH_OF: dict[str, str] = {name: name for name in MONTHS} | {name[:3]: name for name in MONTHS} | {"sept": "september"}
WEEKDAYS = words(
    """monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays
    saturdays sundays tues thurs thur"""
)
FILLERS = words("uh um uhm umm uhh er erm eh ah mm hmm mmm")
JOINING = FILLERS | words("dash hyphen minus dot point space slash plus comma period")
HOMOPHONES = words("to too for and then ate won tree")

QUANTITIES = words(
    """litre litres millilitre millilitres metre metres centimetre centimetres millimetre millimetres kilometre
    kilometres gramme grammes centimeter centimeters millimeter millimeters kilometer kilometers yard yards mcl
    mcmol mcm mcu meq mmol mosm mg mcg ml milligram milligrams microgram micrograms gram grams g kg kilo kilos
    kilogram kilograms cc iu unit units milliliter milliliters liter liters ounce ounces oz pound pounds lb lbs
    stone inch inches foot feet ft cm mm meter meters mile miles km degree degrees percent calories steps dose doses
    pill pills tablet tablets capsule capsules puff puffs drop drops spoon spoons teaspoon teaspoons tablespoon cup
    cups pack packs packet packets cigarette cigarettes drink drinks beer beers glass glasses bottle bottles second
    seconds sec secs minute minutes min mins hour hours hr hrs hundred thousand million day days night nights week
    weeks month months year years yr yrs time times people person kids children sibling siblings brothers sisters
    sons daughters dollars bucks cents beats bpm mmhg rounds sessions visits weeks' days' years' o'clock am pm a.m
    p.m mph ampules vials yo y/o % ° " '"""
)
FUNCTION = words(
    """a an the this that these those my your his her its our their i you he she it we they me him us them mine
    yours hers ours theirs myself yourself himself herself itself who whom whose which what where when why how and
    or but nor so yet if then than as at by for from in into of off on onto out over to up upon with within without
    about above across after against along among around before behind below beneath beside between beyond down
    during except inside like near outside past since through throughout till toward towards under until via am is
    are was were be been being do does did doing done have has had having will would shall should can could may
    might must ought not no yes yeah yep ok okay nope well just only also even still too very really quite rather
    pretty much many more most less least few some any all both each every either neither none other another such
    same own here there now again always never often sometimes usually already ever once twice soon later maybe
    perhaps please thank thanks sorry hello hi hey bye good bad better best worse worst right wrong sure fine great
    new old go goes going went gone come comes coming came get gets getting got give gives giving gave take takes
    taking took make makes making made let lets put see sees seeing saw seen say says saying said tell tells telling
    told ask asks asking asked call calls calling called know knows knowing knew think thinks thinking thought want
    wants wanting wanted need needs needing needed feel feels feeling felt look looks looking looked use uses using
    used have i'm i've i'd i'll it's that's he's she's you're they're we're don't doesn't didn't isn't wasn't can't
    won't because while though although however um uh oh ah mm hmm patient patients doctor doctors nurse mother
    father mom dad wife husband son daughter brother sister"""
)
"""Words behind which no name and no street begins."""

NAME_WORDS = words("new old good great big little long high upper lower best right left saint st")
"""Small words with which the name of a place or a street may begin."""

STREETS = words("""street streets avenue avenues ave boulevard blvd parkway pkwy turnpike hwy highway""")
STREETS_WITH_NUMBER = STREETS | words(
    """st road rd drive dr lane ln court ct place pl way circle cir square sq trail trl terrace ter alley loop row
    walk close crescent gardens mews hill hills park pike grove run path plaza point pointe ridge view bend cove
    crossing landing meadow meadows broadway expressway freeway route rue strasse str weg platz gasse"""
)
STREET_ENDINGS = STREETS_WITH_NUMBER | words(
    """bypass canyon causeway center centre cliff cliffs club commons corner corners coves creek crest crossroad
    crossroads curve dale dam divide estate estates extension fall falls ferry field fields flat flats ford fords
    forest forge fork forks fort garden gate gateway glen glens green greens grove groves harbor harbors haven
    heights highlands hollow inlet island islands isle junction key keys knoll knolls lake lakes land light lights
    lodge mall manor manors mill mills mission motorway mount mountain neck orchard oval overpass parks parkways
    passage pines plain plains plazas points port ports prairie radial ramp ranch rapid rapids rest ridge ridges
    river roads shoal shoals shore shores skyway spring springs spur squares station stravenue stream summit
    throughway trace track trafficway trails tunnel underpass union unions valley valleys viaduct views village
    villages ville vista walks wall ways well wells parade palace colony quay wharf cottages esplanade
    promenade enclave towers residency"""
)
"""Words behind the name of a street or a place, from the list of the United States Postal Service, and a few more."""
STREETS_BEFORE = words("""rue via calle chemin route avenida rua viale piazza ulica ul avenue ave""")
ROOMS = words("""postbox apartment apartments apt suite ste flat floor unit room box lot building bldg no number #""")
SIDES = words("""north south east west northeast northwest southeast southwest n s e w ne nw se sw""")
ZIPS = words("zip zipcode postcode")
STATES = words(
    """al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok
    or pa ri sc sd tn tx ut vt va wa wv wi wy ns no rs sp"""
)
PARTICLES = words(
    """de la le du des del della di da dos das van von der den ter ten el al bin ibn abu mac mc st saint san santa
    los las fort port mount lake city county township heights valley springs beach falls north south east west upper
    lower sri ap und et united republic kingdom"""
)

MAIL_HOSTS = words(
    """gmail googlemail yahoo hotmail outlook icloud aol msn protonmail proton gmx comcast verizon live bluewin
    orange"""
)
TOP_LEVEL = words(
    """com org net edu gov io co uk us ca ch de fr eu info biz me health mil int tv au at it es nl be se no dk fi pl
    cz hu pt ie ai app dev"""
)
MAIL_STOPS = words(
    """is it's its email mail e-mail address my that's thats to be me it contact under yes okay ok so the a use send
    reach sent mailed emailed at i you with have want on was"""
)
TITLES = words("""mr mrs ms miss mister missus mx dr doctor prof professor sir madam nurse""")
SURE_TITLES = words("mr mrs ms mister missus mx")

MEASURED = words(
    """pulse pulses pressure pressures bp systolic diastolic heart rate rates hr sugar sugars glucose a1c temp temps
    temperature temperatures fever weight weigh weighs weighed weighing oxygen o2 ox sat sats satting saturation
    saturations spo2 cholesterol ldl hdl triglycerides level levels reading readings count counts score scored
    scores percent percentile degrees units room bed floor apartment highway route exit channel page number
    extension creatinine sodium potassium platelets hemoglobin psa tsh inr fraction ef waist bmi height speed mph
    heat outside thermostat bpm map steps calories copay cost costs price bill dollars deductible balance owe owes
    paid pay dose doses took take taking pounds kilos average averaging resting monitor meter cuff result results
    value values rr respirations milligrams mg battery volume flexion rom abduction grade test exam quiz speed limit
    sunny weather humidity"""
)
"""What is measured, and words beside a measured number."""
PEOPLE_LABELS = words(
    """patient name names named surname attending provider physician doctor dr md nurse rn surgeon spouse husband
    wife mother mom father dad parent guardian contact caller pcp referring referred signed by from to cc for with
    sister brother son daughter caregiver caretaker pharmacist subscriber insured holder witness interpreter author
    client resident consultant friend neighbor partner coach teacher"""
)
"""Behind one of these and a colon is somebody's name."""
CODE_LABELS = words("mrn ssn nhs ahv dob vin passport account acct insurance member")
"""A number right behind one of these is no count, however short: it may be the half of a code."""
RECORD_WORDS = {
    "phone": "phone",
    "telephone": "phone",
    "cell": "phone",
    "mobile": "phone",
    "fax": "phone",
    "mrn": "mrn",
    "record": "mrn",
    "chart": "mrn",
    "born": "date",
    "birth": "date",
    "birthday": "date",
    "birthdate": "date",
    "dob": "date",
    "social": "id",
    "ssn": "id",
    "member": "id",
    "policy": "id",
    "account": "id",
    "card": "id",
    "license": "id",
    "passport": "id",
    "serial": "id",
    "id": "id",
    "plate": "id",
    "nhs": "id",
    "ahv": "id",
    "zip": "address",
    "postcode": "address",
    "zipcode": "address",
}

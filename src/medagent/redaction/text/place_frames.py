"""Sentences that announce a town or a facility: `lives in X`, `an hour from X`, `faxed it to X`, `at X for rehab`.

How sure a sentence is decides which words may be the name: behind `lives in` nearly all, behind `was in` none that is
there as often without being a place (`in tears`, `in sales`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from medagent.redaction.text.cues import FILLERS, FUNCTION, MONTH_OF, NAME_WORDS, QUANTITIES, STATES, WEEKDAYS, words
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.place_words import (
    ADVERBS,
    AT_VERBS,
    CALLED,
    CALLED_SITES,
    FROM_VERBS,
    HOLY,
    HOME_ENDINGS,
    HOUSES,
    IN_OR_ROUND,
    KINDS_OF,
    LIVING,
    LONGEST,
    LOOSELY,
    MOVING,
    NO_PLACE,
    NUMBERED_NAMES,
    PAIR,
    PAIRED,
    PEOPLE,
    PRONOUNS,
    RETREATS,
    ROUNDABOUT,
    SITES,
    SMALL_WORDS,
    TIMES,
    TO_HERE,
    TOWNS,
    TREATED,
    TREATED_BY,
    TYPES,
    UNPAIRED,
    WHOM,
    WORKING,
)
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, LETTER, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit


class Level(IntEnum):
    """How sure a sentence is that a place follows."""

    FACILITY = 0
    """Two words that are called as facilities are, and nothing else."""
    PAIR = 1
    """One word is a thing or a time as often; two words or more are a facility."""
    BARE = 2
    """One word that is counted, without an article: `a tick in gap`, where nobody would say `in wall`."""
    LOOSE = 3
    """Any word but one that is there for itself, or is a quality or an action by its ending."""
    LIKELY = 4
    """Any word but one that is there for itself."""
    PERSON = 5
    SURE = 6


_KIN = words(
    """mother mom mum mama father dad papa parents parent sister sisters brother brothers son sons daughter daughters
    family folks relatives relative cousin cousins aunt auntie uncle niece nephew grandma grandmother grandpa grandfather
    grandparents grandson granddaughter grandkids kids husband wife friend friends girlfriend boyfriend neighbor in-laws
    nana granny inlaws stepson stepdaughter stepmom stepdad roommate ex"""
)
_DOCTORS = words(
    """doctor doctors dr dentist specialist cardiologist neurologist surgeon urologist oncologist dermatologist
    podiatrist psychiatrist therapist rheumatologist endocrinologist nephrologist pulmonologist gastroenterologist
    pediatrician gynecologist obstetrician optometrist ophthalmologist chiropractor orthopedist allergist pcp gp
    internist hematologist midwife counselor psychologist"""
)
_PROPERTIES = words(
    """cabin cottage ranch condo condominium timeshare farm farmhouse property land lot bungalow townhouse trailer
    duplex business restaurant factory warehouse plant hotel motel airbnb resort campground church school college
    university studio salon gym headquarters"""
)
_EVENTS = words(
    """accident crash wreck wedding funeral vacation holiday conference job weekend weekends winter winters summer
    summers honeymoon reunion retreat marathon fire explosion shooting earthquake hurricane tornado flood war"""
)
_OPENINGS = words(
    """anything something somewhere someone somebody anyone anybody opening openings availability slot slots spot spots
    provider providers practice practices therapist option options resources"""
)
_EVENT_VERBS = words(
    """happened happens hospitalized hospitalised treated diagnosed married stranded stuck arrested jailed crashed
    arrived landed practices practiced works retired operates vacationing vacationed wintering camping camped hiking
    fishing hunting shopping golfing skiing died buried surgery procedure operation mri ct scan xray labs bloodwork shot
    vaccine chemo dialysis"""
)
_POSTED = words("stationed deployed buried raised born settled enlisted incarcerated")
_BE = words("is was were are be been being am 'm 're 's")
_BE_SHORT = words("i'm he's she's we're they're you're who's im hes shes theyre")
_PERSONS = PEOPLE | _KIN | words("you who everybody everyone")
_SITES = SITES | _DOCTORS | _PROPERTIES | words("one ones appointment place")
_TRAVELLED = words(
    """commute commutes commuted commuting fly flies flying flown flew ride rides riding rode travel travels traveled
    travelled traveling travelling drive drives driving drove driven bus train flight trip walked hitchhiked hailing
    hails come comes came coming bused arrive arrives arrived arriving"""
)
_DISTANCES = words(
    """hour hours hr hrs minute minutes mins mile miles kilometers blocks block drive ride flight trip away far distance
    halfway"""
)
_FROM_WHOM = words("us me here")
_HEADED = words(
    """drive drives driving drove driven fly flies flying flew flown travel travels traveling traveled travelling
    travelled heading headed trip trips flight flights road commute commutes commuting ride relocation retire retires
    retired retiring move bus train getaway"""
)
_CLOSE = words("close closer closest nearer nearest near")
_MY_WAY = words("my his her our their the")
_SENDING = words(
    """send sends sent sending fax faxed faxing mail mailed mailing forward forwarded transfer transferred transferring
    ship shipped email emailed took take taken taking brought bring refer referred admit admitted move moved discharge
    discharged release released drive drove rushed airlifted flown report reported"""
)
_GOING = words("go goes going went gone been back return returns returned returning")
_NORTHS = words(
    """north south east west northeast northwest southeast southwest outside outskirts suburb suburbs native resident
    residents citizen edge middle side part heart"""
)
_OUT_OF = words("works work worked operates practices practiced based flies runs flying working")
_CALLERS = LOOSELY | words(
    """nurse nurses aide aides worker workers manager managers coordinator administrator receptionist someone somebody
    lady supervisor director tech techs technician transport transportation transported driver resident residents patient
    patients volunteer volunteers team chaplain discharge summary report orders papers paperwork call calls referral
    transfer rehabbing recovering rehabilitating recuperating convalescing admission spot placement interview tour
    treatment treatments infusion infusions transfusion transfusions scan scans test tests done baby dialyzed dialyses
    passed died stay stayed week weeks days months screening physical checkup shot shots biopsy scope colonoscopy mammogram"""
)
_IN_HOMES = words("put place placed got left leave have him her mom dad them mother father grandma grandpa nana")
_TREATMENTS = words(
    """rehab rehabilitation therapy dialysis pt ot physical occupational speech chemo chemotherapy radiation treatment
    treatments respite wound detox hospice memory infusion infusions recovery short long skilled day adult cardiac
    pulmonary physio iv antibiotics care dementia alzheimer's"""
)
_NEAR_PREPOSITIONS = words("near outside around by")
_NEAR_LEFT = (
    _SITES
    | LIVING
    | _KIN
    | _BE
    | _BE_SHORT
    | words(
        """anything something somewhere someone anyone openings opening availability provider closest us me him them
    accident wreck crash works work working job exit parked camping landed"""
    )
)
_ADVERB_LEFT = words(
    """broke break breaks breaking come comes coming came go goes going went gone get gets got getting put puts take
    takes took bring brings brought set kick kicked pull pulled fell fall fallen plug check checked checking turn turned
    phone phoned call called calling write wrote wake woke move moved result results hand look looks cut cuts lock locked
    log logged sign signed opt opted drop dropped dropping breaking sleep slept settle jump go swelling swells swell send
    sent right left lean leaned tuck tucked sit sat lie lay lying laid"""
)
_LEFT_OF_IN: Mapping[str, Level] = (
    dict.fromkeys(_EVENTS | _EVENT_VERBS | _OPENINGS | WORKING, Level.LOOSE)
    | dict.fromkeys(_KIN | _SITES, Level.LIKELY)
    | dict.fromkeys(_POSTED, Level.SURE)
)
_LEFT_OF_FROM: Mapping[str, Level] = dict.fromkeys(_DISTANCES | _KIN | _FROM_WHOM, Level.LOOSE) | dict.fromkeys(
    _TRAVELLED, Level.LIKELY
)
_ADVERBS = ADVERBS | words("there originally directly straight about somewhere again away off")
_PLACE_ADVERBS = words("over out down up back here there")
_PREPOSITIONS = words("in from to near outside around by of at into with for")
_OF_FACILITIES = words("into with for")
_AT_THINGS = words(
    "good bad better best great worse worst terrible look looks looking looked mad angry upset laugh laughing aim point"
)
"""Behind one of these and `at` is what somebody does, or sees."""
_EMPLOYED = words(
    """nurse nurses aide aides worker workers manager coordinator therapist doctor physician technician tech chaplain work
    works worked working volunteer volunteers contract contracts drive drives caregiver director administrator"""
)
_PEOPLE_SAY = words("said sent called wants told accepts faxed discharged refused says admitted declined recommended")
_BARE_PREPOSITIONS = words("in from near outside")
_PREPOSITION_CUE = cue(_PREPOSITIONS)
_SITE_TYPES = words("location locations branch campus office")
_SITE_CUE, _HOMETOWN_CUE, _WHERE_CUE = (
    cue(_SITE_TYPES),
    cue(("hometown", "downtown", "toured", "touring", "visiting")),
    cue(("where",)),
)
_OF_SITES = words("the your our that this my their at")
_LIVED_WHERE = words("live lived lives grew was were am is are stay stayed work worked raised born living")
_DEPARTMENTS = words(
    """billing business front back home main head post box doctor's dentist's nurse's nurses corner oval principal's
    scheduling referral referrals records intake admissions admission registration insurance benefits leasing tax law
    legal sales support field housing welfare disability county city state federal unemployment passport ticket branch
    other new old satellite original primary current usual same specialty drive drive-through flagship express mobile
    virtual online remote video telehealth doctors' physician's physicians provider's providers vet's patient customer
    client member care health eye foot heart skin lung kidney bone joint spine sleep pain wound vein chest brain back ear
    nose throat sinus hand hip knee weight women's men's children's kids family private busy quiet whole entire exact
    correct right wrong regular preferred approximate specific injection infusion iv port surgery incision scar lump
    rash tumor biopsy puncture needle pick pickup delivery drop testing vaccine vaccination clinic hospital er blood"""
)
_LOOSE_NO = words(
    """fact general particular total person private public peace pieces pen ink writing print paper form forms stages
    sales retail construction healthcare education marketing finance accounting engineering law politics business tech
    it maintenance housekeeping security manufacturing shipping receiving management transportation logistics logging
    mining agriculture farming forestry fishing sports theater theatre music art arts science sciences math history
    biology chemistry physics psychology nursing dentistry software insurance banking hospitality tourism government
    politics advertising publishing journalism photography childcare landscaping plumbing roofing welding carpentry
    food fashion design trucking customer technical human social physical occupational speech cognitive behavioral
    respiratory cardiac pulmonary renal hepatic hormonal hormone aqua water massage talk group family couples marriage
    grief anger individual aversion exposure radiation light heat cold ice sex drug drugs alcohol substance tobacco
    gene stem laser shock vision hearing voice play pet music
    bed beds town love luck time times line range reach sight touch tune tears tatters shambles limbo bloom bulk cash
    kind style season session sessions stitches braces bandages bandage casts cast splint splints plaster sling brace
    braids diapers briefs pads labour labor delivery utero vivo vitro situ surgery preop postop icu nicu picu er ed ward
    triage radiology oncology cardiology neurology urology pathology pharmacy billing reception registration admissions
    admission intake collections accounts records record transcription referrals scheduling laundry storage stock supply
    inventory transit traffic flight flights air orbit water salt saltwater oil vinegar milk juice cream syrup sauce
    liquid powder capsule capsules tablet tablets pill pills gel foam spray suspension solution injection generic brand
    form dosage doses chewable granules strips patches patch packets droplets breath breathing humidity heat cold shade
    sunlight daylight darkness dark rain snow wind fog smoke dust mold pollen grass winter summer spring autumn fall
    january february childhood adolescence adulthood pregnancy menopause puberty infancy retirement kindergarten
    preschool grade grades class classes college daycare university seminary training practice rotation residency
    fellowship boot rehab detox recovery remission relapse withdrawal treatment therapy counseling consultation consult
    observation isolation quarantine custody jail prison court debt bankruptcy foreclosure poverty trouble danger doubt
    denial despair grief mourning shock agony misery pain pains discomfort distress panic fear terror anger rage horror
    awe bliss ecstasy heaven hell limbo purgatory hindsight advance arrears escrow trust kind return exchange turn
    response reply answer relation regard regards reference favor support honor memory defense charge control command
    power office uniform costume drag disguise secret secrecy silence unison concert harmony sync step tandem parallel
    series sequence order disorder place position motion action use effect force existence theory practice principle
    reality truth print essence summary conclusion closing addition contrast comparison conjunction combination common
    english spanish french german russian chinese arabic korean japanese vietnamese italian portuguese braille latin
    front back rear middle center centre side sides top bottom half halves thirds quarters pairs twos threes groups rows
    clusters patches spots places areas parts portions sections stages phases waves spurts bursts spasms fits
    blood urine stool saliva sputum mucus pus semen sweat bile plasma serum tissue bone bones muscle muscles skin nerve
    nerves joints hair nails eyes ears feet legs arms hands fingers toes lungs kidneys liver heart brain stomach bowel
    bowels breast breasts chest throat nose mouth gums teeth tongue neck shoulder shoulders elbow elbows wrist wrists
    hip hips knee knees ankle ankles heel heels groin pelvis abdomen belly spine head face cheek forehead scalp
    weight size height length width depth volume strength intensity frequency duration severity color colour number
    numbers quantity quality appearance shape pressure temperature glucose sugar cholesterol sodium potassium protein
    fiber fibre carbs calories fat caffeine energy mood spirits health fitness appetite sleep function functioning
    mobility balance gait posture speech hearing vision memory cognition consciousness
    care custody hospice respite housing shelter shelters foster homes apartments hotels motels hospitals clinics
    facilities nature culture society politics religion faith god jesus christ prayer worship church mass temple mosque
    synagogue confession communion choir band orchestra rehearsal practice games sports gym yoga pilates zumba aerobics
    karate swimming dance dancing football soccer baseball basketball hockey tennis golf volleyball wrestling gymnastics
    track cheerleading scouts camp vacation holiday holidays overtime transition traction flexion extension rotation
    abduction adduction supination pronation standing sitting lying walking running bending lifting
    home homes work school schools bed lunch dinner breakfast supper brunch meals snacks coffee drinks noon midnight
    night nights dawn dusk sunrise sunset morning mornings evening evenings afternoon afternoons bedtime daytime nighttime
    nowhere everywhere somewhere anywhere scratch start beginning birth death day days age experience exertion exhaustion
    fatigue weakness dehydration malnutrition starvation hunger thirst boredom loneliness depression anxiety stress strain
    overuse exercise activity movement friction rubbing scratching coughing sneezing vomiting laughing crying straining
    bleeding infection inflammation irritation swelling trauma injury injuries abuse neglect falls falling complications
    side natural unknown medication medications medicine medicines meds antibiotics steroids chemo radiation surgery
    anesthesia insulin aspirin vaccines shots allergies asthma cancer diabetes pneumonia covid flu sepsis stroke epilepsy
    arthritis gout lupus migraine migraines headaches cramps hives shingles
    wear tear sun chemicals fumes gas exposure contact bites stings cats dogs pets animals bees ticks mosquitoes
    insurance medicare medicaid workers unemployment disability benefits payments bills taxes rent mortgage
    everyone everybody anyone anybody someone somebody nobody none people others strangers kids children teens adults
    seniors veterans women men students patients staff nurses doctors dentists therapists surgeons specialists providers
    friends family relatives neighbors parents grandparents siblings
    normal baseline zero maximum minimum half capacity plan schedule date completion perfection conclusion compliance
    safety comfort ease relief rest peace quiet independence self life death extinction failure success
    voicemail email emails mail text texts phone phones fax computer laptop internet wifi facebook zoom video chart charts
    portal file files folder system paper hold speaker mute screen camera tv television radio
    insulin metformin lasix coumadin warfarin tylenol ibuprofen advil aleve motrin oxygen dialysis hydration fluids
    solids foods soup broth toast rice crackers water tea coke soda
    detention suspension probation parole bail trial jury appeal mediation arbitration
    step stepdown telemetry medsurg floor unit floors units rooms room bay pod lobby parking valet
    reality life person private essence question questions mind minds thought dreams prayers shock awe
    minutes seconds moments hours days weeks months years decades centuries ages
    action shape contact touch range rhythm condition conditions circumstances situation situations environment setting
    settings mode status state states stage phase level levels degree degrees percent cases case instances reactions
    arrest failure block distress flare flares crisis crises attack attacks arrhythmia
    appointment appointments visit visits follow-up followup checkup rounds meeting meetings conference conferences
    department team staff committee group groups support class club program programs service services desk line line
    management operations administration headquarters human resources relations claims disputes appeals fraud
    high low medium severe mild moderate chronic acute stable critical serious extreme intense constant complete full
    active early late deep close direct heavy light slow fast rough hot warm cool wet dry bad poor sober assisted
    independent extended skilled intensive internal external infectious general regular special specialty primary
    secondary tertiary urgent emergency medical surgical dental mental legal financial academic athletic military naval
    civil criminal domestic foreign federal local regional national global adult juvenile pediatric geriatric neonatal
    maternal paternal prenatal postnatal
    exchange profile shopping takeoff takeoffs landing finishing quitting giving surgery's
    sleep sit stand eat walk swim shop play visit help travel dance hunt ski hike cry check look relax exercise breathe
    urinate pee poop vomit cough talk speak drink drive fly ride run jog work study read write rest wait stop start try
    change improve heal recover manage treat prevent avoid reduce lower raise increase decrease fix cure control handle
    deliver pick fetch collect buy pay meet join attend watch listen hear learn teach enjoy celebrate honor support
    escape survive die live stay leave arrive return move bring carry lift push pull
    campus target kohls costco
    begin depart end continue happen proceed appear remain occur exist notice altitude speed pace odds wear fit mean bother refill renew schedule reschedule cancel confirm verify update"""
)
_ARTICLES, _WIDEST_CLAUSE = (
    words(
        "a an the my his her our your their i we he she they you i'm i've i'd we're he's she's they're it's that's this"
    ),
    8,
)
_BARE_NO = words(
    """calendar patio average dictionary sole tweet playlist album speaker sick future fabric progress break detergent butter
    yogurt outsider politic advert article magazine newspaper journal novel movie film episode series song video photo
    picture image chapter page paragraph sentence verse index appendix table column row cell figure diagram graph map
    kitchen hallway closet attic porch balcony deck garage shed driveway backyard yard bathroom bedroom toilet shower tub
    bathtub sink basement elevator stairwell corridor cafeteria gym pool sauna spa barn tent van truck car cab taxi uber
    ambulance helicopter plane airplane boat ship ferry bus train subway motorcycle bike bicycle scooter tractor horse
    saddle ladder roof tree window balcony couch sofa chair recliner wheelchair stretcher gurney crib cradle stroller
    carseat playpen cot mattress floor ground grass sand mud gravel pavement sidewalk ice stairs step curb counter shelf
    fridge freezer oven microwave drawer cabinet cupboard box bag purse pocket bottle jar can cup glass bowl plate tray
    bucket basin container envelope wallet sleeve collar shoe boot sock glove helmet mask gown robe shirt dress skirt
    blue red green yellow black white brown gray grey pink purple orange tan beige gold silver color colour
    bleach latex nickel rubber plastic metal glass steel copper leather wool cotton nylon polyester foam concrete wood
    paint glue soap shampoo lotion perfume deodorant makeup sunscreen powder chlorine ammonia formula breastmilk
    bread butter cheese cake pie pizza pasta soup salad sandwich burger steak chicken beef pork ham bacon fish shrimp egg
    eggs fruit apple banana orange lemon lime berry grape melon peach pear plum cherry potato tomato onion garlic pepper
    carrot bean corn pea nut peanut almond cashew honey sugar syrup jam jelly applesauce pudding oatmeal cereal yogurt
    smoothie shake juice coffee tea soda beer wine vodka whiskey rum gin broth gravy sauce dressing mustard ketchup mayo
    toe finger thumb hand wrist arm elbow shoulder neck back spine hip leg thigh knee calf shin ankle foot heel arch sole
    eye ear nose lip jaw chin cheek temple scalp forehead throat tonsil gum tooth molar rib breast nipple armpit groin
    buttock bladder vein artery tendon ligament joint disc disk nail cuticle palm knuckle
    student teacher child adult baby infant toddler teen teenager boy girl man woman guy lady person patient doctor nurse
    priest pastor rabbi imam lawyer judge officer soldier driver
    snake spider bee wasp ant tick flea mosquito mouse rat cat dog pet animal bird
    dollar euro peso pound check receipt invoice coupon voucher deposit refund payment bill
    theory general vain short brief sum full part particular detail depth length season session stock bulk batch bundle
    need want case favor favour honor memory spite light view sight earshot reach range limit bound excess moderation
    unison tandem turn sequence order succession rotation combination concert harmony parallel contrast comparison
    answer response reply return exchange trade lieu place stead name title person principle practice effect essence
    fact truth reality hindsight retrospect retrospective theory doubt question dispute conflict trouble danger peril jeopardy
    haste hurry rush panic shock awe wonder surprise amazement despair anger rage fury tears laughter silence secret
    bloom blossom flower heat rut calf foal
    exam exams test quiz lecture lesson homework assignment project report essay recess detention assembly
    meeting interview conference seminar workshop webinar training orientation
    application document folder file inbox outbox spam trash draft archive database website browser app tab window
    queue line list waitlist rotation schedule agenda itinerary
    shift overtime lockdown transit motion gear reverse neutral drive park
    vehicle crash collision impact force blow punch kick fall trip slip twist strain sprain jolt burn cut scrape bite sting
    wind breeze storm hurricane sunburn frostbite heatstroke
    clinic office visit consult followup recheck checkup triage intake discharge
    birth wedlock utero vitro vivo situ
    beginning end middle start finish top bottom side front
    scratch memory experience habit instinct reflex concentrate powder seed
    afar above below within without behind beneath under
    outlook gmail hotmail
    lab labs imaging ultrasound radiograph angiogram
    bottlefeeding breastfeeding teething potty
    nowhere midair midstream midnight noon
    cash credit debit kind installment
    group private public individual family couple pair
    interim meantime meanwhile
    cycle spurt burst flare spell bout wave phase stage trimester quarter semester term
    supply demand circulation production development construction repair maintenance service operation action
    sync touch tune tow toto store surplus abundance plenty
    sling cast splint brace boot wrap bandage traction halo collar"""
)
"""Nouns with a plural that are in the slot without an article as well: containers, rooms, colours, food, the body."""
_ADJECTIVES = words(
    """same different big inner nice safe quiet own old new major every whole full open empty many several little small
    large huge tiny long short high low hot cold warm cool hard soft easy tough strong weak sick healthy happy sad angry
    mad crazy scary busy late early whole entire real true false actual current previous prior past present future final
    last first next second third fourth fifth constant severe mild total complete absolute utter sheer pure mere plain
    terrible horrible awful awesome amazing wonderful excellent decent okay fair fine poor rich cheap expensive"""
)
_TREATED_LOOSELY = words("sudden similar various certain such")
_NO_PAIR = NO_PLACE | _LOOSE_NO | _ADJECTIVES | _TREATED_LOOSELY
_NO_LOOSE = NO_PLACE | _LOOSE_NO
_PAIR_MAY_HOLD = words(
    """morning evening family heart hearts hands arms light life home house harbor water waters rest peace health care
    sun sunrise sunset winter summer spring autumn day star new golden open good great little first second safe quiet
    silver family hope faith grace nature wind rain snow landing walk way strong high long independence independent loving"""
)
"""Words of facilities' names, where the other word is none that is in the slot for itself: `open arms`, `safe harbor`."""
_PAIR_HEADS = words(
    """hands arms hearts heart star light lights water waters wind winds harbor harbour haven start leaf lining age ages
    horizon horizons futures future shade breeze sun moon rose roses garden gardens path paths pathway pathways steps
    bridge bridges meadow meadows heron dove doves eagle river rivers creek creeks lake lakes hill hills oak oaks pine
    pines view views point ridge valley springs spring rock rocks stone stones shepherd samaritan angel angels grace hope
    journey journeys home homes house place manor village general memorial mercy family spirit spirits savior trinity
    heritage legacy promise blessing blessings beginnings years days memories touch embrace companions friends neighbors
    hearth nest cottage acres grove glen landing crossing gate gates lighthouse anchor anchors compass beacon summit"""
)
"""The last word of a facility's name of two words."""
_HEADS_OF_ADJECTIVES = words(
    """shepherd samaritan harbor harbour haven leaf mill waters meadows acres horizons beginnings pines oaks dawn oak elm
    willow willows flower shepherd's creek brook pond lakes river rivers bridge bridges heron eagle dove light lights"""
)
"""Behind `good`, `new`, `quiet` and the like only these make the name of a facility."""
_BESIDE_HIDDEN = _PAIR_HEADS | _PAIR_MAY_HOLD | words("holy sacred gentle tender bright")
"""Words beside a hidden one that are the rest of a facility's name."""
_BREAKS = words(
    """instead anyway anymore together alone afterwards afterward forever either altogether though online overnight weekly
    daily monthly nearby upstairs downstairs sometime someday whenever wherever regularly lately"""
)
_NO_PAIR_SPIRITS = words("good great better best high low bad poor great fine fair right old safe big small caring")
_MASS_ENDINGS = (
    "ing",
    "ed",
    "ly",
    "ness",
    "ment",
    "ity",
    "ism",
    "logy",
    "tion",
    "sion",
    "ance",
    "ence",
    "therapy",
    "itis",
)
_CLINICAL_ENDINGS = (
    *(
        "logy",
        "itis",
        "osis",
        "emia",
        "aemia",
        "ectomy",
        "otomy",
        "ostomy",
        "therapy",
        "tics",
        "ics",
        "al",
        "ia",
        "pathy",
    ),
    *("gram", "scopy", "graphy", "ine", "ol", "ism", "ment", "tion", "sion", "ed", "ing", "s", "oma", "ency", "ancy"),
)
"""Ends of clinical words that are in a slot for themselves."""
_VIRTUES = words(
    """celebration independence providence defiance prosperity liberty unity felicity serenity tranquility reliance alliance
    remembrance confidence endurance prudence temperance perseverance constitution restoration plantation charity
    fraternity equality sublimity festivity amity eternity opportunity community trinity nativity salvation redemption
    resurrection ascension assumption conception annunciation revelation reformation inspiration aspiration admiration
    advance enterprise protection perfection intersection junction station commerce confluence influence experiment
    settlement encampment embarrass transylvania enchantment achievement"""
)
"""Qualities by their ending that towns are called as well."""
_RIGHT = (
    (FUNCTION - words("of than pain"))
    | FILLERS
    | STATES
    | TIMES
    | WEEKDAYS
    | MONTH_OF.keys()
    | words(
        "originally today tonight tomorrow yesterday usually please thank every several three two around full part directly"
    )
)


_HEADS_CUE = cue(_PAIR_HEADS)
FRAME_CUES = (_PREPOSITION_CUE, _SITE_CUE, _HOMETOWN_CUE, _WHERE_CUE, _HEADS_CUE)


@begins_with(*FRAME_CUES)
def framed_places(reading: Reading) -> Iterator[tuple[int, int]]:
    """Yield the first and last unit of towns and facilities that prepositions and verbs around them announce."""
    norms, units = reading.norms, reading.units
    for at in reading.cued(_PREPOSITION_CUE):
        begin = at + 1
        if begin >= len(norms) or not at:
            continue
        level = _level(reading, at)
        if level is None and norms[at] in ("at", "to", "in") and _is_for_treatment(units, begin):
            level = Level.LIKELY
        if level is None:
            level = _level_by_noun(reading, at)
        if level is not None and (found := named(reading, begin, level)):
            yield found
    for at in reading.cued(_SITE_CUE):
        if found := _before_site(reading, at):
            yield found
    for at in reading.cued(_HOMETOWN_CUE):
        begin = at + 1 + (norm_at(units, at + 1) in ("is", "was"))
        fits = begin > at + 1 if norms[at] == "hometown" else begin == at + 1
        level = Level.PAIR if norms[at].startswith("tour") else Level.LOOSE
        if fits and (found := named(reading, begin, level)):
            yield found
    for at in reading.cued(_HEADS_CUE):
        if norm_at(units, at + 1) in _PEOPLE_SAY and at and (found := _at_work(reading, at)):
            yield found
    for at in reading.cued(_WHERE_CUE):
        if found := _where_lived(reading, at):
            yield found


def _level(reading: Reading, at: int) -> Level | None:
    """Return how sure the words before a preposition are that a place follows, None where they announce none."""
    norms, norm = reading.norms, reading.norms[at]
    if norm in _OF_FACILITIES:
        return None
    left = at - 1
    while left >= 0 and norms[left] in _ADVERBS:
        left -= 1
    before = norms[left] if left >= 0 else ""
    if norm == "in":
        return _level_of_in(norms, at, left)
    if norm == "from":
        if "originally" in norms[left + 1 : at] or "originally" in norms[at + 2 : at + 5]:
            return Level.SURE
        if before in _CALLERS:
            return Level.PAIR
        return _LEFT_OF_FROM.get(before)
    if norm == "to":
        return _level_of_to(norms, at, left)
    if norm == "of":
        if norms[at - 1] == "out":
            return Level.LOOSE if before in _OUT_OF else None
        return Level.LOOSE if norms[at - 1] in _NORTHS else None
    if norm == "at":
        return Level.PAIR if before in _CALLERS or before in _IN_HOMES or before in WORKING else None
    near = norm == "outside" or left < at - 1 or before in _NEAR_LEFT
    if norm == "by":
        near = before in LIVING or before == "close"
    if norm == "around":
        near = before in LIVING or before in _SITES
    return Level.LOOSE if near else None


def _level_by_noun(reading: Reading, at: int) -> Level | None:
    """Return how sure the words behind a preposition alone make a place, whatever is before it."""
    norm = reading.norms[at]
    if norm in _BARE_PREPOSITIONS:
        return Level.BARE if _has_articles(reading, at) else Level.FACILITY if norm == "from" else None
    if norm in _OF_FACILITIES and norm != "into":
        left = reading.norms[max(0, at - 2) : at]
        return Level.FACILITY if not _EMPLOYED.isdisjoint(left) else None
    if norm == "at":
        if reading.norms[at - 1] in _AT_THINGS:
            return None
        return Level.PAIR if _has_articles(reading, at) else Level.FACILITY
    return Level.FACILITY if norm in ("into", "of") else None


def _level_of_in(norms: Sequence[str], at: int, left: int) -> Level | None:
    before = norms[left] if left >= 0 else ""
    if found := _LEFT_OF_IN.get(before):
        return found
    is_short = before in _BE_SHORT
    if is_short or before in _BE:
        near = norms[max(0, left - 4) : left]
        if any(word in _SITES for word in near):
            return Level.LIKELY
        if not (is_short or any(word in _PERSONS or word.endswith("'ll") for word in near)):
            return None
        moved = any(word in _PLACE_ADVERBS for word in norms[left + 1 : at])
        return (
            Level.LOOSE
            if moved or not TIMES.isdisjoint(norms[at + 2 : at + 5]) or not _RESTING.isdisjoint(norms[at + 2 : at + 5])
            else Level.PAIR
        )
    if before in _IN_HOMES and norms[left - 1] in ("put", "place", "placed", "got", "have", "left"):
        return Level.PAIR
    if left < at - 1 and before not in _ADVERB_LEFT and any(word in _PLACE_ADVERBS for word in norms[left + 1 : at]):
        return Level.LOOSE
    return Level.LOOSE if "with" in norms[max(0, left - 4) : left] and before in _PERSONS else None


_RESTING = words("now until till when visiting currently since")


def _level_of_to(norms: Sequence[str], at: int, left: int) -> Level | None:
    before = norms[left] if left >= 0 else ""
    if norms[at - 1] in _CLOSE or before in _HEADED:
        return Level.LOOSE
    if before == "way" and norms[left - 1] in _MY_WAY:
        return Level.LOOSE
    sent = any(word in _SENDING for word in norms[max(0, left - 4) : left + 1])
    return Level.PAIR if sent else Level.FACILITY if before in _GOING else None


def _is_for_treatment(units: Sequence[Unit], begin: int) -> bool:
    """Return whether up to three words end before `for rehab` and the like."""
    for ahead in range(begin + 1, min(begin + LONGEST + 1, len(units))):
        if units[ahead].norm == "for":
            return norm_at(units, ahead + 1) in _TREATMENTS
    return False


def _before_site(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `peculiar` in `your peculiar location`."""
    units, first = reading.units, at
    while first > 0 and at - first < PAIR and units[first - 1].kind == WORD and _may_call_site(reading, first - 1):
        first -= 1
    is_site = first < at and norm_at(units, first - 1) in _OF_SITES and _may_follow(units, at + 1)
    return (first, at - 1) if is_site else None


def _may_call_site(reading: Reading, at: int) -> bool:
    norm = reading.norms[at]
    return not (
        norm in FUNCTION
        or norm in KINDS_OF
        or norm in _DEPARTMENTS
        or norm in _NO_LOOSE
        or norm in QUANTITIES
        or "'" in norm
        or reading.kinds[at] is Kind.CLINICAL
        or norm.endswith(("al", "ic", "ics", "ary", "ory", "ive", "ology", "ing", "ed", "ist"))
        or (norm.endswith(("er", "est")) and _is_compared(reading, norm))
    )


def _is_compared(reading: Reading, norm: str) -> bool:
    """Return whether a word is an adjective with -er or -est: `larger`, `nearest`."""
    stem = norm.removesuffix("est").removesuffix("er")
    return any(form in reading.lists.words for form in (stem, f"{stem}e", stem[:-1], f"{stem[:-1]}y"))


def _at_work(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `shady pines` in `shady pines sent her over`."""
    units, norms, first = reading.units, reading.norms, at - 1
    begins = first == 0 or units[first - 1].kind == SIGN or norms[first - 1] in _BEGINNINGS
    fits = (
        begins
        and units[first].kind == WORD
        and norms[first] not in FUNCTION
        and reading.kinds[first] is not Kind.CLINICAL
    )
    return (first, at) if fits and _is_facility((norms[first], norms[at])) else None


_BEGINNINGS = words("and but so because that when if since after before because they")


def _where_lived(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `mobile` in `mobile is where i grew up`."""
    units, norms = reading.units, reading.norms
    if at < PAIR or norms[at - 1] not in ("is", "was") or norm_at(units, at + 1) not in PRONOUNS:
        return None
    if _LIVED_WHERE.isdisjoint(norms[at + 2 : at + 4]):
        return None
    first = at - 1
    while first > 0 and at - first <= PAIR and units[first - 1].kind == WORD and norms[first - 1] not in FUNCTION:
        first -= 1
    begins = first == 0 or units[first - 1].kind == SIGN or norms[first - 1] in ("and", "but", "so", "because")
    return named(reading, first, Level.LOOSE) if begins and first < at - 1 else None


def behind_cue(units: Sequence[Unit], at: int) -> int:
    """Return where the name of a place begins that this word announces, 0 where it announces none."""
    norm, after = units[at].norm, norm_at(units, at + 1)
    if norm in WORKING:
        return at + 2 if after == "at" else 0
    if norm in LIVING or norm in SITES:
        ahead = at + 1 + (norm == "grew" and after == "up")
        while norm_at(units, ahead) in (ADVERBS if norm not in SITES else ROUNDABOUT):
            ahead += 1
        if norm in ("located", "based") or norm not in SITES or norm_at(units, ahead) in ("in", "near"):
            return ahead + 1 if norm_at(units, ahead) in IN_OR_ROUND else _behind_at(units, at)
        return 0
    if norm in CALLED:
        return at + 1 if any(unit.norm in CALLED_SITES for unit in units[max(0, at - 2) : at]) else 0
    if norm in TOWNS and norm not in LIVING:
        return at + 2 if after == "of" else 0
    if norm in MOVING:
        ahead = at + 1
        while norm_at(units, ahead) in TO_HERE:
            ahead += 1
        out = norm_at(units, ahead) == "of" and units[ahead - 1].norm == "out"
        return ahead + 1 if out or norm_at(units, ahead) in ("from", "to", "into") else 0
    if norm == "from" and at:
        before = units[at - 1 - (at > 1 and units[at - 1].norm in ("in", "over", "up", "down", "out"))].norm
        person = (
            before in FROM_VERBS
            or before == "way"
            or (before in ("am", "are", "is", "'m", "'re") and norm_at(units, at - 2) in PRONOUNS)
        )
        if person:
            return at + 1
    if norm in TREATED:
        ahead = at + 1
        while norm_at(units, ahead) in ("here", "back", "over", "out", "there", "directly"):
            ahead += 1
        return ahead + 1 if norm_at(units, ahead) in TREATED_BY else 0
    return _behind_at(units, at)


def _behind_at(units: Sequence[Unit], at: int) -> int:
    """`my mom is at …`, `he lives at …`: a person before and `at` behind."""
    if units[at].norm not in AT_VERBS and units[at].norm not in LIVING:
        return 0
    ahead = at + 1
    while norm_at(units, ahead) in ("over", "out", "up", "down", "currently", "right", "now", "back", "still"):
        ahead += 1
    is_house = norm_at(units, ahead) == "in" and norm_at(units, ahead + 2) in HOUSES
    if is_house and (norm_at(units, ahead + 1) in SMALL_WORDS or norm_at(units, ahead + 1) in UNPAIRED):
        return 0
    if norm_at(units, ahead) != "at" and not is_house:
        return 0
    near = range(max(0, at - 4), at)
    return ahead + 1 if any(units[back].norm in PEOPLE or units[back].kind == GONE for back in near) else 0


def named(reading: Reading, begin: int, level: Level) -> tuple[int, int] | None:
    """Return the first and last unit of a bare name of one to three words, None for what is no place.

    A word of the clinic is none, but behind a cue that is sure.
    """
    units, kinds = reading.units, reading.kinds
    loose = level < Level.PERSON
    is_numbered = begin + 1 < len(units) and units[begin].kind == NUMBER and units[begin + 1].norm in NUMBERED_NAMES
    if is_numbered and not loose:
        return (begin, begin + 1) if units[begin].how in (SPOKEN, ORDINAL) else None
    ahead = _run_end(units, begin, loose=loose)
    last = ahead - 1
    if last < begin or ahead - begin > LONGEST or (last == begin and units[last].norm in FUNCTION):
        return None
    said = [unit.norm for unit in units[begin:ahead]]
    paired = len(said) == PAIR and said[1] in PAIRED and said[0] not in UNPAIRED and "'" not in said[0]
    paired = paired or (len(said) == PAIR and said[0].endswith("'s") and said[1] in RETREATS)
    paired = paired or (len(said) == PAIR and said[0] in HOLY and said[0] != "good")
    if not paired and any(word in NO_PLACE or word in TYPES for word in said) and not _is_facility(said):
        if len(said) == 1 and kinds[begin] is not Kind.UNKNOWN:
            kinds[begin] = Kind.ORDINARY if kinds[begin] is Kind.ALSO_A_NAME else kinds[begin]
            reading.terms.add(begin)
        return None
    if loose and not paired and not _may_be_loosely(reading, begin, ahead, level):
        return None
    if loose and not _may_follow(units, ahead):
        return None
    clinical = kinds[last] is Kind.CLINICAL and not (paired or said[-1] in HOME_ENDINGS or _is_facility(said))
    if clinical and not (level is Level.SURE or (level is Level.LIKELY and not said[-1].endswith(_CLINICAL_ENDINGS))):
        return None
    if ahead < len(units) and units[ahead].kind in (NUMBER, LETTER) and units[ahead].norm not in ("i", "a"):
        return (begin, last) if len(units[ahead].norm) >= LONGEST + 2 else None
    if said[-1].endswith(("ing", "ed", "ly")) and len(said) == 1 and not reading.lists.name_kinds(said[0]):
        return None
    if norm_at(units, ahead) == "or" and norm_at(units, ahead + 1) == "consequences":
        return begin, ahead + 1
    return begin, last


def _run_end(units: Sequence[Unit], begin: int, *, loose: bool) -> int:
    """Return the end of the words from here that may be one name, up to one more than a name has."""
    ahead = begin
    while ahead < len(units) and ahead - begin < LONGEST + 1:
        unit = units[ahead]
        norm = unit.norm
        if unit.kind == GONE and loose:
            ahead += 1
            continue
        if unit.kind != WORD or (loose and norm in _BREAKS):
            break
        if norm in QUANTITIES or norm in WEEKDAYS or norm in MONTH_OF or norm in TIMES:
            break
        if (norm in FUNCTION and not (ahead == begin and norm in NAME_WORDS)) or (
            loose and ahead > begin and norm.endswith("ed")
        ):
            break
        ahead += 1
    return ahead


def _is_facility(said: Sequence[str]) -> bool:
    """Return whether two words are called as facilities are: `tender hearts`, `open arms`, `morning star`."""
    if len(said) != PAIR or said[1] not in _PAIR_HEADS or "'" in said[0]:
        return False
    first = said[0]
    if first in _NO_PAIR_SPIRITS or first in UNPAIRED:
        return said[1] in _HEADS_OF_ADJECTIVES
    return first in _PAIR_MAY_HOLD or first not in _NO_PAIR


def _may_be_loosely(reading: Reading, begin: int, ahead: int, level: Level) -> bool:
    """Return whether words may be a name where a sentence is not sure: none that is there for itself."""
    units, kinds = reading.units, reading.kinds
    said = [unit.norm for unit in units[begin:ahead]]
    if all(unit.kind == GONE for unit in units[begin:ahead]):
        return False
    if len(said) > 1 and _is_facility(said):
        return True
    if level is Level.LIKELY:
        return not any(word in _NO_LOOSE for word in said)
    if level is Level.FACILITY or any(kinds[at] is Kind.CLINICAL for at in range(begin, ahead)) or "'" in said[-1]:
        return False
    last = said[-1]
    if reading.norms[begin - 1] == "to" and level is Level.PAIR and _is_verb(reading, said[0]):
        return False
    if (
        last.endswith(_MASS_ENDINGS)
        and last not in _VIRTUES
        and not (level is Level.LOOSE and reading.lists.name_kinds(last))
    ):
        return False
    if level is Level.PAIR and any(unit.kind == GONE for unit in units[begin:ahead]):
        return all(word in _BESIDE_HIDDEN for word in said if word)
    if level is Level.PAIR:
        return len(said) > 1 and not any(word in _NO_PAIR for word in said)
    if any(word in _NO_LOOSE for word in said):
        return False
    if level is Level.BARE:
        return (
            len(said) == 1 and last not in _BARE_NO and kinds[begin] is not Kind.UNKNOWN and _is_counted(reading, last)
        )
    plural = last.endswith("s") and not last.endswith("ss") and reading.lists.words.get(last[:-1]) is not None
    return len(said) > 1 or not plural


def _has_articles(reading: Reading, at: int) -> bool:
    """Return whether a text is said in whole sentences and in small letters, so that a noun has its article."""
    return not (reading.capital_places or _ARTICLES.isdisjoint(reading.norms[max(0, at - _WIDEST_CLAUSE) : at]))


def _is_counted(reading: Reading, word: str) -> bool:
    """Return whether a word is a noun that has a plural."""
    listed = reading.lists.words
    plural = (
        f"{word[:-1]}ies" if word[-1] == "y" else f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"
    )
    return plural in listed or f"{word}s" in listed


def _is_verb(reading: Reading, word: str) -> bool:
    """Return whether a word is a verb as well, since it has a form in -ing."""
    listed = reading.lists.words
    return (
        f"{word}ing" in listed or f"{word}{word[-1]}ing" in listed or (word[-1] == "e" and f"{word[:-1]}ing" in listed)
    )


def _may_follow(units: Sequence[Unit], at: int) -> bool:
    """Return whether a sentence may go on here behind the name of a place."""
    if at >= len(units):
        return True
    unit = units[at]
    if unit.kind in (SIGN, GONE):
        return unit.norm not in ("/", "%", "-", "'")
    return unit.kind == NUMBER or unit.norm in ("i", "a") or unit.norm in _RIGHT or unit.norm.endswith(("ed", "n't"))


def ends_place(units: Sequence[Unit], at: int) -> bool:
    """Return whether a name may end before this unit: nothing, a sign, or a small word follows."""
    if at >= len(units):
        return True
    unit = units[at]
    return (
        unit.kind in (SIGN, GONE)
        or unit.norm in TIMES
        or unit.norm in FUNCTION
        or unit.norm in FILLERS
        or unit.norm in TYPES
        or unit.norm in STATES
    )


def norm_at(units: Sequence[Unit], at: int) -> str:
    """Return the unit at this place, empty outside the text."""
    return units[at].norm if 0 <= at < len(units) else ""


def behind_loosely(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `morning star` in `a bed at morning star`, `we placed her at morning star`."""
    units, ahead = reading.units, at + 1
    while norm_at(units, ahead) in WHOM or norm_at(units, ahead) in ("over", "up", "my", "our"):
        ahead += 1
    if norm_at(units, ahead) not in ("at", "from"):
        return None
    found = named(reading, ahead + 1, Level.PERSON)
    return found if found and found[1] > found[0] else None

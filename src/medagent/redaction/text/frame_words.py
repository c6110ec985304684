"""Words before and behind a place in a sentence, and nouns that are there without being a place."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from medagent.redaction.text.cues import FILLERS, FUNCTION, MONTH_OF, NAME_WORDS, QUANTITIES, STATES, WEEKDAYS, words
from medagent.redaction.text.place_words import (
    ADVERBS,
    LIVING,
    LOOSELY,
    NO_PLACE,
    PEOPLE,
    SITES,
    TIMES,
    WORKING,
)


class Level(IntEnum):
    """Certainty that a place follows in a sentence."""

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
    family folks relatives relative cousin cousins aunt auntie uncle niece nephew grandma grandmother grandpa
    grandfather grandparents grandson granddaughter grandkids kids husband wife friend friends girlfriend
    boyfriend neighbor in-laws nana granny inlaws stepson stepdaughter stepmom stepdad roommate ex"""
)
_DOCTORS = words(
    """doctor doctors dr dentist specialist cardiologist neurologist surgeon urologist oncologist dermatologist
    podiatrist psychiatrist therapist rheumatologist endocrinologist nephrologist pulmonologist
    gastroenterologist pediatrician gynecologist obstetrician optometrist ophthalmologist chiropractor
    orthopedist allergist pcp gp internist hematologist midwife counselor psychologist"""
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
    arrived landed practices practiced works retired operates vacationing vacationed wintering camping camped
    hiking fishing hunting shopping golfing skiing died buried surgery procedure operation mri ct scan xray labs
    bloodwork shot vaccine chemo dialysis"""
)
_POSTED = words("stationed deployed buried raised born settled enlisted incarcerated")
BE = words("is was were are be been being am 'm 're 's")
BE_SHORT = words("i'm he's she's we're they're you're who's im hes shes theyre")
PERSONS = PEOPLE | _KIN | words("you who everybody everyone")
ALL_SITES = SITES | _DOCTORS | _PROPERTIES | words("one ones appointment place")
_TRAVELLED = words(
    """commute commutes commuted commuting fly flies flying flown flew ride rides riding rode travel travels traveled
    travelled traveling travelling drive drives driving drove driven bus train flight trip walked hitchhiked
    hailing hails come comes came coming bused arrive arrives arrived arriving"""
)
_DISTANCES = words(
    """hour hours hr hrs minute minutes mins mile miles kilometers blocks block drive ride flight trip away far distance
    halfway"""
)
_FROM_WHOM = words("us me here")
HEADED = words(
    """drive drives driving drove driven fly flies flying flew flown travel travels traveling traveled travelling
    travelled heading headed trip trips flight flights road commute commutes commuting ride relocation retire
    retires retired retiring move bus train getaway"""
)
CLOSE = words("close closer closest nearer nearest near")
MY_WAY = words("my his her our their the")
SENDING = words(
    """send sends sent sending fax faxed faxing mail mailed mailing forward forwarded transfer transferred transferring
    ship shipped email emailed took take taken taking brought bring refer referred admit admitted move moved
    discharge discharged release released drive drove rushed airlifted flown report reported"""
)
GOING = words("go goes going went gone been back return returns returned returning")
NORTHS = words(
    """north south east west northeast northwest southeast southwest outside outskirts suburb suburbs native resident
    residents citizen edge middle side part heart"""
)
OUT_OF = words("works work worked operates practices practiced based flies runs flying working")
CALLERS = LOOSELY | words(
    """nurse nurses aide aides worker workers manager managers coordinator administrator receptionist someone somebody
    lady supervisor director tech techs technician transport transportation transported driver resident residents
    patient patients volunteer volunteers team chaplain discharge summary report orders papers paperwork call
    calls referral transfer rehabbing recovering rehabilitating recuperating convalescing admission spot
    placement interview tour treatment treatments infusion infusions transfusion transfusions scan scans test
    tests done baby dialyzed dialyses passed died stay stayed week weeks days months screening physical checkup
    shot shots biopsy scope colonoscopy mammogram"""
)
IN_HOMES = words("put place placed got left leave have him her mom dad them mother father grandma grandpa nana")
TREATMENTS = words(
    """rehab rehabilitation therapy dialysis pt ot physical occupational speech chemo chemotherapy radiation treatment
    treatments respite wound detox hospice memory infusion infusions recovery short long skilled day adult
    cardiac pulmonary physio iv antibiotics care dementia alzheimer's"""
)
_NEAR_PREPOSITIONS = words("near outside around by")
NEAR_LEFT = (
    ALL_SITES
    | LIVING
    | _KIN
    | BE
    | BE_SHORT
    | words(
        """anything something somewhere someone anyone openings opening availability provider closest us me him them
    accident wreck crash works work working job exit parked camping landed"""
    )
)
ADVERB_LEFT = words(
    """broke break breaks breaking come comes coming came go goes going went gone get gets got getting put puts take
    takes took bring brings brought set kick kicked pull pulled fell fall fallen plug check checked checking turn
    turned phone phoned call called calling write wrote wake woke move moved result results hand look looks cut
    cuts lock locked log logged sign signed opt opted drop dropped dropping sleep slept settle jump swelling
    swells swell send sent right left lean leaned tuck tucked sit sat lie lay lying laid"""
)
LEFT_OF_IN: Mapping[str, Level] = (
    dict.fromkeys(_EVENTS | _EVENT_VERBS | _OPENINGS | WORKING, Level.LOOSE)
    | dict.fromkeys(_KIN | ALL_SITES, Level.LIKELY)
    | dict.fromkeys(_POSTED, Level.SURE)
)
LEFT_OF_FROM: Mapping[str, Level] = dict.fromkeys(_DISTANCES | _KIN | _FROM_WHOM, Level.LOOSE) | dict.fromkeys(
    _TRAVELLED, Level.LIKELY
)
LEFT_ADVERBS = ADVERBS | FILLERS | words("there originally directly straight about somewhere again away off")
PLACE_ADVERBS = words("over out down up back here there")
PREPOSITIONS = words("in from to near outside around by of at into with for")
OF_FACILITIES = words("into with for")
AT_THINGS = words(
    """good bad better best great worse worst terrible look looks looking looked mad angry upset laugh laughing aim
    point"""
)
"""Behind one of these and `at` is what somebody does, or sees."""
EMPLOYED = words(
    """nurse nurses aide aides worker workers manager coordinator therapist doctor physician technician tech chaplain
    work works worked working volunteer volunteers contract contracts drive drives caregiver director
    administrator"""
)
PEOPLE_SAY = words("said sent called wants told accepts faxed discharged refused says admitted declined recommended")
BARE_PREPOSITIONS = words("in from near outside")
SITE_TYPES = words("location locations branch campus office")
OF_SITES = words("the your our that this my their at")
LIVED_WHERE = words("live lived lives grew was were am is are stay stayed work worked raised born living")
DEPARTMENTS = words(
    """billing business front back home main head post box doctor's dentist's nurse's nurses corner oval principal's
    scheduling referral referrals records intake admissions admission registration insurance benefits leasing tax
    law legal sales support field housing welfare disability county city state federal unemployment passport
    ticket branch other new old satellite original primary current usual same specialty drive drive-through
    flagship express mobile virtual online remote video telehealth doctors' physician's physicians provider's
    providers vet's patient customer client member care health eye foot heart skin lung kidney bone joint spine
    sleep pain wound vein chest brain ear nose throat sinus hand hip knee weight women's men's children's kids
    family private busy quiet whole entire exact correct right wrong regular preferred approximate specific
    injection infusion iv port surgery incision scar lump rash tumor biopsy puncture needle pick pickup delivery
    drop testing vaccine vaccination clinic hospital er blood"""
)
_LOOSE_NO = words(
    """fact general particular total person private public peace pieces pen ink writing print paper form forms stages
    sales retail construction healthcare education marketing finance accounting engineering law politics business
    tech it maintenance housekeeping security manufacturing shipping receiving management transportation
    logistics logging mining agriculture farming forestry fishing sports theater theatre music art arts science
    sciences math history biology chemistry physics psychology nursing dentistry software insurance banking
    hospitality tourism government advertising publishing journalism photography childcare landscaping plumbing
    roofing welding carpentry food fashion design trucking customer technical human social physical occupational
    speech cognitive behavioral respiratory cardiac pulmonary renal hepatic hormonal hormone aqua water massage
    talk group family couples marriage grief anger individual aversion exposure radiation light heat cold ice sex
    drug drugs alcohol substance tobacco gene stem laser shock vision hearing voice play pet bed beds town love
    luck time times line range reach sight touch tune tears tatters shambles limbo bloom bulk cash kind style
    season session sessions stitches braces bandages bandage casts cast splint splints plaster sling brace braids
    diapers briefs pads labour labor delivery utero vivo vitro situ surgery preop postop icu nicu picu er ed ward
    triage radiology oncology cardiology neurology urology pathology pharmacy billing reception registration
    admissions admission intake collections accounts records record transcription referrals scheduling laundry
    storage stock supply inventory transit traffic flight flights air orbit salt saltwater oil vinegar milk juice
    cream syrup sauce liquid powder capsule capsules tablet tablets pill pills gel foam spray suspension solution
    injection generic brand dosage doses chewable granules strips patches patch packets droplets breath breathing
    humidity shade sunlight daylight darkness dark rain snow wind fog smoke dust mold pollen grass winter summer
    spring autumn fall january february childhood adolescence adulthood pregnancy menopause puberty infancy
    retirement kindergarten preschool grade grades class classes college daycare university seminary training
    practice rotation residency fellowship boot rehab detox recovery remission relapse withdrawal treatment
    therapy counseling consultation consult observation isolation quarantine custody jail prison court debt
    bankruptcy foreclosure poverty trouble danger doubt denial despair mourning agony misery pain pains
    discomfort distress panic fear terror rage horror awe bliss ecstasy heaven hell purgatory hindsight advance
    arrears escrow trust return exchange turn response reply answer relation regard regards reference favor
    support honor memory defense charge control command power office uniform costume drag disguise secret secrecy
    silence unison concert harmony sync step tandem parallel series sequence order disorder place position motion
    action use effect force existence theory principle reality truth essence summary conclusion closing addition
    contrast comparison conjunction combination common english spanish french german russian chinese arabic
    korean japanese vietnamese italian portuguese braille latin front back rear middle center centre side sides
    top bottom half halves thirds quarters pairs twos threes groups rows clusters spots places areas parts
    portions sections phases waves spurts bursts spasms fits blood urine stool saliva sputum mucus pus semen
    sweat bile plasma serum tissue bone bones muscle muscles skin nerve nerves joints hair nails eyes ears feet
    legs arms hands fingers toes lungs kidneys liver heart brain stomach bowel bowels breast breasts chest throat
    nose mouth gums teeth tongue neck shoulder shoulders elbow elbows wrist wrists hip hips knee knees ankle
    ankles heel heels groin pelvis abdomen belly spine head face cheek forehead scalp weight size height length
    width depth volume strength intensity frequency duration severity color colour number numbers quantity
    quality appearance shape pressure temperature glucose sugar cholesterol sodium potassium protein fiber fibre
    carbs calories fat caffeine energy mood spirits health fitness appetite sleep function functioning mobility
    balance gait posture cognition consciousness care hospice respite housing shelter shelters foster homes
    apartments hotels motels hospitals clinics facilities nature culture society religion faith god jesus christ
    prayer worship church mass temple mosque synagogue confession communion choir band orchestra rehearsal games
    gym yoga pilates zumba aerobics karate swimming dance dancing football soccer baseball basketball hockey
    tennis golf volleyball wrestling gymnastics track cheerleading scouts camp vacation holiday holidays overtime
    transition traction flexion extension abduction adduction supination pronation standing sitting lying walking
    running bending lifting home work school schools lunch dinner breakfast supper brunch meals snacks coffee
    drinks noon midnight night nights dawn dusk sunrise sunset morning mornings evening evenings afternoon
    afternoons bedtime daytime nighttime nowhere everywhere somewhere anywhere scratch start beginning birth
    death day days age experience exertion exhaustion fatigue weakness dehydration malnutrition starvation hunger
    thirst boredom loneliness depression anxiety stress strain overuse exercise activity movement friction
    rubbing scratching coughing sneezing vomiting laughing crying straining bleeding infection inflammation
    irritation swelling trauma injury injuries abuse neglect falls falling complications natural unknown
    medication medications medicine medicines meds antibiotics steroids chemo anesthesia insulin aspirin vaccines
    shots allergies asthma cancer diabetes pneumonia covid flu sepsis stroke epilepsy arthritis gout lupus
    migraine migraines headaches cramps hives shingles wear tear sun chemicals fumes gas contact bites stings
    cats dogs pets animals bees ticks mosquitoes medicare medicaid workers unemployment disability benefits
    payments bills taxes rent mortgage everyone everybody anyone anybody someone somebody nobody none people
    others strangers kids children teens adults seniors veterans women men students patients staff nurses doctors
    dentists therapists surgeons specialists providers friends relatives neighbors parents grandparents siblings
    normal baseline zero maximum minimum capacity plan schedule date completion perfection compliance safety
    comfort ease relief rest quiet independence self life extinction failure success voicemail email emails mail
    text texts phone phones fax computer laptop internet wifi facebook zoom video chart charts portal file files
    folder system hold speaker mute screen camera tv television radio metformin lasix coumadin warfarin tylenol
    ibuprofen advil aleve motrin oxygen dialysis hydration fluids solids foods soup broth toast rice crackers tea
    coke soda detention probation parole bail trial jury appeal mediation arbitration stepdown telemetry medsurg
    floor unit floors units rooms room bay pod lobby parking valet question questions mind minds thought dreams
    prayers minutes seconds moments hours weeks months years decades centuries ages rhythm condition conditions
    circumstances situation situations environment setting settings mode status state states stage phase level
    levels degree degrees percent cases case instances reactions arrest block flare flares crisis crises attack
    attacks arrhythmia appointment appointments visit visits follow-up followup checkup rounds meeting meetings
    conference conferences department team committee club program programs service services desk operations
    administration headquarters resources relations claims disputes appeals fraud high low medium severe mild
    moderate chronic acute stable critical serious extreme intense constant complete full active early late deep
    close direct heavy slow fast rough hot warm cool wet dry bad poor sober assisted independent extended skilled
    intensive internal external infectious regular special specialty primary secondary tertiary urgent emergency
    medical surgical dental mental legal financial academic athletic military naval civil criminal domestic
    foreign federal local regional national global adult juvenile pediatric geriatric neonatal maternal paternal
    prenatal postnatal profile shopping takeoff takeoffs landing finishing quitting giving surgery's sit stand
    eat walk swim shop help travel hunt ski hike cry check look relax breathe urinate pee poop vomit cough speak
    drink drive fly ride run jog study read write wait stop try change improve heal recover manage treat prevent
    avoid reduce lower raise increase decrease fix cure handle deliver pick fetch collect buy pay meet join
    attend watch listen hear learn teach enjoy celebrate escape survive die live stay leave arrive move bring
    carry lift push pull campus target kohls costco begin depart end continue happen proceed appear remain occur
    exist notice altitude speed pace odds fit mean bother refill renew reschedule cancel confirm verify update"""
)
ARTICLES, WIDEST_CLAUSE = (
    words(
        """a an the my his her our your their i we he she they you i'm i've i'd we're he's she's they're it's that's
        this"""
    ),
    8,
)
BARE_NO = words(
    """calendar patio average dictionary sole tweet playlist album speaker sick future fabric progress break detergent
    butter yogurt outsider politic advert article magazine newspaper journal novel movie film episode series song
    video photo picture image chapter page paragraph sentence verse index appendix table column row cell figure
    diagram graph map kitchen hallway closet attic porch balcony deck garage shed driveway backyard yard bathroom
    bedroom toilet shower tub bathtub sink basement elevator stairwell corridor cafeteria gym pool sauna spa barn
    tent van truck car cab taxi uber ambulance helicopter plane airplane boat ship ferry bus train subway
    motorcycle bike bicycle scooter tractor horse saddle ladder roof tree window couch sofa chair recliner
    wheelchair stretcher gurney crib cradle stroller carseat playpen cot mattress floor ground grass sand mud
    gravel pavement sidewalk ice stairs step curb counter shelf fridge freezer oven microwave drawer cabinet
    cupboard box bag purse pocket bottle jar can cup glass bowl plate tray bucket basin container envelope wallet
    sleeve collar shoe boot sock glove helmet mask gown robe shirt dress skirt blue red green yellow black white
    brown gray grey pink purple orange tan beige gold silver color colour bleach latex nickel rubber plastic
    metal steel copper leather wool cotton nylon polyester foam concrete wood paint glue soap shampoo lotion
    perfume deodorant makeup sunscreen powder chlorine ammonia formula breastmilk bread cheese cake pie pizza
    pasta soup salad sandwich burger steak chicken beef pork ham bacon fish shrimp egg eggs fruit apple banana
    lemon lime berry grape melon peach pear plum cherry potato tomato onion garlic pepper carrot bean corn pea
    nut peanut almond cashew honey sugar syrup jam jelly applesauce pudding oatmeal cereal smoothie shake juice
    coffee tea soda beer wine vodka whiskey rum gin broth gravy sauce dressing mustard ketchup mayo toe finger
    thumb hand wrist arm elbow shoulder neck back spine hip leg thigh knee calf shin ankle foot heel arch eye ear
    nose lip jaw chin cheek temple scalp forehead throat tonsil gum tooth molar rib breast nipple armpit groin
    buttock bladder vein artery tendon ligament joint disc disk nail cuticle palm knuckle student teacher child
    adult baby infant toddler teen teenager boy girl man woman guy lady person patient doctor nurse priest pastor
    rabbi imam lawyer judge officer soldier driver snake spider bee wasp ant tick flea mosquito mouse rat cat dog
    pet animal bird dollar euro peso pound check receipt invoice coupon voucher deposit refund payment bill
    theory general vain short brief sum full part particular detail depth length season session stock bulk batch
    bundle need want case favor favour honor memory spite light view sight earshot reach range limit bound excess
    moderation unison tandem turn sequence order succession rotation combination concert harmony parallel
    contrast comparison answer response reply return exchange trade lieu place stead name title principle
    practice effect essence fact truth reality hindsight retrospect retrospective doubt question dispute conflict
    trouble danger peril jeopardy haste hurry rush panic shock awe wonder surprise amazement despair anger rage
    fury tears laughter silence secret bloom blossom flower heat rut foal exam exams test quiz lecture lesson
    homework assignment project report essay recess detention assembly meeting interview conference seminar
    workshop webinar training orientation application document folder file inbox outbox spam trash draft archive
    database website browser app tab queue line list waitlist schedule agenda itinerary shift overtime lockdown
    transit motion gear reverse neutral drive park vehicle crash collision impact force blow punch kick fall trip
    slip twist strain sprain jolt burn cut scrape bite sting wind breeze storm hurricane sunburn frostbite
    heatstroke clinic office visit consult followup recheck checkup triage intake discharge birth wedlock utero
    vitro vivo situ beginning end middle start finish top bottom side front scratch experience habit instinct
    reflex concentrate seed afar above below within without behind beneath under outlook gmail hotmail lab labs
    imaging ultrasound radiograph angiogram bottlefeeding breastfeeding teething potty nowhere midair midstream
    midnight noon cash credit debit kind installment group private public individual family couple pair interim
    meantime meanwhile cycle spurt burst flare spell bout wave phase stage trimester quarter semester term supply
    demand circulation production development construction repair maintenance service operation action sync touch
    tune tow toto store surplus abundance plenty sling cast splint brace wrap bandage traction halo"""
)
"""Nouns with a plural that are in the slot without an article as well: containers, rooms, colours, food, the body."""
_ADJECTIVES = words(
    """same different big inner nice safe quiet own old new major every whole full open empty many several little small
    large huge tiny long short high low hot cold warm cool hard soft easy tough strong weak sick healthy happy
    sad angry mad crazy scary busy late early entire real true false actual current previous prior past present
    future final last first next second third fourth fifth constant severe mild total complete absolute utter
    sheer pure mere plain terrible horrible awful awesome amazing wonderful excellent decent okay fair fine poor
    rich cheap expensive"""
)
_TREATED_LOOSELY = words("sudden similar various certain such")
NO_PAIR = NO_PLACE | _LOOSE_NO | _ADJECTIVES | _TREATED_LOOSELY
NO_LOOSE = NO_PLACE | _LOOSE_NO
PAIR_MAY_HOLD = words(
    """morning evening family heart hearts hands arms light life home house harbor water waters rest peace health care
    sun sunrise sunset winter summer spring autumn day star new golden open good great little first second safe
    quiet silver hope faith grace nature wind rain snow landing walk way strong high long independence
    independent loving"""
)
"""Words of facilities' names, where the other word is not in the slot for itself: `open arms`."""
PAIR_HEADS = words(
    """hands arms hearts heart star light lights water waters wind winds harbor harbour haven start leaf lining age ages
    horizon horizons futures future shade breeze sun moon rose roses garden gardens path paths pathway pathways
    steps bridge bridges meadow meadows heron dove doves eagle river rivers creek creeks lake lakes hill hills
    oak oaks pine pines view views point ridge valley springs spring rock rocks stone stones shepherd samaritan
    angel angels grace hope journey journeys home homes house place manor village general memorial mercy family
    spirit spirits savior trinity heritage legacy promise blessing blessings beginnings years days memories touch
    embrace companions friends neighbors hearth nest cottage acres grove glen landing crossing gate gates
    lighthouse anchor anchors compass beacon summit"""
)
"""The last word of a facility's name of two words."""
HEADS_OF_ADJECTIVES = words(
    """shepherd samaritan harbor harbour haven leaf mill waters meadows acres horizons beginnings pines oaks dawn oak
    elm willow willows flower shepherd's creek brook pond lakes river rivers bridge bridges heron eagle dove
    light lights"""
)
"""Behind `good`, `new`, `quiet` and the like only these make the name of a facility."""
BESIDE_HIDDEN = PAIR_HEADS | PAIR_MAY_HOLD | words("holy sacred gentle tender bright")
"""Words beside a hidden one that are the rest of a facility's name."""
BREAKS = words(
    """instead anyway anymore together alone afterwards afterward forever either altogether though online overnight
    weekly daily monthly nearby upstairs downstairs sometime someday whenever wherever regularly lately"""
)
NO_PAIR_SPIRITS = words("good great better best high low bad poor great fine fair right old safe big small caring")
NO_BEGINNING = (FUNCTION - NAME_WORDS - FILLERS) | QUANTITIES | WEEKDAYS | MONTH_OF.keys() | TIMES
"""No place begins with one of these, which are what is behind most prepositions."""
MASS_ENDINGS = (
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
CLINICAL_ENDINGS = (
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
VIRTUES = words(
    """celebration independence providence defiance prosperity liberty unity felicity serenity tranquility reliance
    alliance remembrance confidence endurance prudence temperance perseverance constitution restoration
    plantation charity fraternity equality sublimity festivity amity eternity opportunity community trinity
    nativity salvation redemption resurrection ascension assumption conception annunciation revelation
    reformation inspiration aspiration admiration advance enterprise protection perfection intersection junction
    station commerce confluence influence experiment settlement encampment embarrass transylvania enchantment
    achievement"""
)
"""Qualities by their ending that towns are called as well."""
RIGHT = (
    (FUNCTION - words("of than pain"))
    | FILLERS
    | STATES
    | TIMES
    | WEEKDAYS
    | MONTH_OF.keys()
    | words(
        """originally today tonight tomorrow yesterday usually please thank every several three two around full part
    directly"""
    )
)

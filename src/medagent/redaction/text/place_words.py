"""Words by which a sentence names a place, and those that are in the same slots without being one."""

from __future__ import annotations

from medagent.redaction.text.cues import FILLERS, FUNCTION, NAME_WORDS, words

LONGEST = 3
PAIR = 2
LIVING = words(
    """live lives living lived reside resides residing grew raised born based located stay stays staying stayed
    settled retired raised bought rent rents renting house home apartment condo trailer farm"""
)
SITES = words(
    """clinic clinics office offices pharmacy pharmacies hospital hospitals location locations branch doctor doctors
    dentist specialist store practice facility care center job jobs church school provider providers lab labs"""
)
WORKING = words(
    """work works worked working teach teaches taught teaching volunteer volunteers volunteered employed enrolled
    respite dialysis hospice shift shifts nights care daycare"""
)
LOOSELY = words(
    """bed beds room rehab nurse nurses staff surgery therapy labs lab mri ct xray records record chart appointment
    appointments doctor doctors dr picked visit visiting drop dropped born died stays staying living back
    surgery procedure admission treated aide van"""
)
"""Behind one of these and `at` or `from` two words or more are a facility, one is a time or a thing."""
WHOM = words("her him them us me mom dad mother father grandma grandpa grandmother grandfather nana granny")
CALLED = words("called named")
TOWNS = words("town city village hamlet county borough township suburb parish municipality")
CALLED_SITES = TOWNS | words("place home facility hospital school clinic street road ranch residence estate area")
HOUSES = words("house court lodge manor villa gardens rivers lake lakes beach falls springs hills valley")
MOVING = words("move moved moves moving relocate relocated relocating")
COMING = words("from")
TO_HERE = words("here down up over back out away just in")
ADVERBS = words(
    """up down out over here back right just now still currently mostly usually somewhere all alone together"""
)
ROUNDABOUT, IN_OR_ROUND = words("out over up down back"), words("in near outside")
FROM_VERBS = words(
    """i'm we're he's she's they're you're visiting calling come came comes coming drive drove driving drives traveling
    flew"""
)
PRONOUNS = words("i we he she they you")
PEOPLE = words(
    """he she they mom mother mum dad father grandma grandmother grandpa grandfather husband wife aunt uncle sister
    brother son daughter nana granny friend neighbor neighbour patient who parents i we he's she's they're who's
    mom's dad's mother's father's i'm we're him her them pt resident"""
)
AT_VERBS = words(
    """is was lives live living lived stays stay staying stayed been be being moved 's now again currently resident
    residents right still back over out"""
)
TREATED = words(
    """transferred discharged admitted sent moved referred taken brought treated seen released move moving transfer
    rushed resident residents placed"""
)
TREATED_BY = words("to from at into of in over")
_HOMES = (
    *(
        "nursing home",
        "care home",
        "assisted living",
        "memory care",
        "rehab center",
        "rehab",
        "urgent care",
        "medical center",
    ),
    *(
        "health center",
        "skilled nursing",
        "senior living",
        "retirement home",
        "retirement community",
        "group home",
        "hospital",
    ),
    *(
        "clinic",
        "middle school",
        "high school",
        "elementary school",
        "elementary",
        "school",
        "hospice",
        "nursing center",
    ),
    *(
        "care center",
        "health clinic",
        "living center",
        "manor",
        "village",
        "lodge",
        "villa",
        "villas",
    ),
    *("medical centre", "health centre", "care centre", "day centre", "rehab centre", "residential home", "day care"),
    *(
        "daycare",
        "preschool",
        "nursery",
        "primary school",
        "secondary school",
        "colony",
        "layout",
        "enclave",
        "apartments",
        "medical practice",
    ),
    *("academy", "college", "university", "pharmacy", "church", "retirement village", "convalescent home", "infirmary"),
)
TYPES = {
    first: tuple(sorted((tuple(rest) for f, *rest in map(str.split, _HOMES) if f == first), key=len, reverse=True))
    for first in {h.split()[0] for h in _HOMES}
}
"""The first word of each type of facility, with what follows it."""
KINDS_OF = (
    words(
        """town intensive emergency urgent primary
        physical skilled long term acute post local nearest nearby same other children's childrens childs university
        state community private public women's womens veterans va pediatric psychiatric psych mental behavioral dental
        eye sleep pain wound heart cancer stroke walk outpatient inpatient day night adult teaching big small nice free
        middle high elementary medical nursing law grad graduate art trade culinary summer sunday general county city
        district regional rural foot skin diabetes fertility allergy surgery surgical vein weight flu travel methadone
        suboxone addiction detox home health healthcare family kids after before during pre assisted independent memory
        senior retirement group second whole entire closest main downtown different certain any some every next last
        animal vet veterinary birth birthing maternity trauma military army navy religious catholic christian middle
        junior senior preschool nursery boarding driving online virtual retail chain discount compounding mail specialty
        outside hospice good bad better best great new old my your his her our their the a an this that in at of to from
        for and or with is was are be by on it not no rehab skilled clinic hospital living care out left leaving called
        calling finish finished start started off visiting visited about into near via between around attending attend
        missed miss skip skipped quit graduated enjoy love like need needs want wants find found changed change switch
        switched another"""
    )
    | FILLERS
)
"""Words before the type of a facility that are no name of one."""
SMALL_WORDS, SURE_KINDS = FUNCTION - NAME_WORDS, KINDS_OF - NAME_WORDS
NO_PLACE = words(
    """pain fear town bed shelter poverty hospice denial peace misery agony isolation quarantine college housing hope's
    home homes work school church risk rest lunch dinner breakfast dialysis rehab therapy least anxiety depression
    discomfort present night noon times first last once baseline bedtime term end care icu hospital er surgery
    recovery floor ward unit radiology oncology stock general network person building english spanish house houses
    apartment apartments condo country city state county area areas place places room rooms class court jail prison
    custody charge case cases tears trouble shape spirits labor remission traction transit agreement disability
    oxygen order time weight sleep hand hands foot chair car bus truck van work's office offices practice stress
    detox birth childhood scratch clinic downtown upstairs downstairs outside inside there here somewhere anywhere
    everywhere abroad overseas hours weeks days months years minutes age normal's tissue blood body head back neck
    left right side front middle bottom top public private question contact touch advance addition fact turn part
    full mind view use need needs danger distress shock crisis pieces line position bathroom kitchen bedroom
    basement garage yard parking lobby lot waiting crutches walkers wheelchair medicine medication drugs alcohol
    sugar salt data information labs lab results phone phones email texts everyone everything anyone someone
    something nothing anything none training nature falling exercise exercising standing sitting walking running
    lifting eating drinking smoking stairs stool urine daycare preschool kindergarten grade high low rate rates
    level levels point points max maximum minimum speed university detention treatment observation critical
    condition stable ok okay fine intensive station lines emergency pharmacy mine yours theirs ours his hers him her
    them me us family friends people son daughter mom dad wife husband sister brother mother father parents doctor
    nurse specialist insurance medicare medicaid service services collections billing preparation prep anticipation
    board telemetry stepdown preop postop response compliance hopes shop store factory warehouse restaurant firm
    desk capacity discharge connection hindsight reality theory"""
)
"""Words behind `live in`, `moved from`, `is at` that are no town and no facility."""
PAIRED = words(
    """lake lakes beach bay rock falls island springs hill hills valley river city place general memorial house
    center court point village town park house view"""
)
"""The second word of a name of two words that alone is none: `plain city`, `park place`, `county general`."""
UNPAIRED = (
    words(
        """same different new big inner nice better safe quiet good other this his her my group sober old work in major
        every health medical halfway safe full open boarding tree empty whole nursing care"""
    )
    | NAME_WORDS
)
TIMES = words("""last today yesterday tonight tomorrow next recently currently since ago ever lately""")
HOME_ENDINGS = words(
    """pines oaks willows elms cedars maples birches palms laurels meadows acres years horizons leaves springs hills
    ridge grove groves gardens valley brook creek haven harbor harbour shores heights towers moon sunrise sunset
    manor estates lodge villas hollow beginnings glen vista terrace pointe commons arbor arbors crossing house
    landing trails falls pastures gables orchards vineyard lakes shepherd samaritan"""
)
"""The last word of the name of a home, where no verb says that it is one."""
THE_HOMES = words(
    """poplars hawthorns larches chestnuts sycamores lilacs ashes hollies rowans cherries magnolias orchards hawthorns
    willows pines oaks elms cedars maples birches palms laurels beeches meadows arbors gables firs hollies limes"""
)
HOLY = words("sacred holy immaculate blessed royal queen's king's prince's princess st saint good")
RETREATS = words("rest retreat haven landing crossing hope cross way")
NUMBERED_NAMES = HOME_ENDINGS | HOUSES | words("rivers trees bridges corners points stones forks creeks mile chance")

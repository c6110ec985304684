"""Judge by grammar that a word which is also a name is an ordinary word here: `my son`, `she rose`, `or her sister`.

It is asked only about a word that the names' layer is about to hide, so that a text without one pays nothing.
"""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.noun_phrases import is_behind_first_name, is_said_with
from medagent.redaction.text.order_phrases import is_before_device, is_ordered
from medagent.redaction.text.reading import Reading, begins_line, is_hidden, is_in_code, is_in_heading
from medagent.redaction.text.units import NUMBER, WORD

_PLACEHOLDER = "<>"
_WHOSE = words("my his her our your their whose")
_ARTICLES = words("a an the another each every this that these those no any some")
_OBJECTS = words("me him us them it")
_DETERMINERS = _WHOSE | _ARTICLES | _OBJECTS
_KIN = words(
    """son sons daughter daughters husband wife mother father mom mum dad mama papa brother brothers sister sisters
    uncle aunt auntie cousin cousins niece nephew grandma grandpa grandmother grandfather grandson granddaughter
    stepson stepdaughter stepmother stepfather fiance fiancee partner boyfriend girlfriend friend friends neighbor
    neighbour roommate flatmate housemate boss coworker colleague landlord caregiver carer child kid kids baby babies
    newborn infant toddler twin twins triplet boy boys girl girls lady man guy one ones godson goddaughter godmother
    godfather foster teen teenager student patient client guest visitor driver nurse aide tenant lodger buddy mate pal
    widow widower ex spouse parent parents grandchild sibling"""
)
_OF_KIN = words(
    """little big older younger oldest youngest eldest elder old young late dear best good new other first second
    third only own poor sweet unborn adopted step foster half twin great former closest dearest favorite favourite
    middle ex in"""
)
"""Words between a possessive and a relation."""
_LINKS = words("is was are were be been being isn't wasn't aren't weren't it's that's he's she's i'm they're we're")
_INTENSE = words("very so too really quite pretty more less most fairly rather a as totally perfectly completely just")
_QUALITIES = words(
    """frank blunt earnest sharp strong long short small little young old rich poor sweet bitter stark stern noble
    gay blue green brown white black gray grey dark bright fair good best better due late early still ready
    sunny rusty sandy sandy rocky windy stormy misty rosy clear free wild mild major minor loud true close happy
    merry swift smart wise dear precious bland blunt hardy hearty moody nice stout stiff tender sore sour dry
    hard harder quick worth ill weak low high tall large great normal regular severe constant active chronic
    single simple real serious rash numb golden junior senior royal french english"""
)
_ANALYTES = words("copper zinc iron lead silver gold mercury potassium sodium magnesium selenium folate glucose")
_MANNERS = words("early late fast hard long little low high loud right close short deep clear")
_NAMED = frozenset("kfg")
_OF_THINGS = words("true due late worth normal")
"""Qualities of what is said, which nobody is called."""
_ABOUT = words(
    "with about i but and or that enough to for from in on at here there now then today if when as , . ? ! ;"
)
_HEADINGS = words(
    """echo heart neck back skin chest lungs lung abd ext neuro psych head nose throat hip cane gait labs plan tone mood
    affect speech judgment judgement insight eyes ears mouth breast breasts pelvis spine joints hands feet legs arms
    pulses reflexes strength sensation diet activity meds social family mental motor cardiac rectal genital hair nails
    vitals weight height pulse pain sleep appetite energy exam course images imaging views findings impression"""
)
"""Headings of notes that somebody may be called."""
_ABOUT_FINDINGS = words("since ongoing and for with but today on in at noted pain swelling , . ;")
_DUE = words("for to on in at date dates back any soon now today tomorrow next this by again ? . ,")
_SUBJECTS = words("i he she we they it")
_SUBJECT_LINKS = _LINKS | words("this that not me speaking here to for with of by from and than or named called")
_MODALS = words(
    """can could will would should shall must might do does did don't doesn't didn't can't couldn't won't wouldn't
    shouldn't cannot let's please gonna wanna gotta never always lets helps help let"""
)
_BEFORE_INFINITIVE = words(
    """want wants wanted need needs needed like likes liked love loves hate hates have has had having able unable hard
    easy easier harder difficult try tries trying tried used how ready supposed starting start started stop ought got
    about way continue learn learning refuse refuses choose forget forgot remember remembered plan plans planning hope
    hoping afraid safe going meant allowed asked told advised time chance tend tends hurts important impossible enough
    too where what him me us them her you safe free willing expected scared prefer prefers seems seem continues"""
)
_VERBS = words(
    """bring see ring burn burns lie lies sit rise rose rises drew draw fell fall ran run read lead led chase park
    parks march sing sings chew rain rains snow snows drop drops cook cooks bake hunt fish fisher walk talk
    drive driver sail skip trip trips rush rob grant mark bill sue pat pace page price reed weed mow bear bears
    bore wear weigh meet meat reach ring rang wait wake win wink wish wonder work works write yell worry hope
    hopes love loves may will might can cash case carry cut dare deal deals drum dwell even feed field fields
    file fill find finish fix flood fold foster frost gage gain guess hand handle harden hang help hire hold
    hurt hurts jack jerk keep keeps kick kid kill know lace lack lance land last lasts lather leave leaves left
    lend limp live lives lock look lose loses lost lower make man manage marry match mean means melt mend
    mention mind miss mix nap nail need nod note notice offer order pack pain pass paste pay peel pee peg pick
    pitch place plan plant play plead point pool pop pose post pound pour praise pray press price prick prune
    pull push quit race raise rate record rest rise risk rock roll root round row rub ruin rule sat say says
    send sends serve set settle sew shake shape share shave shop shout show shows shut sip sleep slip slow smell
    smoke sneeze soak sort sound spare speak spell spend spit sport spot spread spring squat stand stands star
    stare start starts state states stay stays steal steer step stew stick stop store storm strain stretch strip
    study suffer swallow sway swear sweat sweep swell swim swing take taste teach tear tell thank tend think
    throw tie tip toss touch trace track train travel treat tremble trust try turn turns twist type use visit
    vomit vote wade wash waste watch water weaken wheeze wipe wrap bless blesses coast crane cross curl dip
    dodge double draw drift duck dust gale gaze grace grind groom grow grows gush gut hail heal hear heed hitch
    hoard honor hook hug hum inch iron itch job jog joke judge knit lean leap learn let lift light link list
    load loan map mask mass mine mob mop nick neck nurse orbit pan part pile pin pray pride purge rally ram ray
    reap rebel rip roam scar seal seat sharpen shock sign skin slide snap sniff snore spike splash stack stain
    stall stamp steam stem sting stir strap stray stress strike stroke stump swap tag tan tap tax test time toe
    track trap trim usher vent wall wane ward warm warn warrant wed wells whip will yield zip book call text
    email phone fax ask give get put page"""
)
"""Words that may be names and that are also said as verbs, in any form."""
_PAST = words(
    """rose drew fell ran led left lost bore rang won caught blew grew kept lent made meant said sold stood told
    burns hurts"""
)
"""Forms that follow no modal verb."""
_NO_SUBJECT = words(
    """when what where how why who which and but so or if then please well um uh okay yes no oh because . , ? ! ; :"""
) | {""}
_CALLED_SO = words(
    """mark bill grant rob sue pat chase drew will may grace hope rose jack lance reed page art gale foster guy ray
    faith nick frank dean dale gene hunter carol dawn penny robin joy ruth wade sterling curt trip skip love"""
)
"""Verbs that are well known as names: a determiner behind them alone is not enough."""
_PARTICLES = words("up down out off over back away around through along flat")
_BEHIND_VERB = (
    _DETERMINERS
    | _PARTICLES
    | words(
        """to from in on at for with about into onto like when if because after before when i you she he we they all so
    again now today yesterday tomorrow tonight sometimes often too and but . , ? !"""
    )
)
_FINITE = words(
    """is was has had does did will would can could should may might must needs wants needed wanted says said goes went
    comes came gets got feels felt takes took keeps kept looks seems saw sees can't won't isn't wasn't hasn't doesn't
    didn't couldn't wouldn't hadn't lives works called calls asked told thinks thought started stopped just still also
    never always really already only turned turns lost fell broke hurts cries coughs vomits won't ate eats drinks
    sleeps slept has been refuses likes loves hates uses used misses missed left sounds complained complains threw
    cannot ought might've should've shouldn't"""
)
_SMALL_BEFORE_NOUN = words("or to in on than see said saw can do made best no you so")
_GOVERNING = words(
    """for about with to of from at by tell told see saw ask asked call called bring brought take took remind sent send
    give gave got get help let want wanted let's watch heard hear on behind near beside it's this is i'm"""
)
"""Words before somebody's name that make it no subject."""
_BEFORE_TO = words(
    """hi hello talk talked talking speak spoke speaking spoken listen said say says thanks sent send sending give gave
    given belongs belong over back next go going went bring brought letter message referred refer referral according
    here reply replied write wrote mail mailed married related access close apologize apologies attention transfer
    transferred"""
)
"""Behind one of these `to` leads to somebody."""
_BLESSING = words("bless thank trouble bother help love miss")
_CLAUSE_BEFORE_YOU = words(
    "bless thank thanks to for with tell told see help trouble bother call called calling give ask of from love need"
)
_BEHIND_YOU = words(
    """can could will would should may might must can't won't couldn't wouldn't don't didn't haven't aren't just always
    never really saved are were have do and again so for . , ! ? very made sent gave helped know need guys
    all want said told"""
)
_BEHIND_NO = words(
    """word news answer show shows change changes fever fevers pain reply response luck problem problems question
    questions further need more longer other new one idea sign signs record records appointment appointments reason
    cough rash allergy allergies known issues complaints concerns distress improvement better worse no not i thanks
    thank and but . , call calls result results voicemail vomiting bleeding swelling nausea history record referral"""
)
_NO_SHOW = words("show shows call word")
_IMPERATIVES = words(
    """book put tell can call ring see let ask give get send page text email phone bring show help is was are does did
    do could would will has have should please discussed reviewed left speaking add move cancel reschedule schedule
    remind connect transfer fax make take keep refill check hiya hello poor dear happy note seen saw met told gave"""
)
"""With these a sentence begins before somebody's name."""
_AUXILIARIES = words("can is was are does did do could would will has have should")
_TO_SOMEBODY = words("to can could will would please and i you we they i'll we'll let's must should did didn't don't")
_INTERJECTIONS = words(
    """aw aww ah oh ooh oof ouch ow eh ay aye aha huh hm hmm mm yay yep yup yeah nah nope ta cheers bless hiya hey hi
    hello howdy oy oi yo wow whoa whoops oops welp well gosh golly gee geez jeez dang darn shoot phew ugh ew okey okie
    dokey dokie right righto alright okay ok sorry thanks bravo hurray hooray boo tut shush ha haha heh hee ho bye ciao
    cheerio ta-da voila man boy dear god goodness lord heavens mercy gracious my christ jesus heck crikey blimey
    yikes yippee woohoo bingo duh meh psst shh hush tsk"""
)
_PRAYED_TO = words("jesus god lord christ")
_BESIDE_INTERJECTION = _INTERJECTIONS | words(
    """very it's that's i'm i'll i've i see go then so no yes thank this what there you me again great good lovely never
    really , . ! ? … and but we he she they the a my"""
)
_LANGUAGES = words(
    """english french german spanish dutch polish irish welsh scottish british american italian chinese japanese korean
    russian arabic portuguese greek turkish vietnamese hindi tagalog"""
)
_SPEAKING = words("speak speaks spoke speaking in no little some any better good basic broken only fluent learn read")
_OF_LANGUAGE = words(
    """interpreter interpreters speaker speakers speaking language is isn't was only please well very translator
    translation class teacher version subtitles letter"""
)
_SEASONS = words("winter summer autumn spring fall")
_IN_SEASON = words("in this last next every each during since all the by of until before after")


def is_plain(reading: Reading, at: int) -> bool:
    """Return whether grammar shows that a word is an ordinary one here, though somebody bears it."""
    norm = reading.norms[at]
    if reading.units[at].kind != WORD:
        return False
    before, after = _before(reading, at), reading.norm(at + 1)
    if norm.endswith("'s") or (before in TITLES and not (at > 1 and reading.norms[at - 2] in _DETERMINERS)):
        return False
    begins = not before or before in ".?!:"
    if reading.kinds[at] is Kind.UNKNOWN:
        if reading.capitals[at] and not begins:
            return False
        return _is_interjection(reading, at, norm) or is_said_with(reading, at, before, after)
    if reading.capitals[at] and _is_written_so(reading, at, begins, after):
        return True
    if reading.capitals[at] and not begins and not reading.text[reading.units[at].start :].isupper():
        return norm in _LANGUAGES and _is_language(reading, at, before, after)
    return (
        _is_kin(reading, at, norm, before)
        or _is_small(reading, at, norm, before, after)
        or _is_verb(reading, at, norm, before, after)
        or _is_quality(reading, norm, before, after, at)
        or _is_noun(reading, at, norm, before, after)
        or (
            norm in _IMPERATIVES
            and (begins or (before in _TO_SOMEBODY and norm not in _AUXILIARIES))
            and _is_said_to(reading, at, norm)
        )
        or _is_interjection(reading, at, norm)
        or (norm in _LANGUAGES and _is_language(reading, at, before, after))
    )


def _is_written_so(reading: Reading, at: int, begins: bool, after: str) -> bool:
    """Return whether a heading, a list or a device gives a word its capital: `TONE:`, `Echo: EF`, `Tandem pump`."""
    norm, borne = reading.norms[at], reading.borne[at]
    unit = reading.units[at]
    if after == ":" and (begins or begins_line(reading, at)) and norm in _HEADINGS:
        return True
    if not _NAMED.isdisjoint(borne):
        return False
    if is_in_heading(reading, at) and not borne:
        return True
    is_upper = reading.text[unit.start : unit.end].isupper() and unit.end - unit.start > 1
    if (
        is_upper
        and not is_in_code(reading, at)
        and (not borne or (after == ":" and (at == 0 or begins_line(reading, at))))
    ):
        return True
    if reading.kinds[at] is Kind.ORDINARY and is_before_device(reading, at):
        return True
    is_first = at > 0 and begins_line(reading, at)
    return is_first and reading.kinds[at] is Kind.ORDINARY and norm in _QUALITIES and after in _ABOUT_FINDINGS


def _before(reading: Reading, at: int) -> str:
    """Return the word before one, a placeholder as a sign of its own, nothing at the beginning."""
    return (reading.norms[at - 1] or _PLACEHOLDER) if at else ""


def _is_said_to(reading: Reading, at: int, norm: str) -> bool:
    """Return whether a verb that is nobody's well-known name has somebody behind it: `to see <name>`."""
    return norm not in _CALLED_SO and _is_name_next(reading, at + 1)


def _is_name_next(reading: Reading, at: int) -> bool:
    """Return whether something hidden is here."""
    return at < len(reading.norms) and is_hidden(reading, at)


def _is_kin(reading: Reading, at: int, norm: str, before: str) -> bool:
    """`my son`, `our little one`, `his best friend`, `mother-in-law`: a relation behind whose it is."""
    norms = reading.norms
    if norm in ("law", "laws"):
        return at > 1 and (norms[at - 1] == "in" or norms[at - 2 : at] == ["in", "-"])
    if norm in ("in", "law") and before == "-":
        return at > 1 and norms[at - 2] in _KIN
    if norm not in _KIN and norm not in _OF_KIN:
        return False
    back = at - 1
    while back >= 0 and norms[back] in _OF_KIN:
        back -= 1
    if back < 0 or (norms[back] not in _WHOSE and not (norms[back] == "the" and back < at - 1)):
        return False
    if norm in _KIN:
        return True
    ahead = at + 1
    while reading.norm(ahead) in _OF_KIN:
        ahead += 1
    return reading.norm(ahead) in _KIN


def _is_small(reading: Reading, at: int, norm: str, before: str, after: str) -> bool:
    """`<name> he needs`, `or her sister`, `bless you`, `no word`, `to the`: a small word by what is beside it."""
    if norm not in FUNCTION and norm not in ("said", "saw", "best", "made"):
        return False
    if norm == "he":
        return after in _FINITE and _is_behind_object(reading, at)
    if norm == "you":
        return (
            before in _BLESSING
            or after in _BEHIND_YOU
            or (before in _CLAUSE_BEFORE_YOU and not _is_name_next(reading, at + 1) and at + 1 < len(reading.norms))
        )
    if norm == "no":
        return after in _BEHIND_NO
    if norm == "an":
        return False
    if norm == "to" and before in _BEFORE_TO and _is_name_next(reading, at + 1):
        return True
    if norm in _SMALL_BEFORE_NOUN or norm in ("her", "my", "him", "were", "soon"):
        return _is_phrase(reading, at + 1) and not is_hidden(reading, at + 1)
    return False


def _is_behind_object(reading: Reading, at: int) -> bool:
    """Return whether a clause ends before a pronoun: `it's for my grandson <name> he needs`, `he can't lie flat he …`.

    `my wife <name> he has` is a last name: what is before it begins the sentence.
    """
    back = at - 1
    if not is_hidden(reading, back):
        return back > 0 and not reading.borne[back]
    while back >= 0 and is_hidden(reading, back):
        back -= 1
    while back >= 0 and (reading.norms[back] in _KIN or reading.norms[back] in _OF_KIN):
        back -= 1
    if back >= 0 and reading.norms[back] in _WHOSE:
        back -= 1
    return back >= 0 and reading.norms[back] in _GOVERNING


def _is_phrase(reading: Reading, at: int) -> bool:
    """Return whether a noun phrase of ordinary words begins here: a determiner and a word behind it."""
    if reading.norm(at) not in _DETERMINERS or reading.norm(at) in ("no", "that", "this"):
        return False
    return at + 1 < len(reading.units) and reading.units[at + 1].kind in (WORD, NUMBER)


def _is_verb(reading: Reading, at: int, norm: str, before: str, after: str) -> bool:
    """`can <name> bring the`, `she rose from`, `to sing in`, `it may rain`: a verb by its subject or its object."""
    if norm not in _VERBS:
        return False
    two_before = reading.norms[at - 2] if at > 1 else ""
    behind = not after or after in _BEHIND_VERB or not _is_name_next(reading, at + 1)
    if before in _SUBJECTS and behind and two_before not in _SUBJECT_LINKS and norm not in ("kim", "lee"):
        return not is_hidden(reading, at - 1)
    if before in _MODALS and norm not in _PAST:
        has_subject = two_before not in _NO_SUBJECT and before not in ("let", "help", "do", "does", "did")
        return norm not in _CALLED_SO or (after in _DETERMINERS and before == "please") or has_subject
    if before == "to" and two_before in _BEFORE_INFINITIVE and not _is_name_next(reading, at + 1):
        return after in _BEHIND_VERB or norm not in _CALLED_SO
    if at and is_hidden(reading, at - 1) and norm not in _CALLED_SO:
        return after in _DETERMINERS or after in _PARTICLES
    if norm in ("burns", "hurts", "itches", "helps", "works", "drops") and before == "it":
        return True
    is_object = after in ("the", "a", "my", "your", "his", "her", "our", "their")
    return is_object and norm not in _CALLED_SO and not is_behind_first_name(reading, at)


def _is_quality(reading: Reading, norm: str, before: str, after: str, at: int) -> bool:
    """`to be frank`, `so sunny`, `is <name> due for`: an adjective behind a link or a word of degree."""
    if norm == "due":
        return after in _DUE
    if norm not in _QUALITIES:
        return False
    if at and norm in ("ready", "late", "early", "sick") and after in ("for", "to", "again"):
        return _is_name_next(reading, at - 1)
    two_before = reading.norms[at - 2] if at > 1 else ""
    ends = not after or after in _ABOUT
    if before == "be" and ends:
        return two_before in _MODALS or two_before in ("", "to", "please", "me", "may", "i'll", "it'll", "might")
    if norm in _MANNERS and ends and before not in TITLES and not (at and is_hidden(reading, at - 1)):
        return before in _VERBS or before in _OBJECTS or before in ("feel", "feels", "felt", "too", "so", "very")
    if before in _INTENSE and before not in ("a", "as", "just") and ends:
        return True
    known = not _NAMED.isdisjoint(reading.borne[at])
    if norm in _OF_THINGS and (before in _LINKS or (before in ("that", "this", "it") and ends)):
        return True
    return before in _LINKS and ends and not known


def _is_noun(reading: Reading, at: int, norm: str, before: str, after: str) -> bool:
    """`have faith`, `ice chips`, `the cook gave`, `in winter`: a noun by a word that it is said with."""
    if norm in _SEASONS and before in _IN_SEASON:
        return not _is_name_next(reading, at + 1)
    if _is_name_next(reading, at + 1) or (at and is_hidden(reading, at - 1)):
        return False
    if is_said_with(reading, at, before, after):
        return True
    if norm in _ANALYTES and is_ordered(reading, at):
        return True
    listed = reading.borne[at]
    if "k" in listed and "f" in listed:
        return False
    article = "an" if norm[0] in "aeiou" else "a"
    if before in (article, "the", "another", "every", "each") and norm not in _KIN:
        return after in _BEHIND_NOUN_PHRASE or not after
    return False


_BEHIND_NOUN_PHRASE = words(
    """of in to for at on with and or from by gave gives is was may can has had hurts makes made after before anymore
    today yesterday again around later when while so too as if because that but until during , . ? !"""
)


def _is_interjection(reading: Reading, at: int, norm: str) -> bool:
    """`well aw thanks`, `ta, go on`: a sound at the beginning of what is said, or behind another one."""
    if norm not in _INTERJECTIONS or (norm in _PRAYED_TO and not _is_prayer(reading, at)):
        return False
    before, after = _before(reading, at), reading.norm(at + 1)
    begins = not before or before in ".?!," or before in _INTERJECTIONS
    if norm == "bless" and after in ("you", "him", "her", "them", "your", "my", "us"):
        return True
    return begins and (not after or after in _BESIDE_INTERJECTION) and not _is_name_next(reading, at + 1)


def _is_prayer(reading: Reading, at: int) -> bool:
    """Return whether `god bless`, `thank god`, `oh my god` is here."""
    return reading.norm(at + 1) in ("bless", "willing", "knows", "forbid") or _before(reading, at) in (
        "my",
        "thank",
        "oh",
        "good",
        "dear",
        "of",
        "to",
        "swear",
        "for",
    )


def _is_language(reading: Reading, at: int, before: str, after: str) -> bool:
    """`his English is better`, `she speaks little English`: a language, and nobody's last name."""
    if at and is_hidden(reading, at - 1):
        return False
    return before in _WHOSE or before in _SPEAKING or after in _OF_LANGUAGE

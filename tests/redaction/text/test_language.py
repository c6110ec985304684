from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.redaction import REDACTED, Category, Identifier, KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import Layer, scrub
from medagent.redaction.text.language import SMALL_WORDS, foreign_parts
from medagent.redaction.text.lexicon import lexicon
from medagent.redaction.text.reading import Reading
from work import times_as_long

NOBODY = KnownValues()
CALLS = {
    "es": [
        "Quisiera cambiar mi cita del jueves para la próxima semana.",
        "Mi hija tiene fiebre desde anoche y no quiere comer.",
        "Necesito que me renueven la receta de lisinopril y metformin.",
        "Vivo en la calle Olmos 27, en Laredo.",
        "Me duele mucho la espalda cuando me levanto por la mañana.",
    ],
    "fr": [
        "Je voudrais prendre un rendez-vous avec le docteur Martin.",
        "Ma femme a mal au ventre depuis trois jours.",
        "J'ai oublié de prendre mes comprimés hier soir.",
        "Est-ce que vous acceptez la carte de mon assurance ?",
        "Mon fils tousse beaucoup la nuit et il a de la fièvre.",
    ],
    "de": [
        "Ich möchte meinen Termin am Montag absagen.",
        "Meine Mutter hat seit gestern starke Schmerzen in der Brust.",
        "Können Sie mir bitte das Rezept noch einmal ausstellen?",
        "Am dritten Mai neunzehnhundertsiebzig bin ich geboren.",
        "Wie lange muss ich auf das Ergebnis warten?",
    ],
    "pt": [
        "Eu queria marcar uma consulta para a semana que vem.",
        "Meu marido está com muita dor no peito.",
        "Preciso renovar a receita do remédio de pressão.",
        "Quando vai sair o resultado do exame de sangue?",
        "A minha filha não consegue dormir por causa da tosse.",
    ],
    "vi": [
        "Tôi muốn đặt lịch hẹn khám với bác sĩ vào thứ sáu.",
        "Con trai tôi bị sốt từ hôm qua đến giờ.",
        "Mẹ tôi cần lấy thêm thuốc huyết áp.",
        "Xin hỏi khi nào có kết quả xét nghiệm máu?",
        "Tôi bị đau bụng và buồn nôn suốt đêm.",
    ],
    "tl": [
        "Gusto ko pong magpa-appointment kay doktora sa Biyernes.",
        "Masakit ang ulo ng nanay ko mula pa kahapon.",
        "Nawala ko ang reseta ng gamot sa altapresyon.",
        "Kailan po lalabas ang resulta ng dugo ko?",
        "Hindi makatulog ang anak ko dahil sa ubo.",
    ],
    "zh": [
        "我想预约下星期三的门诊",
        "我妈妈从昨天开始发烧咳嗽",
        "請問驗血的結果出來了嗎",
        "我的降压药快吃完了，需要续药。",
    ],
    "ar": [
        "أريد أن أحجز موعدا مع الطبيب يوم الخميس",
        "ابنتي تعاني من الحمى منذ ليلة أمس",
        "أحتاج إلى تجديد وصفة دواء الضغط من فضلك",
    ],
}
"""Invented sentences of a clinic call, written after the lists and not from them."""
EACH_CALL = [
    pytest.param(code, text, id=f"{code}-{at}") for code, texts in CALLS.items() for at, text in enumerate(texts)
]
CALLERS = [
    line.partition(" ")[::2]
    for line in (Path(__file__).parent / "said_in_other_languages.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
ENGLISH = [
    "this is guadalupe hernandez de la cruz calling about my son jose luis",
    "Nguyen Thi Tuyet Mai would like to see Dr. Tran Van Hung on Friday",
    "my name is maria clara dela cruz santos and my lola is corazon bautista",
    "Hi, it's Jürgen Müller, my wife is Françoise Lefèvre.",
    "she takes metformin lisinopril atorvastatin amlodipine omeprazole and losartan",
    "I live at 27 Rua do Arenque in Goiânia",
    "we met the van der berg family at el camino real near la jolla",
    "crohn's disease sjögren syndrome guillain-barré and ménière's disease run in our family",
    "he said no gracias and hung up the phone on the nurse",
    "amoxicillin, azithromycin, cefdinir, doxycycline, nitrofurantoin, vancomycin",
]
LISTS = lexicon()
WORDS = st.sampled_from([word for word in sorted(LISTS.words)[::17] if word not in SMALL_WORDS])
NAMES = st.sampled_from([name for name in sorted(LISTS.names)[::23] if name not in SMALL_WORDS])


def bare(text: str) -> str:
    """Return a text as speech recognition prints it: lower case, no accents, no signs."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("đ", "d"))
    return " ".join(re.sub(r"[^\w'\s-]", " ", "".join(c for c in plain if not unicodedata.combining(c))).split())


MIXED = [
    "can you please decirle que llego tarde mañana",
    "i called yesterday porque necesito mi medicina",
    "my son tiene fiebre and he is vomiting mucho desde anoche",
    "is the nurse disponible para hablar with me ahora",
    "mi hija se cayó and her arm is hinchado",
    "puedo come in mañana por la mañana",
    "quiero saber if my insurance cubre esto",
    "gracias but i still need una cita pronto",
    "i feel mareada y con nausea desde ayer",
    "my mom no puede caminar and necesita una silla",
    "he says que le duele la cabeza every night",
    "pwede ba akong mag cancel ng appointment tomorrow",
    "my mother ay hindi makahinga please help po",
    "sige po i will come bukas ng umaga",
    "yung gamot ko is finished na po",
    "nahihilo po ako after taking the pills",
    "mon fils has a fever et il tousse beaucoup",
    "j'ai besoin de help with my prescription s'il vous plaît",
    "c'est pour my daughter elle a de la fièvre",
    "ich habe a question about meine Tabletten",
    "können sie mir help mit dem portal",
    "mein sohn has fieber und er hustet viel",
    "meu filho is sick and não consegue comer",
    "minha mãe fell down e está com dor",
    "con tôi has a fever và nó không ăn",
    "bác sĩ said i need uống thuốc này",
    "mwen bezwen an appointment pou pitit mwen",
    "ho bisogno di a refill per la pressione",
]
"""Sentences of which a third or more is foreign."""


@pytest.mark.parametrize(("language", "text"), EACH_CALL)
@pytest.mark.parametrize("mode", TextMode)
def test_scrub_text_in_another_language_withholds_it_whole(mode: TextMode, language: str, text: str) -> None:
    """As written and as speech recognition prints it, Vietnamese without its tones too."""
    for form in (text, bare(text)):
        scrubbed = scrub(form, NOBODY, mode=mode)
        assert (scrubbed.text, scrubbed.withheld) == (REDACTED, (language,))
        assert {finding.layer for finding in scrubbed.findings} == {Layer.LANGUAGE}


@pytest.mark.parametrize("language", ["es", "fr", "de", "pt", "vi", "tl"])
def test_scrub_short_sentences_of_a_language_withholds_98_of_100(language: str) -> None:
    """Five words and a few more, with and without a capital, accents and tones."""
    texts = [text for code, text in CALLERS if code == language]
    forms = [form for text in texts for form in (text, bare(text), f"{text[0].upper()}{text[1:]}.")]
    assert sum(scrub(form, NOBODY).withheld == (language,) for form in forms) >= 0.98 * len(forms)


@pytest.mark.parametrize("text", ENGLISH)
def test_scrub_english_with_names_of_anywhere_withholds_nothing(text: str) -> None:
    """Names, places, drugs and eponyms count as English."""
    assert scrub(text, NOBODY).withheld == scrub(text.lower(), NOBODY).withheld == ()


@pytest.mark.parametrize("text", ["me duele la cabeza", "ich habe Fieber", "我头疼", "أحتاج إلى وصفة", "tôi bị sốt"])
def test_scrub_under_five_words_withholds_nothing(text: str) -> None:
    """Under five words, or five signs of Chinese, a text is treated as English."""
    assert scrub(text, NOBODY).withheld == ()


def test_scrub_mixed_text_withholds_the_sentence_in_another_language() -> None:
    """A third of its words is enough; the English sentences beside it stay."""
    spanish = "Mi esposo no puede venir porque trabaja."
    english = "I need a refill of my blood pressure medicine because I am out of it and the pharmacy is closed today."
    scrubbed = scrub(f"{english} {spanish} {english}", NOBODY)
    assert scrubbed.withheld == ("es",)
    assert scrubbed.text == f"{english} {REDACTED} {english}"


@pytest.mark.parametrize("text", MIXED)
def test_scrub_a_third_of_foreign_words_withholds_the_text(text: str) -> None:
    """Spanish, French, German, Portuguese, Tagalog, Vietnamese between English words: nothing is exported."""
    assert scrub(text, KnownValues()).withheld


def test_scrub_text_of_two_scripts_withholds_it_from_a_third_on() -> None:
    assert scrub("my mother says 我头疼得很厉害 today", NOBODY).withheld == ("zh",)
    assert scrub("my mother says 头疼 today and she would like to come in", NOBODY).withheld == ()


def test_scrub_withheld_text_finds_known_values_first() -> None:
    """They are counted as what they are, and the rest by its language."""
    known = KnownValues()
    known.learn([Identifier(category=Category.NAME, value="Luz Marquez")])
    text = "necesito una cita para mi hija luz marquez por favor"
    scrubbed = scrub(text, known)
    assert [(found.layer, text[found.start : found.end].strip()) for found in scrubbed.findings] == [
        (Layer.LANGUAGE, "necesito una cita para mi hija"),
        (Layer.KNOWN, "luz marquez"),
        (Layer.LANGUAGE, "por favor"),
    ]
    assert all(one.end <= two.start for one, two in pairwise(scrubbed.findings))


@given(st.lists(st.one_of(WORDS, NAMES), min_size=5, max_size=25))
def test_foreign_parts_english_words_and_names_are_none(words: list[str]) -> None:
    """Whatever English words and listed names stand in a row, it is no other language."""
    assert foreign_parts(Reading(" ".join(words), LISTS)) == ()


@pytest.mark.parametrize("piece", ["de ", "le élan ", "me duele. "], ids=["particles", "accents", "sentences"])
def test_foreign_parts_time_is_linear(piece: str) -> None:
    """Four times the text cost about four times the time; particles in a row and sentences are looked at once."""
    short, long = (Reading((piece * 6_000)[:size], LISTS) for size in (2_500, 10_000))
    assert times_as_long(lambda: foreign_parts(long), lambda: foreign_parts(short)) <= 8

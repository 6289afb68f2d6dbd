"""The generators of the simulated Generor that write.

Documented are the slugs joke, horoscope, recipe, story, story-part, storyboard, solution and vision with what
the documents say of their fields and parameters; the rest is assumed.
"""

from collections.abc import Mapping

from attrs import evolve

from generor_async.simulator.catalog.rows import enum, generator, with_similar
from generor_async.simulator.catalog.types import FieldKind, Generator, ModelType, Parameter

__all__ = ["TEXT_GENERATORS"]

_LINE: Mapping[str, FieldKind] = {"text": "line"}
_PROSE: Mapping[str, FieldKind] = {"text": "text"}
_TITLED: Mapping[str, FieldKind] = {"title": "line", "text": "text"}
_LIST: Mapping[str, FieldKind] = {"title": "line", "items": "list"}


def _write(
    slug: str,
    title: str,
    icon: str,
    description: str,
    fields: Mapping[str, FieldKind],
    *parameters: Parameter,
    types: tuple[ModelType, ...] = ("text",),
) -> Generator:
    return generator(slug, title, icon, description, *parameters, types=types, fields=fields)


def _length(slug: str) -> Parameter:
    """Give the dropdown whose longer options cost more."""
    return enum(f"{slug}-length", "short", "medium", "long", costs={"medium": 2, "long": 3})


_ZODIAC = enum(
    "zodiac-sign",
    *("aries", "taurus", "gemini", "cancer", "leo", "virgo"),
    *("libra", "scorpio", "sagittarius", "capricorn", "aquarius", "pisces"),
)

_HUMOUR = (
    _write(
        "joke",
        "Joke",
        "face-laugh",
        "A joke about anything.",
        {"text": "line", "illustration_desc": "line"},
        enum("joke-type", "any", "pun", "one-liner", "knock-knock", "dad", "dark"),
    ),
    _write("pun", "Pun", "shuffle", "A play on words.", _LINE),
    _write("roast", "Roast", "fire", "A friendly roast.", _LINE, enum("roast-heat", "mild", "warm", "hot")),
    _write("limerick", "Limerick", "clover", "Five lines and a twist.", _PROSE),
    _write("riddle", "Riddle", "circle-question", "A riddle to crack.", {"text": "text", "answer": "line"}),
    _write("pickup-line", "Pickup line", "heart", "An opening line.", _LINE),
)
_FORTUNE = (
    _write(
        "horoscope",
        "Horoscope",
        "star",
        "What the stars have in store.",
        _PROSE,
        _ZODIAC,
        enum("horoscope-timeframe", "daily", "weekly", "monthly", "yearly"),
        enum("horoscope-tone", "neutral", "mystical", "humorous", "uplifting"),
        _length("horoscope"),
        enum("horoscope-focus", "general", "love", "career", "health", "money"),
        types=("text", "speech"),
    ),
    _write(
        "tarot",
        "Tarot reading",
        "moon",
        "A reading of the cards.",
        _TITLED,
        enum(
            "tarot-spread",
            "one-card",
            "three-cards",
            "celtic-cross",
            costs={"three-cards": 2, "celtic-cross": 3},
        ),
    ),
    _write("fortune-cookie", "Fortune cookie", "cookie", "A slip of wisdom.", _LINE),
    _write("dream", "Dream interpretation", "bed", "What a dream may tell.", _PROSE, _length("dream")),
    _write("affirmation", "Affirmation", "sun", "A kind word to start the day.", _LINE),
    _write("meditation", "Meditation", "spa", "A script for a quiet moment.", _TITLED, _length("meditation")),
)
_KITCHEN = (
    _write(
        "recipe",
        "Recipe",
        "utensils",
        "A dish from what is at hand.",
        {"dish_name": "line", "description": "line", "ingredients": "list", "instructions": "list"},
        enum("recipe-diet", "any", "vegetarian", "vegan", "gluten-free", "keto"),
        enum("recipe-difficulty", "easy", "medium", "hard"),
        types=("text", "image"),
    ),
    _write(
        "cocktail",
        "Cocktail",
        "martini-glass",
        "A drink with a name.",
        {"drink_name": "line", "ingredients": "list", "instructions": "list"},
        enum("cocktail-kind", "classic", "tropical", "sour", "alcohol-free"),
    ),
    _write("meal-plan", "Meal plan", "calendar-week", "A week of meals.", _LIST, _length("meal-plan")),
    _write("wine-pairing", "Wine pairing", "wine-glass", "What to pour with a dish.", _PROSE),
)
_FICTION = (
    _write(
        "story",
        "Story",
        "book",
        "A story from a line or two.",
        _TITLED,
        enum("story-genre", "any", "fantasy", "mystery", "romance", "science-fiction", "horror", "children"),
        _length("story"),
        types=("text", "image", "speech"),
    ),
    _write(
        "story-part",
        "Story part",
        "bookmark",
        "The next part of a story.",
        _TITLED,
        _length("story-part"),
        types=("text", "image", "speech"),
    ),
    _write(
        "storyboard",
        "Storyboard",
        "film",
        "A story cut into scenes.",
        {"title": "line", "scenes": "list", "illustration_desc": "line"},
        enum("storyboard-scenes", "4", "6", "8", "12", costs={"8": 2, "12": 3}),
        types=("text", "image", "video"),
    ),
    _write("character", "Character", "user", "A person to write about.", {"name": "line", "text": "text"}),
    _write("plot-twist", "Plot twist", "rotate", "What nobody saw coming.", _LINE),
    _write("world", "World", "globe", "A place for stories.", {"name": "line", "text": "text"}, _length("world")),
    _write("monster", "Monster", "dragon", "A creature and its habits.", {"name": "line", "text": "text"}),
    _write("spell", "Spell", "wand-sparkles", "A spell and its price.", {"name": "line", "text": "text"}),
    _write("quest", "Quest", "map", "A quest for a game night.", _TITLED),
    _write("text-adventure", "Text adventure", "door-open", "A game played in words.", _PROSE),
)
_VERSE = (
    _write(
        "poem",
        "Poem",
        "feather",
        "A poem in the form you choose.",
        _TITLED,
        enum("poem-style", "free-verse", "sonnet", "ballad", "ode", "villanelle"),
        _length("poem"),
    ),
    _write("haiku", "Haiku", "leaf", "Seventeen syllables.", _PROSE),
    _write("lyrics", "Song lyrics", "music", "Verses and a chorus.", _TITLED, _length("lyrics")),
    _write("rap", "Rap", "microphone", "Bars with a flow.", _PROSE),
    _write("quote", "Quote", "quote-left", "A sentence to remember.", _LINE),
    _write("love-letter", "Love letter", "envelope", "What the heart wants to say.", _PROSE),
)
_LEARNING = (
    _write(
        "solution",
        "Solution",
        "lightbulb",
        "A problem solved step by step.",
        {"title": "line", "text": "text", "steps": "list"},
        enum("solution-depth", "brief", "thorough", costs={"thorough": 2}),
    ),
    _write("explanation", "Explanation", "chalkboard", "A thing made clear.", _PROSE, _length("explanation")),
    _write("quiz", "Quiz", "list-check", "Questions with answers.", {"questions": "list", "answers": "list"}),
    _write("trivia", "Trivia", "brain", "A question for the table.", {"text": "line", "answer": "line"}),
    _write("fact", "Fun fact", "circle-info", "Something worth knowing.", _LINE),
    _write("lesson-plan", "Lesson plan", "school", "An hour of class.", _LIST, _length("lesson-plan")),
    _write("essay", "Essay", "pen-nib", "An argument in prose.", _TITLED, _length("essay")),
    _write("debate", "Debate", "scale-balanced", "Both sides of it.", {"pro": "list", "contra": "list"}),
    _write("summary", "Summary", "compress", "The gist of a text.", _PROSE, _length("summary")),
    _write("translation", "Translation", "language", "The same in another language.", _PROSE),
    _write(
        "vision",
        "Image description",
        "eye",
        "What is in a picture.",
        _PROSE,
        enum("vision-detail", "brief", "detailed", "alt-text", "tags"),
    ),
)
_WORK = (
    _write(
        "email",
        "Email",
        "at",
        "A message that gets to the point.",
        {"subject": "line", "text": "text"},
        enum("email-tone", "neutral", "friendly", "formal", "firm"),
    ),
    _write("cover-letter", "Cover letter", "file-signature", "A letter for a job.", _PROSE),
    _write("resume", "Resume summary", "id-card", "A career in a paragraph.", _PROSE),
    _write("job-description", "Job description", "briefcase", "A post to be filled.", _TITLED),
    _write("interview", "Interview questions", "user-tie", "What to ask and why.", _LIST),
    _write("press-release", "Press release", "bullhorn", "News in its usual form.", _TITLED),
    _write("blog-post", "Blog post", "blog", "A post with a point.", _TITLED, _length("blog-post")),
    _write("social-post", "Social post", "share", "A post for a feed.", {"text": "line", "hashtags": "list"}),
    _write("ad-copy", "Ad copy", "rectangle-ad", "Words that sell.", {"headline": "line", "text": "text"}),
    _write("product-text", "Product description", "box-open", "A thing put well.", _TITLED),
    _write("slogan", "Slogan", "tag", "A line for a brand.", _LINE),
    _write("faq", "FAQ", "circle-question", "What people ask.", {"questions": "list", "answers": "list"}),
    _write("code", "Code", "code", "A function from its description.", {"text": "text", "language": "line"}),
    _write("regex", "Regular expression", "asterisk", "A pattern that matches.", {"pattern": "line"}),
)
_LIFE = (
    _write("business-name", "Business name", "store", "A name for a venture.", _LINE),
    _write("baby-name", "Baby name", "baby", "A name for a child.", {"name": "line", "meaning": "line"}),
    _write("pet-name", "Pet name", "paw", "A name for a friend.", _LINE),
    _write("gift", "Gift ideas", "gift", "What to give.", _LIST),
    _write("travel-plan", "Travel plan", "plane", "Some days away.", _LIST, _length("travel-plan")),
    _write("workout", "Workout", "dumbbell", "Exercises in order.", _LIST, _length("workout")),
    _write("bucket-list", "Bucket list", "list", "Things to do once.", _LIST),
    _write("would-you-rather", "Would you rather", "code-branch", "Two bad choices.", _LINE),
)

_IN_DEVELOPMENT = {"text-adventure", "debate"}
_SHELVES = (_HUMOUR, _FORTUNE, _KITCHEN, _FICTION, _VERSE, _LEARNING, _WORK, _LIFE)

TEXT_GENERATORS = tuple(
    evolve(item, status="development") if item.slug in _IN_DEVELOPMENT else item for item in with_similar(*_SHELVES)
)

"""The initial state of the simulated Generor: users and creations to list, search and follow.

All of it is assumed. The account under test has credits and transactions, and follows two users, but has no creations.
"""

from random import Random

from generor_async.simulator.catalog import GENERATOR_BY_SLUG, MODEL_BY_ID
from generor_async.simulator.generor.entities import Creation, User, Wallet
from generor_async.simulator.generor.files import describe_media
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.generor.texts import write

__all__ = ["OWN_USERNAME", "populate"]

OWN_USERNAME = "johndoe"
OWN_ID = 42
DAY = 86_400.0
OTHER_USERS = {
    "janedoe": "Collages, mostly at night",
    "mira_k": "Letterpress and small animals",
    "tomas": None,
    "yuki_w": "Watercolour weather",
    "olu": "Recipes my grandmother would doubt",
    "hanna_s": "Short films, shorter jokes",
}
OTHERS_CREDITS = 500
PROMPTS = (
    ("image", 10003, "A sunset over mountains"),
    ("joke", 37, "Tell me a joke about programming"),
    ("image", 10001, "A lighthouse in a storm, oil on canvas"),
    ("recipe", 37, "Dinner from chickpeas, spinach and lemon"),
    ("video", 20061, "A paper boat drifting down a rainy street"),
    ("horoscope", 37, "Aries weekly reading"),
    ("wallart", 10003, "Calm mountain lake at dawn"),
    ("story", 38, "A clockmaker who mends broken afternoons"),
    ("image", 10007, "Sunset seen from a mountain hut, warm light"),
)
REMARKS = ("Great creation!", "How did you get that light?", "This made my day", "Lovely colours")


def populate(state: GenerorState, *, tier: str, credits_: int, now: float) -> User:
    """Fill a new state, and return the account under test."""
    rng = state.random("people")
    me = _add_user(state, OWN_USERNAME, OWN_ID, tier, credits_, joined=now - 400 * DAY)
    me.bio, me.website = "I make things with AI", "https://example.com"
    _add_transactions(state, me)
    others = [
        _add_user(state, name, OWN_ID + place, "free", OTHERS_CREDITS, joined=now - rng.uniform(30, 300) * DAY)
        for place, name in enumerate(OTHER_USERS, start=1)
    ]
    for user in others:
        user.bio = OTHER_USERS[user.username]
        user.follows = {other.user_id: None for other in others if other is not user and rng.random() < 0.4}
    others[0].follows[OWN_ID] = None
    me.follows = {others[0].user_id: None, others[1].user_id: None}
    for number in range(len(PROMPTS) * len(others)):
        _add_creation(state, others[number % len(others)], number, others, rng, now)
    return me


def _add_user(state: GenerorState, name: str, user_id: int, tier: str, credits_: int, *, joined: float) -> User:
    user = User(
        user_id=user_id,
        username=name,
        email=f"{name}@example.com",
        joined=joined,
        tier=tier,
        wallet=Wallet.of_total(credits_),
    )
    state.users[user_id] = user
    return user


def _add_transactions(state: GenerorState, user: User) -> None:
    """Add one transaction of each type, which add up to the balance."""
    story = (
        ("signup_bonus", 100, "Welcome to Generor"),
        ("purchase", user.wallet.total + 1_000, "Credit pack"),
        ("daily_bonus", 10, "Daily bonus"),
        ("weekly_bonus", 50, "Weekly bonus"),
        ("gift_received", 25, "Gift from janedoe"),
        ("gift_sent", -25, "Gift to janedoe"),
        ("refund", 20, "Refund for a failed generation"),
        ("spend", -1_180, "Earlier creations"),
    )
    for number, (kind, amount, description) in enumerate(story, start=1):
        state.record(user, kind, amount, at=user.joined + number * DAY, description=description)


def _add_creation(state: GenerorState, user: User, number: int, others: list[User], rng: Random, now: float) -> None:
    """Add a creation of a user, with ratings and comments of others."""
    slug, model_id, prompt = PROMPTS[(number + number // len(PROMPTS)) % len(PROMPTS)]
    model = MODEL_BY_ID[model_id]
    created_at = now - (60 - number) * DAY / 4
    creation = Creation(
        creation_id=state.next_creation_id,
        generator=slug,
        model=model,
        user=user,
        prompt=prompt,
        created_at=created_at,
        begins_at=created_at,
        completed_at=created_at,
        outcome="completed",
        fields=write(GENERATOR_BY_SLUG[slug].fields, prompt, rng),
        media=describe_media(model, model.aspect_ratios[0].ratio if model.aspect_ratios else "1:1"),
        ratings={other.user_id: rng.randint(3, 5) for other in others if rng.random() < 0.6},
    )
    state.add(creation)
    if rng.random() < 0.5:
        state.comment(rng.choice(others), creation, rng.choice(REMARKS), at=created_at + DAY / 8)

"""Agents in environments of gymnasium: the loop, what suits, and whether anything is learned."""

import builtins
import contextlib
import copy
import signal

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from symla_lite import checkpoint, stop
from symla_lite import play as playing
from symla_lite.agent import REFERENCES, Agent, begin
from symla_lite.checkpoint import FileTrouble
from symla_lite.play import Played, compare, curves, in_parts, last_fifth, play, suited
from symla_lite.studies import results

SEED = 11


class World(gymnasium.Env):
    """Spaces as they are given. Every third step ends an episode, every fifth cuts one off; an
    action pays its own number."""

    def __init__(self, observation, action):
        self.observation_space, self.action_space = observation, action
        self.t, self.taken = 0, []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.t += 1
        self.taken.append(int(action))
        seen = self.observation_space.sample()
        return seen, float(action), self.t % 3 == 0, self.t % 5 == 0, {}


# The states of SymLA are chaotic, and one by one they are computed in another order than side by
# side: where observations are real numbers, actions part after fifty steps.
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("CartPole-v1", "actor-critic"),
        ("Taxi-v4", "one-rule"),
        ("Blackjack-v1", "one-rule"),
        ("CliffWalking-v1", "one-rule"),
    ],
)
def test_it_is_gymnasiums_usual_loop_written_by_hand(name, rule):
    """One lifetime, with an agent that is called step by step, in an environment that was never
    put into a vector."""
    agent, steps = Agent.load(rule), 40
    played = play(name, agent, steps, seed=SEED)

    environment = suited(name)
    start, sizes = environment.action_space.start, playing.sizes_of(environment)
    agent.reset(sizes)
    (key,) = jax.random.split(jax.random.key(SEED), 1)
    agent.memory = begin(agent.learner, agent.theta, key, sizes)
    rewards, ends = [], []
    o, _ = environment.reset(seed=SEED)
    reward = end = 0
    for _ in range(steps):
        action = agent.act(o, reward, bool(end))
        ends.append(bool(end))
        if end:
            o, _ = environment.reset()
            reward = end = 0
        else:
            o, reward, terminated, truncated, _ = environment.step(start + action)
            end = terminated or truncated
        rewards.append(reward)
    np.testing.assert_array_equal(played.reward, [rewards])
    np.testing.assert_array_equal(played.end, [ends])
    if name in ("CartPole-v1", "Blackjack-v1"):
        assert sum(ends) >= 2


def test_returns_are_sums_over_the_episodes_that_ended():
    reward = np.array([[1, 2, 0, 4, 0, 8, 16], [1, 1, 1, 1, 1, 1, 1]], float)
    end = np.zeros((2, 7), bool)
    end[0, [2, 4]] = True
    first, second = Played(reward, end).returns()
    np.testing.assert_array_equal(first, [3, 4])
    assert len(second) == 0


def test_returns_are_as_exact_late_in_a_lifetime_as_at_its_start():
    steps = 10**6
    end = np.zeros((2, steps), bool)
    end[:, 9::10] = True
    reward = np.where(end, 0, 0.1).astype(np.float32)
    reward[1, 0] = 1e9
    steady, after_one_large = Played(reward, end).returns()
    wanted = 9 * float(np.float32(0.1))
    np.testing.assert_allclose(steady, wanted, rtol=1e-12)
    np.testing.assert_allclose(after_one_large[1:], wanted, rtol=1e-12)
    assert after_one_large[0] == pytest.approx(1e9 + wanted, rel=1e-9)


def test_the_returns_are_those_that_gymnasium_counts():
    """Its wrapper counts every episode in an environment of its own."""
    counted = []

    class Counted(gymnasium.wrappers.RecordEpisodeStatistics):
        def step(self, action):
            *out, info = super().step(action)
            if "episode" in info:
                counted.append(info["episode"]["r"])
            return *out, info

        def __deepcopy__(self, memo):
            return Counted(copy.deepcopy(self.env, memo))

    found = play(Counted(gymnasium.make("Blackjack-v1")), Agent.load("random"), 200, 1, SEED)
    assert len(counted) > 50
    np.testing.assert_allclose(np.concatenate(found.returns()), counted[: len(found.returns()[0])])


def test_lifetimes_differ_and_a_seed_decides_all_of_them():
    first, again, other = (
        play("CartPole-v1", Agent.load("random"), 80, 3, seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.end, again.end)
    assert not np.array_equal(first.end, other.end)
    assert len({row.tobytes() for row in first.end}) == 3


# What suits

BOX = spaces.Box(-1, 1, (3,))
SUITS = {
    "vector": (BOX, 3),
    "number": (spaces.Discrete(4, start=2), 4),
    "several numbers": (spaces.MultiDiscrete([2, 3]), 5),
    "switches": (spaces.MultiBinary(4), 4),
    "tuple": (spaces.Tuple([spaces.Discrete(3), BOX]), 6),
    "dict": (spaces.Dict(a=spaces.Discrete(2), b=spaces.Dict(c=BOX)), 5),
}


@pytest.mark.parametrize("name", SUITS)
@pytest.mark.parametrize("start", [0, -1])
def test_vectors_numbers_and_their_combinations_suit(name, start):
    space, inputs = SUITS[name]
    world = World(space, spaces.Discrete(3, start=start))
    flat = suited(world)
    assert playing.sizes_of(flat) == (inputs, 3)
    o, _ = flat.reset(seed=0)
    assert o.shape == (inputs,)
    played = play(world, Agent.load("one-rule"), 40, 2, SEED)
    acted = ~played.end
    assert set(np.unique(played.reward[acted])) == {start, start + 1, start + 2}
    assert not played.reward[played.end].any()
    assert 2 * 40 * (7 / 15) / (22 / 15) * 0.8 < played.end.sum()  # terminated and truncated alike


LINES = spaces.Box(np.zeros((2, 2), np.float32), np.float32([[1, 2], [3, 4]]))
UNSUITED = {
    "continuous": (World(BOX, BOX), "actions of environment='World' are Box.*take an environment"),
    "several": (World(BOX, spaces.MultiDiscrete([2, 2])), "actions .* are MultiDiscrete.*take"),
    "image": (World(spaces.Box(0, 255, (8, 8, 3)), spaces.Discrete(2)), "observations .*take"),
    "text": (World(spaces.Text(5), spaces.Discrete(2)), "observations .* are Text.*take"),
    "image inside": (
        World(spaces.Tuple([BOX, spaces.Box(0, 1, (2, 2))]), spaces.Discrete(2)),
        "observations .*take",
    ),
    "unknown": ("Casino-v0", "does not make environment='Casino-v0' .*Casino.*take an ID"),
    "not installed": ("LunarLander-v3", "does not make environment='LunarLander-v3'.*install"),
    "pendulum": ("Pendulum-v1", "actions of environment='Pendulum-v1' are Box.*take"),
    "empty": ("", "does not make environment=''"),
    "number": (3, "environment=3 is none of gymnasium: give one"),
    "spaces": (World(BOX, None), "actions .* are None"),
    "words with colons": ("a:b:c", "does not make environment='a:b:c' .*take an ID"),
    "no module": ("nowhere:b-v0", "does not make environment='nowhere:b-v0' .*take an ID"),
    "empty dict": (World(spaces.Dict({}), spaces.Discrete(2)), "which is empty: take"),
    "empty tuple": (World(spaces.Tuple(()), spaces.Discrete(2)), "which is empty: take"),
    "empty box": (World(spaces.Box(0, 1, (0,)), spaces.Discrete(2)), "which is empty: take"),
    "bounds of several lines": (
        World(BOX, LINES),
        r"actions .* are Box\(0.0, \[\[1. 2.\] \[3. 4.\]\], .*take",
    ),
    "image of several lines": (
        World(LINES, spaces.Discrete(2)),
        r"observations .* are Box\(0.0, \[\[1. 2.\] \[3. 4.\]\], .*take",
    ),
    "array": (
        np.zeros((3, 3)),
        r"environment=array\(\[\[0., 0., 0.\], \[0.*none of gymnasium: give",
    ),
    "states": (World(spaces.Discrete(10**9), spaces.Discrete(2)), "'World' has .*give fewer"),
    "choices": (World(BOX, spaces.Discrete(10**9)), "'World' has .*000 actions.*give fewer"),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_what_does_not_suit_is_refused_in_one_sentence(name):
    environment, words = UNSUITED[name]
    with pytest.raises(ValueError, match=words) as refusal:
        play(environment, Agent.load("random"), 5)
    assert "\n" not in str(refusal.value)


def test_without_gymnasium_it_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.partition(".")[0] == "gymnasium":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ValueError, match="pip install gymnasium"):
        play("CartPole-v1", Agent.load("random"), 5)


def test_observations_that_are_not_finite_are_refused():
    world = World(spaces.Box(-np.inf, np.inf, (2,)), spaces.Discrete(2))
    world.reset = lambda seed=None, options=None: (np.array([np.nan, 0.0]), {})
    with pytest.raises(ValueError, match="holds NaN or infinity.*take"):
        play(world, Agent.load("random"), 5)


class Broken(World):
    """Says what it is given to say, by the names of its methods."""

    def __init__(self, **says):
        super().__init__(spaces.Box(-np.inf, np.inf, (2,), np.float64), spaces.Discrete(2))
        self.says = says

    def say(self, what, good):
        said = self.says.get(what, good)
        if isinstance(said, Exception):
            raise said
        return said

    def reset(self, *, seed=None, options=None):
        return self.say("reset", (np.zeros(2), {}))

    def step(self, action):
        self.t += 1
        found = (np.zeros(2), 1.0, False, False, {})
        return self.say("step", found) if self.t == 3 else found

    def close(self):
        self.say("close", None)

    def __deepcopy__(self, memo):
        self.say("copy", None)
        return Broken(**self.says)


class Seedless(Broken):
    """As environments were before gymnasium."""

    def reset(self):
        return np.zeros(2)

    def __deepcopy__(self, memo):
        return Seedless()


class Named(World):
    """With a name where its specification belongs."""

    spec = "Named-v0"


class Spaceless(gymnasium.Env):
    """Without spaces."""


def stepped(o=(0.0, 0.0), r=1.0, terminated=False, truncated=False):
    """An environment whose third step returns this."""
    return Broken(step=(np.array(o), r, terminated, truncated, {}))


FIRST, THIRD = "before its first step", "at step 3"
BROKEN = {
    "reset is no pair": (Broken(reset=np.zeros(3)), FIRST, "too many values"),
    "reset without info": (Broken(reset=np.zeros(2)), FIRST, "observation=0.0"),
    "reset of another shape": (Broken(reset=(np.zeros(3), {})), FIRST, r"shape \[3\], .* \[2\]"),
    "reset raises": (Broken(reset=RuntimeError("gone\nmore")), FIRST, "RuntimeError: gone"),
    "reset takes no seed": (Seedless(), FIRST, "TypeError: .*'seed'"),
    "no copy": (Broken(copy=TypeError("cannot pickle")), FIRST, "TypeError: cannot pickle"),
    "no spaces": (Spaceless(), "asked for its spaces", "AttributeError"),
    "four of step": (Broken(step=(np.zeros(2), 1.0, False, {})), THIRD, "not enough values"),
    "none of step": (Broken(step=None), THIRD, "TypeError"),
    "step raises": (Broken(step=KeyError("door")), THIRD, "KeyError: 'door'"),
    "no words": (Broken(step=AssertionError()), THIRD, "AssertionError"),
    "close raises": (Broken(close=OSError("shut")), "when it was closed", "OSError: shut"),
    "observation is None": (stepped(None), THIRD, "observation=.*give an array"),
    "another shape": (stepped([0.0]), THIRD, r"shape \[1\], .* \[2\]"),
    "text": (stepped(["a", "b"]), THIRD, "observation=.*give an array"),
    "complex": (stepped([1j, 0]), THIRD, "observation=.*give an array"),
    "NaN": (stepped([np.nan, 0]), THIRD, "holds NaN or infinity"),
    "infinite": (stepped([np.inf, 0]), THIRD, "holds NaN or infinity"),
    "large": (stepped([1e39, 0]), THIRD, r"observation holds a number of size 1e\+39"),
    "masked": (Broken(step=(np.ma.array([1.0, 2.0], mask=[0, 1]), 1.0, False, False, {})),
               THIRD, "masked"),
    "reward NaN": (stepped(r=np.nan), THIRD, "reward=nan"),
    "reward infinite": (stepped(r=-np.inf), THIRD, "reward=-inf"),
    "reward 1e39": (stepped(r=1e39), THIRD, r"reward=1e\+39"),
    "reward None": (stepped(r=None), THIRD, "reward=None"),
    "reward text": (stepped(r="1.0"), THIRD, "reward='1.0'"),
    "reward list": (stepped(r=[1.0]), THIRD, r"reward=\[1.0\]"),
    "reward array": (stepped(r=np.ones(1)), THIRD, r"reward=<array \[1\]>"),
    "reward complex": (stepped(r=1j), THIRD, "reward=1j"),
    "terminated array": (stepped(terminated=np.zeros(1, bool)), THIRD, "terminated=<array"),
    "terminated None": (stepped(terminated=None), THIRD, "terminated=None"),
    "truncated text": (stepped(truncated="no"), THIRD, "truncated='no'"),
}  # fmt: skip


def test_an_environment_without_a_specification_is_called_by_its_class():
    with pytest.raises(ValueError, match="actions of environment='Named' are Box"):
        play(Named(BOX, BOX), Agent.load("random"), 5)


@pytest.mark.parametrize("name", BROKEN)
def test_an_environment_that_does_not_keep_to_gymnasium_is_refused(name):
    environment, when, words = BROKEN[name]
    whole = f"environment='{type(environment).__name__}' failed .*{when} .*{words}.*: take one that"
    with pytest.raises(ValueError, match=whole) as refusal:
        play(environment, Agent.load("random"), 5, 2)
    assert "\n" not in str(refusal.value)


def test_rewards_and_ends_in_arrays_without_axes_suit():
    world = stepped(r=np.array(0.5), truncated=np.array(True))
    played = play(world, Agent.load("random"), 5)
    np.testing.assert_array_equal(played.reward, [[1, 1, 0.5, 0, 1]])
    np.testing.assert_array_equal(played.end, [[False, False, False, True, False]])


def test_logits_that_are_not_finite_are_refused():
    agent = Agent.load("one-rule", standardise=False)
    vast = Agent(agent.learner, jax.tree.map(lambda x: np.sign(x) * np.float32(1e38), agent.theta))
    with pytest.raises(ValueError, match="At step 2 in environment='Broken'.*not finite: give"):
        play(stepped([1.0, 1.0]), vast, 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((2, 10**8), "lifetimes=100000000 does not suit play.*at most 100000"),
        ((2**31 - 1, 10**5), "lifetimes=100000 and steps=2147483647 would take.*give smaller"),
    ],
)
def test_what_would_not_end_is_refused_before_anything_is_made(arguments, words):
    with pytest.raises(ValueError, match=words):
        play(Broken(copy=AssertionError("copied")), Agent.load("random"), *arguments)


def test_a_stop_that_was_lost_is_raised_at_the_next_step(monkeypatch):
    monkeypatch.setattr(stop, "_asked", None)
    world = stepped()
    world.says["step"] = Stopping()
    with pytest.raises(KeyboardInterrupt):
        play(world, Agent.load("random"), 10**6)


class Stopping:
    """What a step returns, and Ctrl-C that is lost meanwhile."""

    def __iter__(self):
        stop._asked = signal.SIGINT
        return iter((np.zeros(2), 1.0, False, False, {}))


# What is closed


class Counted(Broken):
    """Knows which of all that were made are open."""

    open = []

    def __init__(self, **says):
        super().__init__(**says)
        self.open.append(self)

    def close(self):
        self.open.remove(self)  # which fails where it was closed already
        super().close()

    def __deepcopy__(self, memo):
        self.say("copy", None)
        return Counted(**self.says)


class Unsuited(Counted):
    """With actions that are no choice."""

    def __init__(self, **says):
        super().__init__(**says)
        self.action_space = BOX


@pytest.fixture
def registered(monkeypatch):
    """Registers a class with gymnasium, with what it says, as "Counted-v0"."""
    monkeypatch.setattr(stop, "_asked", None)
    monkeypatch.setattr(Counted, "open", [])

    def register(kind=Counted, **says):
        gymnasium.register("Counted-v0", kind, disable_env_checker=True, kwargs=says)
        return "Counted-v0"

    yield register
    gymnasium.registry.pop("Counted-v0", None)


WAYS_OUT = {
    "the end": ({}, None, None),
    "no copy": ({"copy": TypeError("cannot pickle")}, ValueError, FIRST),
    "reset raises": ({"reset": RuntimeError("gone")}, ValueError, FIRST),
    "step raises": ({"step": KeyError("door")}, ValueError, f"{THIRD} .*door"),
    "stopped": ({"step": Stopping()}, KeyboardInterrupt, "Stopped"),
    "close raises": ({"close": OSError("shut")}, ValueError, "when it was closed .*shut"),
    "step and close raise": (
        {"step": KeyError("door"), "close": OSError("shut")}, ValueError, f"{THIRD} .*door",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("call", ["play", "compare"])
def test_what_was_made_is_closed_on_every_way_out(registered, way, call):
    says, error, words = WAYS_OUT[way]
    agent = Agent.load("random")

    def run(environment):
        with pytest.raises(error, match=words) if error else contextlib.nullcontext():
            if call == "play":
                play(environment, agent, 5, 2)
            else:
                compare(environment, {"a": agent, "b": agent}, 5, 2)
        stop._asked = None

    run(registered(**says))
    assert not Counted.open
    given = Counted(**says)
    run(given)
    assert Counted.open == [given], "what was given is the user's to close"


@pytest.mark.parametrize("close", [None, OSError("shut")])
def test_what_does_not_suit_is_closed_where_it_was_made(registered, close):
    with pytest.raises(ValueError, match="actions of environment='Counted-v0' are Box"):
        suited(registered(Unsuited, close=close))
    assert not Counted.open
    given = Unsuited()
    with pytest.raises(ValueError, match="actions of environment='Unsuited' are Box"):
        suited(given)
    assert Counted.open == [given]


# What is kept

ONE = Played(np.ones((2, 20)), np.zeros((2, 20), bool))


def test_a_record_is_never_written_over_another(tmp_path):
    path = tmp_path / "kept.safetensors"
    playing.record(path, "X-v0", "random", 0, {"random": ONE})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="kept.safetensors.*there already.*give another"):
        playing.record(path, "X-v0", "random", 0, {"random": ONE})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "played", "words"),
    [
        ("random", {}, r"played=\{\} .*not empty"),
        ("win-stay", {"random": ONE}, "played has no name='win-stay': give one of random"),
        ("nobody", {"nobody": ONE}, "No record has the name 'nobody': take one-rule"),
        ("random", {"random": ONE._replace(end=None)}, r"played\['random'\].end=None .*give"),
        ("random", {"random": ONE._replace(end=ONE.end[0])}, r"played\['random'\].end=.*give"),
        ("random", {"random": ONE._replace(reward=np.full((2, 20), np.nan))}, "NaN or infinity"),
    ],
)
def test_what_is_no_game_of_an_agent_is_not_recorded(tmp_path, name, played, words):
    with pytest.raises(ValueError, match=words):
        playing.record(tmp_path / "x.safetensors", "X-v0", name, 0, played)
    assert not list(tmp_path.iterdir())


def test_nothing_is_not_compared_or_shown():
    for call in (
        lambda: compare("CartPole-v1", {}),
        lambda: curves({}, "A title"),
        lambda: playing.as_text({}),
    ):
        with pytest.raises(ValueError, match=r"=\{\} does not suit .*not empty"):
            call()


def test_nothing_is_recorded_of_an_agent_that_there_is_not():
    with pytest.raises(ValueError, match="No record has the name 'nobody': take one-rule"):
        playing.recorded("nobody")
    assert playing.recorded("random") == {}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of what was played, in place of the one that comes with the package."""
    monkeypatch.setattr(results, "recorded", lambda: tmp_path)
    return tmp_path / "play"


def test_what_was_recorded_is_found_by_its_environment(kept):
    playing.record(kept / "x.safetensors", "X-v0", "random", 3, {"random": ONE})
    playing.record(kept / "y.safetensors", "Y-v0", "random", 3, {"random": ONE})
    playing.record(kept / "z.safetensors", "X-v0", "win-stay", 3, {"win-stay": ONE})
    found = playing.recorded("random")
    assert list(found) == ["X-v0", "Y-v0"]
    arrays, about = found["X-v0"]
    np.testing.assert_array_equal(arrays["random/blocks"], np.full((2, 10), 2.0))
    assert about["seed"] == 3


def test_two_records_of_the_same_are_refused_with_the_names_of_both(kept):
    playing.record(kept / "x.safetensors", "X-v0", "random", 0, {"random": ONE})
    playing.record(kept / "y.safetensors", "X-v0", "random", 1, {"random": ONE})
    with pytest.raises(FileTrouble, match="x.safetensors and .*y.safetensors .*'X-v0'.*move one"):
        playing.recorded("random")
    assert playing.recorded("win-stay") == {}


ABOUT = {"environment": "X-v0", "agent": "a", "record": "a", "seed": 0}
ARRAYS = {"a/blocks": np.ones((2, 10)), "a/mean": np.ones(20), "a/returns": np.ones(0)}


@pytest.mark.parametrize(
    ("arrays", "about", "words"),
    [
        ({"x": np.ones(3)}, {}, "no 'environment' in what it says of itself"),
        (ARRAYS, ABOUT | {"record": None}, "no 'record' in what it says of itself"),
        ({"b/" + name[2:]: x for name, x in ARRAYS.items()}, ABOUT, "no array 'a/blocks'"),
        (ARRAYS | {"b/blocks": np.ones((2, 10))}, ABOUT, "no array 'b/mean'"),
        (ARRAYS | {"a/blocks": np.ones((2, 9))}, ABOUT, r"'a/blocks' of shape \[2, 9\]"),
    ],
)
def test_another_file_among_the_records_is_refused(kept, arrays, about, words):
    checkpoint.save(kept / "other.safetensors", arrays, about)
    with pytest.raises(FileTrouble, match=f"other.safetensors holds {words}.*move it away"):
        playing.recorded("random")


# What is shown

REWARD = np.arange(50.0)[None] * np.array([[0.0], [1.0], [2.0]])


def test_the_last_fifth_and_the_parts_are_means_of_steps():
    assert last_fifth(REWARD).mean == pytest.approx(np.mean(np.arange(40, 50)))
    assert np.isnan(last_fifth(REWARD[:1]).low)
    np.testing.assert_allclose(in_parts(REWARD[1:2, :40]), np.arange(40).reshape(1, 20, 2).mean(2))
    assert in_parts(REWARD[:, :7]).shape == (3, 7)


def test_a_curve_of_text_rises_where_rewards_rise():
    flat = Played(np.zeros((3, 50)), np.zeros((3, 50), bool))
    up = flat._replace(reward=REWARD)
    first, second = playing.as_text({"up": up, "nothing": flat}).splitlines()
    bars = first.split()[1]
    assert list(bars) == sorted(bars) and bars[0] == "▁" and bars[-1] == "█"
    assert second.split()[1] == "▁" * 20
    only = playing.as_text({"nothing": flat})
    assert "▁" * 20 in only and "0.000 [0.000, 0.000]" in only


def test_the_picture_has_a_line_for_each_agent_and_dashes_for_the_control():
    one = Played(REWARD, np.zeros_like(REWARD, bool))
    names = ["one-rule", "one-rule without reward", *REFERENCES]
    (axes,) = curves(dict.fromkeys(names, one), "A title").axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == names
    assert lines["one-rule without reward"].get_linestyle() == "--"
    np.testing.assert_allclose(lines["random"].get_ydata(), in_parts(REWARD).mean(axis=0))


# Whether anything is learned


@pytest.mark.slow
def test_the_one_rule_learns_from_reward_to_keep_off_the_cliff():
    """CliffWalking of gymnasium: -1 a step, -100 for a step off the cliff. Sixty lifetimes, beside
    a random agent and the same theta without its reward."""
    agents = playing.beside("one-rule")
    del agents["win-stay"], agents["actor-critic"]
    played = compare("CliffWalking-v1", agents, steps=1000, lifetimes=60, seed=SEED)
    learned, blind, chance = (one.reward for one in played.values())
    late = [reward[:, -200:].mean(axis=1) for reward in (learned, blind, chance)]
    for other in late[1:]:
        assert stats.ttest_ind(late[0], other, equal_var=False, alternative="greater").pvalue < 1e-3
    assert late[0].mean() > learned[:, :200].mean() + 1.0, "it does not get better"
